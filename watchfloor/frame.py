"""A frame: the immutable picture of the fleet at one tick. All that screens, checks and queries ever see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from watchfloor.counters import CounterLog
from watchfloor.events import EventLog
from watchfloor.history import History
from watchfloor.jobs.view import Jobs
from watchfloor.model import NODE_SCOPES, Finding, Missing, NodeSpec, NodeStatus, Phase, Scope, Subject
from watchfloor.record import Records
from watchfloor.report import PAUSED, Hello, SamplerStatus, note_key
from watchfloor.view import Cell, View

__all__ = ["Cell", "Frame", "NodeDetail", "RowSubjects", "View"]


@dataclass(frozen=True, slots=True)
class NodeDetail:
    """What is known of one node beyond the columns. Replaced as a whole, so a frame may hold on to it."""

    hello: Hello | None = None
    samplers: Mapping[str, SamplerStatus] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)  # report.note_key -> the driver's words
    details: Mapping[str, bytes] = field(default_factory=dict)  # watchfloor.report.decode_detail reads one

    @property
    def is_paused(self) -> bool:
        """Whether a sampler has let go of its driver for a while: what it would tell, nobody knows until then."""
        return any(status.state == PAUSED for status in self.samplers.values())

    def note(self, metric: str, reason: Missing, subject: str = "") -> str:
        """The driver's words for why "accelerator.temp_mem" has no value, where this is the reason; mostly "".

        `subject` is the key of whose it is: those of other vendors, and its neighbours, may lack it for another cause.
        """
        if not self.notes:
            return ""
        family = subject[: subject.find(":") + 1]
        keys = (note_key(metric, reason, subject), note_key(metric, reason, family), note_key(metric, reason))
        return next((self.notes[key] for key in keys if self.notes.get(key)), "")


@dataclass(frozen=True)
class Frame:
    """The fleet at `at` (console time, seconds since the epoch). Row i of `nodes` is node i of `specs`."""

    number: int
    at: float
    specs: Sequence[NodeSpec]
    node_index: Mapping[str, int]  # by name
    statuses: Sequence[NodeStatus]
    live: NDArray[np.bool_]  # by node: its values are current
    detail: Sequence[NodeDetail]
    nodes: View
    accelerators: View
    links: View
    services: View
    history: History
    counters: CounterLog
    events: EventLog
    findings: tuple[Finding, ...] = ()
    records: Records = field(default_factory=Records)  # findings over time
    replay: bool = False  # drawn from a recording
    jobs: Jobs = field(default_factory=Jobs)

    def view(self, scope: Scope) -> View:
        match scope:
            case Scope.NODE:
                return self.nodes
            case Scope.ACCELERATOR:
                return self.accelerators
            case Scope.LINK:
                return self.links
            case Scope.SERVICE:
                return self.services
            case Scope.JOB:
                return self.jobs.view

    def rows_of(self, scope: Scope, node: int) -> NDArray[np.intp]:
        """Rows of one node in a scope, in the order in which its probe names them."""
        return self.view(scope).roster.rows_of(node)

    def subject(self, scope: Scope, row: int) -> Subject:
        view = self.view(scope)
        if scope is Scope.JOB:
            return Subject(scope, "", view.keys[row])
        return Subject(scope, self.specs[int(view.node[row])].name, view.keys[row])

    def row(self, subject: Subject) -> int | None:
        """The row of a subject, None where this frame doesn't have it."""
        if subject.scope is Scope.JOB:
            return self.jobs.index.get(subject.key)
        node = self.node_index.get(subject.node)
        if node is None:
            return None
        if subject.scope is Scope.NODE:
            return node
        return self.view(subject.scope).roster.row(node, subject.key)

    def with_findings(self, findings: Sequence[Finding]) -> Frame:
        """This frame with findings; every subject's `state` becomes its worst. For its maker, before anybody reads."""
        worst = {scope: np.zeros(self.view(scope).count, np.int8) for scope in NODE_SCOPES}
        for finding in findings:
            if finding.subject.scope is Scope.JOB:
                continue
            states, others = worst[finding.subject.scope], finding.others
            rows = [row for subject in (finding.subject,) if (row := self.row(subject)) is not None]
            if isinstance(others, RowSubjects):
                np.maximum.at(states, others.rows, np.int8(finding.state))
            else:
                rows += [row for subject in others if (row := self.row(subject)) is not None]
            for row in rows:
                states[row] = max(states[row], finding.state)
        for scope, states in worst.items():
            self.view(scope).judge(states)
        found = replace(self, findings=tuple(findings))
        found.jobs.judge(found)
        return found


class RowSubjects(Sequence[Subject]):
    """The subjects of rows of a frame, made when somebody asks for one: there may be tens of thousands."""

    def __init__(self, frame: Frame, scope: Scope, rows: NDArray[np.intp]) -> None:
        self._view, self._specs, self.scope, self.rows = frame.view(scope), frame.specs, scope, rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Subject: ...

    @overload
    def __getitem__(self, index: slice) -> RowSubjects: ...

    def __getitem__(self, index: int | slice) -> Subject | RowSubjects:
        if isinstance(index, slice):
            found = copy(self)
            found.rows = self.rows[index]
            return found
        row = int(self.rows[index])
        if self.scope is Scope.JOB:
            return Subject(self.scope, "", self._view.keys[row])
        return Subject(self.scope, self._specs[int(self._view.node[row])].name, self._view.keys[row])


def answered(frame: Frame) -> bool:
    """Every node has been heard, or has failed at least once."""
    return all(
        status.phase is Phase.BACKOFF or (status.phase is Phase.LIVE and frame.detail[node].samplers)
        for node, status in enumerate(frame.statuses)
    )
