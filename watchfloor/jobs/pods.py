"""What pods are called that no source tells of: their node's kubelet or their processes' environment may say it, where
their cgroup has but the pod's uid. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from watchfloor.errors import StreamError
from watchfloor.frame import Frame
from watchfloor.report import Process, Workload, decode_detail

_NOTHING = b"[]"
_POD = "pod:"


@dataclass(frozen=True, slots=True)
class PodName:
    name: str
    namespace: str = ""

    @property
    def number(self) -> str:
        """As kubectl and the jobs of Kubernetes have it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class PodNames:
    """Remembers what was decoded: a node is read anew where its probe tells other processes."""

    def __init__(self) -> None:
        self._nodes: dict[int, tuple[bytes, Mapping[str, PodName]]] = {}

    def on(self, frame: Frame, node: int) -> Mapping[str, PodName]:
        """By job ("pod:<uid>") the pods on this node that are named: by its kubelet, else by what their processes were
        given as POD_NAME, else HOSTNAME, which is the node's own where a pod shares its network.
        """
        details = frame.detail[node].details
        raw = details.get("workloads", _NOTHING)
        known = self._nodes.get(node)
        if known is None or known[0] != raw:
            try:
                own = frame.specs[node].host, frame.specs[node].name, frame.nodes.text(node, "hostname")
                known = raw, _named(details.get("processes", _NOTHING), raw, own)
            except (StreamError, msgspec.DecodeError):  # what isn't as the protocol says shows as nothing
                known = raw, {}
            self._nodes[node] = known
        return known[1]


def _named(processes: bytes, workloads: bytes, own: Collection[str]) -> dict[str, PodName]:
    said = {
        work.pid: pod
        for work in decode_detail("workloads", workloads)
        if isinstance(work, Workload) and (pod := _pod(work, own)).name
    }
    rows = decode_detail("processes", processes) if said else ()
    return {
        row.job: said[row.pid]
        for row in rows
        if isinstance(row, Process) and row.pid in said and row.job.startswith(_POD)
    }


def _pod(work: Workload, own: Collection[str]) -> PodName:
    namespace, _, name = work.pod.partition("/")
    if name:
        return PodName(name, namespace)
    given = work.environment
    host = given.get("HOSTNAME", "")
    return PodName(given.get("POD_NAME") or (host if host not in own else ""), given.get("POD_NAMESPACE", ""))
