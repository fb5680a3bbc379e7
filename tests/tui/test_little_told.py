"""What the node page makes of accelerators of which their vendor's tools tell little: no empty charts, no cut names."""

from __future__ import annotations

import pytest

from collectors.simulator.floor import plan_floor
from tests.support.forwarded import ForwardedDemo
from tui.present.panels import process_list
from tui.present.trends import plots
from watchfloor.frame import Frame
from watchfloor.model import Scope


def node_of(shape: str, seconds: int) -> Frame:
    floor = plan_floor(32, seed=1)
    demo = ForwardedDemo(floor, [], [next(plan for plan in floor.nodes if plan.shape.name == shape)])
    for _ in range(seconds - 1):
        demo.step()
    return demo.step()


@pytest.mark.parametrize(
    ("shape", "titles"),
    [
        ("tpu", ["tpu0 util", "tpu0 mem", "tpu-01 cpu", "tpu-01 mem", "tpu-01 load1", "tpu-01 netrx"]),
        ("h100", ["gpu0 util", "gpu0 mem", "gpu0 power", "gpu0 temp", "gpu0 smclk", "gpu0 linkrx"]),
    ],
)
def test_what_is_never_told_leaves_its_chart_to_the_host(shape: str, titles: list[str]) -> None:
    frame = node_of(shape, 8)
    drawn = plots(frame, 0, int(frame.rows_of(Scope.ACCELERATOR, 0)[0]), half_hour=False)
    assert [plot.title for plot in drawn] == titles


def test_names_of_accelerators_are_whole_beside_their_processes() -> None:
    listing = process_list(node_of("trn2", 12), 0, room=100)
    at = next(at for at, column in enumerate(listing.columns) if column.name == "accelerator")
    names = [listing.cells(row)[at][0] for row in range(listing.count)]
    assert "neuron15" in names
    assert max(map(len, names)) <= listing.columns[at].width
