"""Which links have a history: the ports of the scale-out fabric.

They are few (eight a node), each is a rail that can go dark, and nothing else remembers what they carried. Links of
accelerators among themselves are a hundred a node; their sum is a trend of the accelerator, and so is PCIe's traffic;
that of Ethernet is a trend of the node.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Picture
from watchfloor.distinct import among, distinct

KINDS = frozenset({"infiniband", "roce"})


class Rails:
    """Rows of these links in the order in which they were met: more may come, none goes."""

    def __init__(self) -> None:
        self._seen: Picture | None = None
        self._rows: NDArray[np.intp] = np.empty(0, np.intp)

    def rows(self, kinds: Picture, texts: Sequence[str]) -> NDArray[np.intp]:
        """The same array as long as there are no more. `kinds`: codes among `texts`, by row."""
        if self._seen is not kinds:
            self._seen = kinds
            wanted = [code for code in distinct(kinds.values).tolist() if code >= 0 and texts[code] in KINDS]
            met = np.flatnonzero(among(kinds.values, wanted))
            fresh = met[~among(met, self._rows)]
            if fresh.size:
                self._rows = np.concatenate([self._rows, fresh])
        return self._rows
