"""A finding that came more than once: each time has its own begin and end, in the tree and in what may be a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.lineages import FIRST, FIRST_OVER, GPU, HELD, MINUTE, NAMES, TEN, XID, job
from watchfloor.lineage.answer import answer
from watchfloor.lineage.branch import folded, lines
from watchfloor.lineage.graph import Graph, Key, Kind
from watchfloor.lineage.openlineage import events
from watchfloor.lineage.reach import Asked
from watchfloor.lineage.times import Times
from watchfloor.lineage.tree import tree
from watchfloor.lineage.watch import Watch
from watchfloor.record import Record
from watchfloor.records.lineage import LineageStore

JOB = Key(Kind.JOB, "slurm:4242")
FINDING = Key(Kind.FINDING, "xid-fatal@n2/GPU-2-3")
NOW = Times(TEN + 120 * MINUTE)
CAME, WENT, CAME_AGAIN = TEN + 10 * MINUTE, TEN + 15 * MINUTE, TEN + 95 * MINUTE


@pytest.fixture
def store(tmp_path: Path) -> LineageStore:
    """A board that was faulty twice while a job held it: the second time the job failed."""
    watch = Watch()
    first = Record(XID, CAME, CAME)
    over = replace(first, last=WENT, holds=False)
    again = Record(XID, CAME, CAME_AGAIN, times=2)
    for at, one, record in (
        (CAME, job(FIRST), first), (WENT + 1, job(FIRST), over), (CAME_AGAIN, job(FIRST), again),
        (TEN + 101 * MINUTE, job(FIRST_OVER), again),
    ):  # fmt: skip
        watch.update(at, [one], {"slurm:4242": HELD}, [record], {}, NAMES)
    kept = LineageStore(str(tmp_path / "lineage.db"))
    kept.save(watch.due(), TEN + 101 * MINUTE)
    return kept


def shown(graph: Graph, root: Key) -> list[str]:
    return [line.lstrip("│├└ ") for line in lines(folded(tree(graph, root, NOW), NOW))]


@pytest.mark.parametrize("root", [JOB, Key(Kind.NODE, "n2"), Key(Kind.ACCELERATOR, str(GPU))])
def test_each_time_has_a_line_with_its_own_begin_and_end(store: LineageStore, root: Key) -> None:
    told = [line for line in shown(store.around(Asked(root)), root) if line.startswith("finding xid-fatal")]
    assert [line.partition(": ")[0] for line in told] == [
        "finding xid-fatal on n2/gpu3 10:10–10:15", "finding xid-fatal on n2/gpu3 since 11:35",
    ]  # fmt: skip


def test_what_came_again_before_the_end_may_be_why(store: LineageStore) -> None:
    said = answer(store.around(Asked(JOB)), JOB, NOW)
    assert said == (
        "attempt 1 ended with NODE_FAIL at 11:40: gpu3 of n2 had XID 79: the board has fallen off the bus (11:35)"
    )


def test_a_finding_says_how_often_it_came_and_when(store: LineageStore) -> None:
    graph = store.around(Asked(FINDING))
    assert "(2 times, last since 11:35)" in answer(graph, FINDING, NOW)
    told = [line.partition(": ")[0] for line in shown(graph, FINDING) if line.startswith("came ")]
    assert told == ["came 10:10–10:15", "came since 11:35"]


def test_other_programs_are_told_each_time(store: LineageStore) -> None:
    graph = store.around(Asked(JOB))
    runs: list[Any] = [event["run"] for event in events(graph, NOW)]
    told = next(run["facets"]["watchfloor_findings"] for run in runs if "watchfloor_findings" in run["facets"])[
        "findings"
    ]
    assert [(one["start"][11:16], one["end"] and one["end"][11:16]) for one in told] == [
        ("10:10", "10:15"), ("11:35", None),
    ]  # fmt: skip


def test_only_what_went_on_in_the_time_that_is_asked_for_is_told(store: LineageStore) -> None:
    root = Key(Kind.NODE, "n2")
    graph = store.around(Asked(root, since=TEN + 60 * MINUTE))
    told = [line for line in shown(graph, root) if line.startswith("finding xid-fatal")]
    assert [line.partition(": ")[0] for line in told] == ["finding xid-fatal on n2/gpu3 since 11:35"]
