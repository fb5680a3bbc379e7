"""The source of jobs against a real Slurm: what users do to it, and what befalls its nodes and its controller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import parts
from tests.support.slurm import KIND, Slurm, Watch, job, node
from watchfloor.jobs.model import Attempt, Job, JobState, SourceAnswer, SourceState
from watchfloor.snapshot.jobs import source_words


@pytest.fixture
def lab(slurm: Slurm) -> Iterator[Slurm]:
    """The cluster; jobs of the test are cancelled at its end."""
    yield slurm
    slurm.cancel_all()


@pytest.fixture
async def watch(lab: Slurm) -> AsyncIterator[Watch]:
    async with Watch(lab.spec()) as running:
        yield running


def _stands(answer: SourceAnswer, number: int | str, *wanted: JobState) -> Job | None:
    found = job(answer, number)
    return found if found and found.state in wanted else None


async def _until(watch: Watch, number: int | str, *wanted: JobState) -> Job:
    found = _stands(await watch.until(lambda answer: _stands(answer, number, *wanted)), number, *wanted)
    assert found is not None
    return found


async def test_a_job_is_told_with_its_accelerators(lab: Slurm, watch: Watch) -> None:
    number = lab.submit(
        f"--gres=gpu:{KIND}:3", "--nodes=2", "--cpus-per-task=2", "--job-name=pretrain", "--time=2:00:00",
        "--comment=run=exp42 api_key=abcdef12345",
    )  # fmt: skip
    told = await _until(watch, number, JobState.RUNNING)
    assert (told.id, told.number, told.name, told.user) == (f"slurm:{number}", str(number), "pretrain", "root")
    assert (told.account, told.queue, told.time_limit_seconds) == ("root", "train", 7200)
    assert [(one.node, one.count, one.indices) for one in told.allocations] == [
        ("gpu001", 3, (0, 1, 2)), ("gpu002", 3, (0, 1, 2)),
    ]  # fmt: skip
    assert (told.accelerators_wanted, told.accelerator_kind, told.nodes_wanted) == (6, KIND, 2)
    assert told.comment == "run=exp42 api_key=***"
    assert told.attempts == (Attempt(1, JobState.RUNNING, "RUNNING", told.started, nodes=("gpu001", "gpu002")),)
    answer = await watch.until(lambda answer: answer.nodes and node(answer, "gpu001").accelerators_used == 3)
    assert node(answer, "gpu003").accelerators == 8
    assert (answer.status.state, answer.status.version[:5]) == (SourceState.OK, lab.run("squeue", "--version")[10:15])


def _stand_in(folder: Path, script: str) -> str:
    """A folder with a squeue of its own, which runs the real one where the script lets it."""
    folder.mkdir()
    path = folder / "squeue"
    path.write_text(f'#!/bin/sh\n{script}\nexec {parts.program("squeue", "slurm-client")} "$@"\n')
    path.chmod(0o755)
    return str(folder)


async def test_a_slurm_without_json_tells_the_same_jobs(lab: Slurm, watch: Watch, tmp_path: Path) -> None:
    failing = lab.submit("--gres=gpu:2", "--job-name=alike of two words", script="exit 3")
    lab.submit("--array=0-3%1", f"--gres=gpu:{KIND}:1", "--comment=a comment")
    lab.submit("--nodes=2", "--gres=gpu:4", "--cpus-per-task=2")
    over = lab.submit("--gres=gpu:1", ":", "--mem=100", script="exit 3")
    called_off = lab.submit("--hold", ":", "--mem=100")
    lab.submit("--hold", ":", "--mem=100", "--gres=gpu:2")
    lab.run("scancel", str(called_off))
    stuck = lab.submit(f"--dependency=afterok:{failing}")
    await _until(watch, f"{over}+0", JobState.FAILED)
    assert (await _until(watch, f"{called_off}+1", JobState.CANCELLED)).id == f"slurm:{called_off + 1}"
    await watch.until(lambda answer: (one := job(answer, stuck)) and one.reason == "DependencyNeverSatisfied")
    told = await watch.until(_settled)
    refuses = 'case "$*" in *--json*) echo "squeue: error: cannot find serializer plugin" >&2; exit 1;; esac'
    async with Watch(lab.spec(bin=_stand_in(tmp_path / "bin", refuses))) as old:
        text = await old.until(lambda answer: answer.status.state is SourceState.OK)
    assert {one.id for one in text.jobs} == {one.id for one in told.jobs} and len(told.jobs) >= 11
    for one in text.jobs:
        other = job(told, one.number)
        assert other is not None and _comparable(one) == _comparable(other)
    assert text.nodes == told.nodes and text.status.version == told.status.version


def _settled(answer: SourceAnswer) -> bool:
    """Nothing will start or end by itself."""
    return sum(one.state is JobState.RUNNING for one in answer.jobs) == 2 and not any(
        one.state in (JobState.STARTING, JobState.ENDING) for one in answer.jobs
    )


def _comparable(told: Job) -> Job:
    """Without what one of the forms doesn't have, and what is reckoned anew all the time."""
    held = tuple(replace(one, count=one.count or None, indices=one.indices or None) for one in
                 told.allocations)  # fmt: skip
    return replace(told, allocations=held, labels={}, priority=None, command="")


