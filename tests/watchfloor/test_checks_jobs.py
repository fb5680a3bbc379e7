"""Checks over jobs: what is left of them, what runs past the scheduler, what is held and not used, where they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.boards import Boards, Values
from watchfloor import checks
from watchfloor.frame import Frame
from watchfloor.jobs.model import (
    Allocation,
    Attempt,
    Job,
    JobState,
    SchedulerNode,
    SourceAnswer,
    SourceState,
    SourceStatus,
    Step,
)
from watchfloor.jobs.roll import Roll
from watchfloor.model import Finding, Missing, Scope, Subject
from watchfloor.snapshot.jobdetail import detail
from watchfloor.snapshot.jobs import JobReport

_BOARD = Scope.ACCELERATOR
_NAMES = ("name", "model", "index", "uuid", "util", "mem_used", "mem", "user", "job", "command", "recovery", "xid")
NODE = SchedulerNode("n0", "mixed", accelerators=4, accelerators_used=2)


class Floor:
    """Nodes of four boards, on which nothing runs, and a Slurm that tells of them."""

    def __init__(self, nodes: int = 1) -> None:
        self.boards = Boards(nodes, {_BOARD: ([f"g{at}" for at in range(4)], _NAMES)})
        self.roll = Roll()
        for node in range(nodes):
            for at in range(4):
                idle: Values = {"name": f"gpu{at}", "model": "H100", "index": at, "uuid": f"u{at}", "util": 0}
                self.boards.say(
                    {f"g{at}": {**idle, "mem_used": 0, "mem": 0, "user": "", "job": "", "command": ""}}, node
                )
        self.boards.pass_time(1)

    def tell(self, *jobs: Job, nodes: Sequence[SchedulerNode] = (NODE,), state: SourceState = SourceState.OK) -> None:
        self.roll.answer(SourceAnswer(SourceStatus("slurm", "slurm", state, self.boards.now), jobs, tuple(nodes)))

    def run(self, board: int, job: str = "", util: float = 90, node: int = 0) -> None:
        said: Values = {"user": "alice", "job": job, "command": "python3 train.py", "util": util, "mem": 40}
        self.boards.say({f"g{board}": said}, node)

    def frame(self) -> Frame:
        frame = self.boards.frame()
        frame = replace(frame, jobs=self.roll.frame(frame))
        return frame.with_findings(checks.run(frame))

    def found(self, code: str, minutes: float = 0) -> list[Finding]:
        """What is found by now, and after so many minutes in which nothing changes."""
        found = self.frame().findings
        for _ in range(int(minutes * 6)):
            self.boards.pass_time(10)
            found = self.frame().findings
        return [one for one in found if one.code == code]


def job(number: int, *held: Allocation, state: JobState = JobState.RUNNING, **said: object) -> Job:
    usual = {"user": "alice", "started": 900_000.0}
    return Job(f"slurm:{number}", "slurm", "slurm", str(number), state=state, allocations=held, **usual | said)  # type: ignore[arg-type]


def subjects(found: Sequence[Finding]) -> list[str]:
    return [str(one.subject) for one in found]


# -- orphans


def test_what_is_left_of_a_job_that_is_over_is_an_orphan_once_slurm_has_had_its_time() -> None:
    floor = Floor()
    floor.run(1, "slurm:4242")
    floor.tell(job(4242, state=JobState.CANCELLED, ended=999_990.0))
    assert floor.found("orphan-process") == []
    (found,) = floor.found("orphan-process", minutes=2.5)
    assert found.subject == Subject(_BOARD, "n0", "g1")
    assert found.text.startswith("gpu1 of n0 is in use by what is left of job 4242 of alice: slurm says cancelled")
    assert ("user", "alice") in found.evidence


def test_an_orphan_on_what_is_given_to_another_says_to_whom() -> None:
    floor = Floor()
    floor.run(1, "slurm:4242")
    floor.tell(job(4242, state=JobState.FAILED, ended=999_990.0), job(4300, Allocation("n0", 2, (1, 2)), user="bob"))
    (found,) = floor.found("orphan-process", minutes=2.5)
    assert found.text.endswith("the scheduler has given it to job 4300 of bob (2 accelerators)")
    assert ("given to", "slurm:4300") in found.evidence


def test_a_job_of_which_slurm_knows_nothing_is_an_orphan_only_where_slurm_tells_of_all_that_it_gave_away() -> None:
    floor = Floor()
    floor.run(1, "slurm:4242")
    floor.tell(nodes=[replace(NODE, accelerators_used=1)])
    assert floor.found("orphan-process", minutes=3) == [], "PrivateData hides the job of somebody else"
    floor.tell(nodes=[replace(NODE, accelerators_used=0)])
    (found,) = floor.found("orphan-process", minutes=3)
    assert "of which the scheduler of its node knows nothing" in found.text


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.ENDING, JobState.SUSPENDED])
def test_a_job_that_has_its_nodes_leaves_no_orphans(state: JobState) -> None:
    floor = Floor()
    floor.run(1, "slurm:4242")
    floor.tell(job(4242, Allocation("n0", 1, (1,)), state=state))
    assert floor.found("orphan-process", minutes=3) == []


def test_a_scheduler_that_does_not_answer_makes_no_orphans() -> None:
    floor = Floor()
    floor.run(1, "slurm:4242")
    floor.tell(job(4242, state=JobState.DONE), state=SourceState.FAILED)
    assert floor.found("orphan-process", minutes=3) == []


def test_what_runs_past_the_scheduler_of_a_node_is_told_after_five_minutes() -> None:
    floor = Floor()
    floor.run(2)
    floor.tell(job(4300, Allocation("n0", 2, (2, 3)), user="bob"))
    assert floor.found("unscheduled-process", minutes=4) == []
    (found,) = floor.found("unscheduled-process", minutes=1.5)
    assert found.text == (
        "alice runs train.py on gpu2 of n0 past its scheduler, for 5 m or longer; "
        "the scheduler has given it to job 4300 of bob (2 accelerators)"
    )


def test_on_a_drained_node_and_without_a_scheduler_people_may_run_what_they_like() -> None:
    floor = Floor(2)
    floor.run(2)
    floor.run(2, node=1)
    floor.tell(nodes=[replace(NODE, state="idle+drain", takes_work=False)])
    assert floor.found("unscheduled-process", minutes=6) == []


# -- held and not used


def test_accelerators_that_a_job_holds_and_does_not_use_are_named_one_by_one() -> None:
    floor = Floor(2)
    held = (Allocation("n0", 4, (0, 1, 2, 3)), Allocation("n1", 4, (0, 1, 2, 3)))
    floor.tell(job(4242, *held), nodes=[NODE, replace(NODE, name="n1")])
    for at in range(4):
        floor.run(at, "slurm:4242")
    floor.run(0, "slurm:4242", node=1)
    assert floor.found("job-holds-unused", minutes=14) == []
    (found,) = floor.found("job-holds-unused", minutes=1.5)
    assert found.subject == Subject(Scope.JOB, "", "slurm:4242")
    assert found.text == (
        "job 4242 of alice (8 accelerators) has used 5 of the 8 accelerators that it holds for 15 min: "
        "nothing runs on gpu1, gpu2, gpu3 of n1"
    )
    assert [name for name, _ in found.evidence[-3:]] == ["n1/g1", "n1/g2", "n1/g3"]


def test_a_job_that_has_just_begun_is_given_time_and_one_that_computes_now_and_then_uses_what_it_holds() -> None:
    floor = Floor()
    floor.tell(job(4242, Allocation("n0", 4, (0, 1, 2, 3)), started=floor.boards.now + 60))
    assert floor.found("job-holds-unused", minutes=15) == []
    floor.run(0, "slurm:4242", util=3)
    floor.boards.pass_time(10)
    floor.run(0, "slurm:4242", util=0)
    (found,) = floor.found("job-holds-unused", minutes=3)
    assert "gpu1, gpu2, gpu3 of n0" in found.text and "gpu0" not in found.text


# -- where jobs run


def test_a_job_on_a_node_that_is_drained_says_why_it_is() -> None:
    floor = Floor(2)
    floor.tell(
        job(4242, Allocation("n0", 4, (0, 1, 2, 3)), Allocation("n1", 4, (0, 1, 2, 3))),
        nodes=[replace(NODE, state="mixed+drain", takes_work=False, reason="fan 3"), replace(NODE, name="n1")],
    )
    (found,) = floor.found("job-on-drained-node")
    assert found.text == "job 4242 of alice (8 accelerators) runs on n0, which its scheduler has as mixed+drain: fan 3"
    floor.tell(job(4242, state=JobState.DONE), nodes=[replace(NODE, state="idle+drain", takes_work=False)])
    assert floor.found("job-on-drained-node") == []


def test_a_job_on_a_node_that_is_reserved_is_where_it_belongs() -> None:
    floor = Floor()
    floor.tell(job(1, Allocation("n0", 4)), nodes=[replace(NODE, state="mixed+reserved", takes_work=False)])
    assert floor.found("job-on-drained-node") == []


def test_a_job_on_a_faulty_board_is_told_with_the_fault_and_its_neighbour_is_not() -> None:
    floor = Floor()
    floor.tell(job(1, Allocation("n0", 2, (0, 1))), job(2, Allocation("n0", 2, (2, 3))))
    floor.boards.say({"g1": {"recovery": 1}})
    faults = floor.frame()
    (found,) = [one for one in faults.findings if one.code == "job-on-faulty-node"]
    assert subjects([found]) == [str(Subject(Scope.JOB, "", "slurm:1"))]
    assert "gpu1 of n0" in found.text and ("recovery-action", "n0/g1") in found.evidence
    assert faults.jobs.view.states[faults.jobs.index["slurm:2"]] == 0


def test_many_jobs_on_what_is_faulty_are_summed_up_and_each_has_its_state() -> None:
    floor = Floor(80)
    nodes = [replace(NODE, name=f"n{at}", state="mixed+drain", takes_work=False) for at in range(80)]
    told = [job(at, Allocation(f"n{at // 4}", 1, (at % 4,))) for at in range(320)]
    floor.tell(*told, nodes=nodes)
    frame = floor.frame()
    found = [one for one in frame.findings if one.code == "job-on-drained-node"]
    assert len(found) == 251 and "70 more jobs" in found[-1].text
    assert (frame.jobs.view.states > 0).all()


# -- the queue


def test_a_job_that_waits_for_what_never_comes() -> None:
    floor = Floor()
    waits = {"state": JobState.PENDING, "dependency": "afterok:4241"}
    floor.tell(job(1, **waits, reason="DependencyNeverSatisfied"), job(2, **waits, reason="Resources"))  # type: ignore[arg-type]
    (found,) = floor.found("job-never-starts")
    assert found.text == "job 1 of alice can't start: DependencyNeverSatisfied (what it waits for has failed)"
    assert ("dependency", "afterok:4241") in found.evidence


# -- stragglers

BUSY: Values = {
    "clock_sm": 1980, "throttle": 4, "temp": 62, "power_limit": 700, "pcie_gen": 5, "pcie_width": 16, "links_up": 18,
    "util": 99, "ecc_corrected": 0, "clock_sm_app": Missing.UNSUPPORTED,
}  # fmt: skip
PORT: Values = {"kind": "infiniband", "up": 1, "speed": 50e9}


def crew(nodes: int = 2, ports: int = 0) -> Floor:
    """One job on all boards of some nodes, all of them alike and busy."""
    made = Floor()
    tables: dict[Scope, tuple[Sequence[str], Sequence[str]]] = {
        _BOARD: ([f"g{at}" for at in range(4)], (*_NAMES, *(name for name in BUSY if name not in _NAMES)))
    }
    keys = [f"mlx5_{at}" for at in range(ports)]
    if ports:
        tables[Scope.LINK] = (keys, ("name", *PORT))
    made.boards = Boards(nodes, tables)
    for node in range(nodes):
        said: Values = {"model": "H100", "user": "alice", "job": "slurm:4242", "command": "python3 train.py", **BUSY}
        made.boards.say({f"g{at}": {"name": f"gpu{at}", "index": at, **said} for at in range(4)}, node)
        if ports:
            made.boards.say({key: {"name": key, **PORT} for key in keys}, node, Scope.LINK)
    held = [Allocation(f"n{node}", 4, (0, 1, 2, 3)) for node in range(nodes)]
    made.tell(job(4242, *held), nodes=[replace(NODE, name=f"n{node}") for node in range(nodes)])
    return made


def lags(floor: Floor) -> list[str]:
    floor.boards.pass_time(61)
    return [one.text for one in floor.frame().findings if one.code in ("job-straggler", "straggler")]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"throttle": 0x44}, "thermal (hardware)"),
        ({"throttle": 0x84, "temp": 60}, "power brake"),
        ({"temp": 83}, "83 °C against 62"),
        ({"power_limit": 400}, "power limit 400 W against 700"),
        ({"throttle": 0x4C, "temp": 88}, "hardware slowdown, thermal (hardware), 88 °C against 62"),
        ({"throttle": 2}, "application clocks"),
        ({}, "nothing tells why"),
    ],
)
def test_a_board_that_holds_its_job_up_is_told_with_its_reason(values: Values, words: str) -> None:
    """What all of them have (here a power cap) is no reason."""
    floor = crew()
    floor.boards.say({"g3": {"clock_sm": 1095, **values}}, node=1)
    assert lags(floor) == [f"gpu3 of n1: 1,095 MHz against 1,980: {words}; slows job 4242 of alice (8 accelerators)"]
    frame = floor.frame()
    assert frame.jobs.view.cell(0, "stragglers").value == 1


def test_application_clocks_are_told_once_with_their_figures() -> None:
    floor = crew()
    for node in range(2):
        floor.boards.say({f"g{at}": {"clock_sm_app": 1980} for at in range(4)}, node)
    floor.boards.say({"g3": {"clock_sm": 1095, "clock_sm_app": 1095, "throttle": 2}})
    assert "1,980: application clock 1,095 MHz against 1,980; slows" in lags(floor)[0]


def test_memory_errors_are_a_reason() -> None:
    floor = crew()
    floor.boards.say({"g0": {"ecc_corrected": 40_000, "clock_sm": 1500}})
    assert "40,000 corrected memory errors within the hour" in lags(floor)[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"pcie_width": 8}, "PCIe 5.0 x8 against 5.0 x16"),
        ({"pcie_gen": 1}, "PCIe 1.0 x16 against 5.0 x16"),
        ({"links_up": 16}, "scale-up links 16 up against 18 up"),
    ],
)
def test_a_board_with_less_of_a_link_than_its_peers_lags(values: Values, words: str) -> None:
    floor = crew()
    floor.boards.say({"g2": values})
    assert lags(floor) == [f"gpu2 of n0: {words}; slows job 4242 of alice (8 accelerators)"]


def test_what_is_so_on_all_boards_of_a_job_or_on_an_idle_one_holds_nobody_up() -> None:
    floor = crew()
    for node in range(2):
        floor.boards.say({f"g{at}": {"clock_sm": 1200, "pcie_width": 8, "links_up": 16} for at in range(4)}, node)
    floor.boards.say({"g0": {"clock_sm": 345, "util": 0, "pcie_gen": 1}})
    assert lags(floor) == []


def test_boards_of_a_small_job_are_compared_within_their_node() -> None:
    floor = crew(1)
    floor.tell(*(job(4242 + at, Allocation("n0", 1, (at,))) for at in range(4)))
    floor.boards.say({f"g{at}": {"job": f"slurm:{4242 + at}"} for at in range(4)})
    floor.boards.say({"g3": {"clock_sm": 1095}})
    assert lags(floor) == ["gpu3 of n0 ran at 1,095 MHz over the last minute, 3 equal boards beside it at 1,980 MHz"]


def test_a_node_with_less_rdma_than_the_others_of_its_job_lags() -> None:
    floor = crew(4, ports=4)
    floor.boards.say({"mlx5_2": {"up": 0}, "mlx5_3": {"speed": 25e9}}, node=2, scope=Scope.LINK)
    (found,) = lags(floor)
    assert found == (
        "n2: RDMA of 125 GB/s against 200 (mlx5_2 down, mlx5_3 at 25.0 GB/s); slows job 4242 of alice (16 accelerators)"
    )


def test_one_job_in_full_tells_its_steps_its_spread_and_who_lags() -> None:
    floor = crew()
    steps = (Step("0", "torchrun", JobState.RUNNING, 8, ("n0", "n1"), 900_000.0), Step("batch", "batch", tasks=1))
    attempts = (Attempt(1, JobState.NODE_FAILED, started=1.0, ended=61.0, reason="n9 failed"),)
    held = [Allocation(f"n{node}", 4, (0, 1, 2, 3)) for node in range(2)]
    floor.tell(job(4242, *held, name="train", steps=steps, attempts=attempts))
    floor.boards.say({"g3": {"clock_sm": 1095, "throttle": 0x44}}, node=1)
    floor.boards.pass_time(61)
    frame = floor.frame()
    told = detail(frame, 0)
    assert "job 4242 train of alice: running" in told
    assert "4242.0 torchrun: running, 8 tasks on n[0-1]" in told and ": n9 failed" in told
    assert "SMCLK    1095 MHz to 1980 MHz, median 1980 MHz  (lowest gpu3 of n1, highest gpu2 of n1)" in told
    assert told.rstrip().endswith("gpu3 of n1: 1,095 MHz against 1,980: thermal (hardware); slows job 4242 of alice "
                                  "(8 accelerators)")  # fmt: skip
    (entry,) = JobReport(frame).document()["jobs"]  # type: ignore[misc]
    assert entry["spread"]["clock_sm"]["lowest_on"] == {"node": "n1", "accelerator": "g3", "rank": ""}
    assert entry["stragglers"][0]["subject"] == "n1/g3"
    assert next((step["number"], step["tasks"], step["nodes"]) for step in entry["steps"]) == ("0", 8, ("n0", "n1"))


def test_accelerators_of_a_job_come_by_rank_and_without_ranks_by_node_and_number() -> None:
    boards, roll = Boards(2, {_BOARD: (["g0", "g1"], ["name", "index", "rank"])}), Roll()
    ranks = {("n0", "g0"): "10", ("n0", "g1"): "2", ("n1", "g0"): "0-1", ("n1", "g1"): ""}
    for (node, key), rank in ranks.items():
        boards.say({key: {"name": f"gpu{key[1]}", "index": int(key[1]), "rank": rank}}, int(node[1]))
    held = [Allocation(f"n{node}", 2, (0, 1)) for node in (1, 0)]
    roll.answer(SourceAnswer(SourceStatus("slurm", "slurm", SourceState.OK), (job(1, *held),)))
    frame = boards.frame()
    told = detail(replace(frame, jobs=roll.frame(frame)), 0).splitlines()
    listed = [line.split()[0] for line in told if line.startswith("n")]
    assert listed == ["n1/gpu0", "n0/gpu1", "n0/gpu0", "n1/gpu1"]
