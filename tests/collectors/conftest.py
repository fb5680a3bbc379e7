"""What the tests of the collectors share: real OpenSSH servers and what nodes may say; a probe over an NVML library."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from collectors import stream
from tests.support import nvml, sshd
from tests.support.nvml import Scenario
from tests.support.probe import RunningProbe, running_probe


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[sshd.Lab]:
    """An empty lab; its hosts are stopped at the end."""
    sshd.need()
    made = sshd.Lab(tmp_path / "lab")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tests' NVML library, compiled once for all workers."""
    own = tmp_path_factory.getbasetemp()
    common = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (common / "nvml.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = common / "nvml"
        return made if made.exists() else nvml.build(made)


@pytest.fixture
def strict_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes may say less than a machine that is busy can carry: there a flood would stay within the usual bounds."""
    monkeypatch.setattr(stream, "Budget", partial(stream.Budget, burst=2**20, rate=2**17))


@pytest.fixture
def probe(library: Path, scenario: Scenario) -> Iterator[RunningProbe]:
    """A probe on the boards of `scenario`, which the test module says."""
    with running_probe(scenario.environment(library)) as probe:
        yield probe
