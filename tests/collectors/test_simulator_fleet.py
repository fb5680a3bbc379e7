"""The demo fleet over its true path: real SSH, the real supervisor, the real probe."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from collectors.simulator.fleet import DemoFleet, start_demo
from tests.support.parts import ROOT, program
from tests.support.patience import PATIENCE_SECONDS, until
from watchfloor import wiring
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.model import Missing, Phase, Problem, Scope


def processes_with(environment: str) -> list[int]:
    """Pids of processes, other than this one, whose environment has a text: the marks of one test's children."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
            if alive and environment.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def complete(frame: Frame) -> bool:
    """Every node is live and has told of its boards, and every sampler has had its say of every board."""
    boards = frame.accelerators
    known = all((boards.reasons(name) != Missing.NOT_YET).all() for name in ("link_tx", "job", "power"))
    told = {*boards.node.tolist()} == {*range(len(frame.specs))}
    return all(status.phase is Phase.LIVE for status in frame.statuses) and told and known


async def test_three_nodes_report_through_the_real_supervisor(tmp_path: Path) -> None:
    fleet = await start_demo(3, "steady", folder=tmp_path / "demo")
    try:
        frame = await wiring.collect(fleet.specs, PATIENCE_SECONDS, complete)
    finally:
        await fleet.close()
    assert [status.phase for status in frame.statuses] == [Phase.LIVE] * 3
    assert frame.accelerators.count == 8 + 8 + 4
    assert (frame.accelerators.known("power") > 20).all()
    assert frame.nodes.text(0, "hostname") == "h100-01"
    jobs = [frame.accelerators.text(frame.rows_of(Scope.ACCELERATOR, node)[0], "job") for node in range(3)]
    assert [job.partition(":")[0] for job in jobs] == ["slurm", "slurm", "pod"]
    assert frame.detail[0].samplers["infiniband"].state == "ok"


async def test_a_node_that_loses_power_refuses_and_comes_back_as_another_boot(tmp_path: Path) -> None:
    boots: list[str] = []

    def seen(frame: Frame) -> bool:
        if frame.statuses[0].phase is Phase.LIVE and frame.nodes.text(0, "boot_id") not in ("", *boots):
            boots.append(frame.nodes.text(0, "boot_id"))
        return frame.statuses[0].problem is Problem.REFUSED

    for ahead in (18.5, 15.0, 0.0):  # it is lost at 20 s: until there is time enough to read it before
        fleet = await start_demo(1, "nodelost", folder=tmp_path / f"demo-{ahead}", ahead_seconds=ahead)
        try:
            lost = await wiring.collect(fleet.specs, PATIENCE_SECONDS, seen)
        finally:
            await fleet.close()
        assert lost.statuses[0].problem is Problem.REFUSED
        if boots:
            break
    assert len(boots) == 1
    back = await start_demo(1, "nodelost", folder=tmp_path / "back", ahead_seconds=80.0)
    try:
        await wiring.collect(back.specs, PATIENCE_SECONDS, lambda frame: not seen(frame) and len(boots) == 2)
    finally:
        await back.close()
    assert len(set(boots)) == 2


async def test_openssh_and_small_commands_get_answers(tmp_path: Path) -> None:
    ssh = program("ssh", "openssh-client")
    fleet = await start_demo(1, "steady", folder=tmp_path / "demo")
    try:
        status, out = await _output(ssh, "-F", str(fleet.ssh_config), "h100-01", "nvidia-smi -L")
        assert (status, out.count("NVIDIA H100")) == (0, 8)
        status, _ = await _output(ssh, "-F", str(fleet.ssh_config), "h100-01", "rm -rf /")
        assert status == 127
    finally:
        await fleet.close()


async def test_a_vendors_program_answers_over_ssh_as_the_probe_sees_it(tmp_path: Path) -> None:
    ssh = program("ssh", "openssh-client")
    fleet = await start_demo(11, "steady", folder=tmp_path / "demo")
    try:
        status, out = await _output(ssh, "-F", str(fleet.ssh_config), "gaudi3-01", "hl-smi -Q index,name -f csv")
        assert (status, out.splitlines()[:2]) == (0, ["index, name", "0, HL-325L"])
        status, out = await _output(ssh, "-F", str(fleet.ssh_config), "gaudi3-01", "hl-smi --nonsense")
        assert (status, "unknown arguments" in out) == (1, True)
    finally:
        await fleet.close()


async def _output(*command: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    return process.returncode, (out + err).decode()


async def test_only_its_own_key_opens_a_node(tmp_path: Path) -> None:
    fleet = await start_demo(1, "steady", folder=tmp_path / "demo")
    options = fleet.specs[0].ssh
    try:
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                "127.0.0.1", options.port or 0, username="demo", known_hosts=options.known_hosts_files[0], config=None,
                client_keys=[asyncssh.generate_private_key("ssh-ed25519")], agent_path=None,
            )  # fmt: skip
    finally:
        await fleet.close()


async def test_close_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = f"WATCHFLOOR_TEST_MARK=close-{os.getpid()}"
    monkeypatch.setenv(*mark.split("="))
    fleet = await start_demo(2, "steady")
    folder = fleet.service.folder
    await wiring.collect(fleet.specs, PATIENCE_SECONDS, complete)
    enough: list[bool] = []
    task = asyncio.create_task(wiring.collect(fleet.specs, PATIENCE_SECONDS, lambda frame: bool(enough)))
    await until(lambda: len(processes_with(mark)) >= 4)  # server, zygote, two probes
    assert (folder / "id_ed25519").stat().st_mode & 0o077 == 0
    await fleet.close()
    await fleet.close()
    await until(lambda: not processes_with(mark))
    assert not folder.exists()
    enough.append(True)
    await task


_OWNER = """
import asyncio, sys
from collectors.simulator.fleet import start_demo
from watchfloor import wiring
async def main():
    fleet = await start_demo(2, "steady")
    print(fleet.service.folder, flush=True)
    await wiring.collect(fleet.specs, 60, lambda frame: False)
asyncio.run(main())
"""


async def test_nothing_outlives_an_owner_that_was_killed() -> None:
    mark = f"WATCHFLOOR_TEST_MARK=kill-{os.getpid()}"
    name, _, value = mark.partition("=")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), name: value}
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", _OWNER, stdout=subprocess.PIPE, env=environment)
    assert owner.stdout is not None
    folder = Path((await asyncio.wait_for(owner.stdout.readline(), PATIENCE_SECONDS)).decode().strip())
    await until(lambda: len(processes_with(mark)) >= 5)  # owner, server, zygote, two probes
    owner.send_signal(signal.SIGKILL)
    await owner.wait()
    await until(lambda: not processes_with(mark))
    await until(lambda: not folder.exists())


async def test_what_can_not_be_started_is_said() -> None:
    with pytest.raises(ConfigError, match="no scenario 'thermol'") as unknown:
        await start_demo(2, "thermol")
    assert "thermal" in unknown.value.advice
    with pytest.raises(ConfigError, match="1 to 256 nodes"):
        await start_demo(0)


async def test_the_story_is_told_in_the_order_of_its_times(tmp_path: Path) -> None:
    fleet: DemoFleet = await start_demo(32, folder=tmp_path / "demo")
    await fleet.close()
    lines = fleet.describe().splitlines()
    times = [float(line.split()[0]) for line in lines[1:]]
    assert lines[0].startswith("mixed: ")
    assert times == sorted(times)
    assert times[0] == 0
