"""Handshakes that are cut off anywhere: surely nothing was begun, or, where something was sent before, nobody knows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import cycle
from pathlib import Path

import pytest

from tests.support.handed import Bench, command
from tests.support.patience import until
from tests.support.sshd import Lab
from watchfloor.errors import HandsError
from watchfloor.systemclock import SystemClock

_CUTS = (
    0,
    900,
    1700,
    1850,
    2000,
)  # bytes of the server's: before its greeting, as keys are exchanged, while it lets us in


class Relay:
    """Between console and node. It cuts each connection off once it has passed so many bytes of the server's."""

    def __init__(self, port: int) -> None:
        self.cuts: Iterator[int] = cycle([1 << 30])
        self.connections = 0
        self._to = port
        self._ways: list[asyncio.StreamWriter] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        from_node, to_node = await asyncio.open_connection("127.0.0.1", self._to)
        self._ways += [writer, to_node]
        await asyncio.gather(
            _passed(reader, to_node, 1 << 30), _passed(from_node, writer, next(self.cuts)), return_exceptions=True
        )

    def cut(self) -> None:
        for way in self._ways:
            way.transport.abort()

    def close(self) -> None:
        self.cut()
        self._server.close()


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int) -> None:
    passed = 0
    while passed < most and (data := await reader.read(min(4096, most - passed))):
        passed += len(data)
        writer.write(data)
    writer.transport.abort()


class Ahead(SystemClock):
    """Time goes on by as much as a test says."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


@pytest.fixture
async def bench(lab: Lab, tmp_path: Path, clock: Ahead) -> AsyncIterator[Bench]:
    made = Bench(lab, tmp_path, clock=clock)
    yield made
    await made.close()


@pytest.fixture
async def relay(bench: Bench) -> AsyncIterator[Relay]:
    made = Relay(bench.host.port)
    alias = f"HostKeyAlias [127.0.0.1]:{bench.host.port}"
    bench.lab.configure(f"Host node\n  Port {await made.start()}\n  {alias}")
    yield made
    made.close()


@pytest.mark.parametrize("cut", _CUTS)
async def test_a_first_handshake_that_is_cut_off_has_begun_nothing(bench: Bench, relay: Relay, cut: int) -> None:
    relay.cuts = cycle([cut])
    with pytest.raises(HandsError) as caught:
        await bench.hands().do(command("touch", str(bench.path / "never")), "op")
    assert not (bench.path / "never").exists() and relay.connections
    assert caught.value.transient, f"another try may well go through: {caught.value}"


async def test_later_handshakes_that_are_cut_off_leave_it_in_doubt(bench: Bench, relay: Relay, clock: Ahead) -> None:
    hands, fifo = bench.hands(), bench.path / "fifo"
    os.mkfifo(fifo)
    deed = command("cat", str(fifo))
    doing = asyncio.create_task(hands.do(deed, "op"))
    await until(lambda: bench.files("intent"))
    relay.cuts = cycle(_CUTS[1:3])
    relay.cut()
    await until(lambda: relay.connections > 3)
    clock.seconds = 3600.0
    done = await doing
    assert done.exit_code is None and "whether it was done, and how it ended, is not known" in done.stderr
    relay.cuts = cycle([1 << 30])
    fifo.write_text("and it went on")
    told = await hands.recall(deed, "op")
    assert told is not None and told.stdout == "and it went on"
