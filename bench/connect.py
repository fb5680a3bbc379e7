"""How soon a fleet is connected, and what a connect and then a report cost the console: no screen, real SSH streams.

    python bench/connect.py [NODES] [--seconds 10]

The nodes are played by another process (`collectors.simulator.wire`) on the same cores, so wall times are theirs too;
processor times are this process's alone. Limit: 1,000 nodes in 6 s. For a bare asyncssh client with nothing behind it,
3.5 ms a handshake and 0.05 to 0.084 ms a streamed line were measured.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from collectors.simulator.wire import start_wire_fleet
from collectors.supervisor import Supervisor
from collectors.transports.ssh import SshTransport, WallClock
from watchfloor.fleet import Fleet
from watchfloor.model import NodeSpec, NodeStatus, Phase
from watchfloor.report import Report

CONNECT_LIMIT_SECONDS = 6.0
HANDSHAKE_MS = 3.5
REPORT_MS = 0.084
GIVE_UP_SECONDS = 120.0


class Watched(Fleet):
    """The fleet, and when what arrived."""

    def __init__(self, specs: list[NodeSpec]) -> None:
        super().__init__(specs, time.time)
        self.began = time.monotonic()
        self.first: dict[int, float] = {}
        self.reports = 0
        self.failures: dict[str, int] = {}
        self.all_here = asyncio.Event()

    def report(self, node: int, report: Report, received_at: float) -> None:
        super().report(node, report, received_at)
        self.reports += 1
        if node not in self.first:
            self.first[node] = time.monotonic() - self.began
            if len(self.first) == len(self.specs):
                self.all_here.set()

    def status(self, node: int, status: NodeStatus) -> None:
        super().status(node, status)
        if status.phase is Phase.BACKOFF:
            self.failures[status.text] = self.failures.get(status.text, 0) + 1


async def measure(nodes: int, seconds: float) -> None:
    fleet = await start_wire_fleet(nodes)
    transport = SshTransport()
    sink = Watched(fleet.specs)
    supervisor = Supervisor(fleet.specs, lambda spec: transport, sink, WallClock(), random.Random(1))
    gc.freeze()
    cpu = time.process_time()
    task = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await sink.all_here.wait()
        show_connect(nodes, sink, time.process_time() - cpu)
        await show_stream(sink, seconds)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await transport.close()
        await fleet.close()


def show_connect(nodes: int, sink: Watched, cpu: float) -> None:
    firsts = sorted(sink.first.values())
    each = cpu / nodes * 1000
    print(f"{nodes} nodes, until the first report of")
    print(f"  half of them  {statistics.median(firsts):6.2f} s")
    print(f"  all of them   {firsts[-1]:6.2f} s   {_times(firsts[-1], CONNECT_LIMIT_SECONDS)} the limit for 1,000")
    print(f"  CPU for each  {each:6.2f} ms  {_times(each, HANDSHAKE_MS)} a bare handshake ({HANDSHAKE_MS} ms)")
    for text, count in sorted(sink.failures.items(), key=lambda item: -item[1])[:5]:
        print(f"  {count} × {text}")


async def show_stream(sink: Watched, seconds: float) -> None:
    await asyncio.sleep(2.0)
    before, cpu, began = sink.reports, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    reports, used = sink.reports - before, time.process_time() - cpu
    each = used / max(1, reports) * 1000
    print(f"then {reports / (time.monotonic() - began):.0f} reports a second, each applied to the fleet")
    print(f"  CPU for each  {each:6.3f} ms  {_times(each, REPORT_MS)} a streamed line alone ({REPORT_MS} ms)")
    print(f"  CPU in all    {100 * used / seconds:6.1f} % of a core")


def _times(value: float, of: float) -> str:
    return f"{value / of:5.2f} ×"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("nodes", nargs="?", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.nodes, arguments.seconds))


if __name__ == "__main__":
    main()
