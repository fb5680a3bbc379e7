"""Which accelerator belongs to which job. Its processes know best: their cgroup names the job; where nothing runs, the
scheduler's allocation says who holds it. What runs without a scheduler becomes a job of its own. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState
from watchfloor.jobs.told import Told
from watchfloor.model import Missing, Scope

Owners = NDArray[np.int32]  # row of the job that each accelerator belongs to, -1 for none

BY_CGROUP = "cgroups"  # source of jobs that no scheduler tells of
NO_SCHEDULER = "processes"
_PREFIXES = {"slurm": "slurm", "pod": "kubernetes"}


@dataclass(frozen=True, slots=True)
class Running:
    """Jobs that no source tells of, and on which accelerator rows those run that nobody schedules."""

    jobs: tuple[Job, ...]
    by_hand: Mapping[int, str]  # accelerator row -> job id


def allocated(frame: Frame, told: Told, nodes: Mapping[str, int]) -> Owners:
    """By what the schedulers say: devices that they name, else all of a node where a job holds as many as it has."""
    owners = np.full(frame.accelerators.count, -1, np.int32)
    places = _Places(frame)
    for row in np.flatnonzero(told.holding).tolist():
        for allocation in told.jobs[row].allocations:
            node = nodes.get(allocation.node)
            if node is not None:
                owners[places.of(node, allocation)] = row
    return owners


class _Places:
    """The rows of a node's accelerators by index and by uuid, each node looked at once."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._index = frame.accelerators.last("index")
        self._parts = frame.accelerators.last("partition_of")
        self._uuids: dict[int, dict[str, int]] = {}

    def of(self, node: int, allocation: Allocation) -> list[int]:
        rows = self._frame.rows_of(Scope.ACCELERATOR, node).tolist()
        if allocation.uuids:
            by_uuid = self._by_uuid(node, rows)
            return [by_uuid[uuid] for uuid in allocation.uuids if uuid in by_uuid]
        boards = [row for row in rows if not self._parts[row] > 0]
        if allocation.indices is not None:
            wanted = set(allocation.indices)
            return [row for place, row in enumerate(boards) if self._number(row, place) in wanted]
        return boards if allocation.count is not None and allocation.count >= len(boards) else []

    def _number(self, row: int, place: int) -> int:
        index = self._index[row]
        return place if np.isnan(index) else int(index)

    def _by_uuid(self, node: int, rows: Sequence[int]) -> dict[str, int]:
        found = self._uuids.get(node)
        if found is None:
            view = self._frame.accelerators
            found = self._uuids[node] = {view.text(row, "uuid"): row for row in rows}
        return found


def running(frame: Frame, told: Told) -> Running:
    """By what runs on the accelerators now, or ran when their node was heard last."""
    view = frame.accelerators
    jobs: dict[str, Job] = {}
    by_hand: dict[int, str] = {}
    codes = _codes(frame)
    unknown = [code for code in np.unique(codes[codes > 0]).tolist() if told.row(_first(str(view.texts[code]))) is None]
    for row in np.flatnonzero(np.isin(codes, unknown)).tolist() if unknown else ():
        name = _first(str(view.texts[int(codes[row])]))
        jobs[name] = _joined(jobs.get(name), _by_cgroup(frame, row, name))
    parents = _parents(frame)
    for row in np.flatnonzero((codes <= 0) & (view.last("user") > 0)).tolist():
        if row not in parents:
            job = _by_hand(frame, row)
            by_hand[row] = job.id
            jobs[job.id] = _joined(jobs.get(job.id), job)
    return Running(tuple(jobs.values()), by_hand)


def _codes(frame: Frame) -> NDArray[np.intp]:
    """Of the text that names each accelerator's job; -1 where there is none. Of boards that were lost, too."""
    return np.nan_to_num(frame.accelerators.last("job"), nan=-1).astype(np.intp)


def _first(text: str) -> str:
    """Where several jobs share a board, the first stands for it."""
    return text.partition(",")[0]


def _parents(frame: Frame) -> frozenset[int]:
    """Boards that are partitioned: what runs on them runs on their partitions."""
    view = frame.accelerators
    found = set()
    for row in np.flatnonzero(view.last("partition_of") > 0).tolist():
        parent = view.roster.row(int(view.node[row]), view.text(row, "partition_of"))
        if parent is not None:
            found.add(parent)
    return frozenset(found)


def _by_cgroup(frame: Frame, row: int, name: str) -> Job:
    kind, _, number = name.partition(":")
    command = frame.accelerators.text(row, "command")
    return Job(
        name,
        BY_CGROUP,
        _PREFIXES.get(kind, kind),
        number,
        name=_program(command),
        user=frame.accelerators.text(row, "user"),
        state=JobState.RUNNING,
        command=command,
        allocations=(_one(frame, row),),
    )


def _by_hand(frame: Frame, row: int) -> Job:
    """One user's processes of one command line on one node are a job."""
    view = frame.accelerators
    node, user = frame.specs[int(view.node[row])].name, view.text(row, "user")
    command = view.text(row, "command")
    program = _program(command)
    return Job(
        f"run:{node}/{user}/{program}",
        NO_SCHEDULER,
        "process",
        f"{node}/{program}",
        name=program,
        user=user,
        state=JobState.RUNNING,
        command=command,
        allocations=(_one(frame, row),),
    )


def _program(command: str) -> str:
    """`/usr/bin/python3 train.py --lr 1` -> `train.py`; `./serve --port 1` -> `serve`."""
    words = command.split()
    if "-m" in words[1:3]:  # python3 -m vllm.entrypoints…
        return words[words.index("-m") + 1] if words[-1] != "-m" else words[0]
    named = [word for word in words[:3] if not word.startswith("-")]
    names = [word.rpartition("/")[2] for word in named]
    if len(names) > 1 and names[0].startswith(("python", "bash", "sh", "mpirun", "torchrun")):
        return names[1]
    return names[0] if names else "?"


def _one(frame: Frame, row: int) -> Allocation:
    return Allocation(frame.specs[int(frame.accelerators.node[row])].name, 1)


def _joined(before: Job | None, more: Job) -> Job:
    """The same job, with one accelerator more."""
    if before is None:
        return more
    by_node = {allocation.node: allocation for allocation in before.allocations}
    (new,) = more.allocations
    known = by_node.get(new.node)
    by_node[new.node] = replace(known, count=(known.count or 0) + 1) if known else new
    return replace(before, allocations=tuple(by_node.values()))


def owners_of(frame: Frame, told: Told, held: Owners, found: Running) -> Owners:
    """`held` by allocation, over which what runs is laid. `told` knows the jobs of `found`, too."""
    codes, texts = _codes(frame), frame.accelerators.texts
    rows_of_code = np.full(len(texts) + 1, -1, np.int32)
    for code in np.unique(codes[codes > 0]).tolist():
        row = told.row(_first(str(texts[code])))
        rows_of_code[code] = -1 if row is None else row
    owners = np.where(rows_of_code[codes] >= 0, rows_of_code[codes], held)
    for row, name in found.by_hand.items():
        owners[row] = told.rows[name]
    return owners


def orphans(frame: Frame, told: Told, owners: Owners) -> Iterator[int]:
    """Accelerator rows on which something of a job runs that its scheduler says is over."""
    for row in np.flatnonzero(owners >= 0).tolist():
        job = told.jobs[int(owners[row])]
        if job.state.is_over and frame.accelerators.reasons("job")[row] == Missing.NO:
            yield row
