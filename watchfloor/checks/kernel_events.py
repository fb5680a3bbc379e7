"""Events that are no XID: NVSwitch errors, machine checks, hangs, resets, storage … weighed as their source does.

One finding a subject and kind: its newest event is the text, the others are evidence. What a driver has mended since by
resetting the device is no longer critical.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from watchfloor.checks._recent import Found, Recent
from watchfloor.checks._tools import MOST_FINDINGS, called, limit, may_be_of_board, shown_time, subject_of
from watchfloor.events import Entry
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.report import Event

_DAY = 86_400.0
_ELSEWHERE = frozenset({"xid", "recovery", "link-down", "link-up"})  # other checks judge these by what stands now
_MENDED_BY_RESET = frozenset({"hang", "reset", "memory-lost"})
_SHOWN = 8
_STATES = {"critical": State.CRITICAL, "warning": State.WARNING}
_TITLES = {
    "sxid": "NVSwitch error", "mce": "machine check", "oom": "out of memory", "hang": "hang", "reset": "device reset",
    "ecc": "memory error", "lost": "device lost", "driver": "driver trouble", "thermal": "heat", "disk": "disk error",
    "storage": "storage trouble", "pcie": "PCI Express error", "panic": "kernel panic", "oops": "kernel fault",
    "health": "adapter trouble", "cable": "cable or module", "page-fault": "page fault", "segfault": "crash",
    "memory-lost": "memory lost", "recovery": "recovery asked for", "power": "power", "rdma": "RDMA error",
}  # fmt: skip


def check(frame: Frame) -> Iterator[Finding]:
    entries = _memory.update(frame)
    found = [finding for every in _by_kind(frame, entries) for finding in _finding(frame, *every)]
    yield from islice(sorted(found, key=lambda finding: -finding.state), MOST_FINDINGS)


def _wanted(event: Event) -> bool:
    return (event.severity in _STATES and event.kind not in _ELSEWHERE) or _mends(event)


def _mends(event: Event) -> bool:
    """The driver tells that a reset has succeeded."""
    return event.kind == "reset" and event.severity not in _STATES


_memory = Recent(_wanted, _DAY)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """An entry, and how much it weighs now."""

    entry: Entry
    severity: str


def _by_kind(frame: Frame, entries: Found) -> Iterator[tuple[Subject, str, Sequence[_Weighed]]]:
    """Entries of one subject and kind that are young enough for their severity, newest first."""
    for node, every in entries.items():
        mended = {entry.device: entry.last for entry in reversed(every) if _mends(entry.event)}
        sorts: Mapping[tuple[Subject, str], list[_Weighed]] = defaultdict(list)
        for one in (_weighed(entry, mended) for entry in every if not _mends(entry.event)):
            subject = subject_of(frame, node, one.entry.device)
            young = frame.at - one.entry.last <= limit("kernel-events", one.severity, Unit.SECONDS)
            is_told = subject.scope is not Scope.NODE or not may_be_of_board(frame, node, one.entry.device)
            if young and is_told:
                sorts[subject, one.entry.event.kind].append(one)
        for (subject, kind), of_kind in sorts.items():
            yield subject, kind, of_kind


def _weighed(entry: Entry, mended: Mapping[str, float]) -> _Weighed:
    is_mended = entry.event.kind in _MENDED_BY_RESET and entry.last <= mended.get(entry.device, 0.0)
    return _Weighed(entry, "warning" if is_mended else entry.event.severity)


def _finding(frame: Frame, subject: Subject, kind: str, every: Sequence[_Weighed]) -> Iterator[Finding]:
    state = max(_STATES[one.severity] for one in every)
    newest = next(one.entry for one in every if _STATES[one.severity] is state)
    entries = [one.entry for one in every]
    times = sum(entry.count for entry in entries)
    often = f" ({times} times)" if times > 1 else ""
    whose = f" {newest.event.process}" if newest.event.process else ""
    text = f"{called(frame, subject)}: {_TITLES.get(kind, kind)}{whose}{often}: {newest.event.text}"
    facts = tuple((shown_time(entry.last), f"{entry.event.source}: {entry.event.text}") for entry in entries[:_SHOWN])
    yield Finding(subject, f"event-{kind}", state, text, facts)
