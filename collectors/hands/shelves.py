"""The shelf of this user on this node: what is new goes to the first folder that can be written; all are read."""

import os

from . import folder
from .shelf import DONE, RUNNING, UNHEARD, UNKNOWN, Full, Shelf

_TELLING = (DONE, RUNNING, UNKNOWN)


class Shelves:
    """Raises OSError where no folder can be used."""

    def __init__(self, environ):
        self._paths = folder.candidates(environ, os.getuid())
        self._open = {}  # path -> Shelf

    def begin(self, operation, intent):
        """Shelf and descriptor of the lock; None where it was begun before."""
        troubles = []
        for path in self._paths:
            try:
                shelf = self._shelf(path, make=True)
                lock = shelf.begin(operation, intent)
            except Full:
                raise
            except OSError as error:
                troubles.append("%s: %s" % (path, error.strerror or error))
            else:
                return None if lock is None else (shelf, lock)
        raise OSError("; ".join(troubles))

    def recall(self, operation):
        """State, intent and result."""
        for shelf in self._there():
            found = shelf.recall(operation)
            if found[0] in _TELLING:
                return found
        return UNHEARD, None, None

    def acknowledge(self, operation):
        for shelf in self._there():
            shelf.acknowledge(operation)

    def _there(self):
        """Those that there are; one that isn't ours is none of them."""
        for path in self._paths:
            try:
                yield self._shelf(path, make=False)
            except OSError:
                continue

    def _shelf(self, path, make):
        if path not in self._open:
            self._open[path] = Shelf(folder.opened(path, make))
        return self._open[path]
