"""XIDs as they were told: one entry a board and code, and which of them follow from which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass

from watchfloor.checks._nvlink import Verdict, verdict
from watchfloor.checks._tools import limit, shown_time, subject_of
from watchfloor.events import Entry
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Scope, Subject

# what is told of every process, or beside a 48, when something else went wrong (NVIDIA's catalogue: "not solo: ignore")
FOLLOWERS = frozenset({43, 45, 171, 172})
RECOVERY = 154  # the driver asks for another recovery action than before
_UNDONE_BY = {163: 162}  # power smoothing was lost; and is back again (NVSentinel, issue 1252)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """An XID of one board within the last day. Times are console time in seconds."""

    subject: Subject
    code: int
    at: float  # when it came first
    last: float
    count: int
    times: tuple[float, ...]  # when each burst of it began
    entries: tuple[Entry, ...]  # newest first
    job: str  # what ran on the board when it came, "" where nobody told
    verdict: Verdict | None  # what its registers say

    @property
    def entry(self) -> Entry:
        """The newest."""
        return self.entries[0]

    @property
    def action(self) -> int | None:
        """Of a changed recovery action: which one is asked for now."""
        try:
            return int(self.entry.event.facts.get("action", ""), 16)
        except ValueError:
            return None

    @property
    def words(self) -> str:
        """When, how often, in whose process, in the driver's words."""
        event = self.entry.event
        often = f" ×{self.count}" if self.count > 1 else ""
        process = f", process {event.process}" if event.process else ""
        return f"{shown_time(self.last)}{often}{process}: {event.text}"


def of_node(frame: Frame, node: int, entries: Sequence[Entry], jobs: MutableMapping[int, str]) -> tuple[Told, ...]:
    """What was told of one node, by board and code. `jobs` remembers what ran when an entry was new."""
    sorts: dict[tuple[Subject, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        sorts[subject_of(frame, node, entry.device), entry.event.code].append(entry)
    found = [_told(frame, subject, code, every, jobs) for (subject, code), every in sorts.items()]
    healed = {one.subject: one.last for one in found if taken_back(one)}
    undone = {(one.subject, one.code): one.last for one in found if one.code in _UNDONE_BY.values()}
    return tuple(
        one
        for one in found
        if (one.last > healed.get(one.subject, 0.0) or taken_back(one))
        and one.last > undone.get((one.subject, _UNDONE_BY.get(one.code, -1)), 0.0)
        and one.code not in _UNDONE_BY.values()
    )


def _told(frame: Frame, subject: Subject, code: int, every: Sequence[Entry], jobs: MutableMapping[int, str]) -> Told:
    newest = every[0]
    first, last = min(entry.at for entry in every), max(entry.last for entry in every)
    is_board = subject.scope is Scope.ACCELERATOR
    job = jobs.setdefault(newest.number, _board(frame, subject, "job")) if is_board else ""
    said = verdict(code, _board(frame, subject, "model"), every)
    count = sum(entry.count for entry in every)
    return Told(subject, code, first, last, count, bursts_of(every), tuple(every), job, said)


def bursts_of(every: Sequence[Entry]) -> tuple[float, ...]:
    """When each burst began: what comes within the window of the last is the same one."""
    found: list[float] = []
    before, window = float("-inf"), limit("xid-burst", "window", Unit.SECONDS)
    for entry in sorted(every, key=lambda entry: entry.at):
        if entry.at - before > window:
            found.append(entry.at)
        before = max(before, entry.last)
    return tuple(found)


def _board(frame: Frame, subject: Subject, name: str) -> str:
    """A text of the board that it is about, "" where there is none."""
    row = frame.row(subject)
    return frame.accelerators.text(row, name) if row is not None and subject.scope is Scope.ACCELERATOR else ""


def taken_back(one: Told) -> bool:
    """The driver no longer asks for anything: whatever it was, it is over."""
    return one.code == RECOVERY and one.action == 0


def follows(one: Told, roots: Sequence[Told]) -> Told | None:
    """The XID of the same node, or of the same job, that this one follows from."""
    window = limit("xid-burst", "window", Unit.SECONDS)
    near = [root for root in roots if root.at - window <= one.last and one.at <= root.last + window]
    beside = [root for root in near if root.subject.node == one.subject.node]
    of_job = [root for root in near if one.job and root.job == one.job]
    return next(iter([*beside, *of_job]), None)


def bursts(alone: Sequence[Told]) -> Iterator[list[Told]]:
    """What came together, of one job where that is known: the end of one job, or of one command of a person."""
    by_job: dict[str, list[Told]] = defaultdict(list)
    for one in alone:
        by_job[one.job].append(one)
    window = limit("xid-burst", "window", Unit.SECONDS)
    for every in by_job.values():
        together: list[Told] = []
        end = float("-inf")
        for one in sorted(every, key=lambda one: one.at):
            if together and one.at - end > window:
                yield together
                together = []
            together.append(one)
            end = max(end, one.last)
        yield together
