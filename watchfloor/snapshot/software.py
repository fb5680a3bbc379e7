"""The software of a frame by layer, as JSON-ready data and as text: what the stack page shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watchfloor.compatibility import Clash, fleet_clashes
from watchfloor.frame import Frame
from watchfloor.hosts import folded
from watchfloor.snapshot.selection import is_read, reasons_not_read, unread
from watchfloor.stack import Grouping, Stacks, Thing, Version, things, titles, untold

FORMAT = "watchfloor.stack/1"

Json = dict[str, object]


class SoftwareReport:
    """What one frame tells of its software, its nodes grouped in one way."""

    def __init__(self, frame: Frame, grouping: Grouping, only_different: bool = False) -> None:
        stacks = Stacks()
        stacks.update(frame)
        self._frame = frame
        self._grouping = grouping
        self._silent = untold(stacks)
        self._clashes = list(fleet_clashes(frame, stacks))
        clashing = {(node, row.name, row.version) for node, clash in self._clashes for row in clash.rows}
        self._things = [
            thing
            for thing in things(frame, stacks, grouping)
            if not only_different or thing.drift or _has_part(thing, clashing)
        ]

    def document(self) -> Json:
        """A version is there, or `missing` says why not. Nodes by name, in the order of the inventory."""
        return {
            "format": FORMAT,
            "at": self._frame.at,
            "by": self._grouping.value,
            "things": [self._thing(thing) for thing in self._things],
            "incompatible": [self._clash(node, clash) for node, clash in self._clashes],
            "unknown": self._names(self._silent),
            "not_read": reasons_not_read(self._frame),
        }

    def _thing(self, thing: Thing) -> Json:
        return {
            "layer": thing.layer,
            "name": thing.name,
            "running": thing.running,
            "among": thing.group,
            "nodes": thing.nodes,
            "drift": thing.drift,
            "versions": [self._version(version) for version in thing.versions],
        }

    def _version(self, version: Version) -> Json:
        return {
            "version": version.version or None,
            "missing": version.missing.label or None,
            "nodes": self._names(version.nodes),
            "where": list(version.where),
            "users": list(version.users),
        }

    def _clash(self, node: int, clash: Clash) -> Json:
        rule = clash.rule
        rows = [{"name": row.name, "version": row.version, "user": row.user, "where": row.where} for row in clash.rows]
        return {
            "node": self._frame.specs[node].name,
            "rule": rule.name,
            "state": rule.state.label,
            "text": clash.text,
            "versions": rows,
            "advice": rule.advice,
            "source": rule.source,
        }

    def _names(self, nodes: Sequence[int]) -> list[str]:
        return [self._frame.specs[node].name for node in nodes]

    def text(self) -> str:
        """Aligned columns, a line a version; what differs is marked, and what doesn't go together follows."""
        named = titles(self._things)
        rows = [cells for thing in self._things for cells in self._cells(thing, named[thing.sort])]
        header = ("LAYER", "SOFTWARE", "VERSION", "NODES", "AMONG", "")
        widths = [max(len(cells[at]) for cells in (header, *rows)) for at in range(len(header))]
        lines = ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in (header, *rows)]
        silent = [node for node in self._silent if is_read(self._frame, node)]
        unknown = [f"nothing known of {folded(self._names(silent))}"] if silent else []
        if notes := [*unknown, *unread(self._frame)]:
            lines += ["", *notes]
        return "\n".join([*lines, *self._troubles()])

    def _cells(self, thing: Thing, title: str) -> Iterator[tuple[str, ...]]:
        for version in thing.versions:
            first = version is thing.majority
            count = f"{len(version.nodes)}/{thing.nodes}"
            words = version.version or f"({version.missing.label})"
            named = "" if first and not version.missing else folded(self._names(version.nodes))
            odd = f"differs: {named}" if thing.drift and not first and not version.missing else named
            yield thing.layer, title, words, count, thing.group, odd

    def _troubles(self) -> Iterator[str]:
        for node, clash in self._clashes:
            yield f"\n{self._frame.specs[node].name} has {clash.text}"
            yield f"  {clash.rule.advice}; {clash.rule.source}"


def _has_part(thing: Thing, clashing: set[tuple[int, str, str]]) -> bool:
    return any((node, thing.name, version.version) in clashing for version in thing.versions for node in version.nodes)
