"""A process of a real node with secrets in its environment, command line and folder: no file of a console has any."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.collectors.conftest import library  # noqa: F401 - a fixture
from tests.e2e.test_terminal import Terminal, opened
from tests.support.nvml import Scenario
from tests.support.parts import ROOT
from tests.support.patience import PATIENCE_SECONDS
from tests.support.planted import leaks, planted, texts_of


@contextmanager
def at_work(folder: Path) -> Iterator[int]:
    """A rank of job 4242 that waits there; its pid."""
    argv = [
        "sh", "-c", "cat; :", "w", "--hf-token", planted(), f"--password={planted()}", "-e",
        f"WANDB_API_KEY={planted()}", f"https://me:{planted()}@hub/x", planted(), "--epochs", "3",
    ]  # fmt: skip
    variables = {
        "SLURM_JOB_ID": "4242", "SLURM_JOB_NAME": f"moe --password {planted()}", "RANK": "1", "WORLD_SIZE": "2",
        "HF_TOKEN": planted(), "AWS_SECRET_ACCESS_KEY": planted(), "RANKING": planted(), "DATABASE": planted(),
    }  # fmt: skip
    folder.mkdir()
    with subprocess.Popen(argv, cwd=folder, env=variables, stdin=subprocess.PIPE) as process:
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def terminal(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:  # noqa: F811
    """On this machine as its node, which has a driver."""
    scenario = Scenario(tmp_path / "scenario")
    scenario.gpus(1)
    for name, value in scenario.environment(library).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with at_work(tmp_path / f"token={planted()}") as pid:
        scenario.set("gpu.0.processes.compute", f"{pid}:{1 << 30}")
        yield from opened(tmp_path, "watchfloor --record")


def test_no_file_of_a_console_has_what_its_processes_keep(terminal: Terminal, tmp_path: Path) -> None:
    terminal.resize(250, 50)
    terminal.wait("slurm:4242")
    for key, shown in (("2", "x processes"), ("x", "--hf-token"), ("e", "METRIC"), ("4", "4242")):
        terminal.press(key)
        terminal.wait(shown)
    (tmp_path / "snapshot.json").write_text(told("snapshot", "--json"))
    (tmp_path / "lineage.json").write_text(told("lineage", "4242", "--json"))
    terminal.press("C-c")
    terminal.wait("recorded in")
    told("evidence", "slurm:4242", "-o", str(tmp_path / "job.zip"))
    told("report", "--html", "-o", str(tmp_path / "week.html"))
    told("sessions", "cast", "last", "-o", str(tmp_path / "x.cast"))
    assert leaks(tmp_path) == []
    found = {path.suffix: text for path, text in texts_of(tmp_path) if b"--hf-token ***" in text}
    assert set(found) >= {".json", ".session", ".zip", ".cast"}


def told(*words: str) -> str:
    """What a command of the same user prints."""
    done = subprocess.run([sys.executable, "-m", "watchfloor", *words], cwd=ROOT, capture_output=True, text=True,
                          timeout=PATIENCE_SECONDS, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout
