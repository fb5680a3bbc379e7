"""What one look at one node costs the machine that looks: our stream beside the usual tools, against the same sshd.

    python bench/peers.py [--nodes 16] [--polls 3] [--seconds 6] [--connects 8]

CPU of this side alone (user and system, children included), for each node and poll. The peers run a command that
prints a CSV table as `nvidia-smi --query-gpu` does for eight GPUs; ours streams the probe's whole report. What isn't
installed is said so. All use curve25519: the post-quantum key exchange that newer OpenSSH prefers can cost the peers
another 90 ms a connect. Measured before at 100 hosts: 12 to 17 ms for the tools, 0.4 ms for a warm asyncssh exec.

At the end one node at a time is connected anew: how soon after that its first report is here, through the real sshd and
the login shell.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.connect import Watched
from collectors.supervisor import Supervisor
from collectors.transports.ssh import SshTransport, WallClock
from tests.support.sshd import Lab
from watchfloor.model import NodeSpec, NodeStatus, Phase, SshOptions
from watchfloor.report import Report

FIRST_REPORT_LIMIT_SECONDS = 0.25
ROW = "0, GPU-5d0b1c0e-0000-4000-8000-0123456789ab, NVIDIA H100 80GB HBM3, 97, 61234, 81559, 64, 688.12"
COMMAND = f"for i in 0 1 2 3 4 5 6 7; do echo '{ROW}'; done"


@dataclass(frozen=True)
class Floor:
    """One real sshd, known under many names."""

    config: Path
    names: list[str]

    @property
    def specs(self) -> list[NodeSpec]:
        return [NodeSpec(name, ssh=SshOptions(config_files=(str(self.config),))) for name in self.names]

    def polled_by(self, *command: str, **environment: str) -> Callable[[], None]:
        """One poll of all nodes by one command. Raises RuntimeError where a node didn't answer."""

        def poll() -> None:
            whole = {**os.environ, **environment}
            done = subprocess.run(command, capture_output=True, text=True, env=whole, check=False)
            answers = done.stdout.count("NVIDIA H100")
            if answers != 8 * len(self.names):
                raise RuntimeError(f"{command[0]}: {answers} rows of {8 * len(self.names)}: {done.stderr[:300]}")

        return poll

    def polled_by_ssh(self, *options: str) -> Callable[[], None]:
        """One poll of all nodes by an ssh process each, all at once."""

        def poll() -> None:
            command = ["ssh", "-F", str(self.config), *options]
            running = [
                subprocess.Popen([*command, name, COMMAND], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                for name in self.names
            ]
            outputs = [process.communicate()[0] for process in running]
            if any(output.count(b"NVIDIA H100") != 8 for output in outputs):
                raise RuntimeError("ssh: a node didn't answer")

        return poll


class Connected(Watched):
    """A fleet of one: when it was connected, and when its first report came."""

    def status(self, node: int, status: NodeStatus) -> None:
        super().status(node, status)
        if status.phase is Phase.STARTING:
            self.connected = time.monotonic()

    def report(self, node: int, report: Report, received_at: float) -> None:
        if not self.reports:
            self.seconds = time.monotonic() - self.connected
        super().report(node, report, received_at)


def cpu_of_children(poll: Callable[[], None], polls: int) -> float:
    """Seconds of CPU that `polls` polls took."""
    poll()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(polls):
        poll()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def cpu_of_stream(floor: Floor, seconds: float) -> tuple[float, int]:
    """Seconds of CPU of this process, and the reports that they were for, once all nodes are connected."""
    sink = Watched(floor.specs)
    async with collecting(sink):
        await asyncio.sleep(2.0)
        cpu, reports = time.process_time(), sink.reports
        await asyncio.sleep(seconds)
        return time.process_time() - cpu, sink.reports - reports


async def first_reports(floor: Floor, connects: int) -> list[float]:
    """Seconds from each connect of one node to its first report; nothing else goes on."""
    found = []
    for _ in range(connects):
        sink = Connected(floor.specs[:1])
        async with collecting(sink):
            found.append(sink.seconds)
    return found


@asynccontextmanager
async def collecting(sink: Watched) -> AsyncIterator[None]:
    """All nodes of the sink are connected and have reported, and go on until the end."""
    transport = SshTransport()
    supervisor = Supervisor(sink.specs, lambda spec: transport, sink, WallClock(), random.Random(1))
    task = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(60):
            await sink.all_here.wait()
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await transport.close()


def peers(floor: Floor, folder: Path) -> dict[str, Callable[[], None] | None]:
    """What else is there to poll with; None where it isn't installed."""
    names, config = ",".join(floor.names), str(floor.config)
    fanout = str(len(floor.names))
    warm = ("-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/cm-%n", "-o", "ControlPersist=20")
    return {
        "pdsh": floor.polled_by("pdsh", "-R", "ssh", "-f", fanout, "-w", names, COMMAND,
                                PDSH_SSH_ARGS=f"-F {config} %h") if shutil.which("pdsh") else None,
        "clush": floor.polled_by("clush", "-f", fanout, "-o", f"-F {config}", "-w", names, COMMAND)
        if shutil.which("clush") else None,
        "an ssh process": floor.polled_by_ssh() if shutil.which("ssh") else None,
        "ssh, warm ControlMaster": floor.polled_by_ssh(*warm) if shutil.which("ssh") else None,
    }  # fmt: skip


def show(floor: Floor, folder: Path, polls: int, seconds: float) -> None:
    cpu, reports = asyncio.run(cpu_of_stream(floor, seconds))
    ours = cpu / reports * 1000
    print(f"{'one poll of one node':<26} {'CPU ms':>8}  against ours     ({len(floor.names)} nodes, one real sshd)")
    print(f"{'watchfloor, streamed':<26} {ours:>8.3f}")
    for name, poll in peers(floor, folder).items():
        if poll is None:
            print(f"{name:<26} {'-':>8}  not installed")
            continue
        each = cpu_of_children(poll, polls) / polls / len(floor.names) * 1000
        print(f"{name:<26} {each:>8.3f}  {each / ours:6.1f} ×")


def show_first_reports(floor: Floor, connects: int) -> None:
    found = sorted(asyncio.run(first_reports(floor, connects)))
    for name, seconds in (("median", statistics.median(found)), ("the slowest", found[-1])):
        ratio = seconds / FIRST_REPORT_LIMIT_SECONDS
        print(f"{'connect to first report':<26} {seconds:>8.3f} s  {ratio:.2f} of the limit ({name} of {connects})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--polls", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--connects", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchfloor-peers-") as name:
        lab = Lab(Path(name) / "lab")
        try:
            host = lab.host("node", "MaxStartups 200:30:400\nMaxSessions 200")
            lab.configure(f"Host n*\n  Port {host.port}\n  KexAlgorithms curve25519-sha256\n")
            floor = Floor(lab.config, [f"n{number:02}" for number in range(arguments.nodes)])
            show(floor, Path(name), arguments.polls, arguments.seconds)
            show_first_reports(floor, arguments.connects)
        finally:
            lab.close()


if __name__ == "__main__":
    main()
