"""Numbers of many reports are placed together, each where its own table means it, in the order of the telling."""

from __future__ import annotations

import numpy as np
import pytest

from watchfloor.errors import StreamError
from watchfloor.fleet import Fleet
from watchfloor.frame import Cell
from watchfloor.model import Missing, NodeSpec, NodeStatus, Phase
from watchfloor.report import Cells, Hello, Report, Schema, Table
from watchfloor.told import LOG_CELLS

DIALECTS = (["util", "temp", "model"], ["temp", "unheard_of", "power", "util"], ["util", "temp", "model"])
BOARDS = (3, 1, 2)
NODES = 9
AT = 1_000_000.0


@pytest.fixture
def fleet() -> Fleet:
    """Nodes of three kinds in turns, whose probes name other metrics in another order, of other numbers of boards."""
    fleet = Fleet([NodeSpec(f"n{node}") for node in range(NODES)], lambda: AT)
    for node in range(NODES):
        fleet.status(node, NodeStatus(Phase.LIVE))
        fleet.hello(node, Hello(1, f"host{node}", "boot", AT, "digest"), AT)
        keys = [f"{node}/{board}" for board in range(BOARDS[node % 3])]
        fleet.schema(node, Schema(1, {"accelerator": Table(keys, DIALECTS[node % 3])}))
    return fleet


def say(fleet: Fleet, node: int, **cells: list) -> None:
    fleet.report(node, Report(1, 1, AT, cells={"accelerator": Cells(**cells)}), AT)


def test_nodes_that_speak_differently_are_each_understood_when_they_speak_in_turns(fleet: Fleet) -> None:
    for turn in range(3):
        for node in range(NODES):
            metrics, boards = DIALECTS[node % 3], BOARDS[node % 3]
            places = [
                board * len(metrics) + metrics.index(name) for board in range(boards) for name in ("util", "temp")
            ]
            say(fleet, node, p=places, v=[100.0 * turn + 10 * node + number for number in range(len(places))])
    view, told = (
        fleet.frame().accelerators,
        [(node, board) for node in range(NODES) for board in range(BOARDS[node % 3])],
    )
    assert list(zip(view.node.tolist(), view.known("util").tolist(), view.known("temp").tolist(), strict=True)) == [
        (node, 200.0 + 10 * node + 2 * board, 201.0 + 10 * node + 2 * board) for node, board in told
    ]


def test_of_a_number_a_reason_and_a_number_in_one_go_the_last_counts(fleet: Fleet) -> None:
    say(fleet, 0, p=[0, 1], v=[1.0, 2.0])
    say(fleet, 0, mp=[0, 1], mc=[Missing.TIMED_OUT, Missing.TIMED_OUT])
    say(fleet, 0, p=[0], v=[3.0])
    view = fleet.frame().accelerators
    assert view.cell(0, "util") == Cell(3.0)
    assert view.cell(0, "temp") == Cell(2.0, Missing.TIMED_OUT)


def test_one_report_that_does_not_fit_costs_the_others_nothing(fleet: Fleet) -> None:
    say(fleet, 0, p=[0], v=[1.0])
    for cells in ({"p": [99], "v": [1.0]}, {"p": [0, 1], "v": [1.0]}, {"p": [2], "v": [1.0]}):
        with pytest.raises(StreamError):
            say(fleet, 3, **cells)
    say(fleet, 6, p=[0], v=[2.0])
    known = fleet.frame().accelerators.known("util")
    assert known[np.isfinite(known)].tolist() == [1.0, 2.0]


def test_a_report_of_more_cells_than_are_kept_for_later_is_taken_whole(fleet: Fleet) -> None:
    many = LOG_CELLS + 1
    say(fleet, 0, p=[3], v=[7.0])
    say(fleet, 0, p=[0] * many, v=[float(number) for number in range(many)])
    assert fleet.frame().accelerators.known("util")[:2].tolist() == [LOG_CELLS, 7.0]
