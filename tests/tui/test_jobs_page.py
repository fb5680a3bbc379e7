"""The jobs page: order, filter, the way to a job's accelerators, what the row under the cursor says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from tests.support import frames
from tests.support.feeds import still_app
from tests.support.screens import text_of
from tui.app import WatchfloorApp
from tui.present.findings import subject_name
from tui.present.jobs import detail_lines, job_columns, summary_lines
from tui.screens.fleet import FleetPage
from tui.screens.jobs import JobsPage
from watchfloor.frame import Frame
from watchfloor.jobs.config import Pricing
from watchfloor.jobs.model import Allocation, Attempt, Job, JobState, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.model import Scope, Subject
from watchfloor.snapshot.jobdetail import detail

OK = SourceStatus("alpha", "slurm", SourceState.OK, frames.START + 58.0, 0.1, 5.0)
FAILED = replace(OK, state=SourceState.FAILED, text="the controller does not answer", advice="see slurmctld on ctl1")


@cache
def floor(status: SourceStatus = OK) -> Frame:
    frame = frames.fresh()
    roll = Roll(Pricing(2.0))
    roll.answer(SourceAnswer(status, jobs(frame.at)))
    frame = replace(frame, jobs=roll.frame(frame))
    return frame.with_findings(frame.findings)


def jobs(now: float) -> tuple[Job, ...]:
    def slurm(number: int, state: JobState, **said: object) -> Job:
        return Job(f"slurm:{number}", "alpha", "slurm", str(number), state=state, user="mira", **said)  # type: ignore[arg-type]

    first = Attempt(1, JobState.NODE_FAILED, "NODE_FAIL", now - 7000, now - 3700, ("dgx-04",), reason="dgx-04 failed")
    second = Attempt(2, JobState.RUNNING, "RUNNING", now - 3600, None, ("dgx-01", "dgx-02"))
    return (
        slurm(4100, JobState.RUNNING, name="train-llm", queue="gpu", account="research", started=now - 3600,
              submitted=now - 9000, time_limit_seconds=86400.0, attempt=2, attempts=(first, second),
              allocations=(Allocation("dgx-01", 8), Allocation("dgx-02", 8)), command="python3 train.py",
              image="nvcr.io/nvidia/pytorch:24.07-py3", working_directory="/home/mira/llm"),
        slurm(4201, JobState.PENDING, name="sweep", queue="gpu", submitted=now - 600, accelerators_wanted=64,
              nodes_wanted=8, reason="Resources", array="4201", array_tasks="8-63%4"),
        slurm(4090, JobState.FAILED, name="evaluate", queue="gpu", started=now - 900, ended=now - 300, exit_code=1,
              allocations=(Allocation("l40-02", 4),), reason="NonZeroExitCode"),
    )  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("status", [OK, FAILED], ids=["jobs", "jobs-failed"])
def test_picture(status: SourceStatus, size: tuple[int, int], snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(still_app(floor(status)), press=["4", "o", "down"], terminal_size=size)


def page(app: WatchfloorApp) -> JobsPage:
    found = app.pages["jobs"]
    assert isinstance(found, JobsPage)
    return found


def shown(app: WatchfloorApp) -> list[str]:
    model = page(app)._model
    assert model is not None
    return [model.identity(index).key for index in range(model.count)]


async def test_what_runs_comes_first_what_is_over_only_when_asked_for() -> None:
    app = still_app(floor())
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4")
        assert shown(app)[-1] == "slurm:4201" and "slurm:4090" not in shown(app)
        await pilot.press("o")
        assert shown(app)[-1] == "slurm:4090"
        assert "waiting for 64" in text_of(app, "#summary")


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (frames.fresh, "60 of 76 accelerators and 16, by the scheduler's word on nodes that are not in the fleet"),
        (frames.hosts_only, "2 running on 16 accelerators, by the scheduler's word on nodes that are not in the fleet"),
    ],
    ids=["some", "none"],
)
def test_what_jobs_hold_and_nobody_sees_is_said_to_be_their_schedulers_word(
    frame: Callable[[], Frame], said: str
) -> None:
    bare, roll = frame(), Roll()
    held = [replace(jobs(0.0)[0], id=f"slurm:{n}", allocations=(Allocation(f"far-{n}", 8),)) for n in (1, 2)]
    roll.answer(SourceAnswer(OK, tuple(held)))
    lines = summary_lines(replace(bare, jobs=roll.frame(bare)), 200)
    assert said in "".join(text for line in lines for text, _ in line)


async def test_the_cursor_tells_attempts_and_nodes() -> None:
    app = still_app(floor())
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4")
        assert page(app).table.select(Subject(Scope.JOB, "", "slurm:4100"))
        await pilot.pause()
        told = text_of(app, "#detail")
        assert "attempt 1 node failed" in told and "dgx-04 failed" in told
        assert "dgx-01×8" in told and "python3 train.py" in told
        assert "image nvcr.io/nvidia/pytorch:24.07-py3" in told and "in /home/mira" in told


async def test_enter_shows_the_accelerators_of_a_job() -> None:
    app = still_app(floor())
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4")
        assert page(app).table.select(Subject(Scope.JOB, "", "slurm:4100"))
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.page, FleetPage)
        assert app.page.filter is not None and "slurm:4100" in app.page.filter.text


async def test_a_filter_is_about_jobs() -> None:
    app = still_app(floor())
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4", "slash", *"phase == pending", "enter")
        assert shown(app) == ["slurm:4201"]
        await pilot.press("escape")
        assert len(shown(app)) > 1
        await pilot.press("slash", *"sweep", "enter")
        assert shown(app) == ["slurm:4201"]


async def test_a_scheduler_that_does_not_answer_is_said_with_the_age_of_what_it_told() -> None:
    app = still_app(floor(FAILED))
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4")
        words = text_of(app, "#summary")
        assert "last answer " in words
        assert "ago: the controller does not answer (see slurmctld on ctl1)" in words
        assert "slurm:4100" in shown(app)


async def test_sorting_by_key_and_again() -> None:
    app = still_app(floor())
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4", "A")
        assert page(app).order.column == "accelerators" and shown(app)[0] == "slurm:4201"
        await pilot.press("A")
        assert shown(app)[0] != "slurm:4201"


@pytest.mark.parametrize("width", [78, 118, 198])
def test_a_job_is_told_in_lines_that_wrap_each_subject_on_one_at_least(width: int) -> None:
    frame, job = floor(), Subject(Scope.JOB, "", "slurm:4100")
    for most in (6, 12):
        lines = detail_lines(frame, job, width, most)
        told = ["".join(text for text, _ in line) for line in lines]
        assert len(lines) <= most and max(map(len, told)) <= width
        assert any("attempt 1 node failed" in line for line in told)
        assert any("dgx-01×8" in line for line in told)
    whole = " ".join("".join(text for text, _ in line) for line in detail_lines(frame, job, width, 20))
    assert "…" not in whole
    assert "in /home/mira" in whole and "stragglers" in whole and "silent" in whole


def test_an_attempt_that_was_queued_again_is_not_said_to_be_called_off() -> None:
    bare, roll = frames.fresh(), Roll()
    first = Attempt(1, JobState.CANCELLED, "REQUEUED", bare.at - 60, bare.at - 30)
    again = replace(jobs(bare.at)[0], attempts=(first, Attempt(2, JobState.RUNNING, "RUNNING", bare.at - 20)))
    roll.answer(SourceAnswer(OK, (again,)))
    frame = replace(bare, jobs=roll.frame(bare))
    lines = detail_lines(frame, Subject(Scope.JOB, "", again.id), 200, 20)
    page_says = "".join(text for line in lines for text, _ in line)
    command_says = detail(frame, frame.jobs.index[again.id])
    assert "attempt 1 requeued after 30 s" in page_says and "1  requeued after 30 s" in command_says


def test_what_no_job_tells_has_no_column() -> None:
    names = {column.name for column in job_columns(floor().jobs.view, 300)}
    assert "account" in names or "queue" in names
    nobody = frames.settled()
    assert not {"account", "queue", "time_left"} & {column.name for column in job_columns(nobody.jobs.view, 300)}


def test_a_finding_of_a_job_names_it_as_one() -> None:
    assert subject_name(floor(), Subject(Scope.JOB, "", "slurm:4100")) == "job 4100"
