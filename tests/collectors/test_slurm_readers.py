"""What Slurm's readers make of every captured output: read, or refused with what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.sources._slurm import accounts, jobs_json, jobs_text, nodes, queues, states, steps, values
from collectors.sources._slurm.refused import NoAnswer, Refused
from tests.support.parts import samples
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


_READERS: dict[str, Callable[[Path], object]] = {
    "jobs": lambda path: jobs_json.jobs(path.read_bytes(), "lab")[0],
    "jobs as text": lambda path: jobs_text.jobs(_text(path), "lab"),
    "nodes": lambda path: nodes.of_json(path.read_bytes()),
    "nodes as text": lambda path: nodes.of_text(_text(path)),
    "accounts": lambda path: accounts.of_json(path.read_bytes()),
    "accounts as text": lambda path: accounts.of_table(_text(path))[0],
    "queues": lambda path: queues.queues(_text(path)),
    "reservations": lambda path: queues.reservations(_text(path)),
}
# what each captured output is; whatever isn't named is none of them
_READ = {
    "jobs": "squeue.json squeue-21.08-openapi0.0.37.json rest-slurm_v0.0.38_jobs.json "
    "slurmrestd-24.05-0.0.41-slurm-jobs.json "
    + " ".join(
        f"slurmrestd-{version}-slurm-job-{kind}.json"
        for version in ("24.05-0.0.41", "25.05-0.0.43")
        for kind in ("failed", "gpus-multi-nodes", "gpus-pending", "gpus-running", "timeout")
    ),
    "jobs as text": "scontrol-show-job-d-o.txt scontrol-show-job-d.gang.txt scontrol-show-job.nodefail.txt "
    "scontrol-show-job.requeued.txt gcm-scontrol_out_all_gpus.txt gcm-scontrol_out_main_array_job.txt "
    "gcm-scontrol_out_multi_node.txt jobcomp.txt",
    "nodes": "sinfo.json rest-slurm_v0.0.38_nodes.json slurmrestd-22.05-0.0.38-nodes.json "
    "slurmrestd-24.05-0.0.41-slurm-node-down.json slurmrestd-24.05-0.0.41-slurm-node-draining.json "
    "slurmrestd-24.05-0.0.41-slurm-node-with-gpus-model-allocated.json "
    "slurmrestd-25.05-0.0.43-slurm-node-down.json slurmrestd-25.05-0.0.43-slurm-node-with-gpus-model-allocated.json",
    "nodes as text": "scontrol-show-node-d.txt scontrol-show-node-o.txt scontrol-show-node.down.txt "
    "scontrol-show-node.draining.txt",
    "accounts": "sacct.json rest-slurmdb_v0.0.38_jobs.json slurmrestd-24.05-0.0.41-slurmdb-job-gpus-completed.json "
    "slurmrestd-25.05-0.0.43-slurmdb-job-gpus-completed.json",
    "accounts as text": "sacct-X.txt sacct-duplicates.requeued.txt gcm-sample-sacct-one-multiline.txt "
    "gcm-sample-sacct-output-with-invalid-lines.txt gcm-sample-sacct-running-output.txt",
    "queues": "scontrol-show-partition.txt gcm-sample-scontrol-output.txt",
    "reservations": "scontrol-show-reservation.txt",
}


@pytest.mark.parametrize("folder", ["slurm-json", "slurm-live-22.05", "slurm-text"])
@pytest.mark.parametrize("kind", list(_READERS))
def test_each_captured_output_is_read_for_what_it_is_and_refused_for_all_else(folder: str, kind: str) -> None:
    for path in sorted(samples(folder).iterdir()):
        if path.name in _READ[kind].split():
            assert _READERS[kind](path) is not None
            continue
        with pytest.raises((Refused, NoAnswer)) as refused:
            _READERS[kind](path)
        assert len(refused.value.message) > 10, path.name


_ALIKE = (
    *("id", "state", "told_state", "reason", "started", "submitted", "ended", "time_limit_seconds", "priority"),
    *("nodes", "array", "array_tasks", "dependency", "attempt", "nodes_wanted", "accelerators_wanted"),
    *("accelerator_kind", "comment", "account", "queue", "qos", "user", "name"),
)


def _live(name: str) -> Path:
    return samples("slurm-live-22.05") / name


def _by_number(jobs: list[Job]) -> dict[str, Job]:
    return {job.number: job for job in jobs}


def test_json_and_text_of_one_moment_tell_the_same_jobs() -> None:
    told = _by_number(jobs_json.jobs(_live("squeue.json").read_bytes(), "lab")[0])
    text = _by_number(jobs_text.jobs(_text(_live("scontrol-show-job-d-o.txt")), "lab"))
    assert told.keys() == text.keys()
    for number, job in told.items():
        for name in _ALIKE:
            assert getattr(job, name) == getattr(text[number], name), f"{number} {name}"
        for ours, theirs in zip(job.allocations, text[number].allocations, strict=True):
            assert (ours.indices, ours.cpus) == (theirs.indices or None, theirs.cpus), number
            assert ours.cpus, f"{number}: of a job that runs, 22.05 names the cores"


def test_an_array_is_told_by_task_and_the_rest_of_it_as_one() -> None:
    jobs = _by_number(jobs_json.jobs(_live("squeue.json").read_bytes(), "lab")[0])
    assert [number for number in jobs if number.startswith("4")] == ["4_0", "4_1", "4_[2-5%2]"]
    task, rest = jobs["4_1"], jobs["4_[2-5%2]"]
    assert (task.id, task.array, task.array_tasks, task.state) == ("slurm:12", "4", "1", JobState.RUNNING)
    assert (rest.id, rest.array, rest.array_tasks, rest.reason) == ("slurm:4", "4", "2-5%2", "JobArrayTaskLimit")
    assert task.allocations == (Allocation("gpu003", 1, (7,), cpus=2, memory_bytes=2**30),)


def test_cores_that_do_not_go_up_in_the_cpus_of_a_job_tell_none() -> None:
    told = json.loads(_live("squeue.json").read_bytes())
    (job,) = [job for job in told["jobs"] if job["job_id"] == 2]
    job["cpus"] = 7
    (found,) = jobs_json.jobs(json.dumps({**told, "jobs": [job]}).encode(), "lab")[0]
    assert [held.cpus for held in found.allocations] == [None]


def test_an_array_that_was_cancelled_before_its_first_task_has_no_task() -> None:
    """scontrol prints Slurm's number for "none" there, as JSON leaves it out."""
    line = "JobId=4 ArrayJobId=4 ArrayTaskId=4294967294 ArrayTaskThrottle=2 JobName=two JobState=CANCELLED Reason=None"
    (job,) = jobs_text.jobs(line, "lab")
    assert (job.id, job.number, job.array_tasks) == ("slurm:4", "4", "")