async def test_steps_are_told_with_their_nodes_and_tasks(lab: Slurm, watch: Watch) -> None:
    number = lab.submit(
        "--nodes=2", "--ntasks-per-node=2", f"--gres=gpu:{KIND}:4",
        script="srun --overlap -n4 --job-name=ranks sleep 600 & srun --overlap -N1 -n1 sleep 600; wait",
    )  # fmt: skip
    array = lab.submit("--array=7", script="srun --overlap --job-name='a|b' sleep 600")
    ranks = "ranks"

    def started(answer: SourceAnswer) -> bool:
        one, task = job(answer, number), job(answer, f"{array}_7")
        return bool(one and task and len(one.steps) == 3 and len(task.steps) == 2)

    answer = await watch.until(started)
    one, task = job(answer, number), job(answer, f"{array}_7")
    assert one is not None and task is not None
    named = {step.name: step for step in one.steps}
    assert {name: (step.tasks, step.nodes) for name, step in named.items()} == {
        ranks: (4, ("gpu001", "gpu002")), "sleep": (1, ("gpu001",)), "batch": (1, ("gpu001",)),
    }  # fmt: skip
    assert one.steps[-1].number == "batch" and all(step.state is JobState.RUNNING for step in one.steps)
    listed = sorted(
        line.split() for line in lab.run("squeue", "--steps", "--noheader", "--format=%i %A %S").splitlines()
    )
    told = [(f"{of.number}.{step.number}", step) for of in (one, task) for step in of.steps]
    assert [called for called, *_ in listed] == sorted(called for called, _ in told)
    assert task.steps[0].name == "a|b" and named[ranks].started is not None
    lab.run("scancel", str(number))
    await watch.until(lambda answer: (over := job(answer, number)) and over.state.is_over and not over.steps)


async def test_tasks_of_an_array_are_told_apart(lab: Slurm, watch: Watch) -> None:
    number = lab.submit("--array=0-5%2", "--gres=gpu:1")
    first = await _until(watch, f"{number}_0", JobState.RUNNING)
    second = await _until(watch, f"{number}_1", JobState.RUNNING)
    rest = await _until(watch, f"{number}_[2-5%2]", JobState.PENDING)
    assert {first.array, second.array, rest.array} == {str(number)}
    assert [one.allocations[0].indices for one in (first, second)] == [(0,), (1,)]
    assert (rest.array_tasks, rest.reason, rest.accelerators_wanted) == ("2-5%2", "JobArrayTaskLimit", 1)


async def test_a_job_that_waits_for_another_says_for_which(lab: Slurm, watch: Watch) -> None:
    first = lab.submit(script="exit 3")
    second = lab.submit(f"--dependency=afterok:{first}")
    failed = await _until(watch, first, JobState.FAILED)
    assert (failed.exit_code, failed.signal) == (3, None)
    waits = await _until(watch, second, JobState.PENDING)
    assert waits.dependency.startswith(f"afterok:{first}")
    held = lab.submit("--hold")
    assert (await _until(watch, held, JobState.HELD)).reason == "JobHeldUser"


async def _begun(watch: Watch, number: int, mark: Path) -> Job:
    """Once its script runs: what is requeued before that, Slurm may take a minute to clear away."""
    await watch.until(lambda answer: mark.exists())
    return await _until(watch, number, JobState.RUNNING)


