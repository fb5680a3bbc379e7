"""The lineage page: from a job, a node, a finding or a user to the tree of what led to what, and on from there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, tzinfo
from functools import cache
from pathlib import Path

import pytest

from tests.support import frames, runstory
from tests.support.feeds import still_app
from tui.app import WatchfloorApp
from tui.screens.findings import FindingsPage
from tui.screens.jobs import JobsPage
from tui.screens.lineage import LineagePage
from tui.screens.node import NodePage
from tui.screens.runs import RunsPage
from tui.widgets.lines import Lines
from watchfloor.change import Origin
from watchfloor.errors import StoreError
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Attempt, Job, JobState, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.ledgerfollower import LedgerFollower, LedgerPicture
from watchfloor.lineage.jobwords import Names
from watchfloor.lineage.watch import Watch
from watchfloor.lineagebook import LineageBook
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record, Records
from watchfloor.records import ledgerwords as words
from watchfloor.records.lineage import LineageStore
from watchfloor.snapshot.lineage import LineageReport

NOW = frames.settled().at
MINUTE = 60.0
GPU = Subject(Scope.ACCELERATOR, "dgx-04", "GPU-04-3")
XID = Finding(GPU, "xid-fatal", State.CRITICAL, "gpu3 of dgx-04 had XID 79: the board has fallen off the bus")
SLOW = Finding(Subject(Scope.NODE, "dgx-02"), "clock-skew", State.WARNING, "dgx-02's clock is 3 s behind")
NAMES = Names(of=lambda subject: "dgx-04/gpu3" if subject == GPU else str(subject))
FIRST = Attempt(1, JobState.RUNNING, "RUNNING", NOW - 118 * MINUTE, None, ("dgx-02", "dgx-04"))
FAILED = replace(FIRST, state=JobState.NODE_FAILED, told_state="NODE_FAIL", ended=NOW - 62 * MINUTE)
SECOND = Attempt(2, JobState.RUNNING, "RUNNING", NOW - 60 * MINUTE, None, ("dgx-01", "dgx-02"))


def job(*attempts: Attempt) -> Job:
    last = attempts[-1]
    held = tuple(Allocation(node, 8) for node in last.nodes)
    return Job(
        "slurm:4100", "alpha", "slurm", "4100", "train-llm", "mira", "research", "gpu", state=last.state,
        told_state=last.told_state, submitted=NOW - 119 * MINUTE, started=last.started, attempt=last.number,
        attempts=attempts, allocations=held, comment="dataset=s3://data/tokens-v3 checkpoint=/scratch/ckpt/1000",
        command="python3 train.py", image="nvcr.io/nvidia/pytorch:24.07-py3",
    )  # fmt: skip


def records() -> Records:
    found = [Record(XID, NOW - 63 * MINUTE, NOW), Record(SLOW, NOW - 30 * MINUTE, NOW)]
    return Records({record.key: record for record in found})


def watched() -> Watch:
    watch = Watch()
    words = {"slurm:4100": {"wandb": "floor/llm/run7", "commit": "26fdb5a8" * 5}}
    watch.update(NOW - 118 * MINUTE, [job(FIRST)], {"slurm:4100": [GPU]}, (), words, NAMES)
    xid, slow = Record(XID, NOW - 63 * MINUTE, NOW - 63 * MINUTE), Record(SLOW, NOW - 30 * MINUTE, NOW - 30 * MINUTE)
    watch.update(NOW - 63 * MINUTE, [job(FIRST)], {}, [xid], {}, NAMES)
    watch.update(NOW - 59 * MINUTE, [job(FAILED, SECOND)], {}, [xid], words, NAMES)
    watch.update(NOW - 1 * MINUTE, [job(FAILED, SECOND)], {}, [xid, slow], words, NAMES)
    return watch


@cache
def floor() -> Frame:
    frame = frames.fresh()
    roll = Roll()
    roll.answer(SourceAnswer(SourceStatus("alpha", "slurm", SourceState.OK, NOW - 2, 0.1, 5.0), (job(FAILED, SECOND),)))
    frame = replace(frame, jobs=roll.frame(frame))
    return replace(frame.with_findings((XID, SLOW)), records=records())


@pytest.fixture
def book(tmp_path: Path) -> LineageBook:
    store = LineageStore(str(tmp_path / "lineage.db"))
    store.save(watched().due(), NOW)
    return LineageBook(store)


def app_over(book: LineageBook | None) -> WatchfloorApp:
    return still_app(floor(), lineage=book, zone=UTC)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["4100", "dgx-02", "mira"], ids=["job", "node", "user"])
def test_picture(name: str, size: tuple[int, int], book: LineageBook, snap_compare: Callable[..., bool]) -> None:
    keys = ["colon", *f"lineage {name}", "enter", "down"]
    assert snap_compare(app_over(book), press=keys, terminal_size=size)


# -- with what was done about it


@pytest.fixture
def acted(tmp_path: Path) -> LedgerFollower:
    """A run that drained the node and requeued the job once it was approved, and one that waits."""
    story = runstory.Story(tmp_path / "ledger.db", NOW)
    drain, requeue = runstory.drain("dgx-04", "xid 79"), runstory.requeue("dgx-04", "4100")
    why = Origin("xid 79 on dgx-04/GPU-04-3: GPU has fallen off the bus", "xid 79", "", "node:dgx-04",
                 {"findings": ["xid-fatal@dgx-04/GPU-04-3"]})  # fmt: skip
    plan = runstory.planned("fatal-xid", runstory.CRON, why, [drain, requeue], NOW - 63 * MINUTE)
    hit = words.JobImpact(job="slurm:4100", effect="requeued", user="mira", gpu_hours_lost=14.6)
    story.run(
        ACTED, plan, runstory.proposed(plan, 63 * MINUTE),
        runstory.decided(63 * MINUTE, "needs-approval", ["it takes a node out of service"], 1),
        (62.6 * MINUTE, runstory.ANNA, words.Approval(reason="seen the log, go on")),
        *runstory.done(drain, 62.5 * MINUTE, ACTED), runstory.seen(drain, 62.3 * MINUTE, "took-effect", "it is drain"),
        *runstory.done(requeue, 62.2 * MINUTE, ACTED),
        runstory.seen(requeue, 62 * MINUTE, "took-effect", "job 4100 was restarted once"),
        (61.9 * MINUTE, runstory.CRON, hit), runstory.over(61.8 * MINUTE, "succeeded", "2 steps"),
    )  # fmt: skip
    lone = runstory.planned(
        "drain-node", runstory.BOB, Origin("fan swap at noon"), [runstory.drain("dgx-02", "fans")], NOW
    )
    told = [runstory.proposed(lone, 40.0), runstory.decided(40.0, "needs-approval", ["it takes a node out"], 1)]
    story.run("re6a8b90412", lone, *told)
    story.write()
    story.ledger.close()
    return LedgerFollower(tmp_path / "ledger.db")


ACTED = "r8d41f00c3e"


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_what_was_done(
    size: tuple[int, int], book: LineageBook, acted: LedgerFollower, snap_compare: Callable[..., bool]
) -> None:
    app = still_app(floor(), lineage=book, ledger=acted, zone=UTC)
    assert snap_compare(app, press=["colon", *"lineage 4100", "enter", "down"], terminal_size=size)


async def test_a_job_is_told_with_the_plan_the_approval_and_the_run_and_enter_opens_its_review(
    book: LineageBook, acted: LedgerFollower
) -> None:
    app = still_app(floor(), lineage=book, ledger=acted, zone=UTC)
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("4", "y")
        await pilot.pause()
        assert f"run {ACTED} of fatal-xid, approved by anna," in " ".join(text_of(app, "#summary").split())
        told = "\n".join(shown(app))
        assert "led to plan" in told and "approved by anna at 06:58: seen the log, go on" in told
        assert (
            f"requeued as attempt 2 at 07:01 by run {ACTED}" in told
            and "drain dgx-04 in alpha: xid 79: verified" in told
        )
        assert "re6a8b90412" not in told, "a plan that waits has done nothing to it"
        await pilot.press("slash", *"carried out", "enter", "end", "enter")
        await pilot.pause()
        assert isinstance(app.page, RunsPage) and app.page.run is not None and app.page.run.run == ACTED
        await pilot.press("y")
        await pilot.pause()
        assert shown(app)[0] == f"run {ACTED} of fatal-xid" and "finding xid-fatal" in shown(app)[1]


async def test_that_there_is_no_ledger_is_told_with_its_place(book: LineageBook, tmp_path: Path) -> None:
    app = still_app(floor(), lineage=book, ledger=LedgerFollower(tmp_path / "none.db"), zone=UTC)
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.press("4", "y")
        await pilot.pause()
        assert f"there is no ledger at {tmp_path / 'none.db'}" in text_of(app, "#summary")


def page(app: WatchfloorApp) -> LineagePage:
    assert isinstance(app.page, LineagePage)
    return app.page


def shown(app: WatchfloorApp) -> list[str]:
    model = page(app)._model
    assert model is not None, text_of(app, "#summary")
    return [model.cells(index)[-1][0] for index in range(model.count)]


def text_of(app: WatchfloorApp, selector: str) -> str:
    lines = app.screen.query_one(selector, Lines)
    return "\n".join("".join(segment.text for segment in lines.render_line(y)) for y in range(lines.size.height))


async def test_from_a_job_to_what_happened_to_it(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4", "y")
        await pilot.pause()
        assert "What happened to job 4100, and why?" in text_of(app, "#summary")
        assert "attempt 1 ended with NODE_FAIL" in text_of(app, "#summary")
        assert "gpu3 of dgx-04 had XID 79" in text_of(app, "#summary")
        lines = shown(app)
        assert lines[0].startswith("job slurm:4100") and any("attempt 2 runs on dgx-[01-02]" in line for line in lines)
        assert any("requeued as attempt 2" in line for line in lines)


async def test_from_a_job_to_all_of_its_user(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4", "Y")
        await pilot.pause()
        assert shown(app)[:2] == ["user mira", "└ job slurm:4100 train-llm (mira)"]


async def test_from_a_node_to_the_attempts_that_ran_there(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("colon", *"node dgx-02", "enter", "y")
        await pilot.pause()
        assert shown(app)[0] == "node dgx-02"
        assert sum("job slurm:4100" in line for line in shown(app)) == 2


async def test_from_a_finding_to_the_attempt_that_it_hit_and_back(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("6", "y")
        await pilot.pause()
        assert "1 attempt of 1 job held it then and failed" in text_of(app, "#summary")
        assert any("attempt 1 ran" in line for line in shown(app))
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.page, FindingsPage)
        assert app.page.record is not None and app.page.record.finding == XID


async def test_enter_opens_what_the_line_is_about(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4", "y")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.page, JobsPage)
        assert app.page.table.cursor == Subject(Scope.JOB, "", "slurm:4100")
        await pilot.press("colon", *"lineage dgx-02", "enter")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.page, NodePage)
        assert app.desk.selected is not None and app.desk.selected.node == "dgx-02"


async def test_what_has_no_page_is_told_itself_and_escape_goes_back(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("colon", *"lineage 4100", "enter")
        await pilot.press("slash", *"dataset", "enter", "end", "enter")
        await pilot.pause()
        assert shown(app)[0] == "dataset s3://data/tokens-v3"
        await pilot.press("escape")
        await pilot.pause()
        assert shown(app)[0].startswith("job slurm:4100")


async def test_lines_fold_and_unfold_and_stay_so(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("colon", *"lineage 4100", "enter")
        whole = shown(app)
        await pilot.press("down", "space")
        folded = shown(app)
        assert len(folded) < len(whole) and "[+" in folded[1]
        page(app)._asked_at = 0.0
        page(app).redraw()
        await pilot.pause()
        assert shown(app) == folded
        await pilot.press("plus")
        assert shown(app) == whole
        await pilot.press("minus")
        assert len(shown(app)) == 3


async def test_words_filter_lines_and_keep_the_way_to_them(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("colon", *"lineage 4100", "enter", "slash", *"xid fatal", "enter")
        lines = shown(app)
        assert len(lines) == 3 and "attempt 1" in lines[1] and "finding xid-fatal" in lines[2]
        assert "3 of" in text_of(app, "#status")
        await pilot.press("escape")
        assert len(shown(app)) > 3


async def test_a_name_that_is_not_on_record_says_so(book: LineageBook) -> None:
    app = app_over(book)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("colon", *"lineage 4101", "enter")
        await pilot.pause()
        assert "nothing is on record of '4101'" in text_of(app, "#summary")
        assert "did you mean '4100'" in text_of(app, "#summary")


async def test_without_a_store_the_key_says_why(book: LineageBook) -> None:
    app = app_over(None)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4", "y")
        assert isinstance(app.page, JobsPage)
        assert "this console keeps no lineage" in text_of(app, "#status")


class SlowBook(LineageBook):
    """Answers when it is told to."""

    def __init__(self, store: LineageStore) -> None:
        super().__init__(store)
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.error: StoreError | None = None

    def report(
        self,
        word: str,
        now: float,
        zone: tzinfo | None = None,
        until: float | None = None,
        ledger: LedgerPicture | None = None,
    ) -> LineageReport:
        self.asked.set()
        assert self.may_answer.wait(30)
        if self.error is not None:
            raise self.error
        return super().report(word, now, zone, until, ledger)


async def test_keys_are_answered_while_the_store_is_not(tmp_path: Path) -> None:
    store = LineageStore(str(tmp_path / "lineage.db"))
    store.save(watched().due(), NOW)
    slow = SlowBook(store)
    app = app_over(slow)
    async with app.run_test(size=(160, 40)) as pilot:
        app.desk.commands()["lineage"].run("4100")
        await asyncio.to_thread(slow.asked.wait, 30)  # the loop goes on meanwhile: it is what asks
        app.open("jobs")
        assert isinstance(app.page, JobsPage) and not slow.may_answer.is_set()
        slow.may_answer.set()
        await pilot.pause()
        await pilot.press("0")
        await pilot.pause()
        assert shown(app)[0].startswith("job slurm:4100")
        slow.error = StoreError("lineage is not kept in x: locked", "see to the file")
        page(app)._asked_at = 0.0
        page(app).redraw()
        await pilot.pause()
        assert "locked: see to the file" in text_of(app, "#summary")
        assert shown(app)[0].startswith("job slurm:4100")
