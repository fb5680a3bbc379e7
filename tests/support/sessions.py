"""A morning on the synthetic fleet, recorded: the frames of a console, and whether others are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.support.frames import SyntheticFleet, tables_of
from watchfloor import checks
from watchfloor.events import EventLog
from watchfloor.findings import FindingLog
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Finding, Scope
from watchfloor.report import Event, Hello, Report, SamplerStatus, Schema
from watchfloor.session.writer import Head, Mark, SessionWriter

KEY_SECONDS = 60.0  # between two keys of a test's session: several in a short one


class Floor:
    """A console: each `step` is a second of it, with reports, now and then an answer of a scheduler, or an event."""

    def __init__(self) -> None:
        self.machines = SyntheticFleet()
        self._roll, self._log, self._tick = Roll(), FindingLog(), 0

    @property
    def now(self) -> float:
        return self.machines.now

    def head(self) -> Head:
        return Head(self.now, list(self.machines.fleet.specs), {"watchfloor": "test"})

    def step(self) -> Frame:
        self._tick += 1
        if self._tick in (70, 100):
            self._reboot(2)
        self.machines.step()
        if self._tick % 7 == 1:
            self.answer(_answer(self.now, self._tick))
        if self._tick % 11 == 0:
            self.tell(Event(self.now, "kernel", "xid", f"XID 31 at {self._tick}", "", 31, id=f"e{self._tick}"))
        frame = self.machines.fleet.frame()
        frame = replace(frame, jobs=self._roll.frame(frame))
        frame = frame.with_findings(checks.run(frame))
        return replace(frame, records=self._log.update(frame))

    def answer(self, told: SourceAnswer) -> None:
        """What its scheduler says now."""
        self._roll.answer(told)

    def tell(self, event: Event) -> None:
        """Node 1 says what happened, and how its sampler does."""
        samplers = {"nvidia": SamplerStatus("ok", "", self.now, 0.002 * self._tick)}
        told = Report(self._tick, 1, self.now, samplers=samplers, events=[event])
        self.machines.fleet.report(1, told, self.now)

    def _reboot(self, index: int) -> None:
        """A node speaks anew, with another boot id; of its devices nothing is known until it tells."""
        machine = self.machines.machines[index]
        hello = Hello(1, machine.spec.name, "boot-again", self.now, "0" * 64, samplers=["host", "nvidia"])
        self.machines.fleet.hello(index, hello, self.now)
        self.machines.fleet.schema(index, Schema(1, tables_of(machine)))

    def recorded(self, path: Path, seconds: int, marks: Mapping[int, str] | None = None) -> list[Frame]:
        """So many seconds in a file, with a key a minute; the frames. `marks`: what was put on record behind which."""
        writer, frames = SessionWriter(path, self.head(), KEY_SECONDS), []
        for number in range(seconds):
            frame = self.step()
            writer.frame(frame)
            if marks and number in marks:
                writer.mark(Mark(self.now, "ledger", marks[number], {"run": "r1", "entry": str(number)}))
            frames.append(replace(frame, events=EventLog.of(frame.events.newest(9999))))  # the log itself goes on
        writer.end()
        return frames


def _answer(at: float, tick: int) -> SourceAnswer:
    running = Job(
        "slurm:41", "alpha", "slurm", "41", "train", "mira", "research", "gpu", "normal", JobState.RUNNING,
        submitted=at - 900, started=at - 600, allocations=(Allocation("dgx-01", 8, tuple(range(8))),),
    )  # fmt: skip
    waiting = [Job(f"slurm:{tick + n}", "alpha", "slurm", str(tick + n), state=JobState.PENDING) for n in range(3)]
    nodes = (SchedulerNode("dgx-01", "mixed", accelerators=8), SchedulerNode("dgx-02", f"idle{tick}", reason="xid"))
    return SourceAnswer(SourceStatus("alpha", "slurm", SourceState.OK, at, 0.1, 5.0), (*waiting, running), nodes)


def differences(before: Frame, after: Frame) -> list[str]:
    """In what these are not the same, value by value, reasons included."""
    found = [name for name in ("number", "at", "specs", "detail") if getattr(before, name) != getattr(after, name)]
    found += ["statuses"] if tuple(before.statuses) != tuple(after.statuses) else []
    columns = ((scope, name) for scope in Scope for name in ("rows", *CATALOGUE[scope]))
    found += [f"{scope}.{name}" for scope, name in columns if _differ(before, after, scope, name)]
    found += ["findings"] if _plain(before.findings) != _plain(after.findings) else []
    found += ["records"] if _noted(before) != _noted(after) else []
    found += [f"jobs.{name}" for name in _OF_JOBS if _jobs_differ(before, after, name)]
    return found + (["events"] if before.events.newest(9999) != after.events.newest(9999) else [])


_OF_JOBS = ("rows", "sources", "scheduler", "managers", "provenance", "index", "present")


def _differ(before: Frame, after: Frame, scope: Scope, name: str) -> bool:
    one, other = before.view(scope), after.view(scope)
    if name == "rows":
        of_nodes = np.array_equal(one.node, other.node) and np.array_equal(one.states, other.states)
        return not of_nodes or list(one.keys[: one.count]) != list(other.keys[: other.count])
    if not np.array_equal(one.reasons(name), other.reasons(name)):
        return True
    cells = range(0, one.count, 5)
    return not np.array_equal(one.known(name), other.known(name), equal_nan=True) or any(
        one.cell(row, name) != other.cell(row, name) for row in cells
    )


def _jobs_differ(before: Frame, after: Frame, name: str) -> bool:
    one, other = getattr(before.jobs, name), getattr(after.jobs, name)
    return list(one) != list(other) if name in ("rows", "sources") else one != other


def _plain(findings: tuple[Finding, ...]) -> list[Finding]:
    return [replace(finding, others=tuple(finding.others)) for finding in findings]


def _noted(frame: Frame) -> dict[object, object]:
    known = frame.records.by_key
    return {key: replace(one, finding=replace(one.finding, others=())) for key, one in known.items()}
