"""Consoles and hands killed with signal 9 at any moment: nothing is done twice, and what was told as done was done."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.handed import Bench, command, python
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sshd import Lab
from watchfloor.change import Done, On

_RUNS = 150  # at the most, within so many seconds
_SECONDS = 15.0
_DEED = """
import os, sys
os.write(os.open(sys.argv[1], os.O_CREAT | os.O_APPEND | os.O_WRONLY), b"x")
print("did it")
"""
# a console of its own process: does one operation on the node of an ssh_config, and says what came of it
_CONSOLE = """
import asyncio, sys
from pathlib import Path
from collectors.acting.hands import FleetHands, Places
from collectors.acting.node import Waits
from collectors.transports.ssh import SshTransport
from watchfloor.change import Command, On, Place
from watchfloor.model import NodeSpec, SshOptions
from watchfloor.systemclock import SystemClock

async def main(config, notes, operation, *argv):
    ssh = SshTransport()
    spec = NodeSpec("node", ssh=SshOptions(config_files=(config,)))
    hands = FleetHands(Places([spec]), lambda spec: ssh, SystemClock(), Path(notes), Waits(60.0, 30.0, 60.0))
    deed = Command(Place(On.NODE, "node"), argv, timeout_seconds=60.0)
    print("asking", flush=True)
    print((await hands.do(deed, operation)).exit_code, flush=True)
    await hands.close()
    await ssh.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def bench(lab: Lab, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(lab, tmp_path)
    yield made
    await made.close()


@pytest.mark.parametrize(("seed", "on"), [(1, On.NODE), (2, On.HERE), (3, On.HERE)])
async def test_killed_at_any_moment(bench: Bench, seed: int, on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHFLOOR_HANDS", str(bench.kept))
    rng, hands, until = random.Random(seed), bench.hands(), time.monotonic() + _SECONDS
    for number in range(_RUNS):
        count, operation = bench.path / f"count-{number}", f"op-{number}"
        deed = command(sys.executable, "-c", _DEED, str(count), on=on)
        doing = asyncio.create_task(hands.do(deed, operation))
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(rng.expovariate(20))  # the moment of the kill: any one must do
            _kill_some(bench, rng)
        done = await asyncio.wait_for(doing, PATIENCE_SECONDS)
        _agrees(done, count)
        assert await bench.hands(f"other-{number}").recall(deed, operation) == done
        if rng.random() < 0.5:
            await hands.acknowledge(deed, operation)
        assert await hands.do(deed, operation) == done
        _agrees(done, count)
        if time.monotonic() > until:
            break
    assert (bench.path / "count-1").exists()


def _kill_some(bench: Bench, rng: random.Random) -> None:
    """The connection, the hands that speak with the console, or those that carry something out."""
    choice = rng.randrange(3)
    if choice == 0:
        bench.host.cut()
        return
    for pid in bench.processes(detached=choice == 1):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _agrees(done: Done, count: Path) -> None:
    """With what was done: once, or nobody knows whether once."""
    times = len(count.read_text()) if count.exists() else 0
    if done.exit_code is None:
        assert times in (0, 1) and done.stdout == ""
    else:
        assert (times, done.exit_code, done.stdout) == (1, 0, "did it\n")


async def test_a_console_that_is_killed_and_started_again(bench: Bench) -> None:
    rng, until = random.Random(4), time.monotonic() + _SECONDS
    for number in range(_RUNS):
        count = bench.path / f"count-{number}"
        deed = python(_DEED, str(count))
        console = [str(bench.lab.config), str(bench.path / "notes"), f"op-{number}", *deed.argv]
        first = await _console(console)
        await first.stdout.readline()  # pyright: ignore[reportOptionalMemberAccess]
        await asyncio.sleep(rng.uniform(0, 0.6))  # the moment of the kill: any one must do
        with suppress(ProcessLookupError):  # it may be over by then
            first.kill()
        await first.communicate()
        second = await _console(console)
        said, _ = await asyncio.wait_for(second.communicate(), PATIENCE_SECONDS)
        assert said.split()[-1] in (b"0", b"None") and count.read_text() == "x"
        if time.monotonic() > until:
            break


async def _console(argv: list[str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return await asyncio.create_subprocess_exec(sys.executable, "-c", _CONSOLE, *argv, stdout=pipe, env=environment)
