"""What pages of the ledger say of it where there is nothing to show, or where it can't be read. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tui.present.line import Line
from tui.present.plans import told
from tui.present.style import Token
from watchfloor.ledgerfollower import Followed, LedgerPicture


def nothing_on_record(
    picture: LedgerPicture | None, ledger: Followed | None, nothing: str, width: int
) -> Sequence[Line]:
    """Why there is nothing: two lines at most where all is well."""
    if ledger is None:
        return list(told("this console follows no ledger", width, Token.DIM))
    if picture is None:
        return list(told(f"reading {ledger.place} …", width, Token.DIM))
    if picture.trouble:
        return list(told(picture.trouble, width, Token.WARNING))
    if picture.as_of and not picture.size:
        return list(told("nothing of a ledger was on record by then in this recording", width, Token.DIM))
    if not picture.size:
        words = f"no ledger is at {picture.place} yet: it begins with the first act that is asked for (watchfloor run)"
        return list(told(words, width, Token.DIM))
    return list(told(f"{nothing}; {picture.size:,} entries are in {picture.place}", width, Token.DIM))


def with_trouble(line: Line, picture: LedgerPicture, width: int, exact: bool = False) -> Sequence[Line]:
    """The line, and below it what is in the way of reading on. `exact`: as of when it is, is said by who asks."""
    stopped = [*told(f"all acts are stopped: {picture.stopped}", width, Token.CRITICAL)] if picture.stopped else []
    then = [*told("as of then: what the recording holds", width, Token.ACCENT)] if picture.as_of and not exact else []
    return [line, *then, *stopped, *(told(picture.trouble, width, Token.WARNING) if picture.trouble else ())]
