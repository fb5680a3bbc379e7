"""The supervisor over real SSH: nodes that misbehave in every way, each shown as what it is, beside good ones."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from collectors.supervisor import Supervisor
from collectors.transports.ssh import SshTransport, WallClock
from tests.support.nodes import Remembers
from tests.support.patience import until
from tests.support.sshd import Host, Lab
from watchfloor.model import NodeSpec, Phase, Problem

FLOOD = r"""yes '{"t":"pong","id":0,"at":0.0}'"""
CUT = r"""printf '{"t":"hello","version":1,"node":"x"'"""
NOISE = "tr -dc a-z </dev/urandom"  # one line without an end
LOREM = "yes 'lorem ipsum dolor sit amet'"


class Floor:
    """A supervisor over the lab's hosts."""

    def __init__(self, lab: Lab, specs: list[NodeSpec]) -> None:
        self.sink = Remembers(WallClock())
        self.transport = SshTransport()
        self.names = [spec.name for spec in specs]
        self.supervisor = Supervisor(specs, lambda spec: self.transport, self.sink, WallClock(), random.Random(3))

    async def __aenter__(self) -> Floor:
        self._task = asyncio.create_task(self.supervisor.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self.transport.close()

    def reports(self, name: str) -> int:
        return len(self.sink.reports[self.names.index(name)])

    def problems(self, name: str) -> list[Problem]:
        return self.sink.problems(self.names.index(name))


def _forced(lab: Lab, name: str, command: str) -> Host:
    """A host that runs `command` whatever it is asked for."""
    script = Path(lab.folder) / f"{name}.sh"
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    return lab.host(name, f"ForceCommand {script}")


def _configure(lab: Lab, *hosts: Host) -> list[NodeSpec]:
    lab.configure("".join(f"Host {host.name}\n  Port {host.port}\n" for host in hosts))
    return [lab.spec(host.name) for host in hosts]


@pytest.mark.usefixtures("strict_budget")
async def test_every_misbehaviour_is_named_and_good_nodes_go_on(lab: Lab) -> None:
    hosts = [
        lab.host("good"),
        lab.host("unknown", known=False),
        _forced(lab, "garbage", LOREM),
        _forced(lab, "endless", NOISE),
        _forced(lab, "flood", FLOOD),
        _forced(lab, "cut", CUT),
        _forced(lab, "nothing", "exit 5"),
    ]
    expected = {
        "unknown": Problem.HOST_KEY_UNKNOWN, "garbage": Problem.GARBAGE, "endless": Problem.FLOOD,
        "cut": Problem.PROBE, "nothing": Problem.PROBE,
    }  # fmt: skip
    before = psutil.Process().memory_info().rss
    async with Floor(lab, _configure(lab, *hosts)) as floor:
        await until(lambda: all(floor.problems(name) for name in expected) and bool(floor.problems("flood")))
        assert {name: floor.problems(name)[0] for name in expected} == expected
        assert floor.problems("flood")[0] in (Problem.FLOOD, Problem.GARBAGE)
        seen = floor.reports("good")
        await until(lambda: floor.reports("good") >= seen + 2)
    assert psutil.Process().memory_info().rss - before < 64 * 2**20
    assert floor.problems("good") == []


async def test_a_node_killed_in_mid_stream_backs_off_and_heals(lab: Lab) -> None:
    good, killed = lab.host("good"), lab.host("killed")
    async with Floor(lab, _configure(lab, good, killed)) as floor:
        await until(lambda: floor.reports("killed") >= 2 and floor.reports("good") >= 2)
        killed.cut()
        await until(lambda: bool(floor.problems("killed")))
        assert floor.problems("killed") == [Problem.CLOSED]
        seen = floor.reports("killed")
        await until(lambda: floor.reports("killed") > seen and floor.sink.last(1).phase is Phase.LIVE)
    assert floor.problems("good") == []


async def test_a_server_that_goes_away_and_comes_back(lab: Lab) -> None:
    host = lab.host("node")
    async with Floor(lab, _configure(lab, host)) as floor:
        await until(lambda: floor.reports("node") >= 1)
        host.stop()
        await until(lambda: Problem.REFUSED in floor.problems("node"))
        assert floor.sink.last(0).retry_at > time.time() - 5
        host.start()
        floor.supervisor.reconnect(0)
        seen = floor.reports("node")
        await until(lambda: floor.reports("node") > seen)


async def test_a_node_without_python3_is_read_through_nvidia_smi(lab: Lab) -> None:
    tools = lab.folder / "tools"
    tools.mkdir()
    smi = tools / "nvidia-smi"
    smi.write_text(
        "#!/bin/sh\necho 'index, uuid, name, utilization.gpu [%]'\n"
        "while :; do echo '0, GPU-1, NVIDIA H100, 40'; /bin/sleep 0.2; done\n"
    )
    smi.chmod(0o755)
    for name in ("sh", "date", "uname", "cat"):
        (tools / name).symlink_to(f"/bin/{name}")
    with_smi = lab.host("smi", f"SetEnv PATH={tools} BASH_ENV=/dev/null")
    empty = lab.folder / "empty"
    empty.mkdir()
    (empty / "sh").symlink_to("/bin/sh")
    without = lab.host("bare", f"SetEnv PATH={empty} BASH_ENV=/dev/null")
    async with Floor(lab, _configure(lab, with_smi, without)) as floor:
        await until(lambda: floor.reports("smi") >= 3 and bool(floor.problems("bare")))
        assert floor.sink.last(0).via == "nvidia-smi loop"
        assert floor.problems("bare") == [Problem.NO_PYTHON]
        assert len(with_smi.sessions()) == 1


async def test_many_nodes_of_a_real_server_are_live(lab: Lab) -> None:
    host = lab.host("node", "MaxStartups 200:30:400")
    lab.configure(f"Host node-*\n  Port {host.port}")
    specs = [lab.spec(f"node-{number}") for number in range(20)]
    async with Floor(lab, specs) as floor:
        await until(lambda: all(floor.reports(spec.name) for spec in specs))
        assert all(not floor.problems(spec.name) for spec in specs)
