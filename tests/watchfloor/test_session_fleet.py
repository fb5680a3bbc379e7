"""A floor of all vendors on which much is wrong, recorded: what is replayed is what was, value by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.floor import NodePlan, plan_floor
from collectors.simulator.hardware import SHAPES
from tests.support.forwarded import ForwardedDemo
from tests.support.sessions import KEY_SECONDS, differences
from tests.watchfloor.test_partitions import fleet_of_partitions
from watchfloor import checks
from watchfloor.events import EventLog
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.model import Missing
from watchfloor.report import Schema, Table
from watchfloor.session.chapters import EVENT, neighbour
from watchfloor.session.contents import Contents
from watchfloor.session.reader import Session
from watchfloor.session.writer import Head, SessionWriter

SECONDS = int(KEY_SECONDS) + 10  # two keys; all that goes wrong has begun, and some of it is over
SOME = 3  # each so manieth second is compared


def test_a_floor_of_all_vendors_with_faults_jobs_and_links_comes_back(tmp_path: Path) -> None:
    floor = plan_floor(32, seed=1)
    names = ("hung", "nodelost", "xid79", "nvlink", "gaudiport", "ringhang")
    incidents = [replace(one, lasts=40) for name in names for one in scenarios()[name].place(floor)]
    demo, roll = ForwardedDemo(floor, incidents, _one_of_each(floor.nodes, incidents)), Roll()
    writer = SessionWriter(tmp_path / "s", Head(demo.at, list(demo.fleet.specs), {}), KEY_SECONDS)
    frames: list[Frame] = []
    for second in range(SECONDS):
        frame = demo.step()
        if second % 10 == 0:
            roll.answer(_answer(frame))
        frame = replace(frame, jobs=roll.frame(frame), records=demo.log.records)
        writer.frame(frame)
        frames.append(replace(frame, events=EventLog.of(frame.events.newest(9999))))  # the log itself goes on
    writer.end()
    _much_is_wrong(frames)
    _the_same(tmp_path / "s", frames)
    for words in ("xid 79", "h100-08", "page-fault"):
        assert _found(tmp_path / "s", words) is (words != "page-fault"), words


def _found(path: Path, words: str) -> bool:
    """Whether `:seek -event` leads anywhere from the end of a session."""
    contents = Contents(session := Session(path))
    while contents.searching:
        contents.read_older()
    return neighbour(contents.chapters, session.end, False, EVENT, words) is not None


def _one_of_each(nodes: Sequence[NodePlan], incidents: Sequence[Incident]) -> list[NodePlan]:
    """Those that are struck, and one of each shape of which none is."""
    struck = [incident.node for incident in incidents]
    others = [shape for shape in SHAPES.values() if shape not in [plan.shape for plan in struck]]
    return struck + [next(plan for plan in nodes if plan.shape is shape) for shape in others]


def _answer(frame: Frame) -> SourceAnswer:
    held = tuple(Allocation(spec.name, 4, tuple(range(4))) for spec in frame.specs if spec.group in ("h100", "tpu"))
    job = Job("slurm:41", "alpha", "slurm", "41", "train", "mira", state=JobState.RUNNING, allocations=held)
    return SourceAnswer(SourceStatus("alpha", "slurm", SourceState.OK, frame.at, 0.1, 5.0), (job,), ())


def _much_is_wrong(frames: Sequence[Frame]) -> None:
    """So that this says something: each vendor's boards, links of each kind, and each reason for a missing value."""
    boards, links = frames[-1].accelerators, frames[-1].links
    assert len({boards.text(row, "model") for row in range(boards.count)}) == len(SHAPES) - 1  # one has no boards
    kinds = {links.text(row, "kind") for row in range(links.count)}
    assert kinds >= {"nvlink", "xgmi", "ici", "neuronlink", "gaudi", "xelink", "infiniband", "pcie"}
    seen = [frame.accelerators.reasons(name) for frame in frames[::SOME] for name in ("util", "temp", "power", "mig")]
    reasons = {int(code) for codes in seen for code in np.unique(codes)}
    assert reasons >= {Missing.NO, Missing.UNSUPPORTED, Missing.TIMED_OUT, Missing.LOST, Missing.STALE}
    assert {finding.code for frame in frames for finding in frame.findings} >= {
        "sampler-hung", "node-refused", "accelerator-lost", "nvlink-down", "gaudi-down", "event-reset",
    }  # fmt: skip


def _the_same(path: Path, frames: Sequence[Frame]) -> None:
    session = Session(path)
    reel, moments = session.reel(session.begin), [*session.moments(session.begin, session.end)]
    assert len(moments) == len(frames)
    for number, (frame, moment) in enumerate(zip(frames, moments, strict=True)):
        if number:
            reel.run(moment)
        if number % SOME == 0 or frame is frames[-1]:
            assert differences(frame, reel.frame()) == [], number


def test_boards_that_are_divided_anew_come_back(tmp_path: Path) -> None:
    fleet = fleet_of_partitions()
    writer = SessionWriter(tmp_path / "s", Head(0.0, list(fleet.specs), {}))
    frames = [_judged(fleet.frame())]
    fleet.schema(0, Schema(2, {"accelerator": Table(["GPU-0", "GPU-1"], ["partition_of", "util", "uuid"])}))
    frames.append(replace(_judged(fleet.frame()), at=frames[0].at + 1))
    for frame in frames:
        writer.frame(frame)
    writer.end()
    _the_same(tmp_path / "s", frames)


def _judged(frame: Frame) -> Frame:
    return frame.with_findings(checks.run(frame))
