"""Jobs: whose an accelerator is, how well a job does, what is missing and why."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from rich.cells import cell_len

from tests.support.frames import START, Machine, SyntheticFleet
from watchfloor.errors import ConfigError, QueryError
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.jobs.config import Pricing
from watchfloor.jobs.hosts import Hosts
from watchfloor.jobs.model import (
    Allocation,
    Job,
    JobState,
    Reservation,
    SchedulerNode,
    SourceAnswer,
    SourceState,
    SourceStatus,
)
from watchfloor.jobs.roll import Roll
from watchfloor.jobs.view import Jobs
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Missing, NodeSpec, Scope
from watchfloor.query import parse
from watchfloor.report import Process
from watchfloor.snapshot.jobs import JobReport, meant, source_words

STATUS = SourceStatus("alpha", "slurm", SourceState.OK, START, 0.1, 5.0)


def answer(*jobs: Job, nodes: tuple[SchedulerNode, ...] = ()) -> SourceAnswer:
    return SourceAnswer(STATUS, jobs, nodes)


def job(number: int, *allocations: Allocation, state: JobState = JobState.RUNNING, **said: object) -> Job:
    usual = {"user": "mira", "started": START - 3600.0, "submitted": START - 7200.0, "time_limit_seconds": 7200.0}
    return Job(f"slurm:{number}", "alpha", "slurm", str(number), state=state, allocations=allocations, **usual | said)  # type: ignore[arg-type]


class Floor:
    """A healthy synthetic fleet with its roll of jobs."""

    def __init__(self, prices: Pricing | None = None, faults: bool = False) -> None:
        self.fleet = SyntheticFleet(faults=faults)
        self.fleet.step(2)
        self.roll = Roll(prices)

    def jobs(self, *answers: SourceAnswer) -> Jobs:
        return self.frame(*answers).jobs

    def frame(self, *answers: SourceAnswer) -> Frame:
        for told in answers:
            self.roll.answer(told)
        frame = self.fleet.fleet.frame()
        return replace(frame, jobs=self.roll.frame(frame)).with_findings(())


def value(jobs: Jobs, name: str, metric: str) -> float | str | None:
    cell = jobs.view.cell(jobs.index[name], metric)
    return cell.value if cell.missing is Missing.NO else None


def boards(jobs: Jobs, name: str, frame: Frame) -> list[str]:
    rows = jobs.accelerators_of(jobs.index[name])
    return [f"{frame.specs[int(frame.accelerators.node[row])].name}/{frame.accelerators.keys[row]}" for row in rows]


def test_what_runs_tells_whose_it_is_also_without_a_scheduler() -> None:
    frame = Floor().frame()
    by_id = frame.jobs.index
    assert by_id, "the synthetic fleet runs jobs"
    first = frame.jobs.rows[0]
    assert first.source == "cgroups" and first.state is JobState.RUNNING and first.user
    held = frame.jobs.accelerators_of(0)
    assert {frame.accelerators.text(int(row), "job") for row in held} == {first.id}


class ByHand(SyntheticFleet):
    """One node's accelerators are in use by commands that nobody scheduled."""

    commands = (
        "python3 -u train.py --lr 1",
        "python3 -c import time; time.sleep(9)",
        "bash -c ./serve",
        "./serve -c x",
    )

    def _board(self, machine: Machine, node: int, gpu: int) -> dict[str, object]:  # type: ignore[override]
        command = self.commands[gpu] if node == 0 and gpu < len(self.commands) else ""
        return {**super()._board(machine, node, gpu), "job": "", "user": "mira" if command else "", "command": command}


def test_what_nobody_scheduled_goes_by_its_program() -> None:
    fleet = ByHand(faults=False)
    fleet.step(2)
    assert [job.name for job in Roll().frame(fleet.fleet.frame()).rows] == ["train.py", "python3", "bash", "serve"]


def test_an_allocation_counts_where_nothing_runs_yet_and_processes_where_they_do() -> None:
    floor = Floor()
    before = floor.frame()
    idle = next(
        row
        for row in range(before.accelerators.count)
        if not before.accelerators.text(row, "job") and not before.accelerators.text(row, "user")
    )
    node = before.specs[int(before.accelerators.node[idle])].name
    place = int(before.rows_of(Scope.ACCELERATOR, int(before.accelerators.node[idle])).tolist().index(idle))
    frame = floor.frame(answer(job(7, Allocation(node, 1, (place,)))))
    assert boards(frame.jobs, "slurm:7", frame) == [f"{node}/{before.accelerators.keys[idle]}"]
    busy = next(row for row in range(frame.accelerators.count) if frame.accelerators.text(row, "job"))
    wrong = frame.specs[int(frame.accelerators.node[busy])].name
    frame = floor.frame(answer(job(8, Allocation(wrong, 8, tuple(range(8))))))
    owner = frame.jobs.job_of(busy)
    assert owner is not None and owner.id == frame.accelerators.text(busy, "job")


