"""Probes let go of the driver while root asks them to, so that a board can be reset: real probes over a real NVML
library, whose nvidia-smi refuses while anybody holds it, and the real hands over a real sshd."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from agents.action import Action
from agents.actions import _letting_go, _programs
from collectors import payload
from collectors.probe.letting_go import LONGEST_SECONDS, told
from collectors.probe.world import LET_GO, World
from tests.support.acting import Machine, board, frame_of, prepared, scene_of
from tests.support.handed import Bench
from tests.support.nvml import Scenario, uuid
from tests.support.patience import until
from tests.support.probe import NOT_YET, Mirror, RunningProbe, running_probe
from tests.support.sshd import Lab
from watchfloor.change import Command, Done, Step
from watchfloor.report import PAUSED

_SAMPLERS = ("nvidia", "nvidia_gpm", "nvidia_health", "nvidia_pcie", "nvidia_xid")
_SUDO = """#!/bin/sh
shift 2
exec "$@"
"""
_SMI = """#!/usr/bin/env python3
# nvidia-smi of the test: a reset is refused while anybody holds the library
import fcntl, os, sys
if "--gpu-reset" not in sys.argv:
    sys.exit(0)
scenario, resets = sys.argv[0] + ".scenario", sys.argv[0] + ".resets"
with open(scenario) as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("GPU 00000000:19:00.0 is currently in use by another process.")
        sys.exit(255)
    with open(resets, "a") as done:
        done.write(" ".join(sys.argv[1:]) + "\\n")
"""
_MONITOR = (
    "import ctypes, sys; ctypes.CDLL('libnvidia-ml.so.1').nvmlInit_v2(); print('in', flush=True); sys.stdin.read()"
)


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    scenario = Scenario(tmp_path / "scenario")
    scenario.gpus(2, nvlinks=1)
    return scenario


@pytest.fixture
def environment(library: Path, scenario: Scenario, tmp_path: Path) -> dict[str, str]:
    return {**scenario.environment(library), "WATCHFLOOR_LET_GO": str(tmp_path / "let-go")}


@pytest.fixture
def watching(environment: dict[str, str]) -> Iterator[RunningProbe]:
    with running_probe(environment) as probe:
        probe.until(_all_answer)
        yield probe


@pytest.fixture
async def bench(lab: Lab, tmp_path: Path, scenario: Scenario) -> AsyncIterator[Bench]:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("sudo", _SUDO), ("nvidia-smi", _SMI)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (programs / "nvidia-smi.scenario").symlink_to(scenario.path)
    made = Bench(lab, tmp_path, environment=f"PATH={programs}:{os.environ['PATH']}")
    yield made
    await made.close()


def _all_answer(mirror: Mirror) -> bool:
    return all(mirror.state(name) == "ok" for name in _SAMPLERS) and "temp" in mirror.accelerator(uuid(0))


def _told_anew(probe: RunningProbe, scenario: Scenario) -> None:
    scenario.set("gpu.0.temp", 55)
    probe.until(lambda mirror: _all_answer(mirror) and mirror.accelerator(uuid(0))["temp"] == 55)


def _all_paused(mirror: Mirror) -> bool:
    return all(mirror.state(name) == PAUSED for name in _SAMPLERS)


def _ask(link: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to("watchfloor:150:ops")


def _backdate(link: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(link, (then, then), follow_symlinks=False)


def _wake(scenario: Scenario) -> None:
    """Who waits in the driver for events comes out of it with one, instead of after ten seconds."""
    scenario.event(0, 0x2)


# -- what is asked


def test_both_sides_mean_the_same_link_and_the_same_probe() -> None:
    assert LET_GO == _letting_go.LINK and _letting_go.SECONDS < LONGEST_SECONDS
    asked = _letting_go.asked("n1", "ops")
    assert told(asked.argv[2], 1000.0, 1000.0).startswith("let go of for a reset that ops asked for")
    assert "from probe.main import main" in payload.COMMAND


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/proc/1/", "no probe of this user holds it\n"),
        ("/proc/none/", "those of other users can't be seen: /proc doesn't list them\n"),  # as with hidepid
    ],
)
def test_where_probes_of_others_may_be_hidden_the_whole_time_is_waited(place: str, said: str) -> None:
    program = _programs.AWAIT.replace("/proc/1/", place)
    command = [sys.executable, "-c", program, "/dev/no-such-device", "0.2"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.endswith(said)
    assert place == "/proc/1/" or float(told.split()[1]) >= 0.2


@pytest.mark.parametrize(
    ("text", "age", "words"),
    [
        ("watchfloor:150:ops@bastion", 0.0, "let go of for a reset that ops@bastion asked for, until 00:19:10 UTC"),
        ("watchfloor:150:ops", 149.0, "let go of for a reset that ops asked for, until 00:16:41 UTC"),
        ("watchfloor:150:ops", 150.0, ""),
        ("watchfloor:0:ops", 0.0, ""),  # taken back
        ("watchfloor:99999:ops", 179.0, "let go of for a reset that ops asked for, until 00:16:41 UTC"),
        ("watchfloor:99999:ops", 180.0, ""),  # nobody may ask for longer
        ("watchfloor:150:ops", -3600.0, ""),  # made an hour from now: a clock that was set, or a trick
        ("watchfloor:150", 0.0, "let go of for a reset that root asked for, until 00:19:10 UTC"),
        ("watchfloor:-5:ops", 0.0, ""),
        ("watchfloor::ops", 0.0, ""),
        ("watchfloor:²:ops", 0.0, ""),
        ("/var/lib/somewhere", 0.0, ""),
        ("", 0.0, ""),
    ],
)
def test_a_request_counts_for_as_long_as_it_says_and_never_for_long(text: str, age: float, words: str) -> None:
    assert told(text, 1000.0 - age, 1000.0) == words


def test_a_request_of_another_user_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "let-go"
    monkeypatch.setenv("WATCHFLOOR_LET_GO", str(link))
    with pytest.raises(FileNotFoundError):
        World().let_go_request()
    _ask(link)
    text, made = World().let_go_request()
    assert text == "watchfloor:150:ops" and abs(made - link.lstat().st_mtime) < 1e-3
    link.unlink()
    link.write_text("watchfloor:150:ops")
    with pytest.raises(OSError, match="Invalid argument"):  # no link
        World().let_go_request()
    if os.getuid() != 0:
        pytest.skip("only root can make a link of another user's")
    _ask(link)
    os.lchown(link, 65534, 65534)
    with pytest.raises(PermissionError, match="made by another user"):
        World().let_go_request()


# -- the probe


def test_all_samplers_let_go_and_come_back_by_themselves(
    watching: RunningProbe, scenario: Scenario, tmp_path: Path
) -> None:
    link, words = tmp_path / "let-go", "let go of for a reset that ops asked for, until "
    assert _held(scenario)
    _ask(link)
    _wake(scenario)
    seen = watching.until(_all_paused)
    assert not _held(scenario)
    assert all(seen.samplers[name].text.startswith(words) for name in _SAMPLERS)
    cells = seen.accelerator(uuid(0))
    unknown = ("temp", "util", "processes", "xid", "recovery", "sm_active", "pcie_rx", "throttle_power_time")
    assert {cells[name] for name in unknown} == {NOT_YET}
    assert seen.note("accelerator.temp", NOT_YET).startswith(words)
    assert (cells["uuid"], cells["name"]) == (uuid(0), "gpu0")  # which boards there are is known all the same
    _backdate(link, 151)  # whoever asked has died
    back = watching.until(_all_answer)
    assert back.accelerator(uuid(1))["temp"] == 41 and _held(scenario)


def test_a_probe_that_begins_meanwhile_says_why_it_tells_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    _ask(tmp_path / "let-go")
    with running_probe(environment) as probe:
        seen = probe.until(_all_paused)
        assert seen.cells["accelerator"] == {} and "ops asked for" in seen.samplers["nvidia"].text
        (tmp_path / "let-go").unlink()
        probe.until(_all_answer)


def _held(scenario: Scenario) -> bool:
    """Whether any process has the library initialised."""
    script = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return (
        subprocess.run([sys.executable, "-c", script, scenario.path], stderr=subprocess.PIPE, check=False).returncode
        != 0
    )


# -- the reset


def _step(scenario: Scenario, link: Path) -> tuple[Action, Step]:
    """The action's own, at the test's link and library in the place of the node's."""
    values = {"uuid": uuid(0), "name": "gpu0", "vendor": "NVIDIA", "model": "NVIDIA H100 80GB HBM3", "index": 0.0,
              "processes": 0.0, "recovery": 1.0, "ecc_uncorrected": 0.0, "partition_of": ""}  # fmt: skip
    action, step = prepared(scene_of(frame_of([Machine("node", {uuid(0): values})])), "reset_accelerator",
                            board(uuid(0), "node"))  # fmt: skip
    places = {_letting_go.LINK: str(link), _letting_go.DEVICES: str(scenario.path)}
    deeds = tuple(
        msgspec.structs.replace(deed, argv=tuple(places.get(word, word) for word in deed.argv))
        for deed in step.deeds
        if isinstance(deed, Command)
    )
    return action, msgspec.structs.replace(step, deeds=deeds)


