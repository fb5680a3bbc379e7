"""What a frame shows of jobs becomes lineage by the names that the fleet has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.support.frames import settled
from tests.support.lineages import FIRST, job
from watchfloor.fleet import Fleet
from watchfloor.jobs.model import SchedulerNode
from watchfloor.jobs.view import Jobs
from watchfloor.lineage.graph import Graph, Key, Kind
from watchfloor.lineage.reach import Asked
from watchfloor.lineage.sights import Sights
from watchfloor.lineage.watch import MOST_NEWS, Watch
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record, Records
from watchfloor.records.lineage import LineageStore


def test_nodes_and_boards_go_by_the_names_of_the_fleet() -> None:
    frame = settled()
    owners = np.full(frame.accelerators.count, -1, np.int32)
    owners[0] = 0
    node = int(frame.accelerators.node[0])
    scheduler = {node: SchedulerNode("n2", "mixed")}
    watch = Watch()
    Sights(watch).take(replace(frame, jobs=Jobs([job(FIRST)], owners=owners, scheduler=scheduler)))
    changes = watch.due()
    graph = Graph(changes.entities, changes.edges)
    name = frame.specs[node].name
    assert {one.name for one in graph.of_kind(Kind.NODE)} >= {name, "n3"}
    assert "n2" not in {one.name for one in graph.of_kind(Kind.NODE)}
    assert f"{name}/gpu0" in {one.name for one in graph.of_kind(Kind.ACCELERATOR)}


def test_what_comes_between_two_sights_counts_at_the_end() -> None:
    """A command that asks once ends with the answer, right behind a frame without jobs."""
    frame, watch = settled(), Watch()
    sights = Sights(watch)
    sights.take(replace(frame, jobs=Jobs()))
    sights.take(replace(frame, jobs=Jobs([job(FIRST)]), at=frame.at + 0.5))
    assert not watch.due()
    sights.take_last()
    assert watch.due()
    watch.saved(watch.due())
    sights.take_last()
    assert not watch.due()


def test_all_jobs_of_a_command_that_asks_once_are_on_record() -> None:
    """A sight takes some hundred jobs, the next one the next; behind the last there is none."""
    frame, watch = settled(), Watch()
    sights = Sights(watch)
    told = [replace(job(FIRST), id=f"slurm:{number}") for number in range(3 * MOST_NEWS)]
    sights.take(replace(frame, jobs=Jobs(told)))
    sights.take_last()
    assert sum(entity.key.kind is Kind.JOB for entity in watch.due().entities) == len(told)


def test_a_board_that_a_console_has_not_heard_of_yet_keeps_the_name_that_it_had(tmp_path: Path) -> None:
    """What is on record of a finding is there before its node has said anything."""
    frame = settled()
    board, node = frame.accelerators.keys[0], frame.specs[int(frame.accelerators.node[0])].name
    found = Finding(Subject(Scope.ACCELERATOR, node, board), "xid-fatal", State.CRITICAL, "it has fallen off the bus")
    unheard = Fleet(frame.specs, lambda: frame.at)
    unheard.tick()
    store = LineageStore(str(tmp_path / "lineage.db"))
    for seen in (frame, unheard.frame()):
        record, watch = Record(found, frame.at, frame.at), Watch()
        Sights(watch).take(replace(seen, records=Records({record.key: record}, frame.at)))
        store.save(watch.due(), frame.at)
    kept = store.around(Asked(Key.of(Kind.FINDING, f"xid-fatal@{found.subject}"), None, None))
    store.close()
    (finding,) = kept.of_kind(Kind.FINDING)
    assert (finding.label, finding.facts["on"]) == (f"xid-fatal on {node}/gpu0", f"{node}/gpu0")
