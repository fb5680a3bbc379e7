"""A partitioned accelerator is one accelerator; its partitions are counted apart, in the header and in the snapshot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tui.present.header import second_line, summarise
from tui.present.jobs import detail_lines
from tui.present.style import UNICODE
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.jobs.view import Jobs
from watchfloor.model import Missing, NodeSpec, NodeStatus, Phase, Scope, Subject
from watchfloor.report import Cells, Report, Schema, Table
from watchfloor.snapshot.document import document
from watchfloor.snapshot.selection import select


def partitioned() -> Frame:
    return fleet_of_partitions().frame()


def fleet_of_partitions() -> Fleet:
    """Two boards, the second one in two parts: as the NVIDIA sampler tells it."""
    fleet = Fleet([NodeSpec("a")], lambda: 1000.0)
    keys = ["GPU-0", "GPU-1", "MIG-0", "MIG-1"]
    fleet.schema(0, Schema(1, {"accelerator": Table(keys, ["partition_of", "util", "mem_used", "uuid"])}))
    parents = Cells(
        p=[1, 10, 14], v=[50.0, 1e9, 2e9], mp=[5, 9, 13], mc=[2, 2, 2], xp=[0, 3, 4, 7, 8, 11, 12, 15],
        x=["", "uuid-a", "", "uuid-b", "GPU-1", "uuid-0", "GPU-1", "uuid-1"],
    )  # fmt: skip
    fleet.report(0, Report(1, 1, 1000.0, full=True, cells={"accelerator": parents}), 1000.0)
    fleet.status(0, NodeStatus(Phase.LIVE))
    return fleet


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


@pytest.mark.parametrize(
    ("held", "given"),
    [
        (Allocation("a", 1, (0,)), []),  # which of three devices has number 0, nobody says: not the whole board
        (Allocation("a", 2), []),  # two of three
        (Allocation("a", 3, (0, 1, 2)), ["GPU-0", "MIG-0", "MIG-1"]),
        (Allocation("a", 1, uuids=("uuid-1",)), ["MIG-1"]),
    ],
)
def test_a_scheduler_gives_partitions_away_and_not_the_boards_below(held: Allocation, given: list[str]) -> None:
    assert given_to(held, partitioned()) == given


@pytest.mark.parametrize(
    ("phase", "silent", "why"), [(Phase.LIVE, 0.0, Missing.UNSUPPORTED), (Phase.STALE, 1.0, Missing.STALE)]
)
def test_a_job_on_a_partition_without_utilisation_is_silent_once_its_node_is(
    phase: Phase, silent: float, why: Missing
) -> None:
    """A MIG instance tells its memory alone."""
    fleet = fleet_of_partitions()
    fleet.status(0, NodeStatus(phase))
    frame = fleet.frame()
    jobs = told(Allocation("a", 1, uuids=("uuid-1",)), frame)
    assert (jobs.view.cell(0, "silent").value, jobs.view.cell(0, "util").missing) == (silent, why)
    lines = detail_lines(replace(frame, jobs=jobs), Subject(Scope.JOB, "", "slurm:7"), 80, 12)
    last = "".join(text for text, _ in lines[-1])
    assert last.strip() == f"a×1 {'silent' if silent else 'no utilisation told'}"


@pytest.mark.parametrize(("seconds", "why"), [(5, Missing.NOT_YET), (30, Missing.UNSUPPORTED)])
def test_what_a_partition_never_tells_is_not_to_come_either(seconds: int, why: Missing) -> None:
    frame, roll = fleet_of_partitions().frame(), rolled(Allocation("a", 1, uuids=("uuid-1",)))
    jobs = [roll.frame(replace(frame, at=frame.at + second)) for second in range(seconds + 1)][-1]
    assert (jobs.view.cell(0, "watched").value, jobs.view.cell(0, "util_mean").missing) == (float(seconds), why)


def test_partitions_that_are_gone_leave_the_board_to_be_given_away() -> None:
    fleet = fleet_of_partitions()
    fleet.schema(0, Schema(2, {"accelerator": Table(["GPU-0", "GPU-1"], ["partition_of", "util", "uuid"])}))
    texts = Cells(xp=[0, 2, 3, 5], x=["", "uuid-a", "", "uuid-b"])
    fleet.report(0, Report(2, 2, 1001.0, full=True, cells={"accelerator": texts}), 1001.0)
    assert given_to(Allocation("a", 1, (1,)), fleet.frame()) == ["GPU-1"]


def given_to(held: Allocation, frame: Frame) -> list[str]:
    """The accelerators of a job that a scheduler gave this, and of which nothing runs yet."""
    return [str(frame.accelerators.keys[row]) for row in told(held, frame).accelerators_of(0).tolist()]


def told(held: Allocation, frame: Frame) -> Jobs:
    return rolled(held).frame(frame)


def rolled(held: Allocation) -> Roll:
    roll = Roll()
    job = Job("slurm:7", "alpha", "slurm", "7", state=JobState.RUNNING, allocations=(held,))
    roll.answer(SourceAnswer(SourceStatus("alpha", "slurm", SourceState.OK), (job,)))
    return roll
