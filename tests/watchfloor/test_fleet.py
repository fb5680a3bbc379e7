"""The fleet: reports in, frames out; what is missing keeps its reason, what is stale keeps its last value."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.errors import StreamError
from watchfloor.fleet import SUBJECTS_PER_NODE, Fleet
from watchfloor.frame import Cell
from watchfloor.model import Finding, Missing, NodeSpec, NodeStatus, Phase, Problem, Scope, State, Subject
from watchfloor.report import Cells, Hello, Report, SamplerStatus, Schema, Table

METRICS = ["util", "temp", "mem_used", "mem_total", "model", "ecc_uncorrected"]
NAMES = [f"n{number}" for number in range(4)]


class Time:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def fleet(time: Time) -> Fleet:
    return Fleet([NodeSpec(name, rack="r1") for name in NAMES], time)


def speak(fleet: Fleet, node: int = 0, keys: tuple[str, ...] = ("a", "b"), metrics: list[str] | None = None) -> None:
    at = fleet._now()
    fleet.status(node, NodeStatus(Phase.LIVE))
    fleet.hello(node, Hello(1, f"host{node}", "boot", at, "digest"), at)
    fleet.schema(node, Schema(1, {"accelerator": Table(list(keys), metrics or METRICS)}))


def say(fleet: Fleet, node: int = 0, **cells: list) -> None:
    fleet.report(node, Report(1, 1, fleet._now(), cells={"accelerator": Cells(**cells)}), fleet._now())


def test_a_value_arrives_in_the_cell_of_its_subject_and_metric(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[0, 7], v=[97.0, 61.5], xp=[4], x=["H100"])
    view = fleet.frame().accelerators
    assert view.cell(0, "util") == Cell(97.0)
    assert view.cell(1, "temp") == Cell(61.5)
    assert view.cell(0, "model") == Cell("H100")
    assert view.cell(1, "util") == Cell(None, Missing.NOT_YET)


def test_a_missing_value_keeps_its_reason_and_its_last_value(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[0], v=[97.0])
    say(fleet, mp=[0, 1], mc=[Missing.TIMED_OUT, Missing.UNSUPPORTED])
    view = fleet.frame().accelerators
    assert view.cell(0, "util") == Cell(97.0, Missing.TIMED_OUT)
    assert view.cell(0, "temp") == Cell(None, Missing.UNSUPPORTED)
    assert np.isnan(view.known("util")[0])


@pytest.mark.parametrize(
    ("util", "temp", "state"),
    [
        (Missing.TIMED_OUT, Missing.NO, State.UNKNOWN),  # behind a hung driver
        (Missing.FAILED, Missing.FAILED, State.UNKNOWN),
        (Missing.FAILED, Missing.NO, State.OK),  # one thing of it could not be read, others could
        (Missing.UNSUPPORTED, Missing.UNSUPPORTED, State.OK),
    ],
)
def test_a_board_of_which_nothing_could_be_read_is_not_said_to_be_well(
    fleet: Fleet, util: Missing, temp: Missing, state: State
) -> None:
    speak(fleet, keys=("a",))
    say(fleet, p=[0, 1], v=[97.0, 61.0])
    lacking = [(at, reason) for at, reason in enumerate((util, temp)) if reason is not Missing.NO]
    say(fleet, mp=[at for at, _ in lacking], mc=[reason for _, reason in lacking])
    assert fleet.frame().with_findings([]).accelerators.states[0] == state


def test_what_a_full_report_leaves_out_is_unsupported_and_nothing_else_is(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[0, 1], v=[97.0, 60.0])
    cells = {"accelerator": Cells(p=[0], v=[98.0], mp=[2], mc=[Missing.LOST])}
    fleet.report(0, Report(2, 1, fleet._now(), full=True, cells=cells), fleet._now())
    view = fleet.frame().accelerators
    assert [view.cell(0, name).missing for name in METRICS[:4]] == [
        Missing.NO, Missing.UNSUPPORTED, Missing.LOST, Missing.UNSUPPORTED,
    ]  # fmt: skip
    assert view.cell(0, "temp") == Cell(60.0, Missing.UNSUPPORTED)
    fleet.report(0, Report(3, 1, fleet._now(), full=True), fleet._now())
    assert {fleet.frame().accelerators.cell(row, name).missing for row in (0, 1) for name in METRICS} == {
        Missing.UNSUPPORTED
    }


def test_a_frame_is_not_changed_by_later_reports(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[0], v=[10.0])
    before = fleet.frame()
    say(fleet, p=[0], v=[20.0])
    assert before.accelerators.cell(0, "util") == Cell(10.0)
    assert fleet.frame().accelerators.cell(0, "util") == Cell(20.0)


def test_silence_makes_values_stale_and_the_next_report_heals_them(fleet: Fleet, time: Time) -> None:
    speak(fleet)
    say(fleet, p=[0], v=[97.0], mp=[1], mc=[Missing.UNSUPPORTED])
    time.now += 10
    frame = fleet.frame()
    assert not frame.live[0]
    assert frame.accelerators.cell(0, "util") == Cell(97.0, Missing.STALE)
    assert frame.accelerators.cell(0, "temp") == Cell(None, Missing.UNSUPPORTED)
    assert frame.nodes.cell(0, "age") == Cell(10.0)
    assert frame.nodes.cell(0, "name") == Cell("n0")
    say(fleet)
    assert fleet.frame().accelerators.cell(0, "util") == Cell(97.0)


def test_a_disconnected_node_is_stale_at_once(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[0], v=[97.0])
    fleet.status(0, NodeStatus(Phase.BACKOFF, Problem.REFUSED, "connection refused"))
    frame = fleet.frame()
    assert frame.accelerators.cell(0, "util").missing is Missing.STALE
    assert frame.nodes.text(0, "problem") == "refused"


def test_the_share_of_memory_is_computed_and_missing_for_the_reason_of_its_part(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[2, 3, 8], v=[20.0, 80.0, 5.0], mp=[9], mc=[Missing.NOT_PERMITTED])
    view = fleet.frame().accelerators
    assert view.cell(0, "mem") == Cell(25.0)
    assert view.cell(1, "mem").missing is Missing.NOT_PERMITTED


def test_rows_are_stable_when_devices_come_and_go(fleet: Fleet) -> None:
    speak(fleet, keys=("a", "b"))
    say(fleet, p=[0, 6], v=[1.0, 2.0])
    fleet.schema(0, Schema(2, {"accelerator": Table(["c", "b"], METRICS)}))
    fleet.report(0, Report(2, 2, 0.0, cells={"accelerator": Cells(p=[0, 6], v=[3.0, 4.0])}), fleet._now())
    frame = fleet.frame()
    by_key = {
        frame.accelerators.keys[row]: frame.accelerators.cell(row, "util")
        for row in frame.rows_of(Scope.ACCELERATOR, 0)
    }
    assert by_key == {"a": Cell(1.0, Missing.LOST), "b": Cell(4.0), "c": Cell(3.0)}
    assert frame.row(Subject(Scope.ACCELERATOR, "n0", "b")) == 1
    assert frame.nodes.cell(0, "accelerators") == Cell(2.0)


def test_metrics_of_a_newer_probe_are_passed_over(fleet: Fleet) -> None:
    speak(fleet, metrics=["from_the_future", "util"])
    say(fleet, p=[0, 1, 3], v=[1.0, 42.0, 43.0])
    assert fleet.frame().accelerators.known("util").tolist() == [42.0, 43.0]


@pytest.mark.parametrize(
    "cells",
    [
        {"p": [12], "v": [1.0]},
        {"p": [0, 1], "v": [1.0]},
        {"mp": [99], "mc": [1]},
        {"xp": [0], "x": []},
        {"p": [0, 4], "v": [1.0, 1e9]},
        {"xp": [0], "x": ["much"]},
    ],
    ids=["outside", "lengths", "missing outside", "text lengths", "number for text", "text for number"],
)
def test_cells_that_do_not_fit_the_schema_are_garbage(fleet: Fleet, cells: dict) -> None:
    speak(fleet)
    with pytest.raises(StreamError) as caught:
        say(fleet, **cells)
    assert caught.value.problem is Problem.GARBAGE


def test_a_report_of_another_schema_is_garbage(fleet: Fleet) -> None:
    speak(fleet)
    with pytest.raises(StreamError, match="schema 7"):
        fleet.report(0, Report(1, 7, 0.0), 0.0)


def test_more_subjects_than_any_hardware_has_is_a_flood(fleet: Fleet) -> None:
    with pytest.raises(StreamError) as caught:
        speak(fleet, keys=tuple(map(str, range(SUBJECTS_PER_NODE + 1))))
    assert caught.value.problem is Problem.FLOOD


def test_subjects_that_come_one_after_the_other_are_a_flood_too(fleet: Fleet) -> None:
    speak(fleet, keys=tuple(map(str, range(SUBJECTS_PER_NODE))))
    fleet.schema(0, Schema(2, {"accelerator": Table(["0", "1"], METRICS)}))
    with pytest.raises(StreamError) as caught:
        fleet.schema(0, Schema(3, {"accelerator": Table(["one more"], METRICS)}))
    assert caught.value.problem is Problem.FLOOD


def test_a_node_has_no_say_in_what_the_console_knows_of_it(fleet: Fleet) -> None:
    speak(fleet)
    names = ["name", "phase", "problem", "age", "hostname"]
    fleet.schema(0, Schema(2, {"node": Table([""], names)}))
    cells = Cells(xp=[0, 1, 2, 4], x=["n1", "sunny", "none of yours", "host"], p=[3], v=[7.0])
    fleet.report(0, Report(1, 2, 0.0, cells={"node": cells}), fleet._now())
    nodes = fleet.frame().nodes
    assert [nodes.cell(0, name) for name in names] == [Cell("n0"), Cell("live"), Cell(""), Cell(0.0), Cell("host")]


def test_what_was_told_before_a_new_conversation_is_not_current_in_it(fleet: Fleet, time: Time) -> None:
    speak(fleet, metrics=["util", "temp"])
    say(fleet, p=[0, 1], v=[97.0, 60.0])
    fleet.status(0, NodeStatus(Phase.BACKOFF, Problem.CLOSED))
    time.now += 600
    fleet.status(0, NodeStatus(Phase.LIVE))
    fleet.hello(0, Hello(1, "host0", "boot", time.now, "digest"), time.now)
    assert fleet.frame().accelerators.cell(0, "util") == Cell(97.0, Missing.STALE)
    assert fleet.frame().nodes.cell(0, "age") == Cell(600.0)
    fleet.schema(0, Schema(1, {"accelerator": Table(["a", "b"], ["util"])}))
    say(fleet)
    view = fleet.frame().accelerators
    assert view.cell(0, "util") == Cell(97.0, Missing.NOT_YET)
    assert view.cell(0, "temp") == Cell(60.0, Missing.UNSUPPORTED)
    assert fleet.frame().nodes.cell(0, "cpu") == Cell(None, Missing.UNSUPPORTED)
    assert fleet.frame().nodes.cell(0, "hostname") == Cell("host0")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (SamplerStatus("ok", "no answer yet"), Cell(None, Missing.NOT_YET)),
        (SamplerStatus("hung", "no answer for 12 s, state D"), Cell(None, Missing.TIMED_OUT)),
        (SamplerStatus("failed", "OSError: it broke"), Cell(None, Missing.FAILED)),
        (SamplerStatus("absent", "libnvidia-ml.so.1 not found", 5.0), Cell(0.0)),
        (SamplerStatus("ok", "", 5.0), Cell(0.0)),
    ],
)
def test_a_node_has_no_accelerators_once_all_who_could_name_one_have_looked(
    fleet: Fleet, status: SamplerStatus, told: Cell
) -> None:
    speak(fleet, keys=())
    assert fleet.frame().nodes.cell(0, "accelerators") == Cell(None, Missing.NOT_YET)
    samplers = {"nvidia": status, "filesystems": SamplerStatus("hung", "no answer for 30 s")}
    fleet.report(0, Report(1, 1, fleet._now(), full=True, samplers=samplers), fleet._now())
    assert fleet.frame().nodes.cell(0, "accelerators") == told


def test_only_details_that_a_page_may_ask_for_are_kept(fleet: Fleet) -> None:
    speak(fleet)
    details = {"processes": msgspec.Raw(b"[]"), "anything": msgspec.Raw(b"[]")}
    fleet.report(0, Report(1, 1, 0.0, details=details), 0.0)
    assert list(fleet.frame().detail[0].details) == ["processes"]
    with pytest.raises(StreamError, match="samplers"):
        fleet.report(0, Report(2, 1, 0.0, samplers={f"s{at}": SamplerStatus("ok") for at in range(100)}), 0.0)


def test_a_full_report_replaces_what_was_said_of_samplers_and_notes(fleet: Fleet) -> None:
    speak(fleet)
    hung = {"nvidia": SamplerStatus("hung", "no answer for 12 s"), "host": SamplerStatus("ok")}
    fleet.report(0, Report(1, 1, 0.0, samplers=hung, notes={"accelerator.temp": "Not Supported"}), 0.0)
    fleet.report(0, Report(2, 1, 0.0, samplers={"nvidia": SamplerStatus("ok")}), 0.0)
    assert {name: status.state for name, status in fleet.frame().detail[0].samplers.items()} == {
        "nvidia": "ok",
        "host": "ok",
    }
    fleet.report(0, Report(3, 1, 0.0, full=True, samplers={"host": SamplerStatus("ok")}), 0.0)
    assert list(fleet.frame().detail[0].samplers) == ["host"]
    assert fleet.frame().detail[0].notes == {}


def test_findings_set_the_state_of_their_subjects(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet)
    found = [
        Finding(Subject(Scope.ACCELERATOR, "n0", "b"), "hot", State.WARNING, "hot"),
        Finding(Subject(Scope.ACCELERATOR, "n0", "b"), "lost", State.CRITICAL, "lost"),
        Finding(Subject(Scope.NODE, "gone"), "x", State.CRITICAL, "a node that is not in the fleet"),
    ]
    frame = fleet.frame().with_findings(found)
    assert frame.accelerators.states.tolist() == [State.OK, State.CRITICAL]
    assert frame.nodes.states.tolist() == [State.OK, State.UNKNOWN, State.UNKNOWN, State.UNKNOWN]
    assert len(frame.findings) == 3


def test_a_finding_that_stands_for_many_sets_the_state_of_each(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet)
    a, b = (Subject(Scope.ACCELERATOR, "n0", key) for key in "ab")
    frame = fleet.frame().with_findings([Finding(a, "hot", State.CRITICAL, "2 are hot", others=(b,))])
    assert frame.accelerators.states.tolist() == [State.CRITICAL, State.CRITICAL]


def test_the_history_holds_a_minute_and_half_an_hour(fleet: Fleet, time: Time) -> None:
    speak(fleet)
    for second in range(100):
        say(fleet, p=[0], v=[float(second)])
        fleet.tick()
        time.now += 1
    history = fleet.frame().history
    assert history.minute(Scope.ACCELERATOR, "util", 0).mean.tolist() == list(range(40, 100))
    coarse = history.half_hour(Scope.ACCELERATOR, "util", 0)
    assert coarse.mean.tolist() == [9.5 + 20 * third for third in range(5)]
    assert coarse.maximum.tolist() == [19.0 + 20 * third for third in range(5)]
    assert np.isnan(history.minute(Scope.ACCELERATOR, "util", 1).mean).all()


def test_the_history_of_a_silent_node_is_a_gap_not_a_line(fleet: Fleet, time: Time) -> None:
    speak(fleet)
    say(fleet, p=[0], v=[50.0])
    fleet.tick()
    time.now += 60
    fleet.tick()
    minute = fleet.frame().history.minute(Scope.ACCELERATOR, "util", 0).mean
    assert minute[0] == 50.0
    assert np.isnan(minute[1])


def test_large_numbers_survive_the_half_precision_of_the_history(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[2], v=[191.5 * 2**30])
    fleet.tick()
    kept = fleet.frame().history.minute(Scope.ACCELERATOR, "mem_used", 0).mean[0]
    assert kept == pytest.approx(191.5 * 2**30, rel=1e-3)


def test_what_is_too_small_for_the_history_is_not_nothing(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[0, 2, 6, 8], v=[1e-9, 1.0, 0.0, -1.0])
    fleet.tick()
    history = fleet.frame().history
    util = [history.minute(Scope.ACCELERATOR, "util", row).mean[0] for row in (0, 1)]
    memory = [history.minute(Scope.ACCELERATOR, "mem_used", row).mean[0] for row in (0, 1)]
    assert 0 < util[0] < 1e-3
    assert util[1] == 0
    assert 0 < memory[0] < 1e5
    assert memory[1] < 0


def test_a_trend_of_which_nobody_knows_anything_takes_no_memory(fleet: Fleet, time: Time) -> None:
    speak(fleet)
    for second in range(70):
        say(fleet, p=[0], v=[float(second)])
        fleet.tick()
        time.now += 1
    history = fleet.frame().history
    for series in (history.minute, history.half_hour):
        assert np.isnan(series(Scope.ACCELERATOR, "power", 0).mean).all()
        assert len(series(Scope.ACCELERATOR, "power", 0).mean) == len(series(Scope.ACCELERATOR, "util", 0).mean)
    assert np.isnan(history.window(Scope.ACCELERATOR, "power", 65, np.array([0, 1]))).all()
    ring = history._rings[Scope.ACCELERATOR]
    assert list(ring._blocks[0]._rings) == [ring.metrics["util"]]


def test_counters_remember_when_they_moved_and_take_a_reset_as_a_start(fleet: Fleet, time: Time) -> None:
    speak(fleet)
    for value, wait in ((5.0, 3600), (7.0, 60), (10.0, 60), (2.0, 0)):
        say(fleet, p=[5], v=[value])
        time.now += wait
    counters = fleet.frame().counters
    assert counters.increases(Scope.ACCELERATOR, "ecc_uncorrected", 2, time.now - 30).tolist() == [2.0, 0.0]
    assert counters.increases(Scope.ACCELERATOR, "ecc_uncorrected", 2, time.now - 7200).tolist() == [7.0, 0.0]


def test_a_counter_that_never_rests_is_remembered_more_coarsely_the_older_and_never_forgotten(
    fleet: Fleet, time: Time
) -> None:
    speak(fleet)
    for value in range(2001):
        say(fleet, p=[5], v=[float(value)])
        time.now += 10
    counters = fleet.frame().counters

    def grown(seconds: float) -> float:
        return float(counters.increases(Scope.ACCELERATOR, "ecc_uncorrected", 1, time.now - seconds)[0])

    assert grown(1e6) == 2000
    assert grown(600) == 60
    assert grown(7200) == pytest.approx(720, rel=0.1)


def test_what_is_beyond_half_precision_is_never_infinite_in_the_history(fleet: Fleet) -> None:
    speak(fleet)
    say(fleet, p=[0, 2], v=[1e20, 6 * 2.0**40])
    fleet.tick()
    history = fleet.frame().history
    assert np.isfinite(history.minute(Scope.ACCELERATOR, "util", 0).mean[0])
    kept = history.minute(Scope.ACCELERATOR, "mem_used", 0).mean[0]
    assert kept == pytest.approx(6 * 2.0**40, rel=1e-3)


def test_texts_of_the_past_are_left_behind(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfloor.fleet.TEXTS_KEPT", 10)
    speak(fleet)
    for number in range(500):
        say(fleet, xp=[4], x=[f"model {number}"])
    frame = fleet.frame()
    assert frame.accelerators.text(0, "model") == "model 499"
    assert frame.nodes.text(2, "name") == "n2"
    assert len(frame.accelerators.texts) < 100


def test_many_rows_grow_without_losing_any() -> None:
    fleet = Fleet([NodeSpec(f"n{number}") for number in range(300)], Time())
    for node in range(300):
        speak(fleet, node)
        say(fleet, node, p=[0, 6], v=[float(node), 0.5])
    frame = fleet.frame()
    rows = [frame.rows_of(Scope.ACCELERATOR, node)[0] for node in range(300)]
    assert frame.accelerators.known("util")[rows].tolist() == list(range(300))


cell_lists = st.lists(st.tuples(st.integers(0, 11), st.floats(-1e20, 1e20)), max_size=20)


@given(st.lists(cell_lists, max_size=8))
def test_changes_applied_in_order_equal_the_last_value_of_each_cell(reports: list[list[tuple[int, float]]]) -> None:
    fleet = Fleet([NodeSpec("n0")], Time())
    speak(fleet, metrics=["util", "temp", "power", "fan", "clock_sm", "clock_mem"])
    last: dict[int, float] = {}
    for cells in reports:
        changed = dict(cells)
        last |= changed
        say(fleet, p=list(changed), v=list(changed.values()))
    view = fleet.frame().accelerators
    names = ["util", "temp", "power", "fan", "clock_sm", "clock_mem"]
    for position in range(12):
        row, column = divmod(position, 6)
        expected = Cell(last[position]) if position in last else Cell(None, Missing.NOT_YET)
        assert view.cell(row, names[column]) == expected
