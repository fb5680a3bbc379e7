"""Lines that are let go of as soon as others are drawn in their place.

Textual remembers in each strip what it was divided into. One that is drawn as a whole is "divided" into itself: a cycle
a line, which waits for Python's garbage collector with all of its segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.strip import Strip

_divide = Strip.divide


def divide(self: Strip, cuts: Iterable[int]) -> Sequence[Strip]:
    """Strip.divide, which remembers nothing where the strip isn't divided at all."""
    cells = self.cell_length
    within = [cut for cut in cuts if cut <= cells]
    return [self] if within == [cells] else _divide(self, within)
