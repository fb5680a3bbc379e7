"""Actions at Slurm without one: what is prepared and refused, and what is made of scontrol's words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.action import CannotPrepare, Scene
from agents.actions import _slurm
from tests.support.acting import (
    NOW,
    FakeHands,
    Machine,
    answer,
    board,
    deaf,
    frame_of,
    job,
    node,
    prepared,
    replies,
    scene_of,
    seen,
    words,
)  # fmt: skip
from tests.support.parts import samples
from watchfloor.change import Effect, On, Risk
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode, SourceState

RUNNING = Job(
    "slurm:4242", "lab", "slurm", "4242", name="pretrain", user="maria", state=JobState.RUNNING, started=NOW - 60,
    attempt=2, allocations=(Allocation("n1", 8),),
)  # fmt: skip
NODE = "NodeName=n1 Arch=x86_64 NodeAddr=10.0.0.1 State={state} ThreadsPerCore=2{comment}{reason}\n"


def scene(
    *jobs: Job,
    state: str = "idle",
    reason: str = "",
    at: float = NOW,
    source: SourceState = SourceState.OK,
    comment: str = "",
) -> Scene:
    nodes = (SchedulerNode("n1", state, takes_work="drain" not in state, reason=reason, comment=comment),)
    told = answer(jobs=jobs, nodes=nodes, at=at, state=source)
    return scene_of(frame_of([Machine("n1"), Machine("n2")], told))


def shown_node(state: str, reason: str = "", comment: str = "") -> str:
    reason = f" Reason={reason} [root@2026-11-22T17:55:33]" if reason else ""
    return NODE.format(state=state, reason=reason, comment=f" Comment={comment}" if comment else "")


def shown_job(state: str, restarts: int = 1, priority: int = 100, reason: str = "None", user: str = "maria") -> str:
    return (
        f"JobId=4242 JobName=x=1 UserId={user}(1000) Priority={priority} JobState={state} Reason={reason} Requeue=1 "
        f"Restarts={restarts} BatchFlag=1\n"
    )


# -- nodes


def test_a_drain_is_exact_and_marked() -> None:
    _, step = prepared(scene(), "drain_node", node("n1"), reason="xid 79, gpu 3")
    mark = step.after["mark"]
    (deed,) = step.deeds
    assert (deed.place.on, deed.place.name, step.risk) == (On.SCHEDULER, "lab", Risk.TAKES_OUT)
    assert words(deed) == f"scontrol update NodeName=n1 State=DRAIN Reason=xid 79, gpu 3 {mark}"
    assert [words(one) for one in step.undo] == ["scontrol update NodeName=n1 State=RESUME"]
    assert str(mark).startswith("watchfloor:")
    _, later = prepared(scene(at=NOW), "drain_node", node("n1"), reason="xid 48")
    assert later.after["mark"] != mark


@pytest.mark.parametrize(
    ("told", "target", "reason", "why"),
    [
        (scene(state="idle+drain", reason="cooling"), "n1", "x", "drained already: cooling"),
        (scene(), "n2", "x", "no scheduler manages n2"),
        (scene(), "n9", "x", "no scheduler manages n9"),
        (scene(), "n1", 'say "no"', "no quotes"),
        (scene(), "n1", "two\nlines", "line end"),
        (scene(), "n1", "-x", "begins with a dash"),
        (scene(), "n1", "x" * 121, "120 are the most"),
    ],
)
def test_what_cannot_be_drained_is_told_why(told: Scene, target: str, reason: str, why: str) -> None:
    with pytest.raises(CannotPrepare, match=why):
        prepared(told, "drain_node", node(target), reason=reason)


def test_a_name_that_slurm_would_expand_is_refused() -> None:
    """A list of nodes, where one was meant."""
    frame = frame_of([Machine("n1")], answer(nodes=(SchedulerNode("n[1-3]", "idle", hostname="n1"),)))
    with pytest.raises(CannotPrepare, match="not the name of one node"):
        prepared(scene_of(frame), "drain_node", node("n1"), reason="x")


async def test_a_drain_is_ours_by_its_mark() -> None:
    action, step = prepared(scene(), "drain_node", node("n1"), reason="xid 79")
    ours = f"xid 79 {step.after['mark']}"
    for record, effect in (
        (shown_node("MIXED+DRAIN", ours), Effect.TOOK),
        (shown_node("DOWN*+DRAIN", ours), Effect.TOOK),
        (shown_node("MIXED+DRAIN", "xid 79"), Effect.NONE),
        (shown_node("MIXED+DRAIN", "xid 79 watchfloor:000000000000"), Effect.NONE),
        (shown_node("MIXED"), Effect.NONE),
        ("slurm_load_node error\n", Effect.UNKNOWN),
    ):
        assert (await seen(action, step, FakeHands(replies(("show node n1", record))))).effect is effect, record
    assert (await seen(action, step, FakeHands(deaf))).effect is Effect.UNKNOWN


def test_what_moved_since_the_plan_holds_a_drain_back() -> None:
    action, step = prepared(scene(), "drain_node", node("n1"), reason="xid 79")
    assert action.precheck(scene(), step) == ""
    assert action.precheck(scene(state="mixed+drain", reason=f"xid 79 {step.after['mark']}"), step) == ""
    assert "drained by others meanwhile: cooling" in action.precheck(scene(state="mixed+drain", reason="cooling"), step)
    assert "last heard 1000 s ago" in action.precheck(scene(at=NOW - 1000), step)
    assert "does not answer" in action.precheck(scene(source=SourceState.FAILED), step)


async def test_only_our_own_drains_are_resumed() -> None:
    ours = "xid 79 watchfloor:0123456789ab"
    drained = scene(state="idle+drain", reason=ours)
    action, step = prepared(drained, "resume_node", node("n1"))
    assert words(step.deeds[0]) == "scontrol update NodeName=n1 State=RESUME"
    assert words(step.undo[0]) == f"scontrol update NodeName=n1 State=DRAIN Reason={ours}"
    assert step.heals and action.precheck(drained, step) == ""
    others = scene(state="idle+drain", reason="cooling")
    assert "drained by others: cooling" in action.precheck(others, step)
    for record, effect in (
        (shown_node("IDLE"), Effect.TOOK),
        (shown_node("IDLE+DRAIN", ours), Effect.NONE),
        (shown_node("IDLE+DRAIN", "cooling"), Effect.UNKNOWN),
    ):
        assert (await seen(action, step, FakeHands(replies(("show node n1", record))))).effect is effect, record
    hands = FakeHands(replies(("show node n1", shown_node("IDLE+DRAIN", "cooling"))))
    (refused,) = await action.apply(step, hands, "run.s1")
    assert "drained by others: cooling" in refused.stderr and hands.done == []
    _, anyones = prepared(others, "resume_node", node("n1"), anyones=True)
    assert action.precheck(others, anyones) == ""


def test_a_node_that_an_earlier_step_drains_can_be_resumed_in_the_same_plan() -> None:
    action, step = prepared(scene(), "resume_node", node("n1"))
    assert step.undo == ()
    assert action.precheck(scene(state="idle+drain", reason="xid 79 watchfloor:0123456789ab"), step) == ""


def test_undoing_a_drain_leaves_a_node_down_that_was_down_for_the_reason_that_it_had() -> None:
    _, step = prepared(scene(state="down*", reason="Not responding"), "drain_node", node("n1"), reason="xid 79")
    assert [words(one) for one in step.undo] == ["scontrol update NodeName=n1 State=UNDRAIN Reason=Not responding"]


async def test_undoing_a_comment_gives_back_the_one_that_an_earlier_plan_left() -> None:
    had = "burn-in=passed,watchfloor:0123456789ab"
    action, step = prepared(scene(comment=had), "label_node", node("n1"), label="quarantine", value="xid79")
    assert words(step.undo[0]) == f"scontrol update NodeName=n1 Comment={had}"
    other = "burn-in=failed,watchfloor:ba9876543210"
    hands = FakeHands(replies(("show node n1", shown_node("IDLE", comment=other))))
    (refused,) = await action.apply(step, hands, "run.s1")
    assert f"is marked already: {other}" in refused.stderr, "it would come back otherwise than it was"
    with pytest.raises(CannotPrepare, match="is marked already: of-bob"):
        prepared(scene(comment="of-bob"), "label_node", node("n1"), label="quarantine")


async def test_a_comment_marks_a_node() -> None:
    action, step = prepared(scene(), "label_node", node("n1"), label="quarantine", value="xid79")
    mark = step.after["mark"]
    assert words(step.deeds[0]) == f"scontrol update NodeName=n1 Comment=quarantine=xid79,{mark}"
    ours, others = f"quarantine=xid79,{mark}", "of-bob"
    for record, effect in (
        (shown_node("IDLE", comment=ours), Effect.TOOK),
        (shown_node("IDLE", comment=others), Effect.NONE),
        (shown_node("IDLE"), Effect.NONE),
    ):
        assert (await seen(action, step, FakeHands(replies(("show node n1", record))))).effect is effect, record
    hands = FakeHands(replies(("show node n1", shown_node("IDLE", comment=others))))
    (refused,) = await action.apply(step, hands, "run.s1")
    assert "is marked already: of-bob" in refused.stderr
    for label, why in (("a b", "is no label"), ("node-role.kubernetes.io/x", "belongs to the cluster")):
        with pytest.raises(CannotPrepare, match=why):
            prepared(scene(), "label_node", node("n1"), label=label)


# -- jobs


def test_a_job_is_named_exactly() -> None:
    task = replace(RUNNING, id="slurm:4203", number="4200_7", array="4200", array_tasks="7")
    last = replace(task, id="slurm:4200", number="4200_9", array_tasks="9")
    waiting = replace(task, id="slurm:4200", state=JobState.PENDING, array_tasks="8-63%4", number="4200_[8-63%4]")
    far = replace(RUNNING, id="slurm:alpha/4242")
    assert [_slurm.job_name(one) for one in (RUNNING, task, last, waiting, far)] == [
        "4242", "4200_7", "4200_9", "4200_[8-63]", "4242",
    ]  # fmt: skip
    with pytest.raises(CannotPrepare, match="which tasks of array"):
        _slurm.job_name(replace(task, array_tasks=""))
    with pytest.raises(CannotPrepare, match="part of job 4240"):
        _slurm.job_name(replace(RUNNING, labels={"component": "4240+2"}))


@pytest.mark.parametrize(
    ("action", "state", "why"),
    [
        ("requeue_job", JobState.PENDING, "holds no nodes"),
        ("requeue_job", JobState.DONE, "is over"),
        ("hold_job", JobState.RUNNING, "only what waits is held"),
        ("release_job", JobState.PENDING, "not held"),
        ("cancel_job", JobState.FAILED, "is over"),
    ],
)
def test_jobs_in_another_state_are_refused(action: str, state: JobState, why: str) -> None:
    with pytest.raises(CannotPrepare, match=why):
        prepared(scene(replace(RUNNING, state=state)), action, job("slurm:4242"))


def test_jobs_of_nobody_or_of_others_are_refused() -> None:
    with pytest.raises(CannotPrepare, match="no scheduler tells of a job"):
        prepared(scene(), "cancel_job", job("slurm:1"))
    frame = frame_of(
        [Machine("n1")], answer(jobs=(replace(RUNNING, id="kube:u", kind="kubernetes"),), kind="kubernetes")
    )
    with pytest.raises(CannotPrepare, match="is a job of kubernetes"):
        prepared(scene_of(frame), "cancel_job", job("kube:u"))


@pytest.mark.parametrize("name", ["requeue_job", "cancel_job"])
async def test_a_later_attempt_is_never_hit(name: str) -> None:
    action, step = prepared(scene(RUNNING), name, job("slurm:4242"))
    assert action.precheck(scene(RUNNING), step) == ""
    assert "is in attempt 3 now, and attempt 2 was meant" in action.precheck(scene(replace(RUNNING, attempt=3)), step)
    assert "no longer told of" in action.precheck(scene(), step)
    for record, why in (
        (shown_job("RUNNING", restarts=2), "restarted 2 times by now, and 1 times"),
        (shown_job("RUNNING", user="bob"), "is bob's, and maria's was meant"),
        ("slurm_load_jobs error: Invalid job id specified\n", "shows no job 4242"),
    ):
        hands = FakeHands(replies(("show job", record)))
        (refused,) = await action.apply(step, hands, "run.s1")
        assert why in refused.stderr and hands.done == []
    hands = FakeHands(replies(("show job", shown_job("RUNNING"))))
    (done,) = await action.apply(step, hands, "run.s1")
    assert done.ok and len(hands.done) == 1


@pytest.mark.parametrize(
    ("name", "record", "effect"),
    [
        ("requeue_job", shown_job("PENDING", restarts=2), Effect.TOOK),
        ("requeue_job", shown_job("COMPLETING"), Effect.UNKNOWN),
        ("requeue_job", shown_job("RUNNING"), Effect.NONE),
        ("requeue_job", "JobId=4242 JobState=RUNNING \n", Effect.UNKNOWN),
        ("cancel_job", shown_job("CANCELLED"), Effect.TOOK),
        ("cancel_job", shown_job("COMPLETED"), Effect.NONE),
        ("cancel_job", shown_job("RUNNING", restarts=2), Effect.NONE),
        ("cancel_job", shown_job("COMPLETING"), Effect.UNKNOWN),
        ("cancel_job", "Invalid job id specified\n", Effect.UNKNOWN),
    ],
)
async def test_what_became_of_a_job_is_read(name: str, record: str, effect: Effect) -> None:
    action, step = prepared(scene(RUNNING), name, job("slurm:4242"))
    assert (await seen(action, step, FakeHands(replies(("show job 4242", record))))).effect is effect


@pytest.mark.parametrize(
    ("record", "held"),
    [
        (shown_job("PENDING", priority=0, reason="JobHeldAdmin"), True),
        (shown_job("PENDING", priority=0, reason="JobHeldUser"), True),
        (shown_job("PENDING", reason="Priority"), False),
        (shown_job("RUNNING", priority=0), False),
    ],
)
async def test_held_is_held(record: str, held: bool) -> None:
    waiting = replace(RUNNING, state=JobState.PENDING, started=None, allocations=())
    for name, state, yes in (("hold_job", JobState.PENDING, held), ("release_job", JobState.HELD, not held)):
        action, step = prepared(scene(replace(waiting, state=state)), name, job("slurm:4242"))
        found = await seen(action, step, FakeHands(replies(("show job", record))))
        assert found.effect is (Effect.TOOK if yes else Effect.NONE)


def test_a_board_is_no_node() -> None:
    with pytest.raises(CannotPrepare, match="no scheduler tells of a job ''"):
        prepared(scene(), "cancel_job", node("n1"))
    _, step = prepared(scene(), "drain_node", board("GPU-x", "n1"), reason="x")
    assert words(step.deeds[0]).startswith("scontrol update NodeName=n1 ")


# -- what a real Slurm printed


def test_real_records_are_read() -> None:
    folder = samples("slurm-live-22.05")
    draining = " ".join((folder / "scontrol-show-node.draining.txt").read_text().split())
    assert _slurm.node_words(draining) == {"mixed", "drain"}
    assert _slurm.node_reason(draining) == "xid 79 gpu 3 fell off the bus [INC-1]"
    down = " ".join((folder / "scontrol-show-node.down.txt").read_text().split())
    assert not _slurm.is_drained(_slurm.node_words(down)) and _slurm.node_reason(down) == "Not responding"
    requeued = " ".join((folder / "scontrol-show-job.nodefail.txt").read_text().split())
    assert (_slurm.restarts(requeued), _slurm.job_words(requeued)) == (2, {"PENDING"})
    listed = (folder / "scontrol-show-job-d-o.txt").read_text()
    numbers = [line.split()[0].partition("=")[2] for line in listed.splitlines() if line.startswith("JobId=")]
    assert all(_slurm.job_record(listed, number).startswith(f"JobId={number} ") for number in numbers)
    assert _slurm.job_record(listed, "999999") == ""
