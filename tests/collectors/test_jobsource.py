"""A source of jobs that breaks: what it told stays and ages, it is begun anew, and nothing else notices."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from collectors.jobsource import Kept
from collectors.sources import slurm
from collectors.transports.local import LocalTransport
from tests.support.virtual_time import VirtualClock, run
from watchfloor.jobs.config import Work
from watchfloor.jobs.model import Job, JobSourceSpec, SourceAnswer, SourceState, SourceStatus
from watchfloor.model import NodeSpec
from watchfloor.wiring import collect

SPEC = JobSourceSpec("alpha", "slurm", NodeSpec("login", local=True))
KNOWN = SourceAnswer(SourceStatus("alpha", "slurm", SourceState.OK, at=5.0), (Job("slurm:1", "alpha", "slurm", "1"),))


class Breaking:
    """Tells one answer and breaks; the third one that is made lasts."""

    made = 0

    def __init__(self, *_: object) -> None:
        type(self).made += 1

    async def run(self, tell: Callable[[SourceAnswer], None]) -> None:
        if type(self).made == 2:
            raise ZeroDivisionError("twice")
        tell(replace(KNOWN, status=replace(KNOWN.status, at=5.0 * type(self).made)))
        if type(self).made > 2:
            await asyncio.Event().wait()
        raise KeyError("of no use")

    def wake(self) -> None: ...


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    Breaking.made = 0
    monkeypatch.setattr(slurm, "Source", Breaking)


def test_a_source_that_breaks_is_told_with_what_it_knew_and_begins_anew(breaking: None) -> None:
    told: list[tuple[float, SourceAnswer]] = []

    async def watched() -> None:
        clock = VirtualClock()
        kept = Kept(SPEC, lambda spec: LocalTransport(), clock, random.Random(1))
        assert kept.answer.status.state is SourceState.WAITING
        running = asyncio.create_task(kept.run(lambda answer: told.append((clock.monotonic(), answer))))
        await asyncio.sleep(60)  # of a loop whose time passes at once
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    run(watched())
    states = [answer.status.state for _, answer in told]
    assert states == [SourceState.OK, SourceState.FAILED, SourceState.FAILED, SourceState.OK]
    assert "KeyError: 'of no use'" in told[1][1].status.text and "ZeroDivisionError: twice" in told[2][1].status.text
    assert told[1][1].jobs == told[2][1].jobs == KNOWN.jobs
    assert [answer.status.at for _, answer in told] == [5.0, 5.0, 5.0, 15.0]
    assert 1.0 <= told[2][0] - told[1][0] < told[3][0] - told[2][0], "each wait is longer than the one before"


async def test_telemetry_goes_on_beside_a_source_that_breaks(breaking: None) -> None:
    frame = await collect(
        [NodeSpec("here", local=True)],
        60.0,
        lambda frame: bool(frame.live[0]) and any(one.state is SourceState.FAILED for one in frame.jobs.sources),
        work=Work((SPEC,)),
    )
    assert frame.live[0] and [job.id for job in frame.jobs.rows if job.kind == "slurm"] == ["slurm:1"]
