"""The demo's Slurm is read as a real one is: jobs, attempts that an incident ended, nodes that are down."""

from __future__ import annotations

import json
import shlex

from collectors.simulator.faults import scenarios
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.scheduler import answer, bare
from collectors.sources._slurm import accounts, commands, jobs_json, nodes
from watchfloor.jobs.model import JobState

BEGAN = 1_800_000_000.0
RUNNING, ENDED = 10.0, 60.0  # seconds: before the board falls off the bus, and while its job waits


def machine(t: float) -> Machine:
    floor = plan_floor(16, 1)
    return Machine(floor, floor.nodes[0], scenarios()["xid79"].place(floor)).at(t)


def ask(at: Machine, question: str) -> bytes:
    told = answer(at, bare(shlex.split(commands.command_line(question, {}, 20.0))), BEGAN)
    assert told is not None
    return told.encode()


def test_jobs_are_told_with_what_they_hold() -> None:
    jobs, _ = jobs_json.jobs(ask(machine(RUNNING), commands.JOBS_JSON), "demo")
    assert jobs and all(job.state in (JobState.RUNNING, JobState.PENDING) for job in jobs)
    held = next(job for job in jobs if job.state is JobState.RUNNING)
    assert held.user and held.allocations[0].indices and held.started is not None and held.started <= BEGAN + RUNNING


def test_a_job_that_an_incident_ends_waits_and_begins_anew() -> None:
    at = machine(ENDED)
    jobs, _ = jobs_json.jobs(ask(at, commands.JOBS_JSON), "demo")
    waits = next(job for job in jobs if job.attempt == 2)
    assert waits.state is JobState.PENDING
    number = int(waits.number)
    found, _ = accounts.of_table(ask(at, commands.accounts([number])).decode())
    first = found[number].attempts[0]
    assert first.state is JobState.NODE_FAILED and first.ended is not None
    again, _ = jobs_json.jobs(ask(machine(200.0), commands.JOBS_JSON), "demo")
    runs = next(job for job in again if job.number == waits.number)
    assert (runs.state, runs.attempt) == (JobState.RUNNING, 2)


def test_boards_and_scheduler_agree_on_who_runs() -> None:
    at = machine(ENDED)
    for slot in at.floor.slots:
        job = slot.job(ENDED)
        if job is not None and not slot.kind.pod:
            assert (at.running(slot, ENDED)[0] is not None) == (
                at.story.tries(job, at.names(slot), ENDED)[-1].state == "RUNNING"
            )


def test_a_node_that_is_down_takes_no_work() -> None:
    told = nodes.of_json(ask(machine(150.0), commands.NODES_JSON))
    assert [node.takes_work for node in told].count(False) == 1
    assert json.loads(ask(machine(RUNNING), commands.NODES_JSON))["nodes"][0]["gres"]