@pytest.mark.parametrize(("nodes", "ran"), [("", False), ("NodeList=gpu001 ", True)])
def test_what_was_cancelled_while_it_waited_never_started(nodes: str, ran: bool) -> None:
    """scontrol has the time of the cancellation as its start."""
    at = "2026-11-29T06:05:55"
    line = f"JobId=268 JobName=held JobState=CANCELLED Reason=JobHeldUser {nodes}StartTime={at} EndTime={at}"
    (job,) = jobs_text.jobs(line, "lab")
    assert (job.started is not None, job.ended is not None) == (ran, True)


def test_what_waits_says_why_and_has_not_started() -> None:
    jobs = _by_number(jobs_json.jobs(_live("squeue.json").read_bytes(), "lab")[0])
    assert (jobs["10"].state, jobs["10"].reason) == (JobState.HELD, "JobHeldUser")
    assert (jobs["6"].state, jobs["6"].dependency) == (JobState.PENDING, "afterok:5(unfulfilled)")
    waiting = jobs["9"]
    assert waiting.started is None and waiting.ended is None
    assert waiting.labels["expected start"] == "2026-11-22T19:55:27Z"
    assert (waiting.accelerators_wanted, waiting.accelerator_kind) == (32, "h100")


@pytest.mark.parametrize("version", ["24.05-0.0.41", "25.05-0.0.43"])
def test_newer_generations_wrap_everything_and_mean_the_same(version: str) -> None:
    folder = samples("slurm-json")

    def one(name: str) -> Job:
        found, told = jobs_json.jobs((folder / f"slurmrestd-{version}-slurm-job-{name}.json").read_bytes(), "lab")
        assert told.startswith(version[:5])
        return found[0]

    spread = one("gpus-multi-nodes")
    assert [(held.node, held.count, held.indices) for held in spread.allocations] == [
        ("gpu1", 4, (0, 1, 2, 3)), ("gpu2", 4, (0, 1, 2, 3)),
    ]  # fmt: skip
    assert (spread.accelerators_wanted, spread.time_limit_seconds, spread.state) == (8, 60, JobState.RUNNING)
    assert (one("timeout").state, one("timeout").signal) == (JobState.TIMED_OUT, 15)
    failed = one("failed")
    assert (failed.state, failed.exit_code, failed.reason) == (JobState.FAILED, 1, "NonZeroExitCode")
    waiting = one("gpus-pending")
    assert (waiting.state, waiting.allocations, waiting.array) == (JobState.PENDING, (), "")