def test_a_whole_node_is_its_jobs_where_the_scheduler_names_no_devices() -> None:
    floor = Floor()
    name = floor.fleet.machines[0].spec.name
    frame = floor.frame(answer(job(9, Allocation(name, 4)), job(10, Allocation("elsewhere", 8))))
    assert boards(frame.jobs, "slurm:10", frame) == []
    assert value(frame.jobs, "slurm:10", "util") is None


@pytest.mark.parametrize("called", ["DGX-01", "dgx-01.cluster.example", "n1"])
def test_scheduler_names_lead_to_nodes(called: str) -> None:
    floor = Floor()
    scheduled = (SchedulerNode("n1", "idle", hostname="dgx-01"),)
    frame = floor.frame(answer(job(11, Allocation(called, 8)), nodes=scheduled))
    assert list(frame.jobs.scheduler) == [0]
    owners = {frame.accelerators.text(int(row), "job") for row in frame.rows_of(Scope.ACCELERATOR, 0)}
    assert boards(frame.jobs, "slurm:11", frame) or owners != {""}


def test_efficiency_is_that_of_its_accelerators() -> None:
    frame = Floor(Pricing(1.0, {"h100": 2.5})).frame()
    jobs, view = frame.jobs, frame.accelerators
    rows = jobs.accelerators_of(0)
    name = jobs.rows[0].id
    assert value(jobs, name, "util") == pytest.approx(np.nanmean(view.known("util")[rows]))
    assert value(jobs, name, "power") == pytest.approx(np.nansum(view.known("power")[rows]))
    util = view.known("util")[rows]
    assert value(jobs, name, "spread") == pytest.approx(np.nanmax(util) - np.nanmin(util))
    assert value(jobs, name, "elapsed") is None, "nobody told when it started"


def test_energy_and_cost_add_up_while_it_is_watched() -> None:
    floor = Floor(Pricing(None, {"h100": 2.5}))
    name = floor.jobs().rows[0].id
    power = []
    for _ in range(5):
        floor.fleet.step()
        power.append(value(floor.jobs(), name, "power"))
    jobs = floor.jobs()
    assert value(jobs, name, "energy") == pytest.approx(sum(p for p in power if isinstance(p, float)))
    assert value(jobs, name, "watched") == pytest.approx(5.0)


def test_time_during_which_a_job_was_suspended_is_not_its_running_time() -> None:
    floor = Floor()
    again = job(1, suspended_seconds=600.0)
    still = job(2, state=JobState.SUSPENDED, suspended=START - 1800.0, suspended_seconds=600.0)
    jobs = floor.jobs(answer(again, still))
    assert value(jobs, "slurm:1", "elapsed") == floor.fleet.now - (START - 3600.0) - 600.0
    assert value(jobs, "slurm:2", "elapsed") == 1200.0
    assert value(jobs, "slurm:2", "time_left") == 7200.0 - 1200.0


def test_accelerators_on_nodes_that_are_not_the_fleets_cost_as_much() -> None:
    floor = Floor(Pricing(3.6))
    elsewhere = job(1, Allocation("dgx-01", 8, tuple(range(8))), Allocation("node-of-others", 8, tuple(range(8))))
    jobs = floor.jobs(answer(elsewhere))
    elapsed = value(jobs, "slurm:1", "elapsed")
    assert isinstance(elapsed, float) and value(jobs, "slurm:1", "accelerators") == 16
    assert value(jobs, "slurm:1", "gpu_time") == pytest.approx(16 * elapsed)
    assert value(jobs, "slurm:1", "cost") == pytest.approx(16 * elapsed / 3600 * 3.6)


def test_the_table_of_jobs_stands_in_columns_whatever_they_are_called() -> None:
    names = ("\N{CJK UNIFIED IDEOGRAPH-8BAD}\N{CJK UNIFIED IDEOGRAPH-7EC3}", "train", "a-name-" * 40)
    told = [job(number, state=JobState.PENDING, name=name) for number, name in enumerate(names, 1)]
    lines = JobReport(Floor().frame(answer(*told))).text().splitlines()
    head, *rows = [line for line in lines if line.startswith(("JOB", "1", "2", "3"))]
    assert {cell_len(row[: row.index("mira")]) for row in rows} == {head.index("USER")}
    assert head.index("USER") < 60 and "…" in rows[2]


