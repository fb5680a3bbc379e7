"""Findings as they are told: when they were seen last, whose they are, in what unit, and what to do."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from tests.support.boards import Boards
from tui.present.format import quantity
from watchfloor.advice import ADVICE, advice
from watchfloor.checks import kernel_events, nodes
from watchfloor.checks._rules import growths
from watchfloor.checks._tools import evidence
from watchfloor.findings import SETTLED_SECONDS, FindingLog
from watchfloor.folds import Grouping as Fold
from watchfloor.metrics import CATALOGUE, Kind, Metric, Unit
from watchfloor.model import Finding, NodeStatus, Phase, Problem, Scope, State, Subject
from watchfloor.record import Acknowledgement
from watchfloor.report import SamplerStatus
from watchfloor.snapshot.fabric import FabricReport
from watchfloor.snapshot.findings import FindingReport
from watchfloor.snapshot.software import SoftwareReport
from watchfloor.snapshot.words import in_prose, of_value
from watchfloor.stack import Grouping

BOARD, NODE = Subject(Scope.ACCELERATOR, "n0", "g0"), Subject(Scope.NODE, "n0")
HOT = Finding(BOARD, "throttled", State.WARNING, "gpu0 is hot")
CLOSED = Finding(NODE, "node-closed", State.CRITICAL, "n0 can't be read (closed)")
REFUSED = Finding(NODE, "node-refused", State.CRITICAL, "n0 can't be read (refused)")


def test_what_has_just_gone_was_seen_last_in_the_frame_before() -> None:
    boards, log = Boards(), FindingLog()
    for _ in range(20):
        boards.pass_time(1)
        log.update(replace(boards.frame(), findings=(HOT,)))
    seen = log.records.at
    boards.pass_time(1)
    record = log.update(boards.frame()).by_key[BOARD, "throttled"]
    assert (record.holds, record.last) == (True, seen)


def test_what_was_told_of_the_node_until_its_board_was_known_is_told_once() -> None:
    boards, log = Boards(), FindingLog()
    hang = Finding(NODE, "event-hang", State.WARNING, "n0: hang: ring sdma0 timeout")
    first = log.update(replace(boards.frame(), findings=(hang,))).at
    boards.pass_time(1)
    frame = replace(boards.frame(), findings=(replace(hang, subject=BOARD),))
    frame = replace(frame, records=log.update(frame))
    of_board, of_node = (frame.records.by_key[subject, "event-hang"] for subject in (BOARD, NODE))
    assert (of_board.first, of_board.times, of_board.holds) == (first, 1, True)
    assert (of_node.last, of_node.holds) == (first, False)
    assert log.changed == {(BOARD, "event-hang"), (NODE, "event-hang")}
    assert len(FindingReport(frame).states) == 1


def test_why_a_node_is_silent_is_over_once_it_is_silent_for_another_reason() -> None:
    boards, log = Boards(), FindingLog()
    log.update(replace(boards.frame(), findings=(HOT, CLOSED)))
    boards.fleet.status(0, NodeStatus(Phase.BACKOFF, Problem.REFUSED))
    for _ in range(int(SETTLED_SECONDS) + 2):
        boards.pass_time(1)
        log.update(replace(boards.frame(), findings=(REFUSED,)))
    assert {key[1] for key, record in log.records.by_key.items() if record.holds} == {"throttled", "node-refused"}


def test_a_node_is_silent_for_one_reason_at_a_time() -> None:
    boards, log = Boards(), FindingLog()
    log.update(replace(boards.frame(), findings=(CLOSED,)))
    seen, ack = log.records.at, Acknowledgement("ann", 5.0, "ticket 17")
    log.acknowledge((NODE, "node-closed"), ack)
    boards.fleet.status(0, NodeStatus(Phase.BACKOFF, Problem.REFUSED))
    for findings in ((), (REFUSED,)):  # while it is tried again nothing is told
        boards.pass_time(1)
        log.update(replace(boards.frame(), findings=findings))
    closed, refused = (log.records.by_key[NODE, code] for code in ("node-closed", "node-refused"))
    assert (closed.holds, closed.last, refused.holds, refused.ack) == (False, seen, True, ack)


def test_every_command_names_the_nodes_that_were_not_read_and_findings_name_none_twice() -> None:
    boards = Boards()
    boards.fleet.status(0, NodeStatus(Phase.CONNECTING))
    frame = boards.frame().with_findings([])
    why = "still connecting when the time was over (--timeout waits longer)"
    for report in (FindingReport(frame), FabricReport(frame, Fold.NODE), SoftwareReport(frame, Grouping.GROUP)):
        assert report.document()["not_read"] == {"n0": why}
        assert report.text().count(f"n0: not read: {why}") == 1
    assert "not read: " not in FindingReport(frame.with_findings([REFUSED])).text()


def test_all_samplers_of_a_node_that_hang_are_one_finding() -> None:
    boards = Boards()
    hung = SamplerStatus(state="hung", text="no answer for 12 s, state D")
    boards.pass_time(1)
    frame = boards.frame()
    detail = replace(frame.detail[0], samplers={"nvidia": hung, "nvidia_gpm": hung})
    (found,) = nodes.check(replace(frame, detail=(detail,)))
    assert found.text == "n0 has a hung nvidia sampler: no answer for 12 s, state D, and 1 more"
    assert dict(found.evidence) == {"nvidia": hung.text, "nvidia_gpm": hung.text}


def test_a_sentence_that_names_the_node_alone_is_told_with_its_device() -> None:
    boards = Boards()
    boards.say({"g0": {"name": "gpu0"}})
    xid = Finding(BOARD, "xid-fatal", State.CRITICAL, "n0 had XID 79: fell off the bus")
    told = FindingReport(replace(boards.frame(), findings=(xid, CLOSED))).text()
    assert "xid-fatal: gpu0 of n0 had XID 79: fell off the bus" in told
    assert "node-closed: n0 can't be read (closed)" in told


def test_evidence_spells_units_as_pages_do() -> None:
    boards = Boards(tables={Scope.ACCELERATOR: (["g0"], ["power", "temp", "mem_used", "throttle"])})
    boards.say({"g0": {"power": 195.7, "temp": 61.0, "mem_used": 85.5e9, "throttle": 8.0}})
    told = dict(evidence(boards.frame(), Scope.ACCELERATOR, 0, ("power", "temp", "mem_used", "throttle", "fan")))
    assert told == {
        "power": "196 W",
        "temp": "61 °C",
        "mem_used": "79.6 GiB",
        "throttle": "hardware slowdown",
        "fan": "unsupported",
    }


_MEASURES = [metric for metric in chain(*(table.values() for table in CATALOGUE.values())) if metric.kind is Kind.GAUGE]


@pytest.mark.parametrize(
    "metric", {metric.unit: metric for metric in _MEASURES}.values(), ids=lambda metric: metric.unit
)
@pytest.mark.parametrize("value", [0.0, 0.5, 52.0, 1500.0, 4e10])
def test_a_column_has_no_blank_in_a_value_and_a_sentence_spells_it_as_a_page_does(metric: Metric, value: float) -> None:
    assert " " not in of_value(metric, value)
    if metric.unit not in (Unit.SECONDS, Unit.COUNT, Unit.NONE):
        assert in_prose(metric, value).partition(" ")[2] == quantity(value, metric.unit).partition(" ")[2]


@pytest.mark.parametrize("kind", sorted(set(kernel_events._TITLES) - kernel_events._ELSEWHERE))
def test_there_is_advice_for_every_kind_of_event(kind: str) -> None:
    assert advice(f"event-{kind}", "n0")


def test_advice_fits_every_vendor_and_says_what_to_type() -> None:
    of_gpus = ("xid", "nvlink", "xgmi", "fabric")
    assert not [code for code, told in ADVICE.items() if "GPU" in told and not code.startswith(of_gpus)]
    assert "`watchfloor doctor n0`" in advice("node-refused", "n0"), "it is run on the console, not on the node"
    assert "`watchfloor doctor n0`" in advice("sampler-failed", "n0")


def codes_in_the_checks() -> set[str]:
    """Every code that stands in a check as a whole word: those of rules and of services are made."""
    folder = Path(nodes.__file__).parent
    calls = [
        node
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    places = {"report": 3, "Finding": 1}
    named = [(call, getattr(call.func, "id", "")) for call in calls]
    said = [call.args[places[name]] for call, name in named if name in places and len(call.args) > 3]
    words = {str(word.value) for word in said if isinstance(word, ast.Constant)}
    return words | {rule.code for rule in growths("link-errors")}


def test_there_is_advice_for_every_code() -> None:
    codes = codes_in_the_checks() | {
        f"{service}-{how}" for service in ("imex", "dcgm") for how in ("failed", "stopped")
    }
    assert len(codes) > 60
    assert sorted(code for code in codes if not advice(code, "n0")) == []


@pytest.mark.parametrize("code", ["accelerator-lost", "repair-pending", "link-crc-errors", "link-replays"])
def test_what_every_vendors_boards_may_have_is_no_matter_of_gpus_alone(code: str) -> None:
    assert "GPU" not in advice(code, "n0")
