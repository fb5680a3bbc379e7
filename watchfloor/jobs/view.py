"""The jobs of a frame: who they are, what belongs to them, and the scope "job" as queries and screens see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats, Picture
from watchfloor.jobs.model import Job, SchedulerNode, SourceState, SourceStatus
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import Missing, Scope
from watchfloor.roster import Roster
from watchfloor.view import View

if TYPE_CHECKING:
    from watchfloor.frame import Frame
    from watchfloor.jobs.provenance import Provenance

STRAGGLER, JOB_STRAGGLER = "straggler", "job-straggler"  # codes of findings
_STRAGGLERS = frozenset({STRAGGLER, JOB_STRAGGLER})
_NO_OWNERS = np.empty(0, np.int32)
_NOWHERE: Mapping[int, SchedulerNode] = {}
_NOTHING_TOLD: Mapping[str, Provenance] = {}


@dataclass(frozen=True, slots=True)
class Standing:
    """What schedulers say and screens don't show. `given`: by accelerator row, the job that it was given to."""

    given: NDArray[np.int32] = field(default_factory=lambda: _NO_OWNERS)
    holding: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    managers: Mapping[int, str] = field(default_factory=dict)
    present: frozenset[str] = frozenset()  # the sources that have a node in the fleet
    index: Mapping[str, int] | None = None  # job id -> row


@runtime_checkable
class HasRows(Protocol):
    """frame.RowSubjects, as far as it is of interest here."""

    rows: NDArray[np.intp]


class JobView(View):
    """Every metric of a job is a column of this frame's own."""

    def __init__(self, keys: Sequence[str], texts: Sequence[str], columns: Mapping[str, Picture]) -> None:
        nowhere = np.full(len(keys), -1, np.int32)
        roster, nothing = Roster(len(keys), keys, nowhere), Picture(nowhere, np.zeros(len(keys), np.int8))
        super().__init__(Scope.JOB, roster, [nothing] * len(CATALOGUE[Scope.JOB]), nothing, np.ones(1, np.bool_), texts)
        self._own.update(columns)

    @cached_property
    def states(self) -> NDArray[np.int8]:
        """watchfloor.model.State of each row."""
        return self._own["state"].values.astype(np.int8)

    def text(self, row: int, name: str) -> str:
        code = int(self._own[name].values[row])
        return self.texts[code] if code >= 0 else ""


def no_jobs() -> JobView:
    nothing, none = np.empty(0), np.empty(0, np.int8)
    texts = np.empty(0, np.int32)
    columns = {
        name: Picture(texts if metric.kind is Kind.TEXT else nothing, none)
        for name, metric in CATALOGUE[Scope.JOB].items()
    }
    return JobView([], [""], columns)


