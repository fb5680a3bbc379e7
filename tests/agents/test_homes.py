"""Which scheduler has a node or a job, as the newest frame tells it."""

from __future__ import annotations

from agents.action import Home
from agents.homes import KnownHomes
from tests.support.acting import Machine, answer, frame_of
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobSourceSpec, JobState, SchedulerNode

SOURCES = {
    "alpha": JobSourceSpec("alpha", "slurm", options={"conf": "/etc/slurm/alpha.conf"}),
    "prod": JobSourceSpec("prod", "kubernetes", options={"context": "prod"}),
}


def frame() -> Frame:
    jobs = (Job("slurm:7", "alpha", "slurm", "7", state=JobState.RUNNING, allocations=(Allocation("n1"),)),)
    pods = (
        Job("kube:u", "prod", "kubernetes", "lab/x", state=JobState.RUNNING, allocations=(Allocation("worker-2"),)),
    )
    return frame_of(
        [Machine("n1"), Machine("n2"), Machine("n3")],
        answer(name="alpha", nodes=(SchedulerNode("n1", "idle"),), jobs=jobs),
        answer(name="prod", kind="kubernetes", nodes=(SchedulerNode("worker-2", "ready", hostname="n2"),), jobs=pods),
    )


def test_nodes_and_jobs_have_their_schedulers() -> None:
    homes, told = KnownHomes(SOURCES), frame()
    assert homes.of_node(told, "n1") == Home("alpha", "slurm", "n1", {"conf": "/etc/slurm/alpha.conf"})
    assert homes.of_node(told, "n2") == Home("prod", "kubernetes", "worker-2", {"context": "prod"})
    assert homes.of_job(told, "slurm:7") == Home("alpha", "slurm", "", {"conf": "/etc/slurm/alpha.conf"})
    assert homes.of_job(told, "kube:u") == Home("prod", "kubernetes", "", {"context": "prod"})


def test_what_nobody_schedules_has_none() -> None:
    homes, told = KnownHomes(SOURCES), frame()
    assert homes.of_node(told, "n3") is None
    assert homes.of_node(told, "n9") is None
    assert homes.of_job(told, "slurm:8") is None
    assert KnownHomes({}).of_node(told, "n1") is None
