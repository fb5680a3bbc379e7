"""Availability, time to failure and to repair over small histories, worked out by hand."""

from __future__ import annotations

from datetime import UTC

import pytest

from tests.support.reports import HOUR, TEN_HOURS, at, episode, history, rows, value, watched
from watchfloor.reporting import faults, reliability
from watchfloor.reporting.downtime import NodeTime, node_times
from watchfloor.reporting.figures import Section
from watchfloor.reporting.kept import Episode, Kept, Node, Window
from watchfloor.reporting.spans import common, total, united, without


def of(kept: Kept) -> Section:
    return reliability.section(kept, node_times(kept), UTC)


def one(kept: Kept) -> NodeTime:
    (found,) = node_times(kept)
    return found


def told(kept: Kept) -> tuple[float | str, float | str, float | str]:
    section = of(kept)
    return value(section, "availability"), value(section, "mttf"), value(section, "mttr")


def test_one_fault_of_an_hour_in_ten() -> None:
    assert told(history([episode(2, 3)])) == (0.9, 9 * HOUR, HOUR)


def test_faults_that_overlap_are_one() -> None:
    """A board falls off the bus at 2, is lost from 3 on; both are over at 5."""
    both = [episode(2, 4, code="xid-fatal"), episode(3, 5, part="GPU-3", scope="accelerator")]
    assert told(history(both)) == (0.7, 7 * HOUR, 3 * HOUR)
    (fault,) = one(history(both)).faults
    assert fault.codes == ("xid-fatal", "gpu-lost")


def test_what_goes_away_for_a_moment_is_the_same_fault() -> None:
    assert one(history([episode(2, 3), episode(3 + 20 / HOUR, 4)])).failures == 1
    assert one(history([episode(2, 3), episode(3 + 40 / HOUR, 4)])).failures == 2


def test_a_fault_that_is_open_at_the_end_is_down_and_not_repaired() -> None:
    kept = history([episode(2, 3), episode(8, None)])
    assert told(kept) == (0.7, 3.5 * HOUR, HOUR)
    assert value(of(kept), "open") == 1


def test_one_open_fault_alone_tells_no_time_to_repair() -> None:
    assert told(history([episode(8, None)])) == (0.8, 8 * HOUR, "no fault was seen from beginning to end")


def test_gaps_are_neither_up_nor_down() -> None:
    """Watched 0–4 and 6–10; a fault from 3 to 7: down 3–4 and 6–7 of eight hours, its length not known well enough."""
    kept = history([episode(3, 7)], watched((0, 4), (6, 10)))
    assert told(kept) == (0.75, 6 * HOUR, "no fault was seen from beginning to end")
    assert of(kept).remarks[0].startswith("2.0 node hours")


def test_a_fault_within_a_gap_is_not_made_up() -> None:
    assert told(history([episode(4.5, 5.5)], watched((0, 4), (6, 10))))[0] == 1.0


def test_a_fault_that_is_there_when_watching_begins_again_is_no_failure() -> None:
    kept = history([episode(6 + 60 / HOUR, 7)], watched((0, 4), (6, 10)))
    assert (one(kept).failures, one(kept).found) == (0, 1)
    assert told(kept)[1:] == ("no failure was seen to begin", "no fault was seen from beginning to end")


def test_a_restart_of_the_console_is_no_gap() -> None:
    kept = history([episode(4, 7)], watched((0, 5), (5 + 100 / HOUR, 10)))
    assert told(kept) == (0.7, 7 * HOUR, 3 * HOUR)


def test_nothing_happened() -> None:
    kept = history()
    assert told(kept) == (1.0, "no failure was seen to begin", "no fault was seen from beginning to end")
    assert of(kept).remarks == ("no failure in 10.0 node hours: the mean time to failure is likely longer than that",)


def test_nobody_watched() -> None:
    assert told(history([episode(2, 3)], [])) == ("nobody watched",) * 3
    assert rows(of(history([], [])), "by_rack")[0][4:6] == ("nobody watched", "nobody watched")


def test_nobody_knows_the_fleet() -> None:
    assert told(history(nodes=[])) == ("nobody watched",) * 3
    assert rows(of(history(nodes=[])), "by_day")[0][1:3] == ("no node is known", "nobody watched")


def test_lineage_that_lacks_makes_no_perfect_fleet() -> None:
    section = of(history(lacks={"lineage": "no lineage is kept in x"}))
    assert (section.figures, section.remarks) == ((), ("not known: no lineage is kept in x",))


def test_a_node_that_cannot_be_read_for_want_of_a_key_is_not_observed() -> None:
    unread = episode(2, 4, code="node-authentication", critical=False)
    assert one(history([unread])).observed_seconds == 8 * HOUR
    assert told(history([unread]))[0] == 1.0


def test_a_node_that_does_not_answer_is_down() -> None:
    assert told(history([episode(2, 3, code="node-unreachable")])) == (0.9, 9 * HOUR, HOUR)


