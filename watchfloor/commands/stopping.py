"""`watchfloor stop` and `watchfloor resume`: the global stop, and the circuit breaker's closing. Both are entries."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from watchfloor.commands import output
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit
from watchfloor.keeper import account
from watchfloor.places import ledger_file
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, Party, Who
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerwords import Kind
from watchfloor.stopping import resumed, stopped

FORMAT = "watchfloor.stop/1"

Reason = Annotated[str, Parameter(help="Why: it is in the ledger, and everybody who is held up reads it.")]
Json = Annotated[bool, Parameter(help="As JSON.")]


def stop(reason: Reason, /, *, json: Json = False) -> int:
    """No act begins from now on, whoever asks and whatever was approved; what is under way ends its step."""
    before = _is_stopped()
    number = _kept(stopped(Who(Party.PERSON, account()), _given(reason)))
    _told(number, before, True, "Everything is stopped: no act begins. `watchfloor resume REASON` ends it.", json)
    return Exit.OK


def resume(reason: Reason, /, *, json: Json = False) -> int:
    """End a stop, and close the circuit breaker: acts may begin again."""
    before = _is_stopped()
    number = _kept(resumed(Who(Party.PERSON, account()), _given(reason)))
    text = "Acts may begin again." if before else "Nothing was stopped. The circuit breaker is closed, if it was open."
    _told(number, before, False, text, json)
    return Exit.OK


def _given(reason: str) -> str:
    """Raises ConfigError."""
    if not reason.strip():
        raise ConfigError("there is no reason", "say why: it is what everybody reads who is held up", file="REASON")
    return reason


def _is_stopped() -> bool:
    path = ledger_file()
    if not path.exists():
        return False
    with LedgerReader(path) as reader:
        newest = next(reader.entries(Wanted(kinds=(Kind.STOP, Kind.RESUME)), most=1, newest_first=True), None)
    return newest is not None and newest.kind == Kind.STOP


def _kept(note: Note) -> int:
    with Ledger(ledger_file()) as ledger:
        return ledger.append(note).number


def _told(number: int, before: bool, now: bool, text: str, json: bool) -> None:
    if json:
        output.write_json({"format": FORMAT, "entry": number, "was_stopped": before, "stopped": now})
    else:
        output.write(text)
