"""What happens to a fleet: the incidents of its scenario, and what was done about them. Pure: of the record and a time.

Times are seconds since the start of the demo. What is done later than the time that is asked about doesn't count yet,
so that a machine that is replayed sees what one from the start has seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from collectors.simulator.faults import Incident
from collectors.simulator.record import Done, Kind, Record
from collectors.simulator.work import GAP_SECONDS, Job, Slot

REBOOT_SECONDS = 12.0  # off the network, and back
_GOES_DOWN_SECONDS = 0.5  # after it was told to: its answer still gets out
_REQUEUE_SECONDS = 5.0  # until a job that was queued again begins
_STEP = 0.5  # seconds: how exactly the end of a job within an incident is known


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt of a job; `end` is None while it runs, or waits. `start` is inf where nobody knows."""

    start: float
    end: float | None
    state: str


@dataclass(slots=True)
class Span:
    """For how long something was so; `text`: why."""

    start: float
    end: float = math.inf
    text: str = ""


@dataclass(slots=True)
class _Jobs:
    """What was done to one job."""

    requeued: list[float] = field(default_factory=list)
    held: list[Span] = field(default_factory=list)
    cancelled: float = math.inf


class Story:
    """`record` is read anew whenever something is asked."""

    def __init__(self, incidents: Sequence[Incident], record: Record | None = None) -> None:
        self.incidents = incidents
        self.record = record or Record()
        self._taken = 0
        self._drains: dict[str, list[Span]] = {}
        self.comments: dict[str, str] = {}  # at Slurm, by node
        self._reboots: dict[int, list[float]] = {}
        self._jobs: dict[int, _Jobs] = {}

    # -- what was done

    def drained(self, node: str, t: float) -> Span | None:
        self._take()
        return _within(self._drains.get(node, ()), t)

    def held(self, job: int, t: float) -> bool:
        return job in self._done_to and _within(self._jobs[job].held, t) is not None

    def cancelled(self, job: int, t: float) -> bool:
        return job in self._done_to and self._jobs[job].cancelled <= t

    def concerns(self, job: Job, nodes: Sequence[str]) -> bool:
        """Whether anything was done to it, or to a node of its place."""
        if not self.record.done:
            return False
        known = job.id in self._done_to
        return known or any(name in self._drains for name in nodes) or any(at in self._reboots for at in job.slot.nodes)

    @property
    def _done_to(self) -> dict[int, _Jobs]:
        self._take()
        return self._jobs

    def _take(self) -> None:
        while self._taken < len(self.record.done):
            one = self.record.done[self._taken]
            self._taken += 1
            if one.kind == Kind.REBOOT:
                self._reboots.setdefault(one.node, []).append(one.at)
            elif one.kind in (Kind.DRAIN, Kind.RESUME):
                _switch(self._drains.setdefault(one.what, []), one, on=Kind.DRAIN)
            elif one.kind == Kind.COMMENT:
                self.comments[one.what] = one.value
            elif one.kind in (Kind.REQUEUE, Kind.HOLD, Kind.RELEASE, Kind.CANCEL):
                self._take_job(self._jobs.setdefault(int(one.what), _Jobs()), one)

    def _take_job(self, job: _Jobs, one: Done) -> None:
        if one.kind == Kind.REQUEUE:
            job.requeued.append(one.at)
        elif one.kind == Kind.CANCEL:
            job.cancelled = min(job.cancelled, one.at)
        else:
            _switch(job.held, one, on=Kind.HOLD)

    # -- nodes

    def since(self, incident: Incident, t: float) -> float | None:
        """Seconds since it last began; None while it isn't on, or once a reboot has ended it."""
        since = incident.since(t)
        if since is None or not incident.ends_with_reboot:
            return since
        return None if any(t - since <= at <= t for at in self._reboots_of(incident)) else since

    def is_down(self, node: int, t: float) -> bool:
        """Off the network."""
        if self._rebooting(node, t):
            return True
        return any(one.faults_at(t).down for one in self._of(node) if self.since(one, t) is not None)

    def _rebooting(self, node: int, t: float) -> bool:
        self._take()
        return any(at + _GOES_DOWN_SECONDS <= t < at + REBOOT_SECONDS for at in self._reboots.get(node, ()))

    def boots(self, node: int, t: float) -> int:
        """How often it has started anew: by incidents, but for those that were ended before, and when it was told."""
        self._take()
        told = sum(at + REBOOT_SECONDS <= t for at in self._reboots.get(node, ()))
        return told + sum(one.boots(t) - self._spared(one, t) for one in self._of(node))

    def _spared(self, incident: Incident, t: float) -> int:
        """Boots that an incident didn't come to."""
        ended = (
            at for at in self._reboots_of(incident) if incident.ends_with_reboot and incident.since(at) is not None
        )
        return len({count for at in ended if (count := incident.boots(at)) < incident.boots(t)})

    def _of(self, node: int) -> Iterator[Incident]:
        return (incident for incident in self.incidents if incident.node.index == node)

    def _reboots_of(self, incident: Incident) -> Sequence[float]:
        self._take()
        return self._reboots.get(incident.node.index, ())

    # -- jobs

    def tries(self, job: Job, nodes: Sequence[str], t: float) -> list[Try]:
        """The attempts of a job until `t`, the last of which may not have begun yet. `nodes`: names of its place."""
        found, over = list[Try](), job.started + job.kind.lasts - GAP_SECONDS
        start = self._free(job, nodes, job.started)
        for ended, again, state in sorted(self._ends(job, t)):
            if start <= ended < min(t, over):
                found.append(Try(start, ended, state))
                start = self._free(job, nodes, max(again, start))
        cancelled = self._jobs[job.id].cancelled if job.id in self._done_to else math.inf
        if cancelled <= min(t, over):
            return [*found, Try(min(start, cancelled), cancelled, "CANCELLED")]
        if t >= over:
            return [*found, Try(start, over, "COMPLETED")] if start < over else found
        return [*found, Try(start, None, "RUNNING" if start <= t else "PENDING")]

    def _ends(self, job: Job, t: float) -> Iterator[tuple[float, float, str]]:
        """(when something ended it, when it may begin anew, how that is told)."""
        yield from self._killed(job.slot, t)
        for node in job.slot.nodes:
            for at in self._reboots.get(node, ()):
                yield at, at + REBOOT_SECONDS, "NODE_FAIL"
        if job.id in self._done_to:
            yield from ((at, at + _REQUEUE_SECONDS, "REQUEUED") for at in self._jobs[job.id].requeued)

    def _killed(self, slot: Slot, t: float) -> Iterator[tuple[float, float, str]]:
        for incident in self.incidents:
            if incident.node.index not in slot.nodes:
                continue
            steps = (number * _STEP for number in range(int(incident.lasts / _STEP)))
            after = next((since for since in steps if incident.pace(since) == 0.0), None)
            for number in range(incident.begun(t) if after is not None else 0):
                struck = incident.first + number * incident.every
                ended, again = struck + (after or 0.0), struck + incident.lasts
                rebooted = [at for at in self._reboots_of(incident) if struck <= at < again]
                if not (rebooted and incident.ends_with_reboot):
                    yield ended, again, "NODE_FAIL"
                elif ended < rebooted[0]:
                    yield ended, rebooted[0] + REBOOT_SECONDS, "NODE_FAIL"

    def _free(self, job: Job, nodes: Sequence[str], wanted: float) -> float:
        """When it can begin, if it wants to then: not on drained nodes, and not while it is held."""
        held = self._jobs[job.id].held if job.id in self._done_to else []
        spans = [*held, *(span for node in nodes for span in self._drains.get(node, ()))]
        start = wanted
        while blocking := [span.end for span in spans if span.start <= start < span.end]:
            start = max(blocking)
        return start


def _switch(spans: list[Span], one: Done, on: Kind) -> None:
    """What begins something ends what was so before, and so does what ends it."""
    if spans and spans[-1].end == math.inf:
        spans[-1].end = one.at
    if one.kind == on:
        spans.append(Span(one.at, text=one.value))


def _within(spans: Sequence[Span], t: float) -> Span | None:
    return next((span for span in spans if span.start <= t < span.end), None)
