"""Two moments of a fleet: what differs, what is left out, and what comes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from tests.support.frames import Machine, SyntheticFleet, machines, settled
from tests.support.onrecord import on_record
from tests.support.sessions import Floor
from watchfloor import checks
from watchfloor.compare import Comparison, Difference, compare
from watchfloor.frame import Frame
from watchfloor.model import Scope, State, Subject
from watchfloor.session.reader import Session
from watchfloor.session.writer import SessionWriter

LOST = Subject(Scope.ACCELERATOR, "dgx-02", "GPU-dgx-02-3")


@cache
def morning() -> tuple[Frame, Frame]:
    """Before the faults of the synthetic fleet and after, found by the real checks."""
    fleet = SyntheticFleet()
    found = []
    for seconds in (20, 55):
        fleet.step(seconds)
        frame = fleet.fleet.frame()
        found.append(frame.with_findings(checks.run(frame)))
    return found[0], found[1]


def by_subject(found: Comparison) -> Mapping[Subject, Difference]:
    return {one.subject: one for one in found.differences}


def test_a_moment_differs_from_itself_in_nothing() -> None:
    assert compare(settled(), settled()) == Comparison(settled().at, settled().at, [], 0)


def test_what_was_lost_tells_state_finding_and_values_with_their_reason() -> None:
    one = by_subject(compare(*morning()))[LOST]
    assert (one.before, one.after) == (State.OK, State.CRITICAL)
    assert {finding.code for finding in one.came} >= {"accelerator-lost", "xid-fatal"} and one.went == ()
    util = next(change for change in one.changes if change.metric.name == "util")
    assert util.before.missing.label == "" and util.after.missing.label == "lost"
    assert one.changes[0].metric.trend


def test_the_way_back_is_the_other_way_round() -> None:
    forth, back = compare(*morning()), compare(*reversed(morning()))
    assert forth.count == back.count
    one = by_subject(back)[LOST]
    assert (one.before, one.after, one.came) == (State.CRITICAL, State.OK, ())
    assert {finding.code for finding in one.went} >= {"accelerator-lost", "xid-fatal"}


def test_changed_states_come_first_and_the_worst_of_them() -> None:
    rows = compare(*morning()).differences
    changed = [row.before is not row.after for row in rows]
    assert changed == sorted(changed, reverse=True) and 0 < sum(changed) < len(changed)
    worst = [max(row.before or 0, row.after or 0) for row, other in zip(rows, changed, strict=True) if other]
    assert worst == sorted(worst, reverse=True)


def test_what_moves_by_itself_is_not_told() -> None:
    told = {change.metric.name for row in compare(*morning()).differences for change in row.changes}
    assert "phase" in told and "up" in told
    assert told.isdisjoint({"age", "uptime", "energy", "net_rx", "rx", "tx", "usage", "state"})


def test_a_name_stays_true_of_what_is_silent() -> None:
    silent = by_subject(compare(*morning()))[Subject(Scope.ACCELERATOR, "dgx-04", "GPU-dgx-04-1")]
    assert silent.after is State.UNKNOWN
    assert {"name", "uuid", "model"}.isdisjoint(change.metric.name for change in silent.changes)


def test_fleets_of_other_hosts_have_what_is_new_and_what_is_gone() -> None:
    def of(members: list[Machine]) -> Frame:
        fleet = SyntheticFleet(members, faults=False)
        fleet.step(3)
        return fleet.frame()

    first, others = machines()[:2], machines()[1:3]
    found = by_subject(compare(of(first), of(others)))
    gone, new = (found[Subject(Scope.NODE, name)] for name in ("dgx-01", "dgx-03"))
    assert gone.before is not None and gone.after is None
    assert new.before is None and new.after is not None
    assert not any(subject.node == "dgx-02" and found[subject].after is None for subject in found)


def test_a_finding_alone_is_a_difference() -> None:
    found = by_subject(compare(settled(), on_record()))
    assert [finding.code for finding in found[LOST].came] == ["xid-fatal"]
    bare = replace(settled(), findings=())
    assert {finding.subject for finding in settled().findings} <= by_subject(compare(bare, settled())).keys()


def test_two_moments_of_a_recording_are_compared_as_live_ones(tmp_path: Path) -> None:
    path, floor = tmp_path / "s", Floor()
    writer = SessionWriter(path, floor.head())
    frames = []
    for _ in range(30):
        frames.append(floor.step())
        writer.frame(frames[-1])
    session = Session(path)
    shown = [session.reel(frames[at].at).frame() for at in (3, 29)]
    live, again = compare(frames[3], frames[29]), compare(*shown)
    assert [str(one) for one in live.differences] == [str(one) for one in again.differences]
    assert {row.subject.scope for row in again.differences} >= {Scope.ACCELERATOR, Scope.NODE, Scope.LINK, Scope.JOB}
