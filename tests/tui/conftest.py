"""What the tests of the terminal share: pilots that wait until the app has nothing left to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual import app, pilot
from textual.widgets import Input

from tests.support.ledgerpages import LEDGER, NOW
from tests.support.quiet import until_quiet
from tests.support.runstory import Story, written


@pytest.fixture(autouse=True)
def _quiet_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and pauses wait for what is left to do; a cursor doesn't blink while its picture is taken."""
    for module in (app, pilot):
        monkeypatch.setattr(module, "wait_for_idle", until_quiet)
    monkeypatch.setattr(Input, "_toggle_cursor", lambda field: None)


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """A morning on record in the working folder; it goes on as a test tells it."""
    monkeypatch.chdir(tmp_path)
    told = written(LEDGER, NOW)
    yield told
    told.ledger.close()
