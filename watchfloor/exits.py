"""The exit codes of every command: documented in docs/exit-codes.md, and stable."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """10 to 19 are kept for the outcomes of acts (waiting for approval, denied, interlocked, rolled back …)."""

    OK = 0
    USAGE = 2
    PARTLY_FAILED = 3
    NOTHING_READ = 4
    INTERNAL = 5
    NOT_KEPT = 6
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        return MEANINGS[self]


MEANINGS = {
    Exit.OK: "done, and every node answered",
    Exit.USAGE: "a wrong argument, file or query: nothing was contacted",
    Exit.PARTLY_FAILED: "some nodes could not be read; the output holds the others",
    Exit.NOTHING_READ: "not one node could be read",
    Exit.INTERNAL: "an error of watchfloor's own: please report it with the text shown",
    Exit.NOT_KEPT: "a file or database of watchfloor's own could not be read or written",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
}


def of_fleet(read: int, failed: int) -> Exit:
    """The code for a fleet of which `read` nodes answered and `failed` didn't."""
    if failed == 0:
        return Exit.OK
    return Exit.PARTLY_FAILED if read else Exit.NOTHING_READ
