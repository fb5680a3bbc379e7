"""What is done to simulated nodes and to the demo's Slurm shows in what they tell next, and mends what it can."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pytest

from agents.actions import _programs
from agents.actions.collect_evidence import COMMANDS
from collectors.simulator import shell
from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.floor import Floor, plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.nvml_device import nvmlDeviceGetUUID
from collectors.simulator.order import Ended
from collectors.simulator.record import Record
from collectors.simulator.scheduler import answer
from collectors.simulator.story import REBOOT_SECONDS
from collectors.simulator.world import SimulatedWorld
from collectors.sources._slurm import commands, jobs_json, nodes
from watchfloor.jobs.model import Job, JobState

BEGAN = 1_800_000_000.0


class Stage:
    """All machines of a demo, in one process, at a time that a test moves."""

    def __init__(self, scenario: str = "steady", at: float = 10.0, count: int = 4) -> None:
        self.floor: Floor = plan_floor(count, 1)
        self.incidents: Sequence[Incident] = scenarios()[scenario].place(self.floor)
        self.record, self.now = Record(), at
        self._machines = [Machine(self.floor, plan, self.incidents, self.record) for plan in self.floor.nodes]

    def machine(self, node: int = 0) -> Machine:
        return self._machines[node].at(self.now)

    def run(self, line: str, node: int = 0) -> Ended:
        return shell.run(self.machine(node), shlex.split(line), wall=lambda: BEGAN + self.now)

    def jobs(self) -> dict[str, Job]:
        told = answer(self.machine(), commands.JOBS_JSON.split(), BEGAN)
        assert told is not None
        return {job.number: job for job in jobs_json.jobs(told.encode(), "demo")[0]}

    def running(self) -> Job:
        return next(job for job in self.jobs().values() if job.state is JobState.RUNNING)

    def at_work(self, job: Job, after: float = 0.0) -> set[str]:
        """The nodes on whose boards it runs."""
        self.now += after
        every = [self.machine(node) for node in range(len(self._machines))]
        return {m.plan.name for m in every for b in m.boards if b.job is not None and str(b.job.id) == job.number}


# -- Slurm


def test_a_drained_node_takes_no_job_again_until_it_is_resumed() -> None:
    stage = Stage()
    job = stage.running()
    node = job.allocations[0].node
    assert stage.run(f"scontrol update NodeName={node} State=DRAIN 'Reason=xid 79 watchfloor:ab'").exit == 0
    assert (
        "State=MIXED+DRAIN Partitions=gpu Reason=xid 79 watchfloor:ab [slurm@2027-"
        in stage.run(f"scontrol --oneliner show node {node}").out
    )
    told = nodes.of_json((answer(stage.machine(), commands.NODES_JSON.split(), BEGAN) or "").encode())
    assert [one.takes_work for one in told if one.name == node] == [False]
    assert stage.at_work(job, 5.0), "what runs on it goes on"
    assert stage.run(f"scontrol requeue {job.number}").exit == 0
    assert stage.at_work(job, 60.0) == set()
    waits = stage.jobs()[job.number]
    assert (waits.state, waits.attempt, waits.reason) == (JobState.PENDING, 2, "ReqNodeNotAvail")
    assert stage.run(f"scontrol update NodeName={node} State=RESUME").exit == 0
    assert stage.at_work(job, 2.0) == {one.node for one in job.allocations}
    assert stage.jobs()[job.number].state is JobState.RUNNING


def test_a_job_is_queued_again_held_released_and_cancelled() -> None:
    stage = Stage()
    job = stage.running()
    assert stage.run(f"scontrol hold {job.number}").err.startswith("Job is no longer pending")
    assert stage.run(f"scontrol requeuehold {job.number}").exit == 0
    assert stage.at_work(job, 30.0) == set()
    assert "Reason=JobHeldUser Restarts=1" in stage.run(f"scontrol --oneliner show job {job.number}").out
    assert stage.run(f"scontrol release {job.number}").exit == 0
    assert stage.at_work(job, 2.0)
    assert stage.run(f"scancel {job.number}").exit == 0
    assert stage.at_work(job, 2.0) == set()
    assert "JobState=CANCELLED" in stage.run(f"scontrol --oneliner show job {job.number}").out
    again = stage.run(f"scancel {job.number}")
    assert (again.exit, "already completing" in again.err) == (1, True)
    assert stage.run("scontrol requeue 1").err == "Invalid job id specified\n"


def test_boards_and_scheduler_agree_on_who_runs_whatever_was_done() -> None:
    stage = Stage("xid79", at=10.0, count=6)
    job = stage.running()
    update = f"scontrol update NodeName={job.allocations[0].node}"
    for seconds, line in (
        (5, f"scontrol requeue {job.number}"),
        (9, f"{update} State=DRAIN Reason=x"),
        (30, "sudo -n -- systemctl reboot"),
        (200, f"{update} State=RESUME"),
    ):
        stage.now += seconds
        stage.run(line)
        for _ in range(12):
            stage.now += 3.0
            machine = stage.machine()
            for slot in machine.floor.slots:
                at = slot.job(stage.now)
                if at is not None and not slot.kind.pod:
                    told = machine.story.tries(at, machine.names(slot), stage.now)[-1].state == "RUNNING"
                    assert (machine.running(slot, stage.now)[0] is not None) == told


# -- nodes


def test_a_service_that_was_started_anew_runs_and_says_since_when() -> None:
    stage = Stage("services", at=20.0, count=2)
    node = stage.incidents[0].node.index
    asked = "systemctl show nvidia-fabricmanager.service --property=ActiveState,ActiveEnterTimestampMonotonic"
    up = stage.now - stage.machine(node).booted_at
    assert stage.run(asked, node).out.startswith("ActiveState=failed\n")
    assert (
        stage.run("systemctl restart nvidia-fabricmanager.service", node).err
        == "Interactive authentication required.\n"
    )
    assert stage.run("sudo -n -- systemctl restart nvidia-fabricmanager.service", node).exit == 0
    state, since = stage.run(asked, node).out.splitlines()
    assert state == "ActiveState=active" and int(since.partition("=")[2]) / 1e6 == pytest.approx(up)
    stage.now += 60.0
    assert stage.machine(node).faults.services == {"nvidia-dcgm": "signal"}, "what failed later is another matter"


def test_a_reboot_takes_settings_and_faults_away_and_a_later_start_sees_the_same() -> None:
    stage = Stage("xid79", at=30.0, count=1)
    machine = stage.machine()
    uuid, before = nvmlDeviceGetUUID(machine, 0), machine.boot_id
    stage.run(f"sudo -n -- nvidia-smi -i {uuid} -pl 300")
    assert (machine.power_limit(0), sorted(machine.faults.lost)) == (300, [3])
    assert "GPU is lost" in stage.run(f"sudo -n -- nvidia-smi -i {nvmlDeviceGetUUID(machine, 3)} --gpu-reset").err
    stage.run("sudo -n -- systemctl reboot")
    stage.now += 3.0
    assert stage.machine().faults.down
    stage.now = 30.0 + REBOOT_SECONDS + 2.0
    assert (stage.machine().faults.down, stage.machine().power_limit(0), stage.machine().faults.lost) == (
        False,
        700,
        set(),
    )
    assert stage.machine().boot_id != before
    stage.now = 180.0  # by then its incident would have rebooted it as well
    late = Machine(stage.floor, stage.floor.nodes[0], stage.incidents, stage.record).at(stage.now)
    assert late.boot_id == stage.machine().boot_id and late.boots == 1


# -- the programs of actions


def test_the_programs_of_actions_are_known_by_their_first_lines() -> None:
    stage = Stage("idleheld", at=100.0, count=4)
    node = stage.incidents[0].node.index
    machine = stage.machine(node)
    held = next(b.job for b in machine.boards if b.job is not None and b.job.kind.name == "notebook")
    board = next(index for index, b in enumerate(machine.boards) if b.job is held)
    pid = held.pid(node, board)
    world = SimulatedWorld(machine, lambda: stage.now, BEGAN)
    start = world.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[19]
    who = [str(pid), start, machine.boot_id, held.user, f"job_{held.id}"]

    def python(program: str, *words: str) -> Ended:
        return shell.run(stage.machine(node), ["python3", "-c", program, *words])

    assert python(_programs.LOOK, *who).out == "there\n"
    assert python(_programs.LOOK, str(pid), "7", *who[2:]).out == "gone\n"
    assert python(_programs.END, who[0], who[1], who[2], "root", who[4], "10") == Ended(3, f"of {held.user}\n")
    assert python(_programs.END, *who, "10") == Ended(0, "gone\n")
    stage.now += 2.0
    assert python(_programs.LOOK, *who).out == "gone\n"
    assert stage.machine(node).boards[board].job is None
    kept = python(_programs.GATHER, "/var/tmp/watchfloor-evidence", "ab.json", "20", "20", *COMMANDS)
    digest, path = kept.out.splitlines()[0].split()
    assert shell.run(stage.machine(node), ["sha256sum", "--", path]).out == f"{digest}  {path}\n"
    assert "NVSMI LOG" in shell.run(stage.machine(node), ["cat", path]).out


def test_a_process_that_hangs_in_the_kernel_stays() -> None:
    stage = Stage("leftover", at=100.0, count=4)
    node = stage.incidents[0].node.index
    machine = stage.machine(node)
    board = min(machine.faults.unkillable)
    job = machine.boards[board].job
    assert job is not None
    start = SimulatedWorld(machine, lambda: stage.now, BEGAN).read(f"/proc/{job.pid(node, board)}/stat")
    who = [str(job.pid(node, board)), start.rpartition(")")[2].split()[19], machine.boot_id, job.user, "job_", "10"]
    assert shell.run(machine, ["python3", "-c", _programs.END, *who]) == Ended(4, "it was killed, and stays\n")
