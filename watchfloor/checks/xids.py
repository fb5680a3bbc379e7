"""XIDs: what the driver says went wrong with a GPU, weighed as the chosen source has it (xids.tsv).

The errors that follow from another (45 and 43 in every process of a job) are folded into their root, and where there is
none into one finding for the whole burst: they say nothing of the boards that they were told of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._nvlink import Verdict
from watchfloor.checks._recent import Recent
from watchfloor.checks._tools import (
    MOST_FINDINGS,
    Evidence,
    Rows,
    called,
    limit,
    may_be_of_board,
    named,
    report,
    suspects,
)
from watchfloor.checks._xidtold import FOLLOWERS, RECOVERY, Told, bursts, follows, of_node, taken_back
from watchfloor.checks._xidworkflows import seen_again
from watchfloor.columns import Floats
from watchfloor.distinct import among, distinct_columns
from watchfloor.events import EventLog
from watchfloor.frame import Frame
from watchfloor.metrics import RECOVERY_ACTIONS, Unit
from watchfloor.model import Finding, Missing, Scope, State, Subject
from watchfloor.xidlist import USUAL, Opinion, Weight, meaning, opinion, opinions, sources

_REMAPS = (63, 64)  # the board itself tells how its remaps stand
_DAY = 86_400.0
_SHOWN = 8  # XIDs of one finding's evidence


def check(frame: Frame) -> Iterator[Finding]:
    told = _memory.told(frame)
    found = _findings(frame, told) if told else ()
    yield from islice(found, MOST_FINDINGS)
    yield from _from_columns(frame, _memory.known)


class _Memory:
    """What was told by node, read again where it changed. A job is noted when the XID comes, before it ends."""

    def __init__(self) -> None:
        self._recent = Recent(lambda event: event.kind == "xid", _DAY)
        self._log: EventLog | None = None
        self._told: dict[int, tuple[Told, ...]] = {}
        self._jobs: dict[int, str] = {}  # by number of the entry
        self.known: set[tuple[Subject, int]] = set()  # everything that came as an event, however long ago

    def told(self, frame: Frame) -> Mapping[int, tuple[Told, ...]]:
        if frame.events is not self._log:
            self._log, self._told, self._jobs, self.known = frame.events, {}, {}, set()
        entries = self._recent.update(frame)
        for node in self._recent.changed:
            self._told.pop(node, None)
            told = of_node(frame, node, entries.get(node, ()), self._jobs)
            self.known.update((one.subject, one.code) for one in told)
            if told:
                self._told[node] = told
        return self._told


_memory = _Memory()


def _findings(frame: Frame, told: Mapping[int, Sequence[Told]]) -> list[Finding]:
    current = [one for every in told.values() for one in every if _holds(frame, one)]
    roots = [one for one in current if not _may_follow(frame, one)]
    folded: dict[Told, list[Told]] = defaultdict(list)
    alone: list[Told] = []
    for one in (one for one in current if _may_follow(frame, one)):
        root = follows(one, roots)
        (folded[root] if root else alone).append(one)
    solo = [one for one in alone if one.code not in FOLLOWERS]
    bursts_alone = [one for one in alone if one.code in FOLLOWERS]
    found = [*_of_roots(frame, [*roots, *solo], folded), *_of_bursts(frame, bursts_alone)]
    return sorted(found, key=lambda finding: -finding.state)


def _may_follow(frame: Frame, one: Told) -> bool:
    said = _verdict(frame, one)
    return one.code in FOLLOWERS or (said is not None and said.solo)


def _holds(frame: Frame, one: Told) -> bool:
    """Whether it is young enough for its weight, and nothing has told since that it is over."""
    weight = _weight(frame, one)
    if weight is Weight.IGNORE or taken_back(one):
        return False
    held = limit("xid", "fatal" if weight is Weight.FATAL else "attention", Unit.SECONDS)
    if frame.at - one.last > held:
        return False
    row, view = frame.row(one.subject), frame.accelerators
    if row is None or one.subject.scope is not Scope.ACCELERATOR:
        return not may_be_of_board(frame, one.entry.node, one.entry.device)
    if one.code in _REMAPS:
        return view.reasons("rows_failed")[row] != Missing.NO
    return not (one.code == RECOVERY and view.known("recovery")[row] == 0)


def _weight(frame: Frame, one: Told) -> Weight:
    said = _verdict(frame, one)
    if said:
        return said.weight
    severe = one.entry.event.severity == "critical"
    return opinion(one.code, _source(frame, one.entry.node)).weight(severe)


def _verdict(frame: Frame, one: Told) -> Verdict | None:
    """What its registers come to, where it is NVIDIA's word that counts."""
    return one.verdict if _source(frame, one.entry.node) == USUAL else None


def _source(frame: Frame, node: int) -> str:
    return frame.specs[node].xid_source


# -- roots


def _of_roots(frame: Frame, roots: Sequence[Told], folded: Mapping[Told, Sequence[Told]]) -> Iterator[Finding]:
    """One finding a subject and weight: its newest XID is the text, all of them are evidence.

    The driver asks for a recovery a moment after what made it necessary, which is then the text.
    """
    window = limit("xid-burst", "window", Unit.SECONDS)
    sorts: dict[tuple[Subject, Weight], list[Told]] = defaultdict(list)
    for one in roots:
        sorts[one.subject, _weight(frame, one)].append(one)
    for (subject, weight), every in sorts.items():
        every.sort(key=lambda one: -one.last - (one.code != RECOVERY) * window)
        state = State.CRITICAL if weight is Weight.FATAL else State.WARNING
        code = "xid-fatal" if weight is Weight.FATAL else "xid-application"
        yield Finding(subject, code, state, _said(frame, every, roots), _evidence(frame, every, folded))
        if weight is Weight.FATAL:
            yield from _repeated(frame, subject, every)


