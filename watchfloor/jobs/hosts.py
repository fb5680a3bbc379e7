"""A scheduler's names of nodes -> nodes of the fleet: by name, by host, by the hostname that the node told. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from watchfloor.frame import Frame
from watchfloor.jobs.model import SchedulerNode


class Hosts:
    """Nodes of a fleet by whatever they are called. A name that several nodes go by leads to none of them."""

    def __init__(self, frame: Frame) -> None:
        self._exact: dict[str, int] = {}
        self._short: dict[str, int] = {}
        for node, spec in enumerate(frame.specs):
            for name in (spec.name, spec.host, frame.nodes.text(node, "hostname")):
                _enter(self._exact, name.lower(), node)
                _enter(self._short, name.lower().partition(".")[0], node)

    def find(self, name: str) -> int | None:
        """The node's index, None where the fleet has none of this name."""
        found = self._exact.get(name.lower(), -1)
        if found < 0:
            found = self._short.get(name.lower().partition(".")[0], -1)
        return found if found >= 0 else None

    def by_scheduler_name(self, nodes: tuple[SchedulerNode, ...]) -> Mapping[str, int]:
        """Where the scheduler's own name says nothing, the hostname that it knows may.

        No two of its nodes are the same node of the fleet: what is done to one would be done to the other. One that is
        known by its name is nobody else, and a hostname that several have leads nowhere.
        """
        found = {node.name: at for node in nodes if (at := self.find(node.name)) is not None}
        known, claims = set(found.values()), dict[int, list[str]]()
        for node in nodes:
            at = self.find(node.hostname) if node.name not in found and node.hostname else None
            if at is not None and at not in known:
                claims.setdefault(at, []).append(node.name)
        found.update({names[0]: at for at, names in claims.items() if len(names) == 1})
        return found


_AMBIGUOUS = -2


def _enter(names: dict[str, int], name: str, node: int) -> None:
    if name and names.setdefault(name, node) != node:
        names[name] = _AMBIGUOUS