async def test_a_requeued_job_has_both_its_attempts(lab: Slurm, watch: Watch, tmp_path: Path) -> None:
    number = lab.submit("--gres=gpu:2", "--requeue", script=f"touch {tmp_path}/begun; sleep 600")
    first = await _begun(watch, number, tmp_path / "begun")
    lab.run("scontrol", "requeue", str(number))
    await watch.until(lambda answer: (found := job(answer, number)) and found.attempt == 2)
    await _until(watch, number, JobState.PENDING)
    # not at once: a credential of the second in which the last one was revoked counts as revoked on its node
    lab.run("scontrol", "update", f"jobid={number}", "StartTime=now+2")
    again = await _until(watch, number, JobState.RUNNING)
    assert again.attempt == 2

    def both(answer: SourceAnswer) -> bool:
        found = job(answer, number)
        return found is not None and found.attempts[0].told_state == "REQUEUED"

    told = job(await watch.until(both), number)
    assert told is not None
    assert [one.number for one in told.attempts] == [1, 2]
    assert told.attempts[0].started == first.started and told.attempts[0].ended is not None
    assert told.attempts[0].nodes == ("gpu001",)
    assert told.attempts[1] == Attempt(2, JobState.RUNNING, "RUNNING", again.started, nodes=("gpu001",))


async def test_a_job_whose_node_fails_starts_again_elsewhere(lab: Slurm, watch: Watch) -> None:
    number = lab.submit("--gres=gpu:8", "--requeue")
    first = await _until(watch, number, JobState.RUNNING)
    failed = first.nodes[0]
    lab.stop_node(failed)
    lab.run("scontrol", "update", f"nodename={failed}", "state=down", "reason=xid 79 gpu 3")
    try:
        answer = await watch.until(lambda answer: not node(answer, failed).takes_work)
        assert node(answer, failed).state.startswith("down") and node(answer, failed).reason == "xid 79 gpu 3"
        assert node(answer, failed).since is not None
        await watch.until(lambda answer: (found := job(answer, number)) and found.attempt == 2)
        lab.run("scontrol", "update", f"jobid={number}", "StartTime=now")
        again = await _until(watch, number, JobState.RUNNING)
        assert again.nodes and failed not in again.nodes

        def known(answer: SourceAnswer) -> bool:
            found = job(answer, number)
            return found is not None and found.attempts[0].state is JobState.NODE_FAILED

        told = job(await watch.until(known), number)
        assert told is not None and [one.nodes for one in told.attempts] == [first.nodes, again.nodes]
    finally:
        lab.start_node(failed)
        lab.run("scontrol", "update", f"nodename={failed}", "state=resume")
        lab.wait_for_nodes()


async def test_a_drained_node_says_why(lab: Slurm, watch: Watch) -> None:
    number = lab.submit("--nodelist=gpu003")
    await _until(watch, number, JobState.RUNNING)
    lab.run("scontrol", "update", "nodename=gpu003", "state=drain", "reason=fan token=abcdef12345")
    try:
        answer = await watch.until(lambda answer: answer.nodes and not node(answer, "gpu003").takes_work)
        told = node(answer, "gpu003")
        assert told.state == "mixed+drain"
        assert told.reason == "fan token=***"
    finally:
        lab.run("scontrol", "update", "nodename=gpu003", "state=resume")


async def test_a_dead_controller_is_told_and_what_was_known_ages(lab: Slurm) -> None:
    async with Watch(lab.spec(timeout_seconds=2.0)) as watch:
        number = lab.submit()
        await _until(watch, number, JobState.RUNNING)
        lab.stop_controller()
        try:
            failed = await watch.until(lambda answer: answer.status.state is SourceState.FAILED)
            before = watch.told[-2]
            later = await watch.until(lambda answer: answer is not failed)
            for answer in (failed, later):
                assert (answer.jobs, answer.nodes, answer.status.at) == (before.jobs, before.nodes, before.status.at)
                assert answer.status.state is SourceState.FAILED and "scontrol ping" in answer.status.advice
            assert "is DOWN" in later.status.text
        finally:
            lab.start_controller()
        back = await watch.until(lambda answer: answer.status.state is SourceState.OK)
        assert back.status.at > failed.status.at and not back.status.text
        assert _stands(back, number, JobState.RUNNING)


