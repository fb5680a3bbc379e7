"""Accelerators by the processes that a source names: Ray knows the pids of its workers, and no cgroup does. Pure.

A worker in a container may be told with the pid that it has there, which is another process's on the node. So a pid
counts where the process calls itself a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from watchfloor.errors import StreamError
from watchfloor.frame import Frame
from watchfloor.jobs.told import Told
from watchfloor.report import Process, decode_detail

Workers = tuple[tuple[int, int], ...]  # accelerator row, row of the job whose worker is on it
Pids = Mapping[int, Mapping[int, int]]  # node -> pid -> row of its job

_CALLED = "ray::"  # how Ray's workers name themselves: ray::train_loop()
_NOTHING = b"[]"


def pids_of(told: Told, nodes: Mapping[str, Mapping[str, int]]) -> Pids:
    found: dict[int, dict[int, int]] = {}
    for row, job in enumerate(told.jobs):
        if not job.state.holds_nodes:
            continue
        for allocation in job.allocations:
            node = nodes.get(job.source, {}).get(allocation.node) if allocation.pids else None
            if node is not None:
                found.setdefault(node, {}).update(dict.fromkeys(allocation.pids, row))
    return found


class WorkerFinder:
    """Looks through the processes of a node where they are others than before."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[bytes, Sequence[Process]]] = {}
        self._found: Workers = ()

    def find(self, frame: Frame, pids: Pids) -> Workers:
        """The same object as long as nothing of it changed."""
        if not pids and not self._found:
            return self._found
        found = tuple(sorted(pair for node, rows in pids.items() for pair in self._on(frame, node, rows)))
        self._seen = {node: seen for node, seen in self._seen.items() if node in pids}
        if found != self._found:
            self._found = found
        return self._found

    def _on(self, frame: Frame, node: int, rows: Mapping[int, int]) -> list[tuple[int, int]]:
        keys = ((one.accelerator, rows[one.pid]) for one in self._workers(frame, node) if one.pid in rows)
        found = ((frame.accelerators.roster.row(node, key), row) for key, row in keys)
        return [(board, row) for board, row in found if board is not None]

    def _workers(self, frame: Frame, node: int) -> Sequence[Process]:
        raw = frame.detail[node].details.get("processes", _NOTHING)
        before = self._seen.get(node)
        if before is None or before[0] is not raw:
            before = self._seen[node] = (raw, _of(raw))
        return before[1]


def _of(raw: bytes) -> Sequence[Process]:
    try:
        told = decode_detail("processes", raw)
    except (StreamError, msgspec.DecodeError):
        return ()
    return [one for one in told if isinstance(one, Process) and one.accelerator and one.command.startswith(_CALLED)]