def test_a_fault_that_began_before_the_window_is_no_failure_of_it_but_a_repair() -> None:
    kept = history([episode(-2, 1)])
    assert told(kept) == (0.9, "no failure was seen to begin", 3 * HOUR)


def test_warnings_are_no_faults() -> None:
    assert told(history([episode(2, 9, critical=False)]))[0] == 1.0


def test_a_clock_that_went_back_makes_no_negative_time() -> None:
    kept = history([Episode("n1", "gpu-lost", at(4), at(3), critical=True)])
    assert one(kept).down_seconds == 1.0 and one(kept).repairs == [1.0]


def test_what_nobody_has_told_of_for_long_does_not_go_on_for_ever() -> None:
    kept = history([Episode("n1", "gpu-lost", at(2), None, critical=True, told=at(3))])
    assert one(kept).down_seconds == 3 * HOUR, "told of at 3, and every hour while anybody watched it"


def test_each_place_has_its_own_figures() -> None:
    nodes = [Node("n1", "lab", "r1", "train"), Node("n2", "lab", "r2", "train"), Node("n3", "lab", "r2")]
    kept = history([episode(2, 3), episode(4, 9, node="n2"), episode(5, 6, node="n2", code="hot")], nodes=nodes)
    section = of(kept)
    head = ("place", "nodes", "watched", "availability", "failures", "mttf", "repairs", "mttr", "open")
    assert tuple(column.key for column in section.tables[0].columns) == head
    assert rows(section, "by_rack") == [
        ("lab/r1", 1, 1.0, 0.9, 1, 9 * HOUR, 1, HOUR, 0),
        ("lab/r2", 2, 1.0, 0.75, 1, 15 * HOUR, 1, 5 * HOUR, 0),
    ]
    assert [row[0] for row in rows(section, "by_group")] == ["train", "(no group)"]
    assert rows(section, "by_site")[0][3] == 0.8


def test_only_those_are_watched_whom_a_recording_has() -> None:
    nodes = [Node("n1"), Node("n2")]
    kept = history([], watched((0, 10), nodes=frozenset({"n1"})), nodes=nodes)
    assert [found.observed_seconds for found in node_times(kept)] == [10 * HOUR, 0.0]


def test_days_are_cut_at_midnight() -> None:
    window = Window(at(-6), at(10))
    assert [day.seconds for day in reliability.days(window, UTC)] == [6 * HOUR, 10 * HOUR]
    kept = history([episode(-1, 1)], watched((-6, 10)), window=window)
    by_day = [row[1:] for row in rows(of(kept), "by_day")]
    assert by_day[0] == (1.0, pytest.approx(5 / 6), 1, 0) and by_day[1] == (1.0, 0.9, 0, 1)


# -- by code, and who fails again


def test_faults_by_code_count_episodes_and_join_what_held_at_once() -> None:
    board = {"scope": "accelerator", "xid": "XID 79", "code": "xid-fatal"}
    kept = history(
        [episode(1, 3, part="GPU-1", **board), episode(2, 4, part="GPU-2", **board), episode(9, None, **board)]
    )
    (row,) = rows(faults.by_code(kept), "by_code")
    assert row[:7] == ("xid-fatal (XID 79)", "critical", 3, 1, 4 * HOUR, 2 * HOUR, 1)


def test_what_held_while_nobody_watched_is_not_counted() -> None:
    """From 3 to 7, of which nobody watched 4 to 6; and where nobody watched at all."""
    assert rows(faults.by_code(history([episode(3, 7)], watched((0, 4), (6, 10)))), "by_code")[0][4] == 2 * HOUR
    assert rows(faults.by_code(history([episode(3, 7)], [])), "by_code")[0][4] == "nobody watched"


def test_repeat_offenders_are_those_that_fail_again() -> None:
    nodes = [Node("n1"), Node("n2", rack="r2")]
    kept = history([episode(1, 2), episode(1, 2, node="n2"), episode(3, 5, node="n2")], nodes=nodes)
    (row,) = rows(faults.lemons(kept, node_times(kept)), "nodes")
    assert row == ("n2", "r2", 2, 3 * HOUR, 2, 0, 0, "gpu-lost ×2")


# -- stretches of time


def test_stretches() -> None:
    some = united([(3, 5), (1, 2), (4, 8), (9, 9)])
    assert some == ((1, 2), (3, 8)) and united([(1, 2), (4, 5)], pause=2) == ((1, 5),)
    assert common(some, ((1.5, 4), (7, 10))) == ((1.5, 2), (3, 4), (7, 8))
    assert without(some, ((1.5, 4), (7, 10))) == ((1, 1.5), (4, 7))
    assert without(some, ()) == some and total(some) == 6 and common((), some) == ()


def test_the_window_is_half_open() -> None:
    assert TEN_HOURS.has(at(0)) and not TEN_HOURS.has(at(10)) and not TEN_HOURS.has(None)
