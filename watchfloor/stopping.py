"""The global stop and its end, as entries of the ledger: there is no other switch. Pure."""

from __future__ import annotations

from watchfloor.records.ledgerentry import Note, Party, Who
from watchfloor.records.ledgerwords import Resume, Stop


def stopped(who: Who, reason: str) -> Note:
    """No act begins any more. Anybody may stop."""
    return Note(who, Stop(reason=reason))


def resumed(who: Who, reason: str) -> Note:
    """Ends a stop, and closes the circuit breaker. Raises PermissionError for a service or an agent."""
    if who.kind is not Party.PERSON:
        raise PermissionError("a person resumes, never a service or an agent")
    return Note(who, Resume(reason=reason))