def test_the_oldest_generation_has_its_nodes_by_position() -> None:
    found, version = jobs_json.jobs((samples("slurm-json") / "squeue-21.08-openapi0.0.37.json").read_bytes(), "lab")
    assert version == "21.08.5"
    assert found[0].allocations == (Allocation("cs75", None, None, cpus=1, memory_bytes=64000 * 2**20),)
    assert found[1].number == "58948420_[1-10]"


def test_every_attempt_of_a_requeued_job_is_in_the_accounting() -> None:
    found, unread = accounts.of_table(_text(_live("sacct-duplicates.requeued.txt")))
    assert unread == 0
    attempts = found[1].attempts
    assert [(one.number, one.told_state, one.nodes) for one in attempts] == [
        (1, "REQUEUED", ("gpu001", "gpu002")), (2, "REQUEUED", ("gpu002", "gpu003")), (3, "CANCELLED", ()),
    ]  # fmt: skip
    assert attempts[2].started is None and attempts[0].ended == 1795370133


def test_partitions_and_reservations_are_told_with_their_nodes_and_times() -> None:
    train, debug = queues.queues(_text(_live("scontrol-show-partition.txt")))
    assert (train.name, train.state, train.nodes, train.is_default) == ("train", "up", "gpu[001-004]", True)
    assert (train.time_limit_seconds, train.accelerators, debug.time_limit_seconds) == (None, 32, 1800.0)
    (kept,) = queues.reservations(_text(_live("scontrol-show-reservation.txt")))
    assert (kept.name, kept.nodes, kept.users, kept.queue) == ("maint_gpu004", "gpu004", "root", "")
    assert kept.end is not None and kept.start is not None and kept.end - kept.start == 1800.0
    assert "MAINT" in kept.flags
    assert queues.reservations("No reservations in the system\n") == ()


def test_the_accounting_is_the_same_as_json() -> None:
    found = accounts.of_json(_live("sacct.json").read_bytes())
    assert [one.told_state for one in found[1].attempts][:1] == ["REQUEUED"]
    assert [(step.number, step.name, step.tasks, step.nodes) for step in found[1].steps] == [
        ("0", "bash", 2, ("gpu001", "gpu002")), ("batch", "batch", 1, ("gpu001",)),
    ]  # fmt: skip
    batch = found[1].steps[1]
    assert (batch.state, batch.signal, batch.ended) == (JobState.CANCELLED, 15, 1795370133)
    failed = found[6].attempts[-1]
    assert (failed.state, failed.exit_code) == (JobState.FAILED, None), "its JSON says 0, and its table 3"


def test_steps_that_run_go_by_what_people_call_their_job() -> None:
    text = (
        "4242.batch|1|1795893164|gpu001|batch\n4242.11|16|1795893164|gpu[001-002]|rank|s\n4242.2|4|Unknown||\n"
        "4200_7.0|1|1795893164|gpu003|eval\nsqueue: error: of no use\n4300+1.0|2|1795893164|gpu004|left\n\n"
    )
    found = steps.running(text)
    assert list(found) == ["4242", "4200_7", "4300+1"]
    assert [(one.number, one.name, one.tasks, one.nodes) for one in found["4242"]] == [
        ("2", "", 4, ()), ("11", "rank|s", 16, ("gpu001", "gpu002")), ("batch", "batch", 1, ("gpu001",)),
    ]  # fmt: skip


