"""A partitioned accelerator is one accelerator; its partitions are counted apart, in the header and in the snapshot."""

from __future__ import annotations

from tui.present.header import second_line, summarise
from tui.present.style import UNICODE
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec, NodeStatus, Phase
from watchfloor.report import Cells, Report, Schema, Table
from watchfloor.snapshot.document import document
from watchfloor.snapshot.selection import select


def partitioned() -> Frame:
    """Two boards, the second one in two parts: as the NVIDIA sampler tells it."""
    fleet = Fleet([NodeSpec("a")], lambda: 1000.0)
    keys = ["GPU-0", "GPU-1", "MIG-0", "MIG-1"]
    fleet.schema(0, Schema(1, {"accelerator": Table(keys, ["partition_of", "util"])}))
    parents = Cells(p=[1], v=[50.0], mp=[3, 5, 7], mc=[2, 2, 2], xp=[0, 2, 4, 6], x=["", "", "GPU-1", "GPU-1"])
    fleet.report(0, Report(1, 1, 1000.0, full=True, cells={"accelerator": parents}), 1000.0)
    fleet.status(0, NodeStatus(Phase.LIVE))
    return fleet.frame()


def test_the_header_counts_devices() -> None:
    summary = summarise(partitioned())
    assert (summary.accelerators, summary.partitions) == (2, 2)
    assert (summary.busy, summary.idle, summary.faulted, summary.unknown) == (1, 0, 0, 1)
    line = "".join(text for text, _ in second_line(summary, UNICODE, 160))
    assert "accelerators 2  1 busy · 0 idle · 1 unknown · 2 partitions" in line


def test_the_snapshot_counts_devices_and_shows_all_rows() -> None:
    found = document(select(partitioned(), None))
    assert isinstance(found["summary"], dict) and isinstance(found["nodes"], list)
    assert found["summary"]["accelerators"] == {"total": 2, "shown": 2}
    assert found["summary"]["partitions"] == {"total": 2, "shown": 2}
    assert [row["key"] for row in found["nodes"][0]["accelerators"]] == ["GPU-0", "GPU-1", "MIG-0", "MIG-1"]
