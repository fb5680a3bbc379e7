"""Which accelerator belongs to which job. Its processes know best: a source that names them by their pids, else their
cgroup; where nothing runs, the scheduler's allocation says who holds it. What runs without a scheduler becomes a job of
its own. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from watchfloor.distinct import among, distinct
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState, numbered
from watchfloor.jobs.pods import PodNames
from watchfloor.jobs.told import Told
from watchfloor.jobs.workers import Workers
from watchfloor.model import Missing, Scope

Rows = NDArray[np.intp]
Owners = NDArray[np.int32]  # row of the job that each accelerator belongs to, -1 for none
Nodes = Mapping[str, Mapping[str, int]]  # source of jobs -> its name of a node -> node of the fleet

BY_CGROUP = "cgroups"  # source of jobs that no scheduler tells of
NO_SCHEDULER = "processes"
_NOT_LOOKED = -2
_PREFIXES = {"slurm": "slurm", "pod": "kubernetes"}


@dataclass(frozen=True, slots=True)
class Running:
    """Jobs that no source tells of, and which of them runs on which accelerator rows where no cgroup says so."""

    jobs: tuple[Job, ...]
    rows: Rows  # accelerators of what nobody scheduled
    by_row: tuple[int, ...]  # of each of `rows`, its place in `jobs`


def allocated(frame: Frame, told: Told, nodes: Nodes) -> Owners:
    """By what the schedulers say: devices that they name, else all of a node where a job holds as many as it has."""
    owners = np.full(frame.accelerators.count, -1, np.int32)
    places = _Places(frame)
    for row in np.flatnonzero(told.holding).tolist():
        for node, held in _by_node(told.jobs[row], nodes).items():
            owners[places.of(node, held)] = row
    return owners


def unheard(frame: Frame, told: Told, nodes: Nodes) -> NDArray[np.bool_]:
    """By job: it was given accelerators, and a node of the fleet where they are has named none so far."""
    heard = np.zeros(frame.nodes.count, np.bool_)
    heard[frame.accelerators.node] = True
    found = np.zeros(len(told.jobs), np.bool_)
    if heard.all():
        return found
    for row in np.flatnonzero(told.holding & (told.numbers["accelerators"] > 0)).tolist():
        found[row] = not heard[list(_by_node(told.jobs[row], nodes))].all()
    return found


def _by_node(job: Job, nodes: Nodes) -> Mapping[int, list[Allocation]]:
    """What it holds on each node: of several pods, all of them."""
    found: dict[int, list[Allocation]] = {}
    names = nodes.get(job.source, {})
    for allocation in job.allocations:
        node = names.get(allocation.node)
        if node is not None:
            found.setdefault(node, []).append(allocation)
    return found


class _Places:
    """The rows of a node's accelerators by index and by uuid, each node looked at once."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._index = frame.accelerators.last("index")
        self._parts = frame.accelerators.last("partition_of")
        self._lost = frame.accelerators.reasons("partition_of") == Missing.LOST
        self._uuids: dict[int, dict[str, int]] = {}

    def of(self, node: int, held: Sequence[Allocation]) -> list[int]:
        """Those that are named; all boards, where together they are as many as the node has."""
        rows = self._frame.rows_of(Scope.ACCELERATOR, node).tolist()
        boards = [row for row in rows if not self._parts[row] > 0]
        if any(self._parts[row] > 0 and not self._lost[row] for row in rows):
            return self._of_partitions(node, held, rows)
        found = [row for allocation in held for row in self._named(node, rows, boards, allocation)]
        unnamed = [one.count or 0 for one in held if not one.uuids and one.indices is None]
        return boards if sum(unnamed) and len(found) + sum(unnamed) >= len(boards) else found

    def _of_partitions(self, node: int, held: Sequence[Allocation], rows: list[int]) -> list[int]:
        """Those that are named by uuid; all that can be given away, where a job holds as many.

        A scheduler numbers partitions, and boards between them, in an order of its own: an index says nothing here.
        """
        by_uuid = self._by_uuid(node, rows)
        found = [by_uuid[uuid] for one in held for uuid in one.uuids if uuid in by_uuid]
        parents = {self._frame.accelerators.text(row, "partition_of") for row in rows if not self._lost[row]}
        keys = self._frame.accelerators.keys
        devices = [row for row in rows if not self._lost[row] and keys[row] not in parents]
        unnamed = sum(one.count or len(one.indices or ()) for one in held if not one.uuids)
        return devices if unnamed and len(found) + unnamed >= len(devices) else found

    def _named(self, node: int, rows: list[int], boards: list[int], allocation: Allocation) -> list[int]:
        if allocation.uuids:
            by_uuid = self._by_uuid(node, rows)
            return [by_uuid[uuid] for uuid in allocation.uuids if uuid in by_uuid]
        wanted = set(allocation.indices or ())
        return [row for place, row in enumerate(boards) if self._number(row, place) in wanted] if wanted else []

    def _number(self, row: int, place: int) -> int:
        index = self._index[row]
        return place if np.isnan(index) else int(index)

    def _by_uuid(self, node: int, rows: Sequence[int]) -> dict[str, int]:
        found = self._uuids.get(node)
        if found is None:
            view = self._frame.accelerators
            found = self._uuids[node] = {view.text(row, "uuid"): row for row in rows}
        return found


