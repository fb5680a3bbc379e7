"""The wire-level fleet: what it says is the protocol, and its faults are what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from collectors.simulator.wire import start_wire_fleet
from collectors.simulator.wire_lines import (
    METRICS,
    NODE_METRICS,
    NUMBERS,
    SCRIPTS,
    STEPS,
    accelerator_keys,
    hello_line,
    identity_line,
    make_scripts,
    schema_line,
)
from tests.support.patience import PATIENCE_SECONDS
from watchfloor import wiring
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Phase, Problem, Scope
from watchfloor.report import Hello, Report, Schema, decode


def test_its_metrics_are_those_of_the_catalogue() -> None:
    assert set(METRICS) <= set(CATALOGUE[Scope.ACCELERATOR])
    assert set(NODE_METRICS) <= set(CATALOGUE[Scope.NODE])
    assert len(NUMBERS) == 25


def test_its_lines_are_the_protocol() -> None:
    keys = accelerator_keys(7, 8)
    hello = decode(hello_line("n0007", "boot", "digest", 1.0))
    schema = decode(schema_line(keys))
    identity = decode(identity_line("n0007", "boot", keys, 3, 1.0))
    assert isinstance(hello, Hello)
    assert isinstance(schema, Schema)
    assert isinstance(identity, Report)
    assert schema.tables["accelerator"].keys == identity.cells["accelerator"].x == keys


def test_changes_applied_one_by_one_give_the_full_report() -> None:
    script = make_scripts(8, seed=3, count=1)[0]
    held: dict[str, dict[int, float]] = {"node": {}, "accelerator": {}}
    for step in range(STEPS + 5):
        for full in (step == 0, True):
            report = decode(script.line(step, step, 1.0, 10 + step, full))
            assert isinstance(report, Report)
            for scope, cells in report.cells.items():
                new = dict(zip(cells.p, cells.v, strict=True))
                if report.full and held[scope]:
                    assert {**held[scope], **new} == held[scope]
                held[scope].update(new)


def test_about_73_of_200_cells_change_a_second_and_counters_never_run_back() -> None:
    scripts = make_scripts(8, seed=1)
    assert len(scripts) == SCRIPTS
    changed, energies = [], []
    for step in range(3 * STEPS):
        report = decode(scripts[0].line(step, step, 1.0, step, False))
        assert isinstance(report, Report)
        cells = report.cells["accelerator"]
        changed.append(len(cells.p))
        energies.append(cells.v[:8])
    assert 60 <= np.mean(changed) <= 90
    assert (np.diff(energies, axis=0) > 0).all()


def first_report(frame: Frame) -> bool:
    return frame.accelerators.count == 8 * len(frame.specs) and not np.isnan(frame.accelerators.known("power")).any()


async def test_its_nodes_report_through_the_real_supervisor() -> None:
    fleet = await start_wire_fleet(20)
    try:
        frame = await wiring.collect(fleet.specs, PATIENCE_SECONDS, first_report)
    finally:
        await fleet.close()
    assert {status.phase for status in frame.statuses} == {Phase.LIVE}
    assert frame.nodes.text(19, "hostname") == "n0019"
    assert len({frame.accelerators.text(row, "uuid") for row in range(160)}) == 160
    assert not fleet.folder.exists()


async def test_all_tick_in_the_same_instant_when_asked_to() -> None:
    fleet = await start_wire_fleet(12, same_instant=True)
    ticks: list[float] = []

    def enough(frame: Frame) -> bool:
        ages = frame.nodes.known("age")
        if first_report(frame):
            ticks.append(float(np.ptp(ages)))
        return len(ticks) > 25

    try:
        await wiring.collect(fleet.specs, PATIENCE_SECONDS, enough)
    finally:
        await fleet.close()
    assert np.median(ticks) < 0.3  # spread over a second they would be nearly 1


FAULTS = {1: "garbage", 2: "flood", 3: "close", 4: "silent", 5: "hang"}


@pytest.mark.usefixtures("strict_budget")
async def test_faulty_nodes_are_seen_as_what_they_are_and_their_neighbours_are_fine() -> None:
    fleet = await start_wire_fleet(7, faults=FAULTS)
    seen: dict[int, set[Problem | Phase]] = {node: set() for node in FAULTS}

    def all_seen(frame: Frame) -> bool:
        for node, words in seen.items():
            words |= {frame.statuses[node].problem, frame.statuses[node].phase}
        return (
            Problem.GARBAGE in seen[1]
            and Problem.FLOOD in seen[2]
            and not seen[3].isdisjoint({Problem.CLOSED, Problem.GARBAGE})
            and Phase.STALE in seen[4]
        )

    try:
        frame = await wiring.collect(fleet.specs, PATIENCE_SECONDS, all_seen)
    finally:
        await fleet.close()
    assert all_seen(frame), seen
    assert frame.detail[5].hello is None
    assert Phase.LIVE not in seen[5]
    assert frame.statuses[0].phase is frame.statuses[6].phase is Phase.LIVE
