"""The exit codes of every command: documented in docs/exit-codes.md, and stable."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """10 to 19 tell how an act ended, or why there was none. An act that succeeded is 0."""

    OK = 0
    USAGE = 2
    PARTLY_FAILED = 3
    NOTHING_READ = 4
    INTERNAL = 5
    NOT_KEPT = 6
    WAITS_FOR_APPROVAL = 10
    DENIED = 11
    INTERLOCKED = 12
    FAILED = 13
    ROLLED_BACK = 14
    UNVERIFIED = 15
    NOTHING_TO_DO = 16
    ABANDONED = 17
    VOID = 18
    NO_PLAN = 19
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


class Proof(IntEnum):
    """What `evidence verify` ends with."""

    PROVEN = 0
    ALTERED = 1
    UNREADABLE = 2
    UNSIGNED = 3

    @property
    def meaning(self) -> str:
        return PROOF_MEANINGS[self]


PROOF_MEANINGS = {
    Proof.PROVEN: "every file, entry and signature is what was bundled, and a key has signed for it",
    Proof.ALTERED: "a file, entry or signature isn't what it says it is, or of no key that was named; it is told which",
    Proof.UNREADABLE: "no bundle is there, or it can't be read, or isn't safe to read, or an argument is wrong",
    Proof.UNSIGNED: "all of it fits together, and nobody has signed for it: whoever made it could make another",
}

MEANINGS = {
    Exit.OK: "done, and every node answered",
    Exit.USAGE: "a wrong argument, file or query: nothing was contacted",
    Exit.PARTLY_FAILED: "some nodes could not be read; the output holds the others",
    Exit.NOTHING_READ: "not one node could be read",
    Exit.INTERNAL: "an error of watchfloor's own: please report it with the text shown",
    Exit.NOT_KEPT: "a file or database of watchfloor's own could not be read or written, or the output not be written",
    Exit.WAITS_FOR_APPROVAL: "a plan waits for approvals, or an approval counts and others are still to come",
    Exit.DENIED: "policy denies it, a person rejected it, or an approval or rejection was refused: nothing was changed",
    Exit.INTERLOCKED: "an interlock holds it back; a run that the global stop meets midway goes on after `resume`",
    Exit.FAILED: "an act, or a case of `policy test`, failed; what was done before stays",
    Exit.ROLLED_BACK: "an act failed, and what was done before was undone",
    Exit.UNVERIFIED: "everything was done, and its effect can't be seen",
    Exit.NOTHING_TO_DO: "there was nothing to change",
    Exit.ABANDONED: "given up before its end; what was done before stays",
    Exit.VOID: "the plan expired, or the world moved away from it: nothing was changed",
    Exit.NO_PLAN: "no plan can be made of what was asked: nothing was changed",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
}


def of_fleet(read: int, failed: int) -> Exit:
    """The code for a fleet of which `read` nodes answered and `failed` didn't."""
    if failed == 0:
        return Exit.OK
    return Exit.PARTLY_FAILED if read else Exit.NOTHING_READ