@dataclass(frozen=True, slots=True)
class Named:
    """What the processes of each accelerator name: a number into `rows`, 0 for nothing."""

    numbers: Rows
    rows: Owners  # by number: the row of the job, -1 where no source tells of it
    unknown: Mapping[int, str]  # the ids of those that no source tells of


class Names:
    """Looks up once what processes name, for as long as the same jobs are told of.

    `clusters` by node: a cgroup says a number alone, and its node in which cluster that is.
    """

    def __init__(self, told: Told, clusters: Mapping[int, str]) -> None:
        self._told, self._of_nodes = told, clusters
        self._clusters = ["", *sorted(set(clusters.values()))]
        self._texts: Sequence[str] = ()
        self._rows = np.empty(0, np.int32)
        self._ids: dict[int, str] = {}  # of those that nobody tells of

    def of(self, frame: Frame) -> Named:
        if frame.accelerators.texts is not self._texts:  # codes mean other texts
            self._texts, self._rows, self._ids = frame.accelerators.texts, np.empty(0, np.int32), {}
        numbers = np.maximum(_codes(frame), 0) * len(self._clusters) + self._places(frame)
        numbers[numbers < len(self._clusters)] = 0
        missing = int(numbers.max(initial=0)) + 1 - len(self._rows)
        if missing > 0:
            self._rows = np.concatenate([self._rows, np.full(2 * missing + len(self._rows), _NOT_LOOKED, np.int32)])
            self._rows[0] = -1
        for number in distinct(numbers[self._rows[numbers] == _NOT_LOOKED]).tolist():
            self._look(number)
        present = np.bincount(numbers, minlength=len(self._rows)) > 0
        return Named(numbers, self._rows, {number: name for number, name in self._ids.items() if present[number]})

    def _places(self, frame: Frame) -> Rows:
        """Of each accelerator, the number of its node's cluster."""
        places = np.zeros(frame.nodes.count, np.intp)
        for node, cluster in self._of_nodes.items():
            places[node] = self._clusters.index(cluster)
        return places[frame.accelerators.node]

    def _look(self, number: int) -> None:
        code, cluster = divmod(number, len(self._clusters))
        name = _meant(self._texts[code], self._clusters[cluster], self._told)
        row = self._told.row(name)
        self._rows[number] = -1 if row is None else row
        if row is None:
            self._ids[number] = name


def _meant(text: str, cluster: str, told: Told) -> str:
    kind, colon, number = _first(text).partition(":")
    if told.row(kind + colon + number) is not None or kind == "pod":
        return kind + colon + number
    known = told.alike(kind + colon + number)
    return known[0] if len(known) == 1 and not cluster else numbered(kind, number, cluster)


def running(frame: Frame, names: Named, pods: PodNames) -> Running:
    """By what runs on the accelerators now, or ran when their node was heard last."""
    jobs = _by_cgroups(frame, names, pods)
    rows = _unscheduled(frame)
    places: dict[str, int] = {}
    by_row = np.empty(len(rows), np.intp)
    for mine in _alike(_composed(frame, rows)):
        job = _by_hand(frame, rows[mine])
        place = places.setdefault(job.id, len(jobs))
        if place < len(jobs):  # another command of the same program
            jobs[place] = _joined(jobs[place], job)
        else:
            jobs.append(job)
        by_row[mine] = place
    return Running(tuple(jobs), rows, tuple(by_row.tolist()))


def _by_cgroups(frame: Frame, names: Named, pods: PodNames) -> list[Job]:
    """The jobs that processes name and no source tells of."""
    unknown = list(names.unknown)
    rows = np.flatnonzero(among(names.numbers, unknown)) if unknown else np.empty(0, np.intp)
    found: dict[str, Job] = {}
    for mine in _alike(names.numbers[rows]):
        job = _by_cgroup(frame, rows[mine], names.unknown[int(names.numbers[rows[mine[0]]])], pods)
        found[job.id] = _joined(found[job.id], job) if job.id in found else job
    return list(found.values())


def _unscheduled(frame: Frame) -> Rows:
    """Accelerators that somebody uses and no job; not boards whose partitions are used."""
    rows = np.flatnonzero((_codes(frame) <= 0) & (frame.accelerators.last("user") > 0))
    parents = _parents(frame)
    return rows[~among(rows, parents)] if parents else rows


