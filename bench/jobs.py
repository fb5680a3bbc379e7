"""Jobs of a large fleet: what their attribution and figures cost a frame, their checks, and the opening of their page.

    python -m bench.jobs [--nodes 1000] [--jobs 10000] [--frames 30]

Half as many jobs as accelerators run, the others wait. Between two frames every node reports another utilisation; then,
in turns, nothing else, or one accelerator in a hundred passes to another job. The page is that of the real application,
at 200 × 50: from the key to the end of all that it set off. Milliseconds are of processor
time. Limits: 5 ms a frame, 200 ms to open.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from textual import events

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.feeds import still_app
from tui.screens.jobs import JobsPage
from watchfloor import checks
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.model import NodeSpec, NodeStatus, Phase
from watchfloor.report import Cells, Hello, Report, Schema, Table

BOARDS, START = 8, 1_800_000_000.0
TEXTS = ("name", "model", "uuid", "user", "job", "command")
NUMBERS = ("index", "util", "mem_used", "mem_total", "temp", "power", "clock_sm", "throttle", "link_rx", "link_tx")
UTIL, JOB, USER = (len(TEXTS) + NUMBERS.index("util"), TEXTS.index("job"), TEXTS.index("user"))
WIDTH = len(TEXTS) + len(NUMBERS)
FRAME_LIMIT_MS, OPEN_LIMIT_MS = 5.0, 200.0
OF_JOBS = ("held_unused", "jobnodes", "jobstragglers", "queue", "unscheduled")


class Floor:
    """Nodes of eight boards through the real `Fleet`, and a Slurm that gave pairs of boards to jobs."""

    def __init__(self, nodes: int, jobs: int) -> None:
        self.now, self.nodes = START, nodes
        self.fleet = Fleet([NodeSpec(f"n{at:05}") for at in range(nodes)], lambda: self.now)
        self.running = min(jobs // 2, nodes * BOARDS // 2)
        self._spare = self.running
        for node in range(nodes):
            self.fleet.status(node, NodeStatus(Phase.LIVE))
            self.fleet.hello(node, Hello(1, f"n{node:05}", "boot", self.now, "digest"), self.now)
            table = Table([f"G{node}-{at}" for at in range(BOARDS)], [*TEXTS, *NUMBERS])
            self.fleet.schema(node, Schema(1, {"accelerator": table}))
            self.fleet.report(node, Report(1, 1, self.now, True, {"accelerator": self._first(node)}), self.now)
        self.roll = Roll()
        self.roll.answer(self._answer(jobs))

    def _job(self, node: int, board: int) -> int:
        return (node * BOARDS + board) // 2 % self.running

    def _first(self, node: int) -> Cells:
        cells = Cells()
        for board in range(BOARDS):
            start, job = board * WIDTH, self._job(node, board)
            cells.xp.extend(range(start, start + len(TEXTS)))
            cells.x.extend([f"gpu{board}", "NVIDIA H100 80GB HBM3", f"GPU-{node}-{board}"])
            cells.x.extend([f"user{job % 200}", f"slurm:{job}", f"python3 train.py --run {job}"])
            cells.p.extend(range(start + len(TEXTS), start + WIDTH))
            cells.v.extend([board, 97.0, 70e9, 80e9, 64.0, 640.0, 1980.0, 0.0, 1e11, 1e11])
        return cells

    def _answer(self, jobs: int) -> SourceAnswer:
        held: dict[int, list[Allocation]] = {}
        for node in range(self.nodes):
            for board in range(0, BOARDS, 2):
                allocation = Allocation(f"n{node:05}", 2, (board, board + 1))
                held.setdefault(self._job(node, board), []).append(allocation)
        told = [self._told(number, tuple(held.get(number, ()))) for number in range(jobs)]
        nodes = [SchedulerNode(f"n{at:05}", "allocated", accelerators_used=BOARDS) for at in range(self.nodes)]
        return SourceAnswer(SourceStatus("slurm", "slurm", SourceState.OK, START), tuple(told), tuple(nodes))

    @staticmethod
    def _told(number: int, held: tuple[Allocation, ...]) -> Job:
        state = JobState.RUNNING if held else JobState.PENDING
        return Job(
            f"slurm:{number}", "slurm", "slurm", str(number), f"train-{number % 50}", f"user{number % 200}", "lab",
            "gpu", state=state, reason="" if held else "Resources", submitted=START - 9000,
            started=START - 7200 if held else None, time_limit_seconds=86_400.0, allocations=held,
            accelerators_wanted=2,
        )  # fmt: skip

    def report(self, passed: int) -> None:
        """Every node tells of another utilisation; so many boards have passed to another job."""
        self.now += 1.0
        boards = self.nodes * BOARDS
        taken = {boards * at // passed: (self._spare + at) % self.running for at in range(passed)} if passed else {}
        self._spare += passed + 1
        for node in range(self.nodes):
            util = 90.0 + (self.now + node) % 10
            cells = Cells(p=[board * WIDTH + UTIL for board in range(BOARDS)], v=[util] * BOARDS)
            for board in range(BOARDS):
                job = taken.get(node * BOARDS + board)
                if job is not None:
                    cells.xp.extend([board * WIDTH + USER, board * WIDTH + JOB])
                    cells.x.extend([f"user{job % 200}", f"slurm:{job}"])
            self.fleet.report(node, Report(1, 1, self.now, cells={"accelerator": cells}), self.now)
        self.fleet.tick()

    def frame(self) -> Frame:
        frame = self.fleet.frame()
        return replace(frame, jobs=self.roll.frame(frame))


@dataclass(frozen=True)
class Row:
    what: str
    milliseconds: float
    limit: float | None

    def __str__(self) -> str:
        ratio = f"{self.milliseconds / self.limit:5.2f} of {self.limit:g} ms" if self.limit else ""
        return f"{self.what:<58} {self.milliseconds:8.2f} ms   {ratio}"


def took_ms(do: Callable[[], object]) -> float:
    """Of processor time: others may be at work on this machine."""
    began = time.thread_time()
    do()
    return 1000 * (time.thread_time() - began)


def frames(floor: Floor, count: int, passed: int) -> Sequence[float]:
    """Milliseconds that the jobs of each frame took."""
    found: list[float] = []
    for _ in range(count):
        floor.report(passed)
        frame = floor.fleet.frame()
        found.append(took_ms(lambda frame=frame: floor.roll.frame(frame)))
    return found


def of_checks(floor: Floor, count: int) -> list[Row]:
    """All checks of jobs together, a frame after the first."""
    modules = [(name, check) for name, check in checks.all_checks().items() if name in OF_JOBS]
    spent: list[float] = []
    for at in range(count + 1):
        floor.report(0)
        frame = floor.frame()
        took = took_ms(lambda frame=frame: [list(check(frame)) for _, check in modules])
        spent += [took] if at else []
    rows = [Row("checks over jobs, a frame", median(spent), None), Row("the slowest of these", max(spent), None)]
    judged = took_ms(lambda: floor.frame().with_findings(()))
    return [*rows, Row("a frame with its states, and all figures of jobs", judged, None)]


async def opening(frame: Frame) -> tuple[float, float]:
    """Milliseconds until the page is there: the first time, and when it is come back to."""
    app = still_app(frame)
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        found: list[float] = []
        for key in ("4", "1", "4"):
            began = time.process_time()
            app.post_message(events.Key(key, key))
            await pilot.pause()
            found.append(1000 * (time.process_time() - began))
        assert isinstance(app.page, JobsPage)
    return found[0], found[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=30)
    options = parser.parse_args()
    floor = Floor(options.nodes, options.jobs)
    boards = options.nodes * BOARDS
    print(f"{options.jobs:,} jobs, {floor.running:,} of them on {boards:,} accelerators of {options.nodes:,} nodes")
    first = took_ms(floor.frame)
    rows = [Row("the first frame after an answer", first, None)]
    for words, passed in (("nothing changes", 0), ("1 % of the accelerators pass to another job", boards // 100)):
        spent = sorted(frames(floor, options.frames, passed))
        rows.append(Row(f"jobs of a frame, {words}: median", median(spent), FRAME_LIMIT_MS))
        rows.append(Row("  the slowest but one", spent[-2], FRAME_LIMIT_MS))
    rows += of_checks(floor, options.frames)
    opened, again = asyncio.run(opening(floor.frame().with_findings(())))
    rows += [Row("the jobs page opens", opened, OPEN_LIMIT_MS), Row("  and once more", again, OPEN_LIMIT_MS)]
    print("\n".join(map(str, rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