def test_accelerators_that_jobs_hold_and_nobody_sees_are_said_to_be_the_schedulers_word() -> None:
    floor = Floor()
    elsewhere = job(1, Allocation("node-of-others", 8, tuple(range(8))), Allocation("another", 16))
    told = [elsewhere, job(2, state=JobState.PENDING, accelerators_wanted=64)]
    frame = floor.frame(answer(*told))
    words = "by the scheduler's word on nodes that are not in the fleet"
    assert f"running jobs hold 24 accelerators that are not seen here, {words}" in JobReport(frame).text()
    at_home = floor.frame(answer(job(1, Allocation("l40-03", 4, (0, 1, 2, 3)))))
    assert "not seen here" not in JobReport(at_home).text()


@pytest.mark.parametrize(("state", "words"), [(SourceState.WAITING, "no jobs are known"), (SourceState.OK, "no jobs")])
def test_that_there_are_no_jobs_is_the_word_of_schedulers_that_answered(state: SourceState, words: str) -> None:
    fleet, roll = Fleet([NodeSpec("n1")], lambda: START), Roll()
    roll.answer(SourceAnswer(SourceStatus("alpha", "slurm", state, at=START)))
    fleet.tick()
    frame = fleet.frame()
    assert JobReport(replace(frame, jobs=roll.frame(frame))).text().splitlines()[0] == words


def test_nodes_that_were_not_read_are_said_below_the_jobs() -> None:
    text = JobReport(Floor(faults=True).frame()).text()
    assert "l40-03: not read: " in text


def test_the_age_of_what_a_scheduler_told_comes_before_what_is_wrong_with_it() -> None:
    failed = replace(STATUS, state=SourceState.FAILED, text="no answer", advice="scontrol ping")
    assert source_words(failed, START + 45.0) == "alpha (slurm): last answer 45 s ago: no answer (scontrol ping)"


def test_what_is_reserved_is_said_before_its_end_and_also_where_it_has_none() -> None:
    at, hour = START + 45.0, 3600.0
    told = (
        ("endless", None, None),
        ("next", at + 2 * hour, at + 3 * hour),
        ("over", at - hour, at),
        ("far", at + 25 * hour, None),
    )
    reservations = tuple(Reservation(name, "n[1-2]", start, end) for name, start, end in told)
    said = source_words(replace(STATUS, reservations=reservations), at).split("; ")
    assert said[1:] == ["endless reserves n[1-2] without an end", "next reserves n[1-2] in 2 h"]


def test_times_of_jobs_that_wait_run_and_are_over() -> None:
    floor = Floor(Pricing(3.6))
    waiting = job(1, state=JobState.PENDING, started=None, reason="Resources", accelerators_wanted=16)
    running = job(2, Allocation("dgx-01", 8))
    over = job(3, Allocation("dgx-02", 8), state=JobState.FAILED, ended=START - 1800.0)
    jobs = floor.jobs(answer(waiting, running, over))
    now = floor.fleet.now
    assert value(jobs, "slurm:1", "waited") == now - (START - 7200.0)
    assert jobs.view.cell(jobs.index["slurm:1"], "elapsed").missing is Missing.NOT_YET
    assert value(jobs, "slurm:1", "accelerators") == 16
    assert value(jobs, "slurm:2", "elapsed") == now - (START - 3600.0)
    assert value(jobs, "slurm:2", "time_left") == 7200.0 - (now - (START - 3600.0))
    assert value(jobs, "slurm:3", "elapsed") == 1800.0 and value(jobs, "slurm:3", "time_left") is None
    assert value(jobs, "slurm:3", "gpu_time") == 8 * 1800.0
    assert value(jobs, "slurm:3", "cost") == pytest.approx(8 * 0.5 * 3.6)


