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


class Audit(IntEnum):
    """What `audit verify` ends with: codes of its own, for there is one question and it is asked by scripts."""

    INTACT = 0
    ALTERED = 1
    UNREADABLE = 2
    TRUNCATED = 3

    @property
    def meaning(self) -> str:
        return AUDIT_MEANINGS[self]


AUDIT_MEANINGS = {
    Audit.INTACT: "every entry is what was written, and whatever was named vouches for it",
    Audit.ALTERED: "an entry was changed, removed, added or moved, or nobody of --signers has signed; it is named",
    Audit.UNREADABLE: "no ledger is there, or it can't be read, or an argument is wrong",
    Audit.TRUNCATED: "entries that an anchor saw are gone from the end",
}

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
