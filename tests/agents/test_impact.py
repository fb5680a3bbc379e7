"""What a plan costs others: since when work is lost, and when it would cost least."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

from agents.action import Saved, Scene, actions
from agents.impact import impact_of
from agents.interlocks import Case
from agents.interlocks.healthy_capacity import holds_back
from agents.plan import prepared
from agents.policy import judge
from agents.savedwork import SavedWork
from tests.support.acting import NOW, Machine, answer, bare, frame_of, scene_of
from tests.support.governed import plan, policies, world
from watchfloor.change import Impact, JobHit, Risk, Ruling, Target
from watchfloor.frame import Frame, NodeDetail
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode
from watchfloor.lineage.checkpoints import Checkpoint
from watchfloor.lineage.graph import Changes, Edge, Entity, Key, Kind, Relation
from watchfloor.model import Scope, Subject
from watchfloor.records.lineage import LineageStore
from watchfloor.report import PAUSED, SamplerStatus
from watchfloor.snapshot.plan import plan_text
from watchfloor.systemclock import SystemClock

HOUR, MINUTE = 3600.0, 60.0
TRAIN = Job(
    "slurm:4242", "lab", "slurm", "4242", name="pretrain", user="maria", state=JobState.RUNNING,
    started=NOW - 10 * HOUR, attempt=1, allocations=(Allocation("n1", 8),), time_limit_seconds=12 * HOUR,
)  # fmt: skip


BOARDS = {f"GPU-{n}": {"vendor": "NVIDIA", "uuid": f"GPU-{n}"} for n in range(8)}
NOTHING = Saved()


def scene(*jobs: Job, saved: Saved = NOTHING) -> Scene:
    told = scene_of(frame_of([Machine("n1", BOARDS)], answer(jobs=jobs)))
    return replace(told, saved=lambda job: saved)


def hit(told: Scene, *jobs: Job) -> tuple[JobHit, str]:
    action = actions()["requeue_job"]
    targets = [Subject(Scope.JOB, "", one.id) for one in jobs or (TRAIN,)]
    steps = [prepared(action, "requeue_job", target, {}, told, str(target)) for target in targets]
    impact = impact_of(told, steps, NOW)
    return impact.jobs[0], impact.cheapest


def every(minutes: float, *ago: float) -> Saved:
    del minutes
    return Saved(tuple(Checkpoint(NOW - minutes * MINUTE, f"/ckpt/{minutes:g}") for minutes in ago))


def test_work_is_lost_since_the_newest_checkpoint_where_one_is_known() -> None:
    found, _ = hit(scene(TRAIN, saved=every(30, 90, 30)))
    assert found.since.startswith("the checkpoint at ") and found.since.endswith("UTC (/ckpt/30)")
    assert found.gpu_hours_lost == pytest.approx((found.accelerators or 0) * 0.5)


def test_what_a_job_holds_and_is_not_seen_is_lost_too() -> None:
    """On a node that the fleet doesn't have, or whose boards its probe can't see: the scheduler counts them."""
    wide = replace(TRAIN, allocations=(Allocation("n1", 8), Allocation("elsewhere", 8)))
    found, _ = hit(scene(wide, saved=every(30, 30)), wide)
    assert (found.accelerators, found.gpu_hours_lost) == (16, pytest.approx(8.0))


def test_a_node_whose_boards_are_gone_takes_out_what_its_scheduler_counts() -> None:
    told = answer(nodes=(SchedulerNode("n1", "idle", accelerators=8), SchedulerNode("n2", "idle", accelerators=8)))
    frame = frame_of([Machine("n1", BOARDS), Machine("n2", {})], told)
    impact = impact_of(scene_of(frame), [bare("drain_node", Target(Scope.NODE, "n2"), reason="x")], NOW)
    assert impact.accelerators == 8 and impact.capacity_left == pytest.approx(0.5)


def test_accelerators_of_a_node_that_was_never_heard_are_those_of_its_scheduler_or_unknown_and_never_none() -> None:
    told = answer(nodes=(SchedulerNode("n2", "idle", accelerators=8), SchedulerNode("n3", "idle")))
    frame = frame_of([Machine("n1", BOARDS), Machine("n2", heard=False), Machine("n3", heard=False)], told)

    def taken_out(node: str) -> Impact:
        return impact_of(scene_of(frame), [bare("drain_node", Target(Scope.NODE, node), reason="x")], NOW)

    assert taken_out("n2").accelerators == 8 and taken_out("n1").accelerators == 8
    assert taken_out("n2").capacity_left == pytest.approx(0.5), "of sixteen, eight are known to be healthy"
    unknown = taken_out("n3")
    assert unknown.accelerators is None
    a_plan = plan("drain_node", impact=unknown)
    assert "takes out n3: it isn't known how many accelerators" in plan_text(a_plan, a_plan.created)
    own = """@id("few") @explain("few accelerators")
    permit (principal, action, resource) when { context has accelerators_out && context.accelerators_out < 16 };"""
    assert judge(a_plan, world(a_plan), policies(own)).ruling is not Ruling.PERMIT
    assert judge(plan("drain_node", impact=taken_out("n2")), world(a_plan), policies(own)).ruling is Ruling.PERMIT


def test_what_stays_healthy_is_not_known_while_boards_are_let_go_of_that_nobody_has_told_of() -> None:
    """0 % or 100 % would be as wrong; a console that has seen them before goes on to know how many they are."""
    frame = frame_of([Machine("n1", BOARDS), Machine("n2", host={"cpu": 1.0}), Machine("n3", BOARDS)])
    let_go = NodeDetail(samplers={"nvidia": SamplerStatus(PAUSED, "let go of for a reset")})
    first, second, third = frame.detail
    paused = replace(frame, detail=[first, let_go, third])

    def drained(frame: Frame) -> tuple[Impact, str]:
        step = replaced(bare("drain_node", Target(Scope.NODE, "n1"), reason="x"), risk=Risk.TAKES_OUT)
        impact = impact_of(scene_of(frame), [step], NOW)
        made = plan("drain_node", impact=impact)
        return impact, holds_back(Case(replaced(made, steps=(step,)), None, frame, NOW))

    impact, why = drained(paused)
    assert impact.capacity_left is None and "the boards of n2 are let go of" in why
    told = plan("drain_node", impact=impact)
    assert "it isn't known how many of the fleet's accelerators stay healthy" in plan_text(told, told.created)
    before = drained(replace(frame, detail=[first, second, let_go]))[0].capacity_left
    assert before == drained(frame)[0].capacity_left == pytest.approx(0.5)


def test_else_since_its_start_and_it_says_so() -> None:
    found, _ = hit(scene(TRAIN))
    assert found.since == "its start: no checkpoint is known"
    assert found.gpu_hours_lost == pytest.approx((found.accelerators or 0) * 10)


def test_a_checkpoint_of_an_earlier_attempt_is_what_this_one_began_from() -> None:
    found, _ = hit(scene(TRAIN, saved=every(0, 11 * 60)))
    assert found.since == "its start: no checkpoint is known"


def test_why_lineage_could_not_be_asked_is_told() -> None:
    found, _ = hit(scene(TRAIN, saved=Saved(trouble="its lineage can't be read (locked)")))
    assert found.since == "its start: its lineage can't be read (locked)"


@pytest.mark.parametrize(
    ("jobs", "saved", "said"),
    [
        ((TRAIN,), Saved(), "in 2h ("),
        ((TRAIN,), Saved(), "when job 4242 reaches its time limit at the latest"),
        ((TRAIN,), every(30, 80, 50, 20), "after the next checkpoint of job 4242, which makes one every 30m"),
        ((TRAIN,), every(30, 300, 50, 20), "reaches its time limit"),
        ((replace(TRAIN, time_limit_seconds=None),), Saved(), "nobody knows when: job 4242 has no time limit"),
    ],
)
def test_the_cheapest_moment_is_named_and_why(jobs: tuple[Job, ...], saved: Saved, said: str) -> None:
    _, cheapest = hit(scene(*jobs, saved=saved), *jobs)
    assert said in cheapest


# -- from lineage


def test_checkpoints_come_from_the_runs_that_an_attempt_was_logged_as(tmp_path: Path) -> None:
    place = str(tmp_path / "lineage.db")
    store = LineageStore(place)
    attempt, run = Key(Kind.ATTEMPT, "slurm:4242#1"), Key(Kind.TRACKED_RUN, "openlineage:1")
    saved, log = Key(Kind.DATASET, "s3://m/ckpt-500"), Key(Kind.DATASET, "s3://m/metrics")
    job_key = Key(Kind.JOB, "slurm:4242")
    edges = (
        Edge(job_key, attempt, Relation.TRIED_AS, NOW),
        Edge(attempt, run, Relation.LOGGED_AS, NOW),
        Edge(run, saved, Relation.MADE, NOW + 60.0),
        Edge(run, log, Relation.MADE, NOW + 90.0),
    )
    store.save(Changes(tuple(Entity(key, NOW) for key in (job_key, attempt, run, saved, log)), edges), NOW)
    store.close()
    asked = SavedWork(place, SystemClock())
    assert asked("slurm:4242") == Saved((Checkpoint(NOW + 60.0, "s3://m/ckpt-500"),))
    assert asked("slurm:1") == Saved()
    asked.close()


def test_to_ask_what_was_saved_makes_no_store_and_what_another_console_makes_is_read(tmp_path: Path) -> None:
    place = tmp_path / "none" / "lineage.db"
    asked = SavedWork(str(place), SystemClock())
    assert asked("slurm:4242") == Saved() and not place.parent.exists()
    store, job_key, saved = LineageStore(str(place)), Key(Kind.JOB, "slurm:4243"), Key(Kind.CHECKPOINT, "/ckpt/1")
    made = Changes((Entity(job_key, NOW), Entity(saved, NOW)), (Edge(job_key, saved, Relation.MADE, NOW),))
    store.save(made, NOW)
    assert asked("slurm:4243").made == (Checkpoint(NOW, "/ckpt/1"),)
    asked.close()
    store.close()


def test_a_store_that_fails_is_told_and_left_alone_for_a_while(tmp_path: Path) -> None:
    (tmp_path / "lineage.db").write_text("this is no database, and long enough to be seen as none" * 9)
    asked = SavedWork(str(tmp_path / "lineage.db"), SystemClock())
    first = asked("slurm:4242")
    assert "can't be read" in first.trouble and asked("slurm:1") == Saved(trouble=first.trouble)
    assert SavedWork(None, SystemClock())("slurm:4242") == Saved()
