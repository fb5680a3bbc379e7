"""The demo's software: every kind of job has some, three nodes differ, and the console points at each of them."""

from __future__ import annotations

import msgspec
import pytest

from collectors.probe.cells import Board
from collectors.probe.origins import Sampler as OriginSampler
from collectors.probe.processes import Sampler as ProcessSampler
from collectors.probe.software import Sampler
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.process_files import Processes
from collectors.simulator.software import CLOSED_SHAPES, OLD_FABRIC_MANAGER, OLD_FIRMWARE, OTHER_NCCL, PRODUCTS
from collectors.simulator.world import SimulatedWorld
from watchfloor.compatibility import clashes
from watchfloor.model import Missing
from watchfloor.report import Origin, Software, Workload

_FLOOR = plan_floor(32, seed=1)


def started(name: str) -> tuple[SimulatedWorld, Board]:
    """A node a while after the start, and who holds its accelerators."""
    plan = next(plan for plan in _FLOOR.nodes if plan.name == name)
    machine = Machine(_FLOOR, plan, [])
    world = SimulatedWorld(machine, lambda: 100.0, 1_700_000_000.0)
    machine.at(100.0)
    board = Board()
    jobs = [pid for pid, who in Processes(machine).running().items() if not isinstance(who, str)]
    board.holders = {"driver": {str(pid): [(pid, -1, "compute")] for pid in jobs}}
    return world, board


def told(name: str) -> list[Software]:
    """What the probe of one node says of its software."""
    return msgspec.convert(Sampler(*started(name)).sample().details["stack"], list[Software])


def workloads(name: str) -> list[Workload]:
    """What the probe of one node says of its jobs' processes."""
    world, board = started(name)
    return msgspec.convert(ProcessSampler(world, board).sample().details["workloads"], list[Workload])


def versions(rows: list[Software], name: str) -> set[str]:
    return {row.version for row in rows if row.name == name}


@pytest.mark.parametrize("shape", [name for name in PRODUCTS if name != "login"])
def test_every_kind_of_node_tells_its_layers(shape: str) -> None:
    rows = told(f"{shape}-01")
    layers = {row.layer for row in rows}
    assert {"os", "firmware", "container", "scheduler"} <= layers
    if shape in CLOSED_SHAPES:
        assert {row.missing for row in rows if row.user} == {Missing.NOT_PERMITTED}
    else:
        assert versions(rows, "torch") | versions(rows, "jax")
    assert rows == sorted(rows, key=lambda row: (row.layer, row.name, row.version, row.user, row.where))


def test_software_on_one_node_goes_together() -> None:
    for plan in _FLOOR.nodes:
        models = [plan.shape.board.model] if plan.shape.board else []
        broken = [clash.rule.name for clash in clashes(told(plan.name), models, plan.shape.machine)]
        assert broken == (["fabricmanager-driver"] if plan.name == OLD_FABRIC_MANAGER else []), plan.name


def test_three_nodes_differ_from_their_fellows() -> None:
    assert versions(told(OLD_FIRMWARE), "nic MT_0000000838") != versions(told("h100-01"), "nic MT_0000000838")
    assert versions(told(OLD_FABRIC_MANAGER), "nvidia-fabricmanager") == {"570.86.15"}
    assert versions(told(OTHER_NCCL), "nccl") != versions(told("b200-01"), "nccl")
    assert told("h100-02") == [replace_user(row, told("h100-02")) for row in told("h100-01")]


def replace_user(row: Software, like: list[Software]) -> Software:
    """Nodes of one job have one user; those of two may have two."""
    users = {other.user for other in like if other.user}
    return msgspec.structs.replace(row, user=users.pop()) if row.user else row


def test_pods_name_their_image() -> None:
    assert versions(told("l40s-01"), "image") == {"docker.io/vllm/vllm-openai:v0.10.1"}


def test_the_ranks_of_a_job_are_counted_through_its_nodes() -> None:
    rows = [row for node in range(1, 5) for row in workloads(f"h100-{node:02}")]
    assert sorted(row.rank for row in rows) == list(range(32))
    assert {row.world_size for row in rows} == {32}
    assert len({row.run_ids["wandb"] for row in rows}) == 1
    assert all(row.environment.keys().isdisjoint({"WANDB_API_KEY", "PATH", "HOME"}) for row in rows)


def test_processes_that_may_not_be_looked_into_tell_no_rank() -> None:
    (row,) = workloads("rtx-01")
    assert (row.rank, row.missing, row.directory) == (-1, Missing.NOT_PERMITTED, "")


def test_jobs_tell_the_commit_or_the_image_that_they_were_started_from() -> None:
    def origins(name: str) -> list[Origin]:
        return msgspec.convert(OriginSampler(*started(name)).sample().details["origins"], list[Origin])

    (commit,) = {(row.commit, row.checkout, row.image) for row in origins("h100-01") + origins("h100-02")}
    assert (len(commit[0]), commit[1].startswith("/home/"), commit[2]) == (40, True, "")
    assert {row.image for row in origins("l40s-01")} == {"docker.io/vllm/vllm-openai:v0.10.1"}
