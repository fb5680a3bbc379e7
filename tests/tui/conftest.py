"""What the tests of the terminal share: pilots that wait until the app has nothing left to do."""

from __future__ import annotations

import pytest
from textual import app, pilot
from textual.widgets import Input

from tests.support.quiet import until_quiet


@pytest.fixture(autouse=True)
def _quiet_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and pauses wait for what is left to do; a cursor doesn't blink while its picture is taken."""
    for module in (app, pilot):
        monkeypatch.setattr(module, "wait_for_idle", until_quiet)
    monkeypatch.setattr(Input, "_toggle_cursor", lambda field: None)
