"""`watchfloor stop` and `watchfloor resume`: the global stop, and the circuit breaker's closing. Both are entries."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from watchfloor.commands import output
from watchfloor.exits import Exit
from watchfloor.keeper import account
from watchfloor.places import ledger_file
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.stopping import resumed, stopped

Reason = Annotated[str, Parameter(help="Why: it is in the ledger, and everybody who is held up reads it.")]


def stop(reason: Reason, /) -> int:
    """No act begins from now on, whoever asks and whatever was approved; what is under way ends its step."""
    with Ledger(ledger_file()) as ledger:
        ledger.append(stopped(Who(Party.PERSON, account()), reason))
    output.write("Everything is stopped: no act begins. `watchfloor resume REASON` ends it.")
    return Exit.OK


def resume(reason: Reason, /) -> int:
    """End a stop, and close the circuit breaker: acts may begin again."""
    with Ledger(ledger_file()) as ledger:
        ledger.append(resumed(Who(Party.PERSON, account()), reason))
    output.write("Acts may begin again.")
    return Exit.OK
