"""What all tests share: nothing of the user's own settings reaches them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.slurm import Slurm, running_slurm

settings.register_profile("untimed", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _nothing_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Settings and state folders are empty ones; colours, themes and agents of the user don't count."""
    folder: Path = tmp_path_factory.getbasetemp() / "user"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    for name in ("SSH_AUTH_SOCK", "NO_COLOR", "WATCHFLOOR_THEME", "WATCHFLOOR_ASCII", "WATCHFLOOR_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A real Slurm of four nodes with eight GPUs each, for the whole run; who uses it leaves it as it was."""
    with running_slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster
