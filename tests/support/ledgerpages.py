"""For tests of pages over a ledger: where it is and as of when, and an app that follows it."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from tests.support import frames
from tests.support.feeds import still_app
from tui.app import WatchfloorApp
from tui.widgets.table import VirtualTable
from watchfloor.ledgerfollower import LedgerFollower

LEDGER = Path("ledger.db")  # relative: its name is in the pictures
NOW = frames.settled().at
SIZES = ((80, 24), (120, 40), (200, 60))


def app_over(place: Path = LEDGER, **options: object) -> WatchfloorApp:
    return still_app(frames.settled(), ledger=LedgerFollower(place), zone=UTC, **options)


def rows_shown(app: WatchfloorApp, slug: str) -> list[str]:
    """The identities of the rows of this page, in their order."""
    model = app.pages[slug].query_one("#table", VirtualTable)._model
    assert model is not None
    return [str(model.identity(index)) for index in range(model.count)]
