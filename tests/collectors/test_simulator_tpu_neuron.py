"""Simulated hosts of TPUs and Trainium, as the probe sees them through their tools."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.probe import neuron, tpu, tpu_sdk
from collectors.probe.cells import NOT_YET_CODE, UNSUPPORTED_CODE, Board, Missing, joined
from collectors.probe.listening import LOOPBACK
from collectors.probe.tpu_service import Service
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.tools import libtpu, neuron_monitor
from collectors.simulator.world import SimulatedWorld

FLOOR = plan_floor(32, 1)


def machine_of(shape: str, t: float = 100.0) -> Machine:
    return Machine(FLOOR, next(node for node in FLOOR.nodes if node.shape.name == shape), []).at(t)


def sampled(kind: Any, machine: Machine) -> tuple[list[dict[str, Any]], dict[str, Any], Any]:
    reading = kind.Sampler(SimulatedWorld(machine, lambda: machine.time, 0.0), Board()).sample()
    for scope, cells in reading.cells.items():
        assert {name for row in cells.values() for name in joined(row)} <= set(kind.Sampler.metrics[scope])
    rows = [joined(row) for row in reading.cells["accelerator"].values()]
    return rows, {key: joined(row) for key, row in reading.cells["link"].items()}, reading.holders


def test_a_host_of_tpus_works_and_its_processes_hold_the_chips() -> None:
    machine = machine_of("tpu")
    rows, links, holders = sampled(tpu, machine)
    assert [row["util"] for row in rows] == [pytest.approx(board.util, abs=0.05) for board in machine.boards]
    assert all(0 < row["mem_used"] < row["mem_total"] and row["queue"] >= 0 for row in rows)
    assert [len(held) for held in holders.values()] == [1, 1, 1, 1]
    assert sorted(link["kind"] for link in links.values()) == ["pcie"] * 4


def test_a_host_without_a_job_serves_no_metrics() -> None:
    machine = machine_of("tpu")
    for board in machine.boards:
        board.job = None
    assert not libtpu.listens(machine)
    rows, _, _ = sampled(tpu, machine)
    assert {row["util"].code for row in rows} == {NOT_YET_CODE}
    rows, links, _ = sampled(tpu_sdk, machine)
    assert rows[0]["tensor_active"].code == NOT_YET_CODE and not links


def test_the_service_goes_on_answering() -> None:
    """A client may send 65,535 bytes; for more, the server says from time to time that it has taken them."""
    machine = machine_of("tpu")
    world = SimulatedWorld(machine, lambda: machine.time, 0.0)
    service = Service(world, LOOPBACK, libtpu.PORT)
    names = [f"tpu.runtime.a_metric_of_a_long_name_{at:03}.percent" for at in range(20)]
    try:
        answers = [service.ask(names, False, 3.0)[names[0]] for _ in range(80)]
    finally:
        service.close()
    assert {answer.code for answer in answers if isinstance(answer, Missing)} == {UNSUPPORTED_CODE}


def test_every_metric_of_the_samplers_is_filled() -> None:
    for kind, shape in ((tpu, "tpu"), (tpu_sdk, "tpu"), (neuron, "trn2")):
        rows, _, _ = sampled(kind, machine_of(shape))
        assert {name for row in rows for name in row} == set(kind.Sampler.metrics["accelerator"])


def test_a_link_that_is_down_is_unusable() -> None:
    machine = machine_of("tpu")
    machine.faults.links_down.add((2, 1))
    rows, links, _ = sampled(tpu_sdk, machine)
    down = [link for link in links.values() if not link["up"]]
    assert [(link["name"], link["ici.health"]) for link in down] == [("tpu2/ici1", 10)]
    assert [(row["links_up"], row["links_max"]) for row in rows] == [(6, 6), (6, 6), (5, 6), (6, 6)]


def test_devices_of_trainium_lie_in_a_torus() -> None:
    machine = machine_of("trn2")
    rows, links, _ = sampled(neuron, machine)
    assert len(rows) == 16 and {row["links_max"] for row in rows} == {4}
    ends = [(link["name"].partition("/")[0], link["peer"]) for link in links.values() if link["kind"] == "neuronlink"]
    assert len(ends) == 64 and all((there, here) in ends for here, there in ends)
    assert {row["power_share"] > 10 for row in rows} == {True}


def test_a_record_of_neuron_monitor_is_that_of_its_boards() -> None:
    machine = machine_of("trn2")
    record = neuron_monitor.lines(machine)
    sampler = neuron.Sampler(SimulatedWorld(machine, lambda: machine.time, 0.0), Board())
    sampler.node.monitor.take(record)
    rows = [joined(row) for row in sampler.sample().cells["accelerator"].values()]
    for row, board in zip(rows, machine.boards, strict=True):
        assert row["util"] == pytest.approx(board.util * 0.9775, abs=0.2)
        assert row["mem_used"] == pytest.approx(board.memory_used, rel=1e-6)
        assert row["processes"] == (board.job is not None)