def _said(frame: Frame, every: Sequence[Told], roots: Sequence[Told]) -> str:
    newest = every[0]
    others = sorted({one.code for one in every} - {newest.code})
    also = f" (also XID {', '.join(map(str, others))})" if others else ""
    what, advice, pattern = _what(newest), _advice(frame, newest), seen_again(newest, roots)
    return f"{called(frame, newest.subject)} had XID {newest.code}: {what}{also}; {advice}{pattern}"


def _what(one: Told) -> str:
    if one.code == RECOVERY and one.action is not None:
        return f"its driver asks to {RECOVERY_ACTIONS.get(one.action, f'take recovery action {one.action}')}"
    return meaning(one.code) or one.entry.event.text


def _advice(frame: Frame, one: Told) -> str:
    registers = _verdict(frame, one)
    if registers:
        return f"{USUAL}: {registers.words}"
    said = opinion(one.code, _source(frame, one.entry.node))
    return f"{said.source or 'no source'}: {said.words}"


def _evidence(frame: Frame, every: Sequence[Told], folded: Mapping[Told, Sequence[Told]]) -> Evidence:
    facts = [(f"XID {one.code}", one.words) for one in every[:_SHOWN]]
    newest = every[0]
    if newest.job:
        facts.append(("job", newest.job))
    followers = [one for root in every for one in folded.get(root, ())]
    if followers:
        facts.append(("followed by", _crowd(frame, followers)))
    return (*facts, *_opinions(newest.code))


def _repeated(frame: Frame, subject: Subject, every: Sequence[Told]) -> Iterator[Finding]:
    """So many fatal ones of one board in a day that another reset won't help."""
    times = sum(len(one.times) for one in every)
    if times >= limit("xid-repeated", "times"):
        text = f"{called(frame, subject)} had fatal XIDs {times} times within a day: quarantine it"
        yield Finding(
            subject, "xid-repeated", State.CRITICAL, text, tuple((f"XID {one.code}", one.words) for one in every)
        )


# -- what followed from nothing that was told


def _of_bursts(frame: Frame, alone: Sequence[Told]) -> Iterator[Finding]:
    for burst in bursts(alone):
        first, boards = burst[0], {one.subject for one in burst}
        codes = sorted({one.code for one in burst})
        nodes = len({one.subject.node for one in burst})
        where = f"{len(boards)} boards of {nodes} node{'s' * (nodes > 1)}"
        whose = where if len(boards) > 1 else called(frame, first.subject)
        job = f" of job {first.job}" if first.job else ""
        numbers = " and ".join(map(str, codes))
        text = f"XID {numbers} on {whose}{job}, and no XID that would explain it; {_advice(frame, first)}"
        facts = (("boards", _crowd(frame, burst)), ("first", first.words))
        yield Finding(first.subject, "xid-burst", State.WARNING, text, (*facts, *_opinions(first.code)))


def _crowd(frame: Frame, every: Sequence[Told]) -> str:
    """`XID 45 on 77 boards: gpu1 of n0, gpu2 of n0 …`."""
    subjects = list(dict.fromkeys(one.subject for one in every))
    codes = ", ".join(map(str, sorted({one.code for one in every})))
    shown = ", ".join(called(frame, subject) for subject in subjects[:_SHOWN]) + (
        " …" if len(subjects) > _SHOWN else ""
    )
    return f"XID {codes} on {len(subjects)} board{'s' * (len(subjects) > 1)}: {shown}"


# -- what only the column tells


def _from_columns(frame: Frame, known: set[tuple[Subject, int]]) -> Iterator[Finding]:
    """The last XID of boards whose source tells no events: fatal ones, as nobody knows when it was."""
    view = frame.accelerators
    rows = suspects(view, "xid", ("xid",), lambda xid: xid > 0)
    if not rows.size:
        return
    codes = view.last("xid")
    rows = rows[_is_fatal(frame, rows, codes[rows])]
    told = [row for subject, code in known if (row := frame.row(subject)) is not None and codes[row] == code]
    yield from report(
        frame,
        Scope.ACCELERATOR,
        rows[~among(rows, told)],
        "xid-fatal",
        State.CRITICAL,
        lambda row: _said_by_column(frame, row, int(codes[row])),
        ("xid", "recovery"),
        lambda row: _opinions(int(codes[row])),
    )


def _is_fatal(frame: Frame, rows: Rows, codes: Floats) -> NDArray[np.bool_]:
    """By the word of each row's own source."""
    words = {name: at for at, name in enumerate(sources())}
    chosen = np.array([words.get(spec.xid_source, 0) for spec in frame.specs], np.intp)[frame.accelerators.node[rows]]
    fatal = np.zeros(len(rows), np.bool_)
    for code, source in distinct_columns(np.stack([codes.astype(np.intp), chosen])).T.tolist():
        if opinion(code, sources()[source]).weight(severe=True) is Weight.FATAL:
            fatal |= (codes == code) & (chosen == source)
    return fatal


def _said_by_column(frame: Frame, row: int, code: int) -> str:
    said = opinion(code, _source(frame, int(frame.accelerators.node[row])))
    whose = named(frame, Scope.ACCELERATOR, row)
    return f"{whose} had XID {code}: {meaning(code) or 'not in the catalogue'}; {said.source}: {said.words}"


@cache
def _opinions(code: int) -> Evidence:
    return tuple((one.source, _opinion(one)) for one in opinions(code))


def _opinion(one: Opinion) -> str:
    then = f"then {Opinion('', one.then).words}" if one.then else ""
    return "; ".join(word for word in (one.words, then, one.note) if word)
