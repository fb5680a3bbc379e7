"""What the probe costs its node: processor, memory, start, bytes; beside nvitop and gpustat in the same run.

    python bench/probe_cost.py [--seconds 60] [--gpus 8]

All of them poll the same NVML library (tests/support/nvml) at 1 Hz; the time inside of it is told apart, as the
driver's. A wake-up of a bare Python loop is measured too: on a busy or virtual machine it alone may cost 0.1 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from collectors import payload  # noqa: E402
from tests.support.nvml import Scenario, build  # noqa: E402
from watchfloor.report import Report, decode  # noqa: E402

CPU_LIMIT_PERCENT, MEMORY_LIMIT_MB, FIRST_REPORT_LIMIT_SECONDS = 0.15, 25.0, 0.25
START_LIMIT_SECONDS = 0.5  # of CPU, by the end of START_SECONDS: every sampler has answered by then, or been started
START_SECONDS, STARTS = 3.0, 5

NVITOP = """
import time
from nvitop import Device
devices = Device.all()
while True:
    for device in devices:
        device.as_snapshot()
        device.processes()
    time.sleep(1)
"""
GPUSTAT = """
import time, gpustat
while True:
    gpustat.new_query().jsonify()
    time.sleep(1)
"""


@dataclass
class Heard:
    """What came from the probe: when the first report, how many bytes, the costs that samplers tell of themselves."""

    started: float
    first_report: float = 0.0
    size: int = 0
    cpu: dict[str, list[float]] = field(default_factory=dict)
    reported: Event = field(default_factory=Event)

    def line(self, line: bytes) -> None:
        self.size += len(line)
        message = decode(line)
        if not isinstance(message, Report):
            return
        self.first_report = self.first_report or time.monotonic() - self.started
        self.reported.set()
        for name, status in message.samplers.items():
            self.cpu.setdefault(name, []).append(1000 * status.cpu)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0, help="one full report among them")
    arguments.add_argument("--settle", type=float, default=8.0, help="until what is done once at the start is over")
    arguments.add_argument("--gpus", type=int, default=8)
    arguments.add_argument("--nvlinks", type=int, default=18, help="of each GPU")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(Path(folder) / "scenario")
        scenario.gpus(given.gpus, given.nvlinks)
        environment = scenario.environment(build(Path(folder) / "lib"))
        print(f"{given.gpus} GPUs x {given.nvlinks} NVLinks at 1 Hz")
        measure(scenario, environment, given.seconds, given.settle)


def measure(scenario: Scenario, environment: dict[str, str], seconds: float, settle: float) -> None:
    payload.payload()  # made once for all nodes
    with running([sys.executable, "-IBSu", "-c", payload.BOOTSTRAP], environment) as probe:
        heard = listen(probe)
        time.sleep(settle)
        inside = scenario.seconds_inside()
        total = cpu_percent(probe.pid, seconds)
        inside = 100 * (scenario.seconds_inside() - inside) / seconds
        cpu = total - inside
        memory = resident_mb(probe.pid)
        size_before = heard.size
        time.sleep(2.0)
        rate = (heard.size - size_before) / 2.0
    print(f"{seconds:.0f} s, {os.getloadavg()[0]:.1f} others at work")
    line("processor, % of a core", cpu, CPU_LIMIT_PERCENT)
    print(f"  {'and inside of NVML':28} {inside:8.3f}")
    print(f"  {'a bare loop that wakes at 1 Hz':28} {bare_loop(seconds):6.3f}")
    line("memory, MB", memory, MEMORY_LIMIT_MB)
    line("start to first report, s", heard.first_report, FIRST_REPORT_LIMIT_SECONDS)
    start(scenario, environment)
    print(f"  {'bytes a second':28} {rate:8.0f}")
    print(f"  {'archive sent, bytes':28} {len(payload.payload()):8d}")
    for name, costs in sorted(heard.cpu.items()):
        print(f"  {'sampler ' + name:28} {costs[-1]:8.3f} ms of CPU for an answer")
    for name, program in (("nvitop", NVITOP), ("gpustat", GPUSTAT)):
        peer(name, program, environment, min(seconds, 20.0), total, memory)


def start(scenario: Scenario, environment: dict[str, str]) -> None:
    """What the start costs the node, of several: the interpreter, the archive, samplers found, first answers."""
    for name, ends in (("to the first report", False), (f"of the first {START_SECONDS:.0f} s", True)):
        inside = scenario.seconds_inside()
        used = [started(environment, START_SECONDS if ends else 0.0) for _ in range(STARTS)]
        inside = (scenario.seconds_inside() - inside) / STARTS
        line(f"CPU {name}, s", statistics.median(used) - inside, START_LIMIT_SECONDS)
        print(f"  {'and inside of NVML':28} {inside:8.3f}")


def started(environment: dict[str, str], seconds: float) -> float:
    """CPU seconds of a probe from its spawn to its first report, or to the end of so many seconds, if that is later."""
    with running([sys.executable, "-IBSu", "-c", payload.BOOTSTRAP], environment) as probe:
        heard, until = listen(probe), time.monotonic() + seconds
        heard.reported.wait(30.0)
        time.sleep(max(0.0, until - time.monotonic()))
        probe.kill()
        _, status, used = os.wait4(probe.pid, 0)
        probe.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def line(name: str, value: float, limit: float) -> None:
    verdict = "within" if value <= limit else "ABOVE"
    print(f"  {name:28} {value:8.3f}   {verdict} the limit of {limit}: {value / limit:.2f} of it")


def peer(name: str, program: str, environment: dict[str, str], seconds: float, total: float, memory: float) -> None:
    """A peer's figures in the same run, as multiples of the probe's."""
    if importlib.util.find_spec(name) is None:
        print(f"  {name}: not installed")
        return
    with running([sys.executable, "-c", program], environment) as process:
        time.sleep(3.0)
        its_cpu = cpu_percent(process.pid, seconds)
        its_memory = resident_mb(process.pid)
    print(
        f"  {name + ' at 1 Hz':28} {its_cpu:8.3f} % of a core ({its_cpu / total:.1f} x), "
        f"{its_memory:.1f} MB ({its_memory / memory:.1f} x)"
    )


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def listen(probe: subprocess.Popen[bytes]) -> Heard:
    """Send the archive, and take in what comes on a thread; a full report every 5 s keeps the sampler costs fresh."""
    assert probe.stdin is not None and probe.stdout is not None
    heard, output = Heard(time.monotonic()), probe.stdout
    probe.stdin.write(payload.payload() + payload.settings_line(1.0, 0.5, 60))
    probe.stdin.flush()

    def take() -> None:
        for text in output:
            heard.line(text)

    Thread(target=take, daemon=True).start()
    return heard


def bare_loop(seconds: float) -> float:
    """What the least of all Python programs costs here: one that does nothing once a second."""
    with running([sys.executable, "-IS", "-c", "import time\nwhile True: time.sleep(1)"], {}) as process:
        time.sleep(1.0)
        return cpu_percent(process.pid, seconds)


def cpu_percent(pid: int, seconds: float) -> float:
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - began)


def cpu_seconds(pid: int) -> float:
    """Of all threads, to the nanosecond: /proc/PID/stat counts in hundredths."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split(maxsplit=1)[0]) for task in tasks) / 1e9


def resident_mb(pid: int) -> float:
    for text in Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith("VmRSS"):
            return int(text.split()[1]) / 1000
    return 0.0


if __name__ == "__main__":
    main()
