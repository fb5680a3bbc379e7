"""Which scheduler has a node or a job: as the newest frame tells it, with the options of its source."""

from __future__ import annotations

from collections.abc import Mapping

from agents.action import Home
from watchfloor.frame import Frame

_NOT_SCHEDULED = "process"  # the kind of what somebody started by hand


class FrameHomes:
    """agents.action.Homes. `sources`: name of a source of jobs -> its kind and options, as the fleet file has them."""

    def __init__(self, sources: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
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
        if source not in self._sources:
            return None
        kind, options = self._sources[source]
        return Home(source, kind, node, options)
