"""What pods are called that no source tells of: their processes' environment may say it, where their cgroup has but the
pod's uid. Pure.
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
        """By job ("pod:<uid>") the pods on this node whose processes were given their names: POD_NAME, else HOSTNAME,
        which is the node's own where a pod shares its network.
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
        work.pid: PodName(name, work.environment.get("POD_NAMESPACE", ""))
        for work in decode_detail("workloads", workloads)
        if isinstance(work, Workload) and (name := _name(work.environment, own))
    }
    rows = decode_detail("processes", processes) if said else ()
    return {
        row.job: said[row.pid]
        for row in rows
        if isinstance(row, Process) and row.pid in said and row.job.startswith(_POD)
    }


def _name(environment: Mapping[str, str], own: Collection[str]) -> str:
    host = environment.get("HOSTNAME", "")
    return environment.get("POD_NAME") or (host if host not in own else "")
