"""What a sight of lineage costs the collectors' loop every two seconds: unchanged, after an answer, after changes.

    python -m bench.lineage [--nodes 1000] [--jobs 10000] [--findings 5000]

The fleet's frame is a real one; jobs hold eight accelerators each, as far as there are any, and the others wait. Beside
it, in the same run, what a look at every job and every finding takes: the plain way to see that nothing changed.

Limits: an unchanged sight 5 ms of CPU, one after an answer of the same jobs 10 ms.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.query import BOARDS, fleet_of
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState
from watchfloor.jobs.view import Jobs
from watchfloor.lineage.sights import SIGHT_SECONDS, Sights
from watchfloor.lineage.watch import MOST_NEWS, Watch
from watchfloor.model import Finding, Scope, State
from watchfloor.record import Record, Records

LIMITS = {"unchanged": 5.0, "after an answer": 10.0}  # milliseconds
ROUNDS = 15


def jobs_of(frame: Frame, count: int) -> list[Job]:
    running = len(frame.specs)
    return [
        Job(
            f"slurm:{number}", "bench", "slurm", str(number), "train", f"user{number % 40}",
            state=JobState.RUNNING if number < running else JobState.PENDING,
            submitted=frame.at - 9000.0,
            started=frame.at - 3600.0 if number < running else None,
            allocations=(Allocation(frame.specs[number].name, BOARDS),) if number < running else (),
        )
        for number in range(count)
    ]  # fmt: skip


def records_of(frame: Frame, count: int) -> Records:
    found = {}
    for row in range(min(count, frame.accelerators.count)):
        subject = frame.subject(Scope.ACCELERATOR, row)
        finding = Finding(subject, "thermal", State.WARNING, f"{subject} slowed down by heat")
        found[subject, finding.code] = Record(finding, frame.at - 600.0, frame.at)
    return Records(found, frame.at)


class Sighting:
    """One console's sights, each a due time later."""

    def __init__(self, frame: Frame) -> None:
        self.watch = Watch()
        self._sights = Sights(self.watch)
        self._frame = frame
        self._at = frame.at

    def take(self, **changed: object) -> float:
        """Milliseconds of CPU of one sight."""
        self._at += SIGHT_SECONDS
        frame = self._frame = replace(self._frame, at=self._at, **changed)  # pyright: ignore[reportArgumentType]
        began = time.process_time()
        self._sights.take(frame)
        took = (time.process_time() - began) * 1e3
        while changes := self.watch.due():
            self.watch.saved(changes)
        return took


def plain(frame: Frame) -> float:
    """Milliseconds of CPU of comparing every job and finding with what was told before."""
    jobs = {job.id: job for job in frame.jobs.rows}
    records = dict(frame.records.by_key)
    began = time.process_time()
    news = [job for job in frame.jobs.rows if jobs[job.id] != job]
    news += [record for record in frame.records.by_key.values() if records[record.key] != record]
    assert not news
    return (time.process_time() - began) * 1e3


def measure(nodes: int, count: int, findings: int) -> None:
    frame = fleet_of(nodes).frame()
    jobs = jobs_of(frame, count)
    owners = (frame.accelerators.node % nodes).astype(np.int32)
    frame = replace(frame, jobs=Jobs(jobs, owners=owners), records=records_of(frame, findings))
    sighting = Sighting(frame)
    first = [sighting.take()]
    while sighting.watch.is_behind:
        first.append(sighting.take())
    gc.collect()
    gc.freeze()
    changed = iter(range(ROUNDS))

    def some_end() -> Jobs:
        """As many jobs end as one sight takes."""
        at = next(changed) * MOST_NEWS
        over = {number: replace(jobs[number], name="over") for number in range(at, min(at + MOST_NEWS, count))}
        return Jobs([over.get(number, job) for number, job in enumerate(jobs)], owners=owners)

    rows: list[tuple[str, Sequence[float]]] = [
        ("first, until all is told", first),
        ("unchanged", _times(sighting.take)),
        ("after an answer", _times(lambda: sighting.take(jobs=Jobs(list(jobs), owners=owners.copy())))),
        (f"{MOST_NEWS} jobs changed", _times(lambda: sighting.take(jobs=some_end()))),
        ("beside it: every job compared", _times(lambda: plain(frame))),
    ]
    print(f"{nodes:,} nodes, {count:,} jobs, {findings:,} findings; milliseconds of CPU of one sight")
    for name, times in rows:
        limit = LIMITS.get(name)
        late = limit is not None and median(times) > limit
        words = f"limit {limit:g}{', MISSED' if late else ''}" if limit is not None else ""
        print(f"  {name:32} median {median(times):7.2f}   max {max(times):7.2f}   {words}")


def _times(one: Callable[[], float]) -> list[float]:
    return [one() for _ in range(ROUNDS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--findings", type=int, default=5_000)
    asked = parser.parse_args()
    measure(asked.nodes, asked.jobs, asked.findings)


if __name__ == "__main__":
    main()
