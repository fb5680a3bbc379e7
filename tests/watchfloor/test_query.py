"""The query language as people use it: what each form selects, and what each mistake is answered with."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.support.boards import Boards
from tests.support.frames import SyntheticFleet, hosts_only
from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.model import Missing, Scope
from watchfloor.query import complete, fields, parse

DOCS = Path(__file__).parents[2] / "docs" / "query.md"


@cache
def frame() -> Frame:
    fleet = SyntheticFleet()
    fleet.step(75)
    return fleet.frame()


def selected(text: str, scope: Scope | None = None) -> list[str]:
    query = parse(text, scope)
    return [str(frame().subject(query.scope, row)) for row in np.flatnonzero(query.mask(frame())).tolist()]


def gpus(node: str, *numbers: int) -> list[str]:
    return [f"{node}/GPU-{node}-{number}" for number in numbers]


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("util < 5 and mem_used > 10GB and job != none", Scope.ACCELERATOR),
        ('node ~ "dgx-0[1-4]"', Scope.ACCELERATOR),
        ("temp > 85 for 2m", Scope.ACCELERATOR),
        ("xid in (79, 74)", Scope.ACCELERATOR),
        ("rate(ib.symbol_error, 1h) > 120", Scope.LINK),
        ("max(temp) > 85", Scope.NODE),
        ("count(util < 5) >= 4", Scope.NODE),
        ("node.state == critical", Scope.ACCELERATOR),
        ("up == false", Scope.LINK),
        ("cpu > 50", Scope.NODE),
        ("link: node == dgx-01", Scope.LINK),
        ("gpu: util > 5", Scope.ACCELERATOR),
        ("any(link.up == false) and all(gpu.util > 5)", Scope.NODE),
        ("dgx-07", Scope.ACCELERATOR),
    ],
)
def test_the_scope_is_the_one_that_knows_the_names(text: str, scope: Scope) -> None:
    assert parse(text).scope is scope


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("xid == 79", []),  # lost boards keep their last XID, marked current
        ("temp > 80", gpus("dgx-01", 5)),
        ("temp > 80C", gpus("dgx-01", 5)),
        ("throttle & 0xE8 != 0", gpus("dgx-01", 5)),
        ("power > 0.6kW and index == 0 and rack == r1", gpus("dgx-01", 0)),
        ("node in (l40-01, l40-02) and name == gpu1", gpus("l40-01", 1) + gpus("l40-02", 1)),
        ('model ~ L40 and name ~ "[02]" and node == l40-01', gpus("l40-01", 0, 2)),
        ("clock_sm < 1.3GHz and util > 50%", gpus("dgx-01", 5)),
        ("node.phase == live and node.cpu >= 0 and node !~ 0 and index == 0", []),
        ('"l40-01" and index < 2', gpus("l40-01", 0, 1)),
        ("L40-01", gpus("l40-01", 0, 1, 2, 3)),
        ("l40-01/", []),
    ],
)
def test_accelerators_are_selected(text: str, expected: list[str]) -> None:
    if text == "xid == 79":
        expected = gpus("dgx-02", 3)
    assert selected(text, Scope.ACCELERATOR) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max(temp) > 80", ["dgx-01"]),
        ("node: phase == backoff", ["dgx-04", "l40-03"]),
        ("phase != live", ["dgx-04", "l40-03"]),
        ("any(link.up == false)", ["dgx-03"]),
        ("not any(link.up == false) and rack == r1", ["dgx-01", "dgx-02"]),
        ("count(xid == 79) == 1", ["dgx-02"]),
        ("sum(power) > 2MW", []),
        ("accelerators == 0", ["login-01"]),
        ("count(util >= 0) == 0", ["login-01"]),
        ("login", ["login-01"]),
    ],
)
def test_nodes_are_selected_by_what_is_within_them(text: str, expected: list[str]) -> None:
    assert selected(text, Scope.NODE) == expected


def test_what_is_unknown_is_neither_true_nor_false() -> None:
    board = gpus("dgx-02", 3)[0]  # lost: its temperature is missing
    assert board not in selected("temp > 0") + selected("not (temp > 0)") + selected("temp != 5")
    assert board in selected("node == dgx-02 or temp > 0")
    assert board not in selected("not (node == dgx-02 or temp > 0)")
    assert gpus("dgx-04", 0)[0] not in selected("util >= 0")  # its node is silent


def test_none_is_a_text_that_is_known_to_be_empty() -> None:
    idle, busy = set(selected("job == none")), set(selected("job != none"))
    assert idle and busy and not idle & busy
    assert not any(name.startswith("dgx-07") for name in idle | busy)  # its driver hangs: who knows


def test_aggregates_work_on_what_is_known_and_all_asks_for_everything() -> None:
    assert "dgx-02" in selected("min(temp) > 0")
    assert "dgx-02" not in selected("all(temp > 0)")
    assert "dgx-02" not in selected("not all(temp > 0)")
    assert "login-01" not in selected("node: max(temp) > 0 or max(temp) <= 0")


def test_a_frame_without_accelerators_has_answers_of_that_length() -> None:
    frame = hosts_only()
    assert parse("util > 5").mask(frame).shape == (0,)
    assert parse("max(temp) > 5").mask(frame).tolist() == [False] * frame.nodes.count


def test_what_is_written_right_is_not_advised() -> None:
    for query in ("util == 5 == 6", "util != 5 != 6"):
        with pytest.raises(QueryError, match="is not expected here") as error:
            parse(query)
        assert "write" not in str(error.value)


MISTAKES = [
    ("util = 5", 6, "= is not expected here", "=="),
    ("util > ", 7, "ends where a metric or a value", ""),
    ("(util > 5", 10, "a closing bracket", ""),
    ('node == "x', 9, "not expected", "quote"),
    ("util > 5 && temp > 5", 11, "not expected", "write and"),
    ("util > 5 AND temp > 5", 14, "temp is not expected", "and in small letters"),
    ("utl < 5", 1, "no metric 'utl'", "did you mean util?"),
    ("temp > 10GB", 8, "temp is in °C, 10GB is in B", ""),
    ("mem_used > 10gb", 12, "no unit 'gb'", "10GB"),
    ("power + temp > 5", 9, "power is in W, temp is in °C", ""),
    ("state == critcal", 10, "state is never critcal", "critical"),
    ("state ~ crit", 9, "never crit", ""),
    ("up == maybe", 7, "up is never maybe", "true, false"),
    ("user < 5", 1, "user is a text", "== != ~ !~ or in"),
    ("temp ~ 8", 1, "~ is for texts", "<"),
    ('temp == "hot"', 9, "is not", "compare it with"),
    ('name ~ "["', 9, "not a regular expression", ""),
    ("temp > 85 for 2", 15, "2 is no time", "2m"),
    ("temp > 85 for 2GB", 15, "2GB is no time", ""),
    ("rate(util, 1h) > 5", 6, "no changes are kept of util", "ecc_corrected"),
    ("rate(ecc_corrected) > 5", 1, "rate needs a counter and a time", ""),
    ("mx(temp) > 5", 1, "no function 'mx'", "max"),
    ("max(temp, util) > 5", 1, "one argument", ""),
    ("any(temp > 5) > 2", 1, "is a condition", ""),
    ("util", 1, "util is no condition", "util =="),
    ("util + 5", 1, "is no condition", ""),
    ("mem_used-mem_total > 5", 1, "no metric", "spaces around the minus"),
    ("", 1, "an empty query", ""),
    ("node: ", 7, "an empty query", ""),
    ("'hot' == name", 1, "stands on the left", ""),
    ("llama 70b", 7, "70 is not expected", "quotes"),
    ("(util > 5 for 1m) for 2m", 2, "a for within a for", ""),
]


@pytest.mark.parametrize(("text", "column", "message", "advice"), MISTAKES, ids=[text for text, *_ in MISTAKES])
def test_a_mistake_is_told_with_its_column_and_what_to_do(text: str, column: int, message: str, advice: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert (caught.value.column, caught.value.query) == (column, text)
    assert message in caught.value.message
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("text", "scope", "advice"),
    [
        ("cpu > 5", Scope.ACCELERATOR, "node.cpu"),
        ("temp > 5", Scope.NODE, "max(temp)"),
        ("max(temp) > 5", Scope.ACCELERATOR, "node: max"),
        ("up == true", Scope.ACCELERATOR, "link:"),
        ("node: cpu > 5", Scope.ACCELERATOR, "leave out the prefix"),
    ],
)
def test_a_name_of_another_scope_is_answered_with_the_way_to_it(text: str, scope: Scope, advice: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, scope)
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ut", ["util"]),
        ("node.st", ["node.state"]),
        ("state == cr", ["critical"]),
        ("node: pha", ["phase"]),
        ("up == ", ["true", "false"]),
        ("job != ", ["none"]),
        ("util < 5 a", ["and"]),
        ("util < 5 and tem", ["temp", "temp_mem", "temp_margin"]),
        ("coun", ["count("]),
        ("acc", ["accelerator:"]),
    ],
)
def test_completion_offers_what_may_stand_there(text: str, expected: list[str]) -> None:
    scope = Scope.LINK if text.startswith("up") else None
    assert complete(text, len(text), scope) == expected


def test_every_field_that_is_offered_is_understood_and_has_help() -> None:
    for scope in Scope:
        for name, help_text in fields(scope):
            assert help_text
            assert name in complete("", 0, scope)


def test_every_example_of_the_documentation_is_understood() -> None:
    blocks = re.findall(r"```query\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    examples = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    assert len([parse(example) for example in examples if example]) >= 20


def test_texts_that_come_later_are_asked_too_and_a_new_vocabulary_anew() -> None:
    boards, query = Boards(), parse("name ~ new")
    boards.say({"g0": {"name": "old"}})
    assert query.mask(boards.frame()).tolist() == [False, False]
    boards.say({"g1": {"name": "new"}})
    assert query.mask(boards.frame()).tolist() == [False, True]
    boards.say({"g0": {"name": "newer"}, "g1": {"name": Missing.FAILED}})
    boards.fleet._renew_vocabulary()
    assert query.mask(boards.frame()).tolist() == [True, False]
    assert parse("not (name ~ new)").mask(boards.frame()).tolist() == [False, False]
