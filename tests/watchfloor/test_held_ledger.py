"""The ledger of a session that is shown: whoever still asks while the session is left gets an answer, and no crash."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from watchfloor.records.ledgerreader import Wanted
from watchfloor.session.heldledger import HeldLedger

_MOMENT = 0.2  # in which closing would be done, if it didn't wait


def test_it_closes_after_the_question_that_is_being_answered() -> None:
    """SQLite's library ends the whole program where a base is closed while another thread reads it."""
    closing: list[Thread] = []

    def at() -> float:
        if closing:  # the first one is asked for by the ledger itself
            closing[0].start()
            closing[0].join(_MOMENT)
        return 100.0

    ledger = HeldLedger(Path("morning.session"), at)
    closing.append(Thread(target=ledger.close))
    picture = ledger.look()
    closing[0].join()
    assert ledger.look() is picture and ledger.entries(Wanted(), 10) == []
    ledger.take([(1, b"{}")])
    assert ledger.look() is picture