def test_steps_of_the_accounting_of_every_generation() -> None:
    for version in ("24.05-0.0.41", "25.05-0.0.43"):
        path = samples("slurm-json") / f"slurmrestd-{version}-slurmdb-job-gpus-completed.json"
        (step,) = next(iter(accounts.of_json(path.read_bytes()).values())).steps
        assert (step.number, step.state, step.tasks, step.nodes, step.exit_code) == (
            "batch", JobState.DONE, 1, ("gpu1",), 0,
        )  # fmt: skip


def test_lines_that_are_cut_or_split_cost_no_more_than_themselves() -> None:
    table = "JobIDRaw|JobName|State\n7|two\nlines|COMPLETED\n7.0|a step|COMPLETED\n8|cut\n"
    found, unread = accounts.of_table(table)
    assert (list(found), [step.number for step in found[7].steps], unread) == ([7], ["0"], 1)


def test_nodes_of_every_form_are_told_alike() -> None:
    down = nodes.of_text(_text(_live("scontrol-show-node.down.txt")))[0]
    assert down == SchedulerNode(
        "gpu001", "down*", "vm", takes_work=False, reason="Not responding", accelerators=8, accelerators_used=0,
        queues=("train", "debug"), since=1795370365.0,
    )  # fmt: skip
    draining = nodes.of_text(_text(_live("scontrol-show-node.draining.txt")))[0]
    assert (draining.state, draining.reason) == ("mixed+drain", "xid 79 gpu 3 fell off the bus [INC-1]")
    old = nodes.of_json((samples("slurm-json") / "slurmrestd-22.05-0.0.38-nodes.json").read_bytes())
    assert [(one.state, one.takes_work, one.accelerators) for one in old] == [
        ("idle+drain", False, 0), ("idle+drain", False, 0), ("allocated", True, 0),
    ]  # fmt: skip
    new = nodes.of_json(
        (samples("slurm-json") / "slurmrestd-25.05-0.0.43-slurm-node-with-gpus-model-allocated.json").read_bytes()
    )[0]
    assert (new.accelerators, new.accelerators_used, new.queues, new.hostname) == (4, 4, ("gpu",), "")


def test_a_node_alone_is_read_in_a_list() -> None:
    raw = (samples("slurm-json") / "soperator-node.json").read_bytes()
    node = nodes.of_json(b'{"nodes": [' + raw + b"]}")[0]
    assert (node.name, node.hostname, node.accelerators, node.accelerators_used) == ("worker-1", "10.0.0.1", 1, 0)


@pytest.mark.parametrize(
    ("text", "count", "kind", "indices"),
    [
        ("gpu:h100:4(IDX:0-3)", 4, "h100", (0, 1, 2, 3)),
        ("gpu:2(IDX:1,6)", 2, "", (1, 6)),
        ("gpu:h100:2(IDX:0-1),gpu:h200:4(IDX:2-5)", 6, "h100,h200", (0, 1, 2, 3, 4, 5)),
        ("gpu:1g.10gb:2(IDX:3-4)", 2, "1g.10gb", (3, 4)),
        ("gpu:nvidia_h100_80gb_hbm3:0(IDX:N/A)", 0, "nvidia_h100_80gb_hbm3", ()),
        ("gpu:h100:8(S:0-1)", 8, "h100", None),
        ("gres:gpu:h100:8", 8, "h100", None),
        ("gres/gpu:a100", 1, "a100", None),
        ("cpu=192,mem=1600G,gres/gpu=16,gres/gpu:h100=16", 16, "h100", None),
        ("gpu:4(IDX:0-3),shard:8(2/4,0/4)", 4, "", (0, 1, 2, 3)),
    ],
)
def test_generic_resources(text: str, count: int, kind: str, indices: tuple[int, ...] | None) -> None:
    assert values.accelerators(text) == values.Resource(count, kind, indices)


@pytest.mark.parametrize("text", ["", "(null)", "cpu=8,mem=4G", "shard:4", "mps:100", "license:2"])
def test_what_is_no_accelerator_counts_as_none(text: str) -> None:
    assert values.accelerators(text) is None


