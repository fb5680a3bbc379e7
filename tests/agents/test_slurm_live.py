"""The actions on nodes and jobs of Slurm against a real one, with consoles that are killed in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.action import Action, CannotPrepare, Scene
from tests.support.acting import FakeFloor, LocalHands, Machine, answer, frame_of, node, prepared, scene_of
from tests.support.acting import job as job_target
from tests.support.slurm import Slurm, Watch
from watchfloor.change import Effect, Seen, Step
from watchfloor.jobs.model import Job, JobState, SourceAnswer


@pytest.fixture
def hands(lab: Slurm) -> LocalHands:
    return LocalHands(lab._environment())


async def told(lab: Slurm, enough: Callable[[SourceAnswer], object]) -> Scene:
    """A scene of what the real source tells, once it is enough."""
    async with Watch(lab.spec()) as watch:
        found = await watch.until(lambda one: one.nodes and enough(one))
    machines = [Machine(name) for name in lab.node_names]
    status = answer(at=found.status.at).status
    frame = frame_of(machines, SourceAnswer(status, found.jobs, found.nodes), at=found.status.at)
    return scene_of(frame, lab={"conf": str(lab.conf)})


async def with_job(lab: Slurm, number: int, *states: JobState) -> Scene:
    return await told(lab, lambda one: any(job.id == f"slurm:{number}" and job.state in states for job in one.jobs))


async def until(step: Step, action: Action, hands: LocalHands, effect: Effect) -> Seen:
    """Look again and again, as whoever runs it does."""
    async with asyncio.timeout(60):
        while True:
            found = await action.observe(step, hands, FakeFloor())
            if found.effect is effect:
                return found
            await asyncio.sleep(0.1)  # between two questions, up to a deadline: a scheduler tells nobody


def state(lab: Slurm, name: str) -> str:
    return lab.run("sinfo", "--noheader", "--Node", f"--nodes={name}", "--partition=train", "--format=%T|%E").strip()


async def test_a_node_is_drained_once_and_resumed(lab: Slurm, hands: LocalHands) -> None:
    scene = await told(lab, lambda one: all(node.takes_work for node in one.nodes))
    action, step = prepared(scene, "drain_node", node("gpu002"), reason="xid 79, gpu 3; Gres=gone [INC-1]")
    assert (await action.observe(step, hands, FakeFloor())).effect is Effect.NONE
    (done,) = await action.apply(step, hands, "run1.s1")
    assert done.ok, done
    assert state(lab, "gpu002") == f"drained|xid 79, gpu 3; Gres=gone [INC-1] {step.after['mark']}"
    floor = FakeFloor()
    found = await action.observe(step, hands, floor)
    assert (found.effect, floor.asked) == (Effect.TOOK, 1)

    # the console was killed before it noted the end: the operation is known, the effect is its own
    (again,) = await action.apply(step, hands, "run1.s1")
    assert (again.ok, len(hands.done)) == (True, 1)

    scene = await told(lab, lambda one: any("drain" in node.state for node in one.nodes))
    with pytest.raises(CannotPrepare, match="drained already: xid 79"):
        prepared(scene, "drain_node", node("gpu002"), reason="again")
    assert action.precheck(scene, step) == ""  # its own drain is no reason not to go on
    resume, back = prepared(scene, "resume_node", node("gpu002"))
    assert (await resume.observe(back, hands, FakeFloor())).effect is Effect.NONE
    (done,) = await resume.apply(back, hands, "run2.s1")
    assert done.ok, done
    assert (await resume.observe(back, hands, FakeFloor())).effect is Effect.TOOK
    assert state(lab, "gpu002").startswith("idle")


async def test_a_drain_by_others_is_neither_touched_nor_taken_for_ours(lab: Slurm, hands: LocalHands) -> None:
    scene = await told(lab, lambda one: all(node.takes_work for node in one.nodes))
    action, step = prepared(scene, "drain_node", node("gpu003"), reason="xid 79")
    lab.run("scontrol", "update", "NodeName=gpu003", "State=DRAIN", "Reason=cooling, bob")
    (done,) = await action.apply(step, hands, "run3.s1")
    assert (done.ok, done.stderr) == (False, "gpu003 was drained by others: cooling, bob; nothing was done")
    assert hands.done == []
    found = await action.observe(step, hands, FakeFloor())
    assert (found.effect, found.text) == (Effect.NONE, "gpu003 is drained, by others: cooling, bob")
    scene = await told(lab, lambda one: any("drain" in node.state for node in one.nodes))
    assert action.precheck(scene, step) == "gpu003 was drained by others meanwhile: cooling, bob"
    with pytest.raises(CannotPrepare, match="drained by others: cooling, bob"):
        prepared(scene, "resume_node", node("gpu003"))
    resume, back = prepared(scene, "resume_node", node("gpu003"), anyones=True)
    (done,) = await resume.apply(back, hands, "run4.s1")
    assert done.ok, done
    undone = await hands.do(back.undo[0], "run4.undo.0")
    assert undone.ok, undone
    assert state(lab, "gpu003").endswith("|cooling, bob")


async def test_a_job_is_queued_again_and_its_next_attempt_left_alone(lab: Slurm, hands: LocalHands) -> None:
    number = lab.submit("--gres=gpu:2", "--job-name=pretrain")
    scene = await with_job(lab, number, JobState.RUNNING)
    action, step = prepared(scene, "requeue_job", job_target(f"slurm:{number}"))
    assert (await action.observe(step, hands, FakeFloor())).effect is Effect.NONE
    (done,) = await action.apply(step, hands, "run5.s1")
    assert done.ok, done
    found = await until(step, action, hands, Effect.TOOK)
    assert found.facts["restarts"] == 1

    # killed and begun anew: the operation is known; under a new name, the guard sees another attempt
    (again,) = await action.apply(step, hands, "run5.s1")
    assert (again.ok, len(hands.done)) == (True, 1)
    (refused,) = await action.apply(step, hands, "run6.s1")
    assert "was restarted 1 times by now, and 0 times when it was planned" in refused.stderr
    cancel, end = prepared(scene, "cancel_job", job_target(f"slurm:{number}"))
    (refused,) = await cancel.apply(end, hands, "run7.s1")
    assert (refused.ok, len(hands.done)) == (False, 1)
    assert (await cancel.observe(end, hands, FakeFloor())).effect is Effect.NONE


async def test_a_job_is_queued_again_and_held(lab: Slurm, hands: LocalHands) -> None:
    number = lab.submit("--gres=gpu:1")
    scene = await with_job(lab, number, JobState.RUNNING)
    action, step = prepared(scene, "requeue_job", job_target(f"slurm:{number}"), hold=True)
    (done,) = await action.apply(step, hands, "run8.s1")
    assert done.ok, done
    await until(step, action, hands, Effect.TOOK)
    scene = await with_job(lab, number, JobState.HELD)
    release, free = prepared(scene, "release_job", job_target(f"slurm:{number}"))
    (done,) = await release.apply(free, hands, "run9.s1")
    assert done.ok, done
    await until(free, release, hands, Effect.TOOK)


async def test_a_waiting_job_is_held_released_and_cancelled(lab: Slurm, hands: LocalHands) -> None:
    number = lab.submit("--begin=now+1hour")
    scene = await with_job(lab, number, JobState.PENDING)
    target = job_target(f"slurm:{number}")
    hold, held = prepared(scene, "hold_job", target)
    assert (await hold.observe(held, hands, FakeFloor())).effect is Effect.NONE
    (done,) = await hold.apply(held, hands, "run10.s1")
    assert done.ok, done
    assert (await hold.observe(held, hands, FakeFloor())).effect is Effect.TOOK

    scene = await with_job(lab, number, JobState.HELD)
    with pytest.raises(CannotPrepare, match="only what waits is held"):
        prepared(scene, "hold_job", target)
    release, free = prepared(scene, "release_job", target)
    assert (await release.observe(free, hands, FakeFloor())).effect is Effect.NONE
    (done,) = await release.apply(free, hands, "run11.s1")
    assert done.ok, done
    assert (await release.observe(free, hands, FakeFloor())).effect is Effect.TOOK

    cancel, end = prepared(scene, "cancel_job", target)
    assert (await cancel.observe(end, hands, FakeFloor())).effect is Effect.NONE
    (done,) = await cancel.apply(end, hands, "run12.s1")
    assert done.ok, done
    assert (await cancel.observe(end, hands, FakeFloor())).effect is Effect.TOOK


async def test_of_an_array_only_the_task_that_was_meant_is_ended(lab: Slurm, hands: LocalHands) -> None:
    """The last task has the array's own number, by which Slurm's commands mean all of it."""
    number = lab.submit("--array=1-3", "--gres=gpu:1")
    scene = await told(lab, lambda one: sum(_runs(job) and job.array == str(number) for job in one.jobs) == 3)
    tasks: dict[str, Any] = {job.array_tasks: job for job in scene.frame.jobs.rows if job.array == str(number)}
    last = next(job for job in tasks.values() if job.id == f"slurm:{number}")
    cancel, end = prepared(scene, "cancel_job", job_target(last.id))
    (done,) = await cancel.apply(end, hands, "run13.s1")
    assert done.ok, done
    await until(end, cancel, hands, Effect.TOOK)
    left = lab.run("squeue", "--noheader", "--states=RUNNING", "--format=%K", f"--jobs={number}").split()
    assert sorted(left) == sorted(set(tasks) - {last.array_tasks})


def _runs(job: Job) -> bool:
    return job.state is JobState.RUNNING


async def test_tasks_that_still_wait_are_held_together(lab: Slurm, hands: LocalHands) -> None:
    number = lab.submit("--array=1-4%1", "--gres=gpu:1")
    scene = await told(lab, lambda one: any(_runs(job) and job.array == str(number) for job in one.jobs))
    waiting = next(job for job in scene.frame.jobs.rows if job.array == str(number) and job.state is JobState.PENDING)
    hold, held = prepared(scene, "hold_job", job_target(waiting.id))
    (done,) = await hold.apply(held, hands, "run14.s1")
    assert done.ok, done
    await until(held, hold, hands, Effect.TOOK)


async def test_a_comment_marks_a_node_and_goes_again(lab: Slurm, hands: LocalHands) -> None:
    scene = await told(lab, lambda one: one.nodes)
    action, step = prepared(scene, "label_node", node("gpu002"), label="quarantine", value="xid79")
    assert (await action.observe(step, hands, FakeFloor())).effect is Effect.NONE
    (done,) = await action.apply(step, hands, "run20.s1")
    assert done.ok, done
    assert (await action.observe(step, hands, FakeFloor())).effect is Effect.TOOK
    assert (await hands.do(step.undo[0], "run20.undo.0")).ok
    assert (await action.observe(step, hands, FakeFloor())).effect is Effect.NONE


async def test_a_comment_that_an_earlier_plan_left_is_there_again_after_the_undoing(
    lab: Slurm, hands: LocalHands
) -> None:
    had = "burn-in=passed,watchfloor:0123456789ab"
    lab.run("scontrol", "update", "NodeName=gpu002", f"Comment={had}")
    scene = await told(lab, lambda one: any(node.comment == had for node in one.nodes))
    action, step = prepared(scene, "label_node", node("gpu002"), label="quarantine", value="xid79")
    (done,) = await action.apply(step, hands, "run21.s1")
    assert done.ok and had not in lab.run("scontrol", "show", "node", "gpu002"), done
    assert (await hands.do(step.undo[0], "run21.undo.0")).ok
    assert f"Comment={had}" in lab.run("scontrol", "show", "node", "gpu002")
    lab.run("scontrol", "update", "NodeName=gpu002", "Comment=")


async def test_a_drain_that_is_undone_leaves_the_node_as_it_was(lab: Slurm, hands: LocalHands) -> None:
    scene = await told(lab, lambda one: all(node.takes_work for node in one.nodes))
    action, step = prepared(scene, "drain_node", node("gpu003"), reason="xid 79")
    (done,) = await action.apply(step, hands, "run22.s1")
    assert done.ok and state(lab, "gpu003").startswith("drained|xid 79"), done
    undone = await hands.do(step.undo[0], "run22.undo.0")
    assert undone.ok, undone
    assert state(lab, "gpu003").startswith("idle")


async def test_a_job_that_its_owner_held_is_held_as_such_after_the_undoing(lab: Slurm, hands: LocalHands) -> None:
    number = lab.submit("--begin=now+1hour")
    lab.run("scontrol", "uhold", str(number))
    scene = await with_job(lab, number, JobState.HELD)
    action, step = prepared(scene, "release_job", job_target(f"slurm:{number}"))
    (done,) = await action.apply(step, hands, "run23.s1")
    assert done.ok, done
    assert (await hands.do(step.undo[0], "run23.undo.0")).ok
    assert "Reason=JobHeldUser" in lab.run("scontrol", "show", "job", str(number))


async def test_a_controller_that_is_gone_leaves_it_open(lab: Slurm, hands: LocalHands) -> None:
    scene = await told(lab, lambda one: all(node.takes_work for node in one.nodes))
    action, step = prepared(scene, "drain_node", node("gpu004"), reason="xid 79")
    lab.stop_controller()
    try:
        assert (await action.observe(step, hands, FakeFloor())).effect is Effect.UNKNOWN
        (done,) = await action.apply(step, hands, "run15.s1")
        assert not done.ok
    finally:
        lab.start_controller()
    assert (await action.observe(step, hands, FakeFloor())).effect is Effect.NONE
