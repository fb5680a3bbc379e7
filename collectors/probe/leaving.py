"""How the probe ends: at once, hung drivers and all, but never without the programs that it started."""

import os

_children = []  # objects with close()


def ends_with_the_probe(child) -> None:
    """Have `child.close()` called before the process ends."""
    _children.append(child)


def leave(status: int) -> None:
    """End the process. Never returns, and waits for no thread."""
    for child in _children:
        child.close()
    os._exit(status)
