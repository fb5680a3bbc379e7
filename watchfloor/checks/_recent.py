"""Recent events by node, read again only where something was added or has grown too old."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watchfloor.events import Entry, EventLog
from watchfloor.frame import Frame
from watchfloor.report import Event

Found = Mapping[int, tuple[Entry, ...]]


class Recent:
    """The entries of the last `seconds` that are `wanted`."""

    def __init__(self, wanted: Callable[[Event], bool], seconds: float) -> None:
        self._wanted, self._seconds = wanted, seconds
        self._log: EventLog | None = None
        self._version = 0
        self._found: dict[int, tuple[Entry, ...]] = {}
        self._oldest: dict[int, float] = {}  # by node: when its oldest entry happened last
        self.changed: set[int] = set()  # nodes whose entries are others than in the frame before

    def update(self, frame: Frame) -> Found:
        """Nodes that have any, and their entries, newest first. What was before the node's boot is over."""
        if frame.events is not self._log:
            self._log, self._version, self._found, self._oldest = frame.events, 0, {}, {}
        version, since = frame.events.version, frame.at - self._seconds
        up = frame.nodes.last("uptime")
        stale = {
            node for node, oldest in self._oldest.items() if oldest < since or oldest < _booted(frame.at, up[node])
        }
        if version != self._version:
            stale.update(frame.events.nodes_since(self._version))
        self._version, self.changed = version, stale
        for node in stale:
            self._read(frame, node, since)
        return self._found

    def _read(self, frame: Frame, node: int, since: float) -> None:
        booted = _booted(frame.at, frame.nodes.last("uptime")[node])
        told = tuple(
            entry
            for entry in frame.events.of_node(node)
            if entry.last >= max(since, booted) and self._wanted(entry.event)
        )
        self._found.pop(node, None)
        self._oldest.pop(node, None)
        if told:
            self._found[node], self._oldest[node] = told, min(entry.last for entry in told)


def _booted(now: float, uptime: float) -> float:
    """Console time. By how long the node is up, which is told a moment after it is heard in another boot."""
    return now - uptime if uptime == uptime else 0.0
