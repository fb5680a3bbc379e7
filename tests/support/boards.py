"""A small real fleet whose values a test sets one by one, at a time that the test moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.model import Missing, NodeSpec, NodeStatus, Phase, Scope
from watchfloor.report import Cells, Hello, Report, Schema, Table

Values = Mapping[str, float | str | Missing]


class Boards:
    """Nodes n0, n1 … with accelerators g0, g1 … and links, of the metrics that a test names."""

    def __init__(
        self, nodes: int = 1, tables: Mapping[Scope, tuple[Sequence[str], Sequence[str]]] | None = None
    ) -> None:
        self.now = 1_000_000.0
        self.tables = dict(tables or {Scope.ACCELERATOR: (["g0", "g1"], ["name", "util", "temp"])})
        self.fleet = Fleet([NodeSpec(f"n{at}") for at in range(nodes)], lambda: self.now)
        for node in range(nodes):
            self.fleet.status(node, NodeStatus(Phase.LIVE))
            self.fleet.hello(node, Hello(1, f"n{node}", "boot", self.now, "digest"), self.now)
        self.introduce(self.tables)

    def introduce(self, tables: Mapping[Scope, tuple[Sequence[str], Sequence[str]]]) -> None:
        """From now on every node has these subjects, and tells these metrics of them."""
        self.tables = dict(tables)
        said = {scope.value: Table(list(keys), list(names)) for scope, (keys, names) in tables.items()}
        for node in range(len(self.fleet.specs)):
            self.fleet.schema(node, Schema(1, said))

    def say(self, values: Mapping[str, Values], node: int = 0, scope: Scope = Scope.ACCELERATOR) -> None:
        """Report these values by subject key and metric."""
        keys, names = self.tables[scope]
        cells = Cells()
        for key, row in values.items():
            for name, value in row.items():
                position = list(keys).index(key) * len(names) + list(names).index(name)
                cells.put(position, value)
        report = Report(1, 1, self.now, cells={scope.value: cells})
        self.fleet.report(node, report, self.now)

    def pass_time(self, seconds: int) -> None:
        """Seconds in which every node keeps reporting that nothing changed."""
        for _ in range(seconds):
            self.now += 1.0
            for node in range(len(self.fleet.specs)):
                self.fleet.report(node, Report(1, 1, self.now), self.now)
            self.fleet.tick()

    def frame(self) -> Frame:
        return self.fleet.frame()
