"""What all tests share: nothing of the user's own settings reaches them."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _nothing_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Settings and state folders are empty ones; colours, themes and agents of the user don't count."""
    folder: Path = tmp_path_factory.getbasetemp() / "user"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    for name in ("SSH_AUTH_SOCK", "NO_COLOR", "WATCHFLOOR_THEME", "WATCHFLOOR_ASCII", "WATCHFLOOR_DEBUG"):
        monkeypatch.delenv(name, raising=False)