class Jobs:
    """Row i of `view` is `rows[i]`. `owners`: by accelerator row, the row of its job, -1 for none."""

    def __init__(
        self,
        rows: Sequence[Job] = (),
        view: JobView | None = None,
        owners: NDArray[np.int32] = _NO_OWNERS,
        sources: Sequence[SourceStatus] = (),
        scheduler: Mapping[int, SchedulerNode] | None = None,
        standing: Standing | None = None,
        provenance: Mapping[str, Provenance] | None = None,
    ) -> None:
        self.rows = rows
        self.view = view or no_jobs()
        self.owners = owners
        self.sources = sources
        self.scheduler = _NOWHERE if scheduler is None else scheduler  # by node index: how its scheduler sees it
        self.provenance = _NOTHING_TOLD if provenance is None else provenance  # by job id: what its processes say
        standing = standing or Standing()
        self.managers = standing.managers  # by node index: the source whose word that is
        self.present = standing.present  # the sources that have a node in the fleet
        self.holding = standing.holding  # by job: it has nodes now
        self.given = standing.given
        index = standing.index
        self.index: Mapping[str, int] = {job.id: row for row, job in enumerate(rows)} if index is None else index

    @property
    def asked(self) -> bool:
        """Whether each source has answered once, or failed to."""
        return all(source.state is not SourceState.WAITING for source in self.sources)

    def owner_of(self, accelerator: int) -> int:
        """The row of its job, -1 for none."""
        return int(self.owners[accelerator]) if accelerator < len(self.owners) else -1

    def given_to(self, accelerator: int) -> int:
        """The row of the job to which the scheduler gave it, whoever is on it; -1 for none, or where it doesn't say."""
        return int(self.given[accelerator]) if accelerator < len(self.given) else -1

    @property
    def is_unseen(self) -> NDArray[np.bool_]:
        """By job: it has nodes now, and none of the fleet's accelerators is known to be its own, or given to it."""
        seen = np.zeros(len(self.rows), np.bool_)
        for owners in (self.owners, self.given):
            seen[owners[owners >= 0]] = True
        return self.holding & ~seen if self.holding.size else np.zeros_like(seen)

    def of_rows(self, scope: Scope, frame: Frame) -> NDArray[np.integer]:
        """For each row of an inner scope, the row of its job, -1 for none. A link goes with its accelerator, a service
        with none: several jobs may share the node that it is on."""
        if scope is Scope.ACCELERATOR:
            return self._padded(frame.accelerators.count)
        if scope is Scope.LINK:
            return self._of_links(frame)
        return np.full(frame.view(scope).count, -1, np.int32)

    def _of_links(self, frame: Frame) -> NDArray[np.integer]:
        links, boards = frame.links, frame.accelerators
        owners = np.full(links.count, -1, np.int32)
        mine = self._padded(boards.count)
        told = links.last("accelerator")
        for row in np.flatnonzero(told > 0).tolist():
            board = boards.roster.row(int(links.node[row]), links.texts[int(told[row])])
            if board is not None:
                owners[row] = mine[board]
        return owners

    def _padded(self, count: int) -> NDArray[np.int32]:
        if len(self.owners) >= count:
            return self.owners[:count]
        return np.concatenate([self.owners, np.full(count - len(self.owners), -1, np.int32)])

    def judge(self, frame: Frame) -> None:
        """Set the states: the worst of what a job runs on and of what was found of itself. For the frame's maker."""
        count = len(self.rows)
        states, slow = np.zeros(count, np.int8), np.zeros(frame.accelerators.count, np.bool_)
        mine = self._padded(frame.accelerators.count)
        held = mine >= 0
        np.maximum.at(states, mine[held], frame.accelerators.states[held])
        for finding in frame.findings:
            row = frame.row(finding.subject)
            if row is not None and finding.subject.scope is Scope.JOB:
                others = finding.others
                rows = [row, *(others.rows.tolist() if isinstance(others, HasRows) else ())]
                states[rows] = np.maximum(states[rows], np.int8(finding.state))
            elif row is not None and finding.subject.scope is Scope.ACCELERATOR and finding.code in _STRAGGLERS:
                slow[row] = True
        boards = np.bincount(mine[held], minlength=count)
        stragglers = np.bincount(mine[held & slow], minlength=count)
        self.view.__dict__.pop("states", None)
        self.view.own("state", states.astype(np.float64), np.zeros(count, np.int8))
        none = np.where(boards > 0, np.int8(Missing.NO), np.int8(Missing.UNSUPPORTED))
        self.view.own("stragglers", np.where(boards > 0, stragglers, np.nan), none)

    def accelerators_of(self, row: int) -> NDArray[np.intp]:
        """The accelerator rows of one job."""
        return np.flatnonzero(self.owners == row)

    def job_of(self, accelerator: int) -> Job | None:
        owner = self.owner_of(accelerator)
        return self.rows[owner] if owner >= 0 else None


def column(values: Floats, reason: Missing = Missing.UNSUPPORTED) -> Picture:
    """Numbers, missing for this reason where they are NaN."""
    return Picture(values, np.where(np.isnan(values), np.int8(reason), np.int8(Missing.NO)))
