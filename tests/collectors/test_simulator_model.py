"""The simulated floor as a function of time: what each scenario changes, driven by times rather than by waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.simulator import kernel_log, topology
from collectors.simulator.board_physics import BRAKE, HARD_THERMAL, SLOWDOWN
from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.fleet import describe, scenario_names
from collectors.simulator.floor import Floor, plan_floor
from collectors.simulator.hardware import SHAPES
from collectors.simulator.machine import Machine
from collectors.simulator.work import CHECKPOINT_SECONDS, WARM_UP_SECONDS
from tests.support.parts import ROOT


def struck(scenario: str, nodes: int = 32) -> tuple[Floor, Incident, Machine]:
    """A floor with one scenario, its incident, and the machine that it strikes."""
    floor = plan_floor(nodes, seed=1)
    (incident,) = scenarios()[scenario].place(floor)
    return floor, incident, Machine(floor, incident.node, [incident])


def test_all_scenarios_of_the_folder_are_known() -> None:
    expected = (
        "gaudiport hung ibflap idleheld leftover mixed nodelost nvlink offender ringhang services settings steady "
        "straggler supply sympathy thermal unused xid79 xid95"
    )
    assert scenario_names() == expected.split()


def test_the_document_of_the_demo_tells_of_every_scenario() -> None:
    text = (ROOT / "docs" / "demo.md").read_text()
    assert [name for name in scenario_names() if f"| `{name}` |" not in text] == []


def test_the_floor_has_every_shape_unique_names_and_is_the_same_for_the_same_seed() -> None:
    floor = plan_floor(32, seed=1)
    assert {plan.shape.name for plan in floor.nodes} == set(SHAPES)
    assert len({plan.name for plan in floor.nodes}) == 32
    assert plan_floor(32, seed=1) == floor
    assert plan_floor(32, seed=2) != floor


@pytest.mark.parametrize("nodes", [1, 2, 3, 5, 8, 64, 200])
@pytest.mark.parametrize("scenario", scenario_names())
def test_every_scenario_can_be_placed_on_every_floor(scenario: str, nodes: int) -> None:
    floor = plan_floor(nodes, seed=4)
    incidents = scenarios()[scenario].place(floor)
    assert all(0 <= incident.node.index < nodes for incident in incidents)
    assert describe(scenario, incidents)


def test_in_the_mixed_scenario_something_is_odd_at_once_and_several_things_begin_within_twenty_seconds() -> None:
    incidents = scenarios()["mixed"].place(plan_floor(32, seed=1))
    begins = sorted(incident.first for incident in incidents)
    assert begins[0] == 0
    assert sum(first <= 20 for first in begins) >= 5
    assert len({incident.node.index for incident in incidents}) == len(incidents)


def test_a_machine_is_the_same_whoever_looks_when() -> None:
    floor = plan_floor(8, seed=1)
    incidents = scenarios()["mixed"].place(floor)
    often, once = (Machine(floor, floor.nodes[0], incidents) for _ in range(2))
    for tenth in range(2000):
        often.at(tenth / 10)
    once.at(199.9)
    assert often.boards == once.boards
    assert (often.host, often.ports) == (once.host, once.ports)


def test_one_who_comes_days_later_sees_counters_of_that_size() -> None:
    floor = plan_floor(8, seed=1)
    early, late = (Machine(floor, floor.nodes[0], []) for _ in range(2))
    for hour in range(6):
        early.at(hour * 3600.0)
    late.at(5 * 3600.0)
    assert late.boards[0].energy.value == pytest.approx(early.boards[0].energy.value, rel=0.1)
    late.at(3 * 86_400.0)
    assert late.boards[0].energy.value > 10 * early.boards[0].energy.value


@given(st.lists(st.floats(0.001, 9.0), min_size=2, max_size=40))
def test_counters_never_run_back_whenever_they_are_read(pauses: list[float]) -> None:
    _, incident, machine = struck("nvlink")
    t, before = incident.first, [0.0] * 4
    for pause in pauses:
        t += pause
        board = machine.at(t).boards[5]
        counters = (board.energy, board.link_bytes, board.pcie_rx, machine.host.net_rx)
        now = [machine.now(counter) for counter in counters]
        assert all(new >= old for new, old in zip(now, before, strict=True))
        before = now


def test_boards_of_one_job_work_together_and_rest_together() -> None:
    floor = plan_floor(8, seed=1)
    slot = next(slot for slot in floor.slots if slot.kind.name == "pretrain" and len(slot.nodes) > 1)
    machines = [Machine(floor, floor.nodes[node], []) for node in slot.nodes]
    job = slot.job(0)
    assert job is not None
    every = job.kind.checkpoint_every
    checkpoint = next(
        t for t in range(600) if (t - job.started) > WARM_UP_SECONDS and 3 < (t - job.started) % every < 6
    )
    for t, works in ((checkpoint + 5 * CHECKPOINT_SECONDS, True), (checkpoint + every, False)):
        utils = [board.util for machine in machines for board in machine.at(t).boards]
        assert all((util > 80) is works for util in utils)


def test_power_follows_load_and_heat_follows_power() -> None:
    floor = plan_floor(32, seed=1)
    node = next(plan for plan in floor.nodes if plan.shape.name == "rtx")
    machine = Machine(floor, node, []).at(200)  # one busy and one idle consumer board
    busy, idle = machine.boards
    assert busy.job is not None
    assert idle.job is None
    assert busy.power > 5 * idle.power
    assert busy.temp > idle.temp + 15


def test_thermal_margin_vanishes_clocks_fall_and_all_recovers() -> None:
    _, incident, machine = struck("thermal")
    board, slowdown_at = machine.boards[6], machine.plan.shape.board.slowdown_at  # type: ignore[union-attr]
    before = machine.at(incident.first - 1).boards[6].temp
    seen = [machine.at(incident.first + t).boards[6].throttle for t in range(60)]
    assert any(bits & HARD_THERMAL and bits & SLOWDOWN for bits in seen)
    board = machine.boards[6]
    assert board.temp > before + 15
    assert board.temp > slowdown_at - 12
    assert board.clock_sm < 0.95 * machine.boards[0].clock_sm
    machine.at(incident.first + incident.lasts + 90)
    assert machine.boards[6].clock_sm == machine.boards[0].clock_sm


def test_xid79_loses_a_board_ends_the_job_everywhere_and_a_reboot_brings_it_back() -> None:
    floor, incident, machine = struck("xid79")
    mate = next(
        node for slot in floor.slots_on(incident.node.index) for node in slot.nodes if node != incident.node.index
    )
    other = Machine(floor, floor.nodes[mate], [incident])
    assert other.at(incident.first - 1).boards[0].job is not None
    assert machine.at(incident.first + 1).faults.lost == {3}
    assert machine.faults.xid == {3: 79}
    assert other.at(incident.first + 10).boards[0].job is None
    machine.at(incident.first + 130)
    assert machine.faults.down
    machine.at(incident.first + 150)
    assert (machine.boots, machine.faults.lost, machine.faults.down) == (1, set(), False)
    assert other.at(incident.first + 165).boards[0].job is not None


def test_nvlink_counts_errors_then_one_link_is_down() -> None:
    _, incident, machine = struck("nvlink")
    assert machine.at(incident.first + 10).boards[5].struck[7].errors.value > 500
    assert not machine.faults.links_down
    assert machine.at(incident.first + 15).faults.links_down == {(5, 7)}
    assert machine.now(machine.boards[5].struck[7].silence) > 0
    assert machine.at(incident.first + incident.lasts + 1).faults.links_down == set()


def test_a_gaudi_port_is_down_at_both_ends_and_its_neighbours_are_not() -> None:
    _, incident, machine = struck("gaudiport")
    assert machine.at(incident.first + 10).boards[2].struck[7].errors.value > 100
    machine.at(incident.first + 20)
    assert len(machine.faults.links_down) == 2
    ((board, link),) = machine.faults.links_down - {(2, 7)}
    assert topology.other_end(machine.plan.shape, board, link) == (2, 7)
    assert machine.boards[2].struck.keys() == {7}


def test_a_flapping_port_counts_its_falls_and_slows_its_job() -> None:
    _, incident, machine = struck("ibflap")
    steady = machine.at(incident.first + 20).ports[2].symbol_errors.value
    assert machine.at(incident.first + 28).faults.ports_down == {2}
    falls = machine.ports[2].downs.value
    assert machine.at(incident.first + 60).ports[2].downs.value == falls + 1
    assert machine.ports[2].symbol_errors.value > steady > 0
    assert machine.ports[1].downs.value == 0


def test_a_straggler_is_slow_and_its_mates_wait_at_full_utilisation() -> None:
    _, incident, machine = struck("straggler")
    free = Machine(*struck("straggler")[0:1], incident.node, []).at(incident.first + 60)
    machine.at(incident.first + 60)
    slow, mate = machine.boards[1], machine.boards[0]
    assert slow.clock_sm < 0.6 * mate.clock_sm
    assert slow.throttle & BRAKE
    assert mate.util == free.boards[0].util
    assert mate.power < 0.75 * free.boards[0].power


def test_held_boards_have_memory_and_a_process_but_no_load() -> None:
    _, _, machine = struck("idleheld")
    held = machine.at(30).boards[-1]
    assert held.job is not None
    assert held.job.kind.name == "notebook"
    assert held.memory_used > 0.5 * machine.plan.shape.board.memory_bytes  # type: ignore[union-attr]
    assert held.util == 0


def test_a_lost_node_is_down_and_comes_back_with_fresh_counters() -> None:
    _, incident, machine = struck("nodelost")
    energy = machine.at(incident.first + 10).boards[0].energy.value
    assert machine.faults.down
    machine.at(incident.first + 45)
    assert not machine.faults.down
    assert machine.boots == 1
    assert machine.boards[0].energy.value < energy
    assert machine.at(incident.first + 345).boots == 2


def test_nothing_is_wrong_in_the_steady_scenario() -> None:
    assert scenarios()["steady"].place(plan_floor(32, seed=1)) == []


@pytest.mark.parametrize("scenario", [name for name in scenario_names() if name not in ("steady", "idleheld")])
def test_what_happens_happens_again(scenario: str) -> None:
    floor = plan_floor(32, seed=1)
    for incident in scenarios()[scenario].place(floor):
        assert incident.since(incident.first + 1) == 1
        assert incident.since(incident.first + incident.every + 1) == 1
        assert incident.lasts <= incident.every


def test_a_board_that_is_reset_is_told_by_the_kernel_alone() -> None:
    _, incident, machine = struck("ringhang")
    told = [
        line.partition(": amdgpu: ")[2].split("(")[0].split(",")[0] for _, line in incident.logged(incident.first + 20)
    ]
    assert told == ["ring sdma0 timeout", "GPU reset begin!", "VRAM is lost due to GPU reset!", "GPU reset"]
    records = kernel_log.records(machine.at(incident.first + 13))
    assert [record.split(";")[1].split()[-1] for record in records] == ["seq=81206", "begin!"]
