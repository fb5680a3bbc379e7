"""Python's garbage collector, kept from walking the whole fleet over and over.

Must not do: know how frames come about.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from watchfloor.frame import Frame

NEVER = 1_000_000_000
OFTEN = 2  # collections of the middle generation between two full ones, where little is left to walk
# for each hundred nodes so many frames pass until what is free within the heap goes back: 1 MiB of 90 with a hundred of
# them; looking for it takes as long as the heap is large, and every thread waits
FRAMES_BETWEEN = 60
NODES_PER_TURN = 100
_M_ARENA_MAX = -8  # of glibc's malloc.h


def sparing_collector(
    on_frame: Callable[[Frame], None], settled_in: Callable[[Frame], bool]
) -> Callable[[Frame], None]:
    """`on_frame`, and Python's garbage collector kept from walking the whole fleet while it connects.

    Every connection lives as long as the program, and there are thousands: full collections took 15 % of the time in
    which 4,000 nodes connected, and stood still for half a second each. There is one when all have answered; what is
    left is frozen, and from then on full collections walk what came later. They come often then: what is drawn leaves
    cycles behind, and three megabytes of them had gathered between two of the usual ones.
    """
    usual = gc.get_threshold()
    gc.set_threshold(usual[0], usual[1], NEVER)
    settled, frames = False, 0

    def noting(frame: Frame) -> None:
        nonlocal settled, frames
        frames += 1
        if settled and frames % (FRAMES_BETWEEN * max(1, len(frame.specs) // NODES_PER_TURN)) == 0:
            _give_memory_back()
        if not settled and settled_in(frame):
            settled = True
            gc.collect()
            gc.freeze()
            gc.collect()  # a full one waits for a quarter of what the last one left: of nothing, not of the whole fleet
            _give_memory_back()
            gc.set_threshold(usual[0], usual[1], OFTEN)
        on_frame(frame)

    return noting


@contextmanager
def uncollected() -> Iterator[None]:
    """For a command that reads much, keeps all of it and ends: a third of its time went by in walking half a million
    objects that nobody lets go of."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def one_arena() -> None:
    """Threads that are yet to come share glibc's first heap: a heap for each keeps what it has freed from the others,
    and they take turns in Python anyway. Nothing where the C library is another one.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _give_memory_back() -> None:
    """What was needed for a moment goes back to the system, where the C library is glibc."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
