"""What recording costs, how large a day is, how long it takes to open a session and to show any moment of it.

    python -m bench.session [--nodes 1000] [--seconds 300]

The fleet tells what the wire-level simulation tells: thirteen values of each of eight accelerators are other ones, most
of them every second and as noisy as sensors are, with the digits that the probe gives them: whole percents, degrees,
joules, megahertz and watts, rates with nine binary digits. A report arrives in the phase of its node, some
milliseconds early or late. The simulation has two sources of noise a board, one of them shared by how busy it is, power
and traffic; boards of one node work in one rhythm. Where real sensors are noisy each by itself, a day takes more.

Its minute is played over and over, which a recording makes no use of: it looks no further back than a second, and a
slowly moving mean. There are as many scripts as it takes for few nodes to be in the same second of the same one.
Beside it, in the same run, the plain way: all columns of every second, compressed with zstd, and what their changed
values would take as numbers of eight bytes.

Beside it what such nodes take that tell more: real samplers on simulated H100 nodes, with each NVLink's own rates, the
activity of units, and processes; some of them, so that what is told once a moment counts too much. And a whole day of
a small fleet, of which every moment is there.

Limits: 10 % of a core and 2 GB a day; a session of a day opens within 1 s, any moment of it shows within 300 ms.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from msgspec import structs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from collectors.simulator.floor import plan_floor
from collectors.simulator.hardware import SHAPES
from collectors.simulator.wire_lines import accelerator_keys, hello_line, identity_line, make_scripts, schema_line
from tests.support.forwarded import ForwardedDemo
from watchfloor import checks
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.jobs.roll import Roll
from watchfloor.model import NodeSpec, NodeStatus, Phase
from watchfloor.report import Hello, Report, Schema, decode
from watchfloor.session.leaves import Leaves, Picker
from watchfloor.session.moment import decoded
from watchfloor.session.packing import packed, unpacked
from watchfloor.session.reader import Session
from watchfloor.session.tape import CHANGE, KEY, SINCE_KEY, TapeReader
from watchfloor.session.writer import Head, Mark, SessionWriter

BOARDS = 8
SCRIPTS = 240
JITTER_SECONDS = 0.003  # of how long a report is under way
DAY_SECONDS = 86_400
SMALL_NODES, SMALL_SECONDS = 16, 300
DETAILED_FLOOR = 130  # simulated nodes, of all kinds
LIMITS = {"percent": 10.0, "gigabytes": 2.0, "open": 1.0, "show": 0.3}


class WireFloor:
    """A console over nodes that speak only the wire, without the wire."""

    def __init__(self, nodes: int) -> None:
        self.now = 1_800_000_000.0
        self.specs = [NodeSpec(f"n{number:04d}", rack=f"r{number // 16:03d}") for number in range(nodes)]
        self._fleet = Fleet(self.specs, lambda: self.now)
        self._scripts, self._rng, self._roll = make_scripts(BOARDS, 1, SCRIPTS), random.Random(1), Roll()
        self._starts = [self._rng.randrange(60) for _ in self.specs]
        self._phases = [self._rng.random() for _ in self.specs]
        self._tick = 0
        for node, spec in enumerate(self.specs):
            self._introduce(node, spec.name)

    def _introduce(self, node: int, name: str) -> None:
        keys = accelerator_keys(node, BOARDS)
        self._fleet.status(node, NodeStatus(Phase.LIVE))
        for line in (
            hello_line(name, f"boot-{node}", "d", self.now),
            schema_line(keys),
            identity_line(name, f"boot-{node}", keys, 0, self.now),
        ):
            self._tell(node, line)

    def _tell(self, node: int, line: bytes) -> None:
        match decode(line):
            case Hello() as hello:
                self._fleet.hello(node, hello, self.now)
            case Schema() as schema:
                self._fleet.schema(node, schema)
            case Report() as report:
                since = self._phases[node] + self._rng.gauss(0.0, JITTER_SECONDS)
                self._fleet.report(node, report, self.now - max(0.0, since))

    def frames(self, seconds: int) -> Iterator[Frame]:
        for _ in range(seconds):
            self.now += 1.0
            for node, start in enumerate(self._starts):
                script = self._scripts[node % len(self._scripts)]
                line = script.line(start + self._tick, self._tick, self.now, 9000 + self._tick, self._tick == 0)
                self._tell(node, line)
            self._tick += 1
            self._fleet.tick()
            frame = self._fleet.frame()
            frame = replace(frame, jobs=self._roll.frame(frame))
            yield frame.with_findings(checks.run(frame))


class Plain:
    """The same the plain way: all columns of a second with zstd; and the values that changed as they are."""

    def __init__(self) -> None:
        self._picker = Picker()
        self._before: Leaves | None = None
        self.bytes, self.changed_bytes, self.seconds = 0, 0, 0.0

    def take(self, frame: Frame) -> None:
        began = time.process_time()
        leaves = self._picker.leaves(frame)
        self.bytes = len(packed(b"".join(array.tobytes() for array in leaves.arrays.values())))
        self.seconds = time.process_time() - began
        known = self._before.arrays if self._before else {}
        self.changed_bytes = sum(
            int((array != old).sum()) * array.itemsize
            for name, array in leaves.arrays.items()
            if (old := known.get(name)) is not None and old is not array and len(old) == len(array)
        )
        self._before = leaves


def record(floor: WireFloor, path: Path, seconds: int) -> None:
    writer, plain, spent = SessionWriter(path, Head(floor.now, floor.specs)), Plain(), 0.0
    for number, frame in enumerate(floor.frames(seconds)):
        began = time.process_time()
        writer.frame(frame)
        spent += time.process_time() - began
        if number < 3:
            plain.take(frame)
    writer.end()
    a_day, percent = day_bytes(path, seconds) / 1e9, spent / seconds * 100
    print(f"  recording                    {percent:6.2f} % of a core   {said(percent, LIMITS['percent'])}")
    print(f"  a day                        {a_day:6.2f} GB            {said(a_day, LIMITS['gigabytes'])}")
    whole, changed = (size * DAY_SECONDS / 1e9 for size in (plain.bytes, plain.changed_bytes))
    print(f"  beside it, every column      {plain.seconds * 100:6.2f} % of a core, {whole:.1f} GB a day")
    print(f"  beside it, changed values    {changed:6.1f} GB a day as they are")


def day_bytes(path: Path, seconds: int) -> float:
    """The head is written once, what follows it at every second."""
    head = next(TapeReader(path).walk())[0].end
    return head + (path.stat().st_size - head) / seconds * DAY_SECONDS


def said(figure: float, limit: float) -> str:
    return f"limit {limit:g}, {figure / limit:.2f} of it{', MISSED' if figure > limit else ''}"


def record_detailed(path: Path, seconds: int) -> None:
    plan = plan_floor(DETAILED_FLOOR, seed=1)
    nodes = [node for node in plan.nodes if node.shape is SHAPES["h100"]]
    demo = ForwardedDemo(plan, [], nodes)
    writer = SessionWriter(path, Head(demo.at, list(demo.fleet.specs)))
    for _ in range(seconds):
        writer.frame(demo.step())
    writer.end()
    a_day = day_bytes(path, seconds) / len(nodes) * 1_000 / 1e9
    print(f"  beside it, nodes that tell more {a_day:3.1f} GB a day of 1,000, of which {len(nodes)} were recorded")


def show(path: Path) -> None:
    began = time.perf_counter()
    session = Session(path)
    opened = time.perf_counter() - began
    rng = random.Random(7)
    times, spent = [], []
    for _ in range(20):
        at = rng.uniform(session.begin, session.end)
        began, busy = time.perf_counter(), time.process_time()
        session.reel(at).frame()
        times.append(time.perf_counter() - began)
        spent.append(time.process_time() - busy)
    what = f"opened, {session.end - session.begin:,.0f} s of it"
    print(f"  {what:28} {opened * 1e3:6.0f} ms            {said(opened, LIMITS['open'])}")
    print(
        f"  any moment of it             {median(times) * 1e3:6.0f} ms, at most {max(times) * 1e3:.0f}   "
        f"{said(max(times), LIMITS['show'])}"
    )
    print(f"    of which processor         {median(spent) * 1e3:6.0f} ms, at most {max(spent) * 1e3:.0f}")


def show_a_day(short: Path, long: Path) -> None:
    """A day of a small fleet: what was recorded in some minutes, over and over, with marks."""
    record_small(short)
    tape, session = TapeReader(short), Session(short)
    bodies = [(block.kind, body) for block, body in tape.walk() if body and block.kind in (KEY, CHANGE, SINCE_KEY)]
    moments = [(kind, decoded(unpacked(body))) for kind, body in bodies]
    writer = SessionWriter(long, session.head)
    for turn in range(DAY_SECONDS // SMALL_SECONDS):
        later = turn * SMALL_SECONDS
        for kind, moment in moments:
            writer.moment(kind, structs.replace(moment, at=moment.at + later, number=moment.number + later))
        writer.mark(Mark(session.begin + later, "ledger", f"entry {turn}", {"entry": str(turn)}))
    writer.end()
    print(f"a day of {SMALL_NODES} nodes × {BOARDS} accelerators, {long.stat().st_size / 1e6:.0f} MB")
    show(long)


def record_small(path: Path) -> None:
    floor = WireFloor(SMALL_NODES)
    writer = SessionWriter(path, Head(floor.now, floor.specs))
    for frame in floor.frames(SMALL_SECONDS):
        writer.frame(frame)
    writer.end()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=300, help="as many as from one key to the next")
    asked = parser.parse_args()
    print(f"{asked.nodes:,} nodes × {BOARDS} accelerators at 1 Hz, {asked.seconds} s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.session"
        record(WireFloor(asked.nodes), path, asked.seconds)
        show(path)
        record_detailed(Path(folder) / "detailed.session", asked.seconds)
        show_a_day(Path(folder) / "minutes.session", Path(folder) / "day.session")
    return 0


if __name__ == "__main__":
    sys.exit(main())