def test_figures_of_a_job_whose_nodes_are_not_heard_yet_are_to_come() -> None:
    fleet, roll = Fleet([NodeSpec("dgx-01")], lambda: START, 1.0), Roll()
    at_home, elsewhere = job(1, Allocation("dgx-01", 8)), job(2, Allocation("node-of-others", 8))
    roll.answer(answer(at_home, elsewhere, job(3, Allocation("dgx-01"))))
    jobs = roll.frame(fleet.frame())
    reasons = [[jobs.view.cell(row, name).missing for name in ("util", "energy", "idle")] for row in range(3)]
    assert reasons == [[Missing.NOT_YET] * 3, [Missing.UNSUPPORTED] * 3, [Missing.UNSUPPORTED] * 3]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("name ~ train", {1}), ("name == 2", {2}), ("name in (train-llm, 2)", {1, 2}), ("name != train-llm", {2, 3}),
        ("name !~ train and name != 3", {2}), ("title == train-llm", {1}),
    ],
)  # fmt: skip
def test_a_jobs_name_is_its_number_and_what_its_owner_called_it(query: str, numbers: set[int]) -> None:
    told = [job(1, name="train-llm"), job(2, name="evaluate"), job(3)]
    frame = Floor().frame(answer(*(replace(one, source="asked") for one in told)))
    found = parse(f"job: source == asked and {query}").mask(frame)
    assert {int(frame.jobs.rows[row].number) for row in np.flatnonzero(found).tolist()} == numbers


def test_the_number_of_an_array_means_all_its_tasks() -> None:
    tasks = [replace(job(4201, array="4200"), number="4200_1"), replace(job(4200, array="4200"), number="4200_2")]
    tasks.append(job(9, name="4200_9"))
    found = [np.flatnonzero(meant(tasks, word)).tolist() for word in ("4200", "4200_2", "slurm:4200", "4200_9")]
    assert found == [[0, 1], [1], [1], [2]]
    with pytest.raises(ConfigError, match="no job is called '4200_3'"):
        meant(tasks, "4200_3")


def test_a_job_on_silent_nodes_is_stale_not_idle() -> None:
    floor = Floor(faults=True)
    floor.fleet.step(60)
    frame = floor.frame(answer(job(5, Allocation("dgx-04", 8))))
    rows = frame.rows_of(Scope.ACCELERATOR, frame.node_index["dgx-04"])
    owner = frame.jobs.job_of(int(rows[0]))
    assert owner is not None
    cell = frame.jobs.view.cell(frame.jobs.index[owner.id], "util")
    assert cell.missing in (Missing.STALE, Missing.NO)
    assert value(frame.jobs, owner.id, "energy") is None, "what nobody saw is not 0"
    silent = value(frame.jobs, owner.id, "silent")
    assert isinstance(silent, float) and silent > 0


def test_queries_ask_of_jobs_and_of_what_is_within_them() -> None:
    floor = Floor()
    waiting = job(1, state=JobState.PENDING, account="research", accelerators_wanted=16)
    frame = floor.frame(answer(waiting))
    found = parse("job: phase == pending and account == research").mask(frame)
    assert [frame.jobs.rows[row].id for row in np.flatnonzero(found).tolist()] == ["slurm:1"]
    hot = parse("job: max(temp) > 20 and count(util >= 0) >= 1").mask(frame)
    assert hot.any() and not hot[frame.jobs.index["slurm:1"]]
    assert parse("account == research").scope is Scope.JOB
    assert parse("job: research").mask(frame)[frame.jobs.index["slurm:1"]]
    with pytest.raises(QueryError, match="no history"):
        parse("job: util < 5 for 2m")


def test_a_fleet_without_jobs_has_none() -> None:
    frame = Floor().fleet.fleet.frame()
    assert frame.view(Scope.JOB).count == 0
    assert not parse("job: util < 5").mask(frame).any()


def test_an_answer_replaces_what_the_source_told_before() -> None:
    floor = Floor()
    assert "slurm:1" in floor.jobs(answer(job(1))).index
    assert "slurm:1" not in floor.jobs(answer(job(2))).index


def test_pods_of_one_job_on_one_node_are_counted_together() -> None:
    floor = Floor()
    node = next(machine.spec.name for at, machine in enumerate(floor.fleet.machines) if at == 2)  # where nothing runs
    pods = (Allocation(node, 4, pod="a"), Allocation(node, 4, pod="b"))
    frame = floor.frame(answer(job(20, *pods), job(21, Allocation(node, 4), state=JobState.DONE)))
    assert len(boards(frame.jobs, "slurm:20", frame)) == 8
    frame = floor.frame(answer(job(20, *pods[:1])))
    assert boards(frame.jobs, "slurm:20", frame) == []


def test_named_and_unnamed_devices_of_one_job_make_up_a_node() -> None:
    floor = Floor()
    node = floor.fleet.machines[2].spec.name
    some = Allocation(node, 3, (0, 1, 2))
    frame = floor.frame(answer(job(22, some, Allocation(node, 5)), job(23, some)))
    assert len(boards(frame.jobs, "slurm:22", frame)) == 5 and len(boards(frame.jobs, "slurm:23", frame)) == 3


