"""The transport to this machine: real child processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from collectors.transports.local import LocalTransport
from tests.support.patience import PATIENCE_SECONDS
from tests.support.receivers import Heard
from watchfloor.model import NodeSpec

HERE = NodeSpec("here", local=True)


@pytest.fixture
async def transport() -> AsyncIterator[LocalTransport]:
    made = LocalTransport()
    yield made
    await made.close()


async def test_input_outputs_and_exit_status(transport: LocalTransport) -> None:
    heard = Heard()
    channel = await transport.start(HERE, "read line; echo got $line; echo oops >&2; exit 3", heard)
    channel.write(b"this\n")
    assert await asyncio.wait_for(heard.over, PATIENCE_SECONDS) == (None, 3)
    assert (heard.out, heard.err) == (b"got this\n", b"oops\n")


async def test_python3_is_the_consoles_own(transport: LocalTransport) -> None:
    heard = Heard()
    await transport.start(HERE, "exec python3 -c 'import sys; print(sys.prefix)'", heard)
    await asyncio.wait_for(heard.over, PATIENCE_SECONDS)
    assert heard.out.decode().strip() == sys.prefix


async def test_close_ends_the_child_and_all_that_it_has_started(transport: LocalTransport) -> None:
    heard = Heard()
    channel = await transport.start(HERE, "trap '' TERM; sleep 1000 & echo $! $$; while :; do sleep 1; done", heard)
    await heard.until(b"\n")
    pids = [int(word) for word in heard.out.split()]
    await channel.close()
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    gone, alive = psutil.wait_procs(left, timeout=PATIENCE_SECONDS)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], gone
    assert not heard.over.done()  # who closes isn't told that it is over


async def test_a_child_that_leaves_something_behind_ends_all_the_same(transport: LocalTransport) -> None:
    heard = Heard()
    await transport.start(HERE, "sleep 1000 & echo done", heard)
    assert await asyncio.wait_for(heard.over, PATIENCE_SECONDS) == (None, 0)


async def test_a_paused_child_is_held_back(transport: LocalTransport) -> None:
    heard = Heard()
    channel = await transport.start(HERE, "exec yes", heard)
    await heard.until(b"y\n")
    channel.pause()
    before = len(heard.out)
    await asyncio.sleep(0.1)
    assert len(heard.out) <= before + 2 * 2**16  # the reads that were on their way
    channel.resume()
    await heard.until(b"y\n" * (before // 2 + 100_000))
    await channel.close()


def test_the_child_dies_with_the_console(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, signal\n"
        "from collectors import payload\n"
        "from collectors.transports.local import LocalTransport\n"
        "from tests.support.receivers import Heard\n"
        "from watchfloor.model import NodeSpec\n"
        "async def main():\n"
        "    heard = Heard()\n"
        "    channel = await LocalTransport().start(NodeSpec('here', local=True), payload.COMMAND, heard)\n"
        "    channel.write(payload.payload())\n"
        "    await heard.until(b'\"pid\":')\n"
        "    await heard.until(b'}')\n"
        "    print(heard.out.decode().split('\"pid\":')[1].split(',')[0], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[2]
    shown = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    pid = int(shown.stdout)
    if psutil.pid_exists(pid):
        _, alive = psutil.wait_procs([psutil.Process(pid)], timeout=PATIENCE_SECONDS)
        assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
