"""The demo's software: every kind of job has some, three nodes differ, and the console points at each of them."""

from __future__ import annotations

import msgspec
import pytest

from collectors.probe.cells import Board
from collectors.probe.software import Sampler
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.process_files import Processes
from collectors.simulator.software import CLOSED_SHAPES, OLD_FABRIC_MANAGER, OLD_FIRMWARE, OTHER_NCCL, PRODUCTS
from collectors.simulator.world import SimulatedWorld
from watchfloor.compatibility import clashes
from watchfloor.model import Missing
from watchfloor.report import Software

_FLOOR = plan_floor(32, seed=1)


def told(name: str) -> list[Software]:
    """What the probe of one node says, a while after the start."""
    plan = next(plan for plan in _FLOOR.nodes if plan.name == name)
    machine = Machine(_FLOOR, plan, [])
    world = SimulatedWorld(machine, lambda: 100.0, 1_700_000_000.0)
    machine.at(100.0)
    board = Board()
    jobs = [pid for pid, who in Processes(machine).running().items() if not isinstance(who, str)]
    board.holders = {"driver": {str(pid): [(pid, -1, "compute")] for pid in jobs}}
    return msgspec.convert(Sampler(world, board).sample().details["stack"], list[Software])


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
