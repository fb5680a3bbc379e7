"""What all tests share: nothing of the user's own settings reaches them, and no speed of the machine decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.slurm import Slurm, running_slurm

pytest_plugins = ("tests.support.workers",)

settings.register_profile(
    "untimed",  # how long an example takes is the machine's business
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")

_OF_THE_USER = (
    "SSH_AUTH_SOCK", "NO_COLOR", "WATCHFLOOR_THEME", "WATCHFLOOR_ASCII", "WATCHFLOOR_DEBUG", "COLUMNS", "LINES"
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Settings and state folders are empty ones; colours, themes, agents and the terminal's size don't count."""
    folder: Path = tmp_path_factory.getbasetemp() / "user"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    for name in _OF_THE_USER:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A real Slurm of four nodes with eight GPUs each, for the whole run; who uses it leaves it as it was."""
    with running_slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def lab(slurm: Slurm) -> Iterator[Slurm]:
    """The same for tests that act on it: what one left of jobs and drains is taken back at its end."""
    yield slurm
    slurm.cancel_all()
    slurm.resume_all()