async def _reset(bench: Bench, scenario: Scenario, operation: str) -> list[Done]:
    link = bench.path / "let-go"
    action, step = _step(scenario, link)
    doing = asyncio.create_task(_applied(action, step, bench, operation))
    await until(link.is_symlink)
    _wake(scenario)
    return await doing


async def _applied(action: Action, step: Step, bench: Bench, operation: str) -> list[Done]:
    return list(await action.apply(step, bench.hands(), operation))


def _resets(bench: Bench) -> str:
    done = bench.path / "programs" / "nvidia-smi.resets"
    return done.read_text() if done.exists() else ""


async def test_a_board_is_reset_beside_the_probes_of_two_consoles(
    bench: Bench, scenario: Scenario, environment: dict[str, str], watching: RunningProbe
) -> None:
    with running_probe(environment) as other:
        other.until(_all_answer)
        done = await _reset(bench, scenario, "run.s1")
        assert [one.exit_code for one in done] == [0, 0, 0, 0], done
        assert _resets(bench) == f"-i {uuid(0)} --gpu-reset\n"
        assert "no probe of this user holds it" in done[1].stdout
        for probe in (watching, other):
            _told_anew(probe, scenario)


@pytest.fixture
def monitor(environment: dict[str, str]) -> Iterator[None]:
    """Another one, which lets go for nobody."""
    command, pipe = [sys.executable, "-c", _MONITOR], subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        yield
        process.communicate()


async def test_another_monitor_makes_the_driver_refuse_and_the_probes_come_back(
    bench: Bench, scenario: Scenario, watching: RunningProbe, monitor: None
) -> None:
    done = await _reset(bench, scenario, "run.s1")
    assert [one.exit_code for one in done] == [0, 0, 255, 0]
    assert "in use by another process" in done[2].stderr and "DCGM or nvitop" in done[2].stderr
    assert _resets(bench) == ""
    assert str((bench.path / "let-go").readlink()).startswith("watchfloor:0:")
    _told_anew(watching, scenario)