async def test_a_controller_that_hangs_costs_no_more_than_the_timeout(lab: Slurm) -> None:
    async with Watch(lab.spec(timeout_seconds=1.0)) as watch:
        await watch.until(lambda answer: answer.status.state is SourceState.OK)
        with lab.hung_controller():
            failed = await watch.until(lambda answer: answer.status.state is SourceState.FAILED)
        assert "no answer within 1 s" in failed.status.text and failed.status.period_seconds >= 50
        await watch.until(lambda answer: answer.status.state is SourceState.OK)


async def test_a_job_that_left_the_queue_unseen_is_told_as_the_accounting_has_it(lab: Slurm, tmp_path: Path) -> None:
    hides = f"""[ -e {tmp_path}/hidden ] && case "$*" in *--json*) echo '{{"jobs": []}}'; exit 0;; esac"""
    async with Watch(lab.spec(bin=_stand_in(tmp_path / "bin", hides))) as watch:
        number = lab.submit("--gres=gpu:1", script="srun true; exit 7")
        lab.run("scontrol", "hold", str(number))
        await watch.until(lambda answer: job(answer, number))
        (tmp_path / "hidden").touch()
        lab.run("scontrol", "release", str(number))
        gone = await _until(watch, number, JobState.FAILED)
    assert (gone.exit_code, gone.attempts[-1].state, [one.number for one in gone.steps]) == (
        7,
        JobState.FAILED,
        ["0", "batch"],
    )
    assert gone.ended is not None and gone.started is not None


async def test_partitions_and_reservations_are_told_and_what_keeps_work_away_is_said(lab: Slurm) -> None:
    lab.run(
        "scontrol", "create", "reservation", "ReservationName=upkeep", "StartTime=now", "Duration=30", "Nodes=gpu004",
        "Users=root", "Flags=MAINT,IGNORE_JOBS",
    )  # fmt: skip
    lab.run("scontrol", "update", "PartitionName=debug", "State=DRAIN")
    try:
        async with Watch(lab.spec()) as watch:
            answer = await watch.until(
                lambda answer: [one.state for one in answer.status.queues if one.name == "debug"] == ["drain"]
            )
    finally:
        lab.run("scontrol", "delete", "ReservationName=upkeep")
        lab.run("scontrol", "update", "PartitionName=debug", "State=UP")
    status = answer.status
    train = next(one for one in status.queues if one.name == "train")
    assert (train.state, train.nodes, train.is_default, train.accelerators) == ("up", "gpu[001-004]", True, 32)
    (kept,) = status.reservations
    assert (kept.name, kept.nodes, kept.users) == ("upkeep", "gpu004", "root") and "MAINT" in kept.flags
    assert kept.start is not None and kept.end == kept.start + 1800
    said = source_words(status, status.at)
    assert "; queue debug is drain; upkeep reserves gpu004 for " in said


async def test_without_accounting_jobs_are_told_all_the_same(lab: Slurm, tmp_path: Path) -> None:
    folder = _stand_in(tmp_path / "bin", "true")
    (tmp_path / "bin" / "sacct").write_text("#!/bin/sh\necho 'Slurm accounting storage is disabled' >&2\nexit 1\n")
    (tmp_path / "bin" / "sacct").chmod(0o755)
    async with Watch(lab.spec(bin=folder)) as watch:
        number = lab.submit("--gres=gpu:1", script=f"touch {tmp_path}/begun; sleep 600")
        first = await _begun(watch, number, tmp_path / "begun")
        lab.run("scontrol", "requeue", str(number))
        answer = await watch.until(
            lambda answer: "accounting" in answer.status.text and (one := job(answer, number)) and one.attempt == 2
        )
    assert answer.status.state is SourceState.OK and "slurmdbd" in answer.status.advice
    told = job(answer, number)
    assert told is not None and told.attempts[0].nodes == first.nodes
    assert (told.attempts[0].state, told.attempt) == (JobState.UNKNOWN, 2)


@pytest.mark.parametrize(
    ("options", "text", "advice"),
    [
        ({"cluster": "elsewhere"}, "no such cluster", "cluster"),
        ({"conf": "/nowhere/slurm.conf"}, "belongs to no cluster", "conf"),
    ],
)
async def test_a_wrong_setting_says_what_to_do(lab: Slurm, options: dict[str, str], text: str, advice: str) -> None:
    async with Watch(lab.spec(timeout_seconds=2.0, **options)) as watch:
        answer = await watch.until(lambda answer: True)
    assert answer.status.state is SourceState.FAILED and answer.status.at == 0
    assert text in answer.status.text, answer.status
    assert advice in answer.status.advice
