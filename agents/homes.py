"""Which scheduler has a node or a job: as the newest frame tells it, with the options of its source."""

from __future__ import annotations

from collections.abc import Mapping

from agents.action import Home
from watchfloor.frame import Frame
from watchfloor.jobs.model import JobSourceSpec

_NOT_SCHEDULED = "process"  # the kind of what somebody started by hand


class KnownHomes:
    """agents.action.Homes. `sources`: those of the fleet file, by name."""

    def __init__(self, sources: Mapping[str, JobSourceSpec]) -> None:
        self._sources = sources

    def of_node(self, frame: Frame, node: str) -> Home | None:
        """None where no source tells of it, or where the one that does isn't in the fleet file."""
        index = frame.node_index.get(node)
        if index is None or index not in frame.jobs.managers:
            return None
        return self._home(frame.jobs.managers[index], frame.jobs.scheduler[index].name)

    def of_job(self, frame: Frame, job: str) -> Home | None:
        row = frame.jobs.index.get(job)
        if row is None or frame.jobs.rows[row].kind == _NOT_SCHEDULED:
            return None
        return self._home(frame.jobs.rows[row].source)

    def _home(self, source: str, node: str = "") -> Home | None:
        spec = self._sources.get(source)
        return Home(source, spec.kind, node, spec.options) if spec is not None else None
