"""What the probe's samplers of the node itself see of simulated ones: services, processes of the past, settings."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.probe import bus, nvidia, processes, units
from collectors.probe.cells import Board, Missing, joined
from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.floor import NodePlan, plan_floor
from collectors.simulator.hardware import SHAPES
from collectors.simulator.machine import Machine
from collectors.simulator.world import SimulatedWorld

_FLOOR = plan_floor(32, seed=1)


class World(SimulatedWorld):
    """A simulated world at a time that a test moves."""

    def __init__(self, node: NodePlan, *incidents: Incident, at: float = 0.0) -> None:
        self.at = at
        super().__init__(Machine(_FLOOR, node, incidents), lambda: self.at, began_at=1_700_000_000.0)

    def monotonic(self) -> float:
        return self.at


def struck(scenario: str) -> tuple[Incident, World]:
    (incident,) = scenarios()[scenario].place(plan_floor(32, seed=1))
    return incident, World(incident.node, incident, at=incident.first + 1)


def node(reading: Any) -> dict:
    return reading.cells["node"][""]


@pytest.mark.parametrize("shape", list(SHAPES))
def test_healthy_nodes_run_their_services_and_tell_of_all_their_boards(shape: str) -> None:
    world = World(next(plan for plan in _FLOOR.nodes if plan.shape.name == shape))
    told = node(units.Sampler(world, None).sample())
    assert {value for value in told.values() if not isinstance(value, Missing)} == {"running"}
    assert (told["unit_dcgm"] == "running") == (SHAPES[shape].vendor == "nvidia")
    if SHAPES[shape].boards:
        assert node(bus.Sampler(world, None).sample())["pci_accelerators"] == SHAPES[shape].boards


def test_services_fail_and_run_again() -> None:
    incident, world = struck("services")
    sampler = units.Sampler(world, None)
    told = node(sampler.sample())
    assert (told["unit_fabricmanager"], told["unit_dcgm"]) == ("failed: exit-code", "running")
    world.at += 60
    assert node(sampler.sample())["unit_dcgm"] == "failed: signal"
    world.at = incident.first + incident.lasts + 1
    assert node(sampler.sample())["unit_fabricmanager"] == "running"


def test_what_is_left_over_is_an_orphan_and_cannot_be_killed() -> None:
    _, world = struck("leftover")
    holders = nvidia.Sampler(world, Board()).sample().holders
    assert holders is not None
    board = Board()
    board.holders = {"nvidia": holders}
    sampler = processes.Sampler(world, board)
    world.at += 5
    sampler.sample()
    world.at += 35
    reading = sampler.sample()
    assert node(reading)["unkillable"] == 1
    held = [cells["orphan_mem"] > 2**30 for cells in reading.cells["accelerator"].values()]
    assert [at for at, is_held in enumerate(held) if is_held] == [1]


def test_settings_of_one_board_are_others() -> None:
    _, world = struck("settings")
    cells = [joined(row) for row in nvidia.Sampler(world, Board()).sample().cells["accelerator"].values()]
    assert [at for at, row in enumerate(cells) if row["clock_sm_app"] != row["clock_sm_max"]] == [2]
    assert [row["persistence"] for row in cells[:3]] == [1, 1, 0]
    assert [at for at, row in enumerate(cells) if row["clock_sm"] > row["clock_sm_app"]] == []
    assert [at for at, row in enumerate(cells) if int(row["throttle"]) & 0x2] == [2]  # by application clocks