ALPHA = replace(STATUS, cluster="alpha")
BETA = replace(STATUS, name="beta", cluster="beta")


def _of_two_clusters(*beta: Job) -> list[SourceAnswer]:
    alpha = replace(job(4100), id="slurm:alpha/4100", user="alice")
    there = [replace(one, id=f"slurm:beta/{one.number}", source="beta") for one in beta]
    return [
        SourceAnswer(ALPHA, (alpha,), (SchedulerNode("dgx-01", "mixed"),)),
        SourceAnswer(BETA, tuple(there), (SchedulerNode("dgx-02", "mixed"), SchedulerNode("dgx-04", "mixed"))),
    ]


def test_equal_numbers_of_two_clusters_are_told_apart_by_the_node() -> None:
    """The synthetic nodes dgx-01 and dgx-02 both run what its cgroup calls slurm:4100; dgx-04 what it calls 4101."""
    floor = Floor()
    frame = floor.frame(*_of_two_clusters(job(4100, user="bob")))
    assert {name.split("/")[0] for name in boards(frame.jobs, "slurm:alpha/4100", frame)} == {"dgx-01"}
    assert {name.split("/")[0] for name in boards(frame.jobs, "slurm:beta/4100", frame)} == {"dgx-02"}
    unknown = frame.jobs.rows[frame.jobs.index["slurm:beta/4101"]]
    assert (unknown.source, unknown.number) == ("cgroups", "4101"), "of its node's cluster, which does not tell of it"


def test_a_number_on_a_node_of_neither_cluster_is_that_of_the_only_job_with_it() -> None:
    floor = Floor()
    answers = [replace(one, nodes=()) for one in _of_two_clusters(job(4101, user="bob"))]
    frame = floor.frame(*answers)
    assert len(boards(frame.jobs, "slurm:alpha/4100", frame)) == 16
    assert boards(frame.jobs, "slurm:beta/4101", frame)


def test_a_worker_that_its_source_names_by_pid_is_its_job() -> None:
    floor = Floor()
    node = floor.fleet.machines[0].spec.name

    def with_processes(*processes: Process) -> Frame:
        frame = floor.fleet.fleet.frame()
        raw = msgspec.json.encode(processes)
        details = [replace(told, details={**told.details, "processes": raw}) for told in frame.detail[:1]]
        frame = replace(frame, detail=[*details, *frame.detail[1:]])
        return replace(frame, jobs=floor.roll.frame(frame)).with_findings(())

    ray = Job("ray:a", "alpha", "ray", "a", state=JobState.RUNNING, allocations=(Allocation(node, 2, pids=(7, 8, 9)),))
    floor.roll.answer(answer(ray))
    worker = Process(7, "root", "ray::train_loop()", accelerator=f"GPU-{node}-5")
    stranger = Process(
        8, "root", "python serve.py", accelerator=f"GPU-{node}-6"
    )  # its pid is another's, in a container
    frame = with_processes(worker, stranger)
    assert boards(frame.jobs, "ray:a", frame) == [f"{node}/GPU-{node}-5"]
    frame = with_processes(stranger)
    assert boards(frame.jobs, "ray:a", frame) == []


def test_a_node_that_tells_again_what_it_told_costs_no_new_attribution() -> None:
    floor = Floor()
    before = floor.frame().jobs
    fleet = floor.fleet.fleet
    row = fleet.frame().accelerators.told("uuid")
    column = fleet._columns[Scope.ACCELERATOR]._columns[list(CATALOGUE[Scope.ACCELERATOR]).index("uuid")]
    column.values = column.values.copy()
    assert fleet.frame().accelerators.told("uuid") is not row, "another picture of the same"
    assert floor.frame().jobs.owners is before.owners


def test_no_two_nodes_of_a_scheduler_are_one_node_of_the_fleet() -> None:
    """Several daemons on one host tell the same hostname: an act on one must not go to another."""
    frame = Floor().fleet.fleet.frame()
    hostname = frame.nodes.text(1, "hostname")
    assert hostname == "dgx-02"
    same = tuple(SchedulerNode(name, "idle", hostname=hostname) for name in ("dgx-02", "a", "b"))
    assert Hosts(frame).by_scheduler_name(same) == {"dgx-02": 1}
    assert Hosts(frame).by_scheduler_name(same[1:]) == {}, "nobody knows which of them it is"
    assert Hosts(frame).by_scheduler_name(same[1:2]) == {"a": 1}
