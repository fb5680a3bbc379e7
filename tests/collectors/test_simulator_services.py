"""Inference servers of the demo: the probe's own sampler finds and reads them."""

from __future__ import annotations

from collectors.probe.cells import Board, Missing
from collectors.probe.services import Sampler
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.world import SimulatedWorld


class Moment(SimulatedWorld):
    """A node of which the test moves the time."""

    def __init__(self, machine: Machine) -> None:
        self.at = 100.0
        super().__init__(machine, lambda: self.at, 0.0)

    def monotonic(self) -> float:
        return self.at


def holders(machine: Machine) -> Board:
    board = Board()
    jobs = [(index, state.job) for index, state in enumerate(machine.boards)]
    held = {str(n): [(job.pid(machine.plan.index, n), 0, "compute")] for n, job in jobs if job is not None}
    board.holders = {"driver": held}
    return board


def serving() -> Machine:
    """A machine of a small floor with a job that serves."""
    floor = plan_floor(16, 7)
    machines = (Machine(floor, plan, []).at(100.0) for plan in floor.nodes)
    return next(
        machine for machine in machines if any(b.job and b.job.kind.name == "inference" for b in machine.boards)
    )


def test_the_servers_of_a_node_are_read_and_alive() -> None:
    machine = serving()
    world, jobs = Moment(machine), {b.job.id for b in machine.boards if b.job and b.job.kind.name == "inference"}
    sampler = Sampler(world, holders(machine))
    first = sampler.sample().cells["service"]
    assert len(first) == len(jobs)
    assert all(row["up"] == 1 and isinstance(row["token_rate"], Missing) for row in first.values())
    world.at += 10
    for key, row in sampler.sample().cells["service"].items():
        assert key.startswith("vllm:10.42.") and row["model"].startswith("mistralai/")
        assert row["token_rate"] > 50 and row["prompt_rate"] > row["token_rate"] and row["running"] > 0
        assert 0 < row["kv_cache"] <= 100 and abs(row["first_token"] - 0.19) < 0.01 and row["failures"] == 0
