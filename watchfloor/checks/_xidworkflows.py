"""Application errors (XID 13 and 31) that come again: whether they speak of the board or of the program. Pure.

NVIDIA's catalogue, WORKFLOW_XID_13: again in the same GPC and TPC is possibly the hardware, elsewhere each time the
application. WORKFLOW_XID_31: again on the same GPU is possibly the hardware, on several GPUs the application.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from watchfloor.checks._tools import limit
from watchfloor.checks._xidtold import Told, bursts_of
from watchfloor.events import Entry

_ENGINE, _MMU = 13, 31
_BOARD = "run the vendor's diagnostics when it is idle"
_PROGRAM = "check the application"


def seen_again(one: Told, every: Sequence[Told]) -> str:
    """What the pattern says, as the end of a sentence; "" where there is none. `every`: all that was told."""
    if one.code == _ENGINE:
        return _by_unit(one)
    if one.code == _MMU:
        return _by_board(one, every)
    return ""


def _by_unit(one: Told) -> str:
    units = _units(one)
    if not units:
        return _on_one_board(one)
    unit, times = max(units.items(), key=lambda pair: pair[1])
    if times >= limit("xid-again", "times"):
        return f"; {times} times within a day in {unit}: {_BOARD}"
    return f"; elsewhere on the chip each time: {_PROGRAM}" if len(one.times) > 1 else ""


def _units(one: Told) -> Mapping[str, int]:
    """Part of the chip -> in how many bursts it was named."""
    entries: dict[str, list[Entry]] = defaultdict(list)
    for entry in one.entries:
        facts = entry.event.facts
        if "gpc" in facts and "tpc" in facts:
            entries[f"GPC {facts['gpc']}, TPC {facts['tpc']}"].append(entry)
    return {unit: len(bursts_of(of_unit)) for unit, of_unit in entries.items()}


def _by_board(one: Told, every: Sequence[Told]) -> str:
    boards = len({other.subject for other in every if other.code == one.code and other.job == one.job})
    return _on_one_board(one) or (f"; on {boards} boards: {_PROGRAM}" if one.job and boards > 1 else "")


def _on_one_board(one: Told) -> str:
    times = len(one.times)
    return f"; {times} times within a day on the same board: {_BOARD}" if times >= limit("xid-again", "times") else ""
