"""What was found: findings by code, and the nodes that fail again and again ("lemons"). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from watchfloor.reporting.downtime import NodeTime
from watchfloor.reporting.figures import Cell, Figure, Section, Table, Unit, columns, known, missing, ratio
from watchfloor.reporting.hours import hit_by_faults
from watchfloor.reporting.kept import Episode, Kept
from watchfloor.reporting.spans import Span, common, total, united

_CODES = columns("code FAULT, state STATE, episodes TIMES, nodes NODES, held HELD, mean EACH, open OPEN, text TEXT")
_LEMONS = columns("node NODE, rack RACK, failures FAILED, down DOWN, again SAME, attempts JOBS, acts ACTS, codes WHAT")
MOST_LEMONS = 20
AGAIN = 2  # so many failures, or so many jobs lost, make a repeat offender


def by_code(kept: Kept) -> Section:
    if lack := kept.lack("lineage"):
        return Section("faults", "Faults", remarks=(f"not known: {lack}",))
    codes: dict[str, list[Episode]] = {}
    for one in kept.episodes:
        if kept.window.has(one.start) or one.until(kept.window.until) > kept.window.since:
            codes.setdefault(one.name, []).append(one)
    lines = sorted((_line(name, those, kept) for name, those in codes.items()), key=lambda line: line.order)
    basis = (
        f"{sum(map(len, codes.values()))} episodes kept in lineage; one that was critical at any time counts as that"
    )
    return Section(
        "faults", "Faults", tables=(Table("by_code", "by code", _CODES, [one.cells for one in lines], basis),)
    )


@dataclass(frozen=True, slots=True)
class _Line:
    order: tuple[bool, int, str]
    cells: Sequence[Cell]


def _line(name: str, those: Sequence[Episode], kept: Kept) -> _Line:
    until, critical = kept.window.until, any(one.critical for one in those)
    ended = [one.until(until) - one.start for one in those if one.end is not None]
    cells = (
        name,
        "critical" if critical else "warning",
        known(len(those)),
        known(len({one.node for one in those})),
        _held(those, kept),
        ratio(sum(ended), len(ended), Unit.SECONDS, "none has ended"),
        known(sum(one.end is None for one in those)),
        those[-1].text,
    )
    return _Line((not critical, -len(those), name), cells)


def _held(those: Sequence[Episode], kept: Kept) -> Figure:
    """Seconds in which at least one of these held, node by node, while somebody watched it."""
    spans: dict[str, list[Span]] = {}
    for one in those:
        spans.setdefault(one.node, []).append((one.start, one.until(kept.window.until)))
    watched = {node: common(kept.watched(node), kept.window.span) for node in spans}
    if not any(watched.values()):
        return missing("nobody watched", Unit.SECONDS)
    return known(sum(total(common(united(spans[node]), watched[node])) for node in spans), Unit.SECONDS)


# -- repeat offenders


def lemons(kept: Kept, times: Sequence[NodeTime]) -> Section:
    if lack := kept.lack("lineage"):
        return Section("lemons", "Repeat offenders", remarks=(f"not known: {lack}",))
    lost = Counter(node for one in hit_by_faults(kept) for node in one.nodes)
    acts = Counter(node for record in kept.runs.values() if record.begun for node in _targets(record.plan))
    racks = {node.name: node.rack for node in kept.nodes}
    found = [one for one in times if one.failures >= AGAIN or lost[one.name] >= AGAIN]
    worst = sorted(found, key=lambda one: (-one.failures, -lost[one.name], -one.down_seconds, one.name))
    done = kept.lack("ledger")
    rows = [_offender(one, racks, lost[one.name], _acts(acts[one.name], done)) for one in worst[:MOST_LEMONS]]
    basis = (
        f"nodes with {AGAIN} failures or more, or {AGAIN} lost attempts; the first {MOST_LEMONS}. "
        "Four weeks (--since 28d) tell more than one"
    )
    return Section("lemons", "Repeat offenders", tables=(Table("nodes", "nodes", _LEMONS, rows, basis),))


def _targets(plan: object) -> Iterator[str]:
    steps = getattr(plan, "steps", ())
    yield from {step.target.node for step in steps if step.target.node}


def _acts(count: int, lack: str) -> Figure:
    return missing(lack, Unit.COUNT) if lack else known(count)


def _offender(one: NodeTime, racks: dict[str, str], lost: int, acts: Figure) -> Sequence[Cell]:
    codes = Counter(code for fault in one.faults for code in fault.codes)
    again = max(codes.values(), default=0)
    down = known(one.down_seconds, Unit.SECONDS) if one.observed else missing("nobody watched", Unit.SECONDS)
    told = ", ".join(f"{code} ×{times}" if times > 1 else code for code, times in codes.most_common(3))
    return (one.name, racks.get(one.name, ""), known(one.failures), down, known(again), known(lost), acts, told)