@pytest.mark.parametrize(
    ("state", "reason", "stands"),
    [
        (["RUNNING"], "", JobState.RUNNING),
        (["RUNNING", "CONFIGURING"], "", JobState.STARTING),
        (["CANCELLED", "COMPLETING"], "", JobState.ENDING),
        ("COMPLETING", "", JobState.ENDING),
        ("CANCELLED by 1185200069", "", JobState.CANCELLED),
        (["PENDING"], "JobHeldAdmin", JobState.HELD),
        (["PENDING"], "job requeued in held state", JobState.HELD),
        (["PENDING"], "launch_failed_requeued_held", JobState.HELD),
        (["PENDING", "SPECIAL_EXIT"], "", JobState.HELD),
        (["PENDING", "REQUEUED"], "BeginTime", JobState.PENDING),
        (["FAILED", "LAUNCH_FAILED"], "", JobState.FAILED),
        ("NODE_FAIL", "", JobState.NODE_FAILED),
        ("OUT_OF_MEMORY", "", JobState.OUT_OF_MEMORY),
        ("SOMETHING_NEW", "", JobState.UNKNOWN),
    ],
)
def test_states_of_jobs(state: str | list[str], reason: str, stands: JobState) -> None:
    assert states.job_state(states.words(state), reason) is stands


def test_times_and_durations() -> None:
    assert [values.duration(text) for text in ("2-05:32:24", "02:00:00", "30:00", "UNLIMITED", "Partition_Limit")] == [
        192744, 7200, 1800, None, None,
    ]  # fmt: skip
    assert values.moment("1795370127") == values.moment("2026-11-22T17:55:27") == 1795370127
    assert [values.moment(text) for text in ("Unknown", "None", "N/A", "0", None)] == [None] * 5


def test_secrets_in_what_users_write_are_not_told() -> None:
    told = {
        "job_id": 1,
        "job_state": "RUNNING",
        "comment": "run=exp42 api_key=abcdef123456",
        "command": "/home/a/train.sh --hf-token tremendous",
        "admin_comment": "password: hunter2",
        "name": "train --api-key=opensesame",
        "current_working_directory": "/scratch/run --password=swordfish",
    }
    job = jobs_json.jobs(json.dumps({"jobs": [told]}).encode(), "lab")[0][0]
    assert job.comment == "run=exp42 api_key=***"
    assert "tremendous" not in job.command and "hunter2" not in str(job)
    assert (job.name, job.working_directory) == ("train --api-key=***", "/scratch/run --password=***")


def test_no_terminal_takes_a_name_for_an_order() -> None:
    """Slurm takes any character in a name: a newline would look like another job, and an escape would be obeyed."""
    name = "a\nb\x1b[31m\x9bred" + "e" * 300
    told = {"job_id": 1, "job_state": "RUNNING", "name": name, "state_description": "x\x07y"}
    job = jobs_json.jobs(json.dumps({"jobs": [told]}).encode(), "lab")[0][0]
    assert job.name == "a b [31m red" + "e" * 300 and job.reason == "x y"


def test_parts_of_a_heterogeneous_job_go_by_what_squeue_calls_them() -> None:
    parts = [
        {"job_id": 8 + at, "het_job_id": {"set": True, "number": 8}, "het_job_offset": {"set": True, "number": at},
         "job_state": ["RUNNING"]}
        for at in (0, 1)
    ]  # fmt: skip
    jobs = jobs_json.jobs(json.dumps({"jobs": parts}).encode(), "lab")[0]
    assert [(job.id, job.number) for job in jobs] == [("slurm:8", "8+0"), ("slurm:9", "8+1")]


def test_bytes_that_are_no_utf_8_cost_only_themselves() -> None:
    raw = b'{"jobs": [{"job_id": 1, "job_state": ["RUNNING"], "name": "caf\xe9"}]}'
    assert jobs_json.jobs(raw, "lab")[0][0].name == "caf\N{REPLACEMENT CHARACTER}"


def test_an_answer_that_tells_of_an_error_is_none() -> None:
    """As squeue of 22.05 answers, with exit status 0 and no jobs, where the controller is dead."""
    raw = b'{"errors": [{"description": "Failed while looking for jobs", "error": "Unspecified error"}], "jobs": []}'
    with pytest.raises(NoAnswer, match="Unspecified error"):
        jobs_json.jobs(raw, "lab")


def test_an_empty_cluster_is_no_error() -> None:
    assert jobs_json.jobs(b'{"jobs": []}', "lab")[0] == []
    assert jobs_text.jobs("No jobs in the system\n", "lab") == []
