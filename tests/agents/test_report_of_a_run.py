"""A report of what really was on a simulated floor: faults found, a run proposed, carried out and verified, a job lost.

The ledger is the watchman's own, lineage what its frames told, the recording the frames themselves.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC

from tests.agents.test_watchman import Told, rounds, watchman, xid
from tests.support.reports import plain, rows, value
from tests.support.road import Road
from watchfloor.findings import FindingLog
from watchfloor.frame import Frame
from watchfloor.lineage.sights import Sights
from watchfloor.lineage.watch import Watch
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.records.lineage import LineageStore
from watchfloor.reporting.document import document
from watchfloor.reporting.figures import Report
from watchfloor.reporting.kept import Window
from watchfloor.reporting.reading import Places, kept
from watchfloor.reporting.whole import report
from watchfloor.session.writer import Head, SessionWriter

XID = Finding(Subject(Scope.ACCELERATOR, "dgx-02", "GPU-dgx-02-0"), "xid-fatal", State.CRITICAL, "it fell off the bus")


class Console:
    """What a console keeps beside the ledger: lineage and a recording of every frame that it is shown."""

    def __init__(self, road: Road) -> None:
        self._road, self._watch, self._log = road, Watch(), FindingLog()
        self._sights = Sights(self._watch)
        (road.folder / "sessions").mkdir()
        specs = list(road.floor.frame().specs)
        self._writer = SessionWriter(road.folder / "sessions" / "1.session", Head(road.now(), specs))

    def see(self, findings: tuple[Finding, ...]) -> None:
        frame: Frame = self._road.floor.frame().with_findings(findings)
        frame = replace(frame, records=self._log.update(frame))
        self._sights.take(frame)
        self._writer.frame(frame)

    def close(self) -> None:
        self._sights.take_last()
        store = LineageStore(str(self._road.folder / "lineage.db"))
        store.save(self._watch.due(), self._road.now())
        store.close()
        self._writer.end()


async def a_while(road: Road) -> Report:
    """Five minutes all is well; then a board fails, and its node is drained; ten minutes later it is well again."""
    since, console, man = road.now(), Console(road), watchman(road, Told())
    for minute in range(20):
        if minute == 5:
            xid(road, "dgx-02")
        await rounds(road, man, 1, seconds=60.0)
        console.see((XID,) if 5 <= minute < 15 else ())
    console.close()
    places = Places(road.folder / "ledger.db", str(road.folder / "lineage.db"), road.folder / "sessions")
    return report(kept(places, Window(since, road.now() + 1.0)), road.now(), UTC, {"by": "anna"})


async def test_what_was_on_a_simulated_floor_is_told_as_it_was(road: Road) -> None:
    told = await a_while(road)
    of = {section.key: section for section in told.sections}
    nodes, down, all_of_it = 13, 10 / 60, 19 / 60  # hours; the first frame comes a minute after the beginning
    assert road.nodes.log == ["dgx-02=drained"]
    availability = value(of["availability"], "availability")
    assert isinstance(availability, float) and abs(availability - (1 - down / (nodes * all_of_it))) < 0.01
    assert (value(of["availability"], "failures"), value(of["availability"], "open")) == (1, 0)
    mttr = value(of["availability"], "mttr")
    assert isinstance(mttr, float) and abs(mttr - 600.0) <= 60.0
    assert [row[:4] for row in rows(of["faults"], "by_code")] == [("xid-fatal", "critical", 1, 1)]
    assert rows(of["acts"], "by_verdict") == [("drain", 1, 1, 0, 0, 0, 0)]
    assert rows(of["acts"], "by_outcome")[0][:3] == ("drain", 1, 1)
    assert [row[0] for row in rows(of["acts"], "by_asker")] == ["service watch"]
    assert value(of["hours"], "saved") == "no code of theirs came 3 times without an act, to compare with"
    lost = value(of["hours"], "down")
    assert isinstance(lost, float) and abs(lost - down) < 0.02, "one of its boards"
    energy = value(of["energy"], "energy")
    assert isinstance(energy, float) and energy > 0
    watched = value(of["basis"], "watched")
    assert isinstance(watched, float) and abs(watched - 1200.0) <= 60.0
    assert of["basis"].remarks == () and plain(of["basis"].figures[0].figure) == nodes
    json.dumps(document(told), allow_nan=False)
