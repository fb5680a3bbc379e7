"""Whether a process is gone is said only where that is sure."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from watchfloor.processid import is_dead, this_process


def test_this_process_lives_and_has_a_name_of_its_own() -> None:
    assert not is_dead(this_process()) and this_process() != this_process()


def test_a_process_that_ended_is_dead_and_so_is_one_whose_number_another_has_now() -> None:
    program = "from watchfloor.processid import this_process; print(this_process())"
    name = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()
    assert is_dead(name)
    host, number, started, word = this_process().split(":")
    assert is_dead(f"{host}:{number}:{int(started) - 100}:{word}")


def test_of_another_host_and_of_what_is_no_name_nobody_knows() -> None:
    _, number, started, word = this_process().split(":")
    assert not is_dead(f"elsewhere:{number}:{started}:{word}") and not is_dead("one") and not is_dead("")


def test_a_clock_that_is_set_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil reckons a start from the time of day of the boot, which is another as soon as the clock is set."""
    name = this_process()
    told = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: told(process) + 3600.0)
    assert not is_dead(name)
