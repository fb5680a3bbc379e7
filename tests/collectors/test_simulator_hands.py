"""A simulated node is acted upon as a real one, over SSH by the real hands; nothing of it reaches this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors.acting.hands import FleetHands, Places
from collectors.simulator.fleet import DemoFleet, start_demo
from collectors.transports.ssh import SshTransport
from tests.support.handed import WAITS
from tests.support.parts import ROOT
from tests.support.patience import PATIENCE_SECONDS
from watchfloor import wiring
from watchfloor.change import Command, Done, On, Place
from watchfloor.errors import HandsError
from watchfloor.frame import Frame
from watchfloor.model import Phase, Scope
from watchfloor.systemclock import SystemClock

NODE = "h100-01"


@dataclass
class Far:
    """A demo with hands that reach it."""

    fleet: DemoFleet
    hands: FleetHands
    count: int = 0

    async def do(self, *argv: str, sudo: bool = False) -> Done:
        self.count += 1
        return await self.hands.do(Command(Place(On.NODE, NODE), argv, sudo), f"deed-{self.count}")

    async def look(self, *argv: str) -> str:
        return (await self.hands.look(Command(Place(On.NODE, NODE), argv))).stdout


@asynccontextmanager
async def far(folder: Path, scenario: str = "steady", ahead: float = 0.0, nodes: int = 1) -> AsyncIterator[Far]:
    fleet = await start_demo(nodes, scenario, folder=folder / "demo", ahead_seconds=ahead)
    ssh = SshTransport()
    places = Places(fleet.specs, fleet.work.sources)
    hands = FleetHands(places, lambda spec: ssh, SystemClock(), folder / "notes", WAITS)
    try:
        yield Far(fleet, hands)
    finally:
        await hands.close()
        await ssh.close()
        await fleet.close()


async def uuid_of(at: Far, board: int) -> str:
    listed = await at.look("nvidia-smi", "-L")
    return listed.splitlines()[board].rpartition("UUID: ")[2].rstrip(")")


async def seen(at: Far, so: Callable[[Frame], bool]) -> Frame:
    """The first frame that is so."""
    found: list[Frame] = []

    def enough(frame: Frame) -> bool:
        found.extend([frame] if so(frame) else [])
        return bool(found)

    await wiring.collect(at.fleet.specs, PATIENCE_SECONDS, enough)
    return found[0]


def value(frame: Frame, metric: str, board: int = 0) -> float:
    return float(frame.accelerators.known(metric)[frame.rows_of(Scope.ACCELERATOR, 0)[board]])


async def test_what_is_set_on_a_board_shows_in_the_next_report_of_the_real_probe(tmp_path: Path) -> None:
    async with far(tmp_path) as at:
        uuid = await uuid_of(at, 2)
        for words in (("-pl", "350"), ("-lgc", "0,900"), ("-pm", "0")):
            assert (await at.do("nvidia-smi", "-i", uuid, *words, sudo=True)).ok
        refused = await at.do("nvidia-smi", "-i", uuid, "-pl", "400")
        assert (refused.exit_code, "Insufficient Permissions" in refused.stderr) == (4, True)
        wrong = await at.do("nvidia-smi", "-i", uuid, "-pl", "9000", sudo=True)
        assert wrong.exit_code == 2 and "should be between 200.00 W and 700.00 W" in wrong.stderr

        def limited(frame: Frame) -> bool:
            told = frame.statuses[0].phase is Phase.LIVE and frame.accelerators.count == 8
            return told and value(frame, "power_limit", 2) == 350 and value(frame, "clock_sm", 2) <= 900

        frame = await seen(at, limited)
        assert value(frame, "power", 2) < 360 and value(frame, "persistence", 2) == 0
        assert (value(frame, "power_limit", 3), value(frame, "persistence", 3)) == (700, 1)
        assert value(frame, "clock_sm", 3) > 900
        assert (await at.do("nvidia-smi", "-i", uuid, "-rgc", sudo=True)).ok


async def test_a_node_that_is_told_to_reboot_is_away_and_comes_back_as_another_boot(tmp_path: Path) -> None:
    async with far(tmp_path, "services", ahead=20.0) as at:
        boots: list[str] = []

        def back(frame: Frame) -> bool:
            boot = frame.nodes.text(0, "boot_id") if frame.statuses[0].phase is Phase.LIVE else ""
            if boot and boot not in boots:
                boots.append(boot)
            return len(boots) == 2

        assert "ActiveState=failed" in await at.look("systemctl", "show", "nvidia-fabricmanager", _ASKED)
        await wiring.collect(at.fleet.specs, PATIENCE_SECONDS, lambda frame: back(frame) or len(boots) == 1)
        await at.do("systemctl", "reboot", sudo=True)
        at.fleet.skip_to(50.0)
        await wiring.collect(at.fleet.specs, PATIENCE_SECONDS, back)
        assert len(set(boots)) == 2
        assert "ActiveState=active" in await at.look("systemctl", "show", "nvidia-fabricmanager", _ASKED)


_ASKED = "--property=Id,ActiveState,SubState,Result"


@pytest.fixture
def decoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of this machine, first on the path of the demo's servers, that leave a mark where they are started."""
    mark, folder = tmp_path / "started", tmp_path / "bin"
    folder.mkdir()
    for name in ("nvidia-smi", "touch", "systemctl", "sudo", "python3", "scontrol"):
        (folder / name).write_text(f"#!/bin/sh\necho $0 >> {mark}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return mark


async def test_no_command_to_a_simulated_node_starts_a_program_of_this_machine(tmp_path: Path, decoy: Path) -> None:
    async with far(tmp_path) as at:
        refused: list[Callable[[], Awaitable[Done]]] = [
            lambda: at.do("touch", str(decoy)),
            lambda: at.do("/bin/sh", "-c", f"touch {decoy}"),
            lambda: at.do(str(decoy.parent / "bin" / "nvidia-smi"), "-L"),
            lambda: at.do(sys.executable, "-c", f"open({str(decoy)!r}, 'w')"),
        ]
        for attempt in refused:
            with pytest.raises(HandsError, match="can't be started: No such file"):
                await attempt()
        assert (await at.do("python3", "-c", f"open({str(decoy)!r}, 'w')")).exit_code == 2
        with pytest.raises(HandsError, match="touch: command not found"):
            await at.do("touch", str(decoy), sudo=True)
        assert "GPU 0: NVIDIA H100" in await at.look("nvidia-smi", "-L")
        assert (await at.do("systemctl", "restart", "slurmd.service", sudo=True)).ok
    assert not left(decoy)


def left(mark: Path) -> bool:
    return mark.exists()


@pytest.mark.parametrize(
    "attempt",
    ["subprocess.run(['touch', mark])", "os.system('touch ' + mark)", "os.execv('/bin/touch', ['touch', mark])",
     "os.posix_spawn('/bin/touch', ['touch', mark], {})", "os.kill(os.getppid(), 0)"],
)  # fmt: skip
def test_a_process_of_the_simulation_can_start_no_program_whatever_it_tries(tmp_path: Path, attempt: str) -> None:
    program = f"""
import os, subprocess, sys
from collectors.simulator import no_programs
no_programs.refuse()
mark = sys.argv[1]
if os.fork() == 0:
    try:
        {attempt}
    except no_programs.Refused:
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    mark = tmp_path / "mark"
    command = [sys.executable, "-c", program, str(mark)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.strip(), mark.exists()) == ("7", False)
