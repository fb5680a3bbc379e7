"""The partitions of an AMD board (DPX, QPX, CPX): each is a GPU to programs, and a row of its own.

They share the board's sensors and memory controllers: what is told of one is what its dies do, and who works on it.
"""

from . import gpu_metrics
from .amd_kfd import Node
from .cells import UNSUPPORTED, Missing


class Partitions:
    """Those of one board; none while it is whole."""

    def __init__(self, board, nodes: "dict[int, Node]") -> None:
        own = sorted(
            (node for node in nodes.values() if node.address == board.address), key=lambda node: node.partition
        )
        self._board = board
        self.nodes = own if len(own) > 1 else []
        self.keys = ["%s/%d" % (board.key, node.partition) for node in self.nodes]
        self._known = [self._identity(node, key) for node, key in zip(self.nodes, self.keys)]

    def _identity(self, node: Node, key: str) -> dict:
        return dict(
            self._board.known,
            name="%s.%d" % (self._board.known["name"], node.partition),
            uuid=key,
            partition_of=self._board.key,
            mem_total=node.memory or UNSUPPORTED,
        )

    def rows(self, profile: "str | Missing", holders: dict) -> dict:
        """By key. `profile`: how the board is partitioned; `holders` as in cells.Reading."""
        if not self.nodes:
            return {}
        busy = gpu_metrics.dies(self._board.table, len(self.nodes)) if self._board.metrics else [None] * len(self.nodes)
        found = {}
        for key, known, share in zip(self.keys, self._known, busy):
            held = holders.get(key, UNSUPPORTED)
            found[key] = (known, {
                "profile": profile,
                "util": UNSUPPORTED if share is None else round(share),
                "processes": held if isinstance(held, Missing) else len(held),
            })  # fmt: skip
        return found