def _composed(frame: Frame, rows: Rows) -> NDArray[np.int64]:
    """Node, user and command of each row as one number."""
    view, size = frame.accelerators, len(frame.accelerators.texts) + 1
    user, command = (np.nan_to_num(view.last(name)[rows], nan=0.0).astype(np.int64) for name in ("user", "command"))
    return (view.node[rows].astype(np.int64) * size + user) * size + command


def _alike(numbers: NDArray[np.integer]) -> Iterator[Rows]:
    """The places of equal numbers, a group at a time, in the order in which the groups come first."""
    order = np.argsort(numbers, kind="stable")
    bounds = np.flatnonzero(np.diff(numbers[order])) + 1
    groups = np.split(order, bounds) if len(order) else []
    return iter(sorted(groups, key=lambda group: int(group[0])))


def _codes(frame: Frame) -> NDArray[np.intp]:
    """Of the text that names each accelerator's job; -1 where there is none. Of boards that were lost, too."""
    return np.nan_to_num(frame.accelerators.last("job"), nan=-1).astype(np.intp)


def _first(text: str) -> str:
    """Where several jobs share a board, the first stands for it."""
    return text.partition(",")[0]


def _parents(frame: Frame) -> list[int]:
    """Boards that are partitioned: what runs on them runs on their partitions."""
    view = frame.accelerators
    found: set[int] = set()
    for row in np.flatnonzero(view.last("partition_of") > 0).tolist():
        parent = view.roster.row(int(view.node[row]), view.text(row, "partition_of"))
        if parent is not None:
            found.add(parent)
    return sorted(found)


def _by_cgroup(frame: Frame, rows: Rows, name: str, pods: PodNames) -> Job:
    kind, _, number = name.partition(":")
    row = int(rows[0])
    command = frame.accelerators.text(row, "command")
    pod = pods.on(frame, int(frame.accelerators.node[row])).get(name) if kind == "pod" else None
    return Job(
        name,
        BY_CGROUP,
        _PREFIXES.get(kind, kind),
        pod.number if pod else number.rpartition("/")[2],
        name=pod.name if pod else _program(command),
        user=frame.accelerators.text(row, "user"),
        account=pod.namespace if pod else "",
        state=JobState.RUNNING,
        command=command,
        allocations=_allocations(frame, rows),
    )


def _by_hand(frame: Frame, rows: Rows) -> Job:
    """One user's processes of one program on one node are a job."""
    view, row = frame.accelerators, int(rows[0])
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
        allocations=_allocations(frame, rows),
    )


def _program(command: str) -> str:
    """`/usr/bin/python3 train.py --lr 1` -> `train.py`; `./serve --port 1` -> `serve`; `python -c …` -> `python`."""
    words = command.split()
    if "-m" in words[1:3]:  # python3 -m vllm.entrypoints…
        return words[words.index("-m") + 1] if words[-1] != "-m" else words[0]
    named = [word for word in words[:3] if not word.startswith("-")]
    names = [word.rpartition("/")[2] for word in named]
    if (
        len(names) > 1
        and "-c" not in words[1:3]
        and names[0].startswith(("python", "bash", "sh", "mpirun", "torchrun"))
    ):
        return names[1]
    return names[0] if names else "?"


def _allocations(frame: Frame, rows: Rows) -> tuple[Allocation, ...]:
    nodes, counts = np.unique(frame.accelerators.node[rows], return_counts=True)
    told = zip(nodes.tolist(), counts.tolist(), strict=True)
    return tuple(Allocation(frame.specs[node].name, count) for node, count in told)


def _joined(before: Job, more: Job) -> Job:
    """The same job, with more accelerators."""
    counts = {allocation.node: allocation.count or 0 for allocation in before.allocations}
    for allocation in more.allocations:
        counts[allocation.node] = counts.get(allocation.node, 0) + (allocation.count or 0)
    return replace(before, allocations=tuple(Allocation(node, count) for node, count in counts.items()))


def owners_of(told: Told, held: Owners, names: Named, found: Running, workers: Workers) -> Owners:
    """`held` by allocation, over which what runs is laid. `told` knows the jobs of `found`, too."""
    rows = names.rows.copy() if names.unknown else names.rows
    for number, name in names.unknown.items():
        rows[number] = told.rows[name]
    owners = np.where(rows[names.numbers] >= 0, rows[names.numbers], held)
    if found.rows.size:
        rows_of_jobs = np.array([told.rows[job.id] for job in found.jobs], np.int32)
        owners[found.rows] = rows_of_jobs[list(found.by_row)]
    for row, job in workers:
        owners[row] = job
    return owners
