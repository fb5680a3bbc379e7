"""The filter: one query, answered for accelerators and for nodes."""

from __future__ import annotations

import pytest

from tests.support.frames import settled
from tui.present.choice import Filter, Passed, Rows, matches
from watchfloor.errors import QueryError


def nodes(passed: Passed) -> list[str]:
    return [spec.name for spec, passes in zip(settled().specs, passed.nodes, strict=True) if passes]


def test_an_accelerator_query_lets_the_nodes_of_its_accelerators_pass() -> None:
    passed = Filter("temp > 84").passed(settled())
    assert matches(passed, Rows.ACCELERATORS) == (1, 76)
    assert nodes(passed) == ["dgx-01"]


def test_a_node_query_lets_all_its_accelerators_pass() -> None:
    passed = Filter("phase == backoff").passed(settled())
    assert nodes(passed) == ["dgx-04", "l40-03"]
    assert matches(passed, Rows.ACCELERATORS) == (8, 76)


def test_a_link_query_lets_the_node_pass() -> None:
    assert nodes(Filter("link: up == false").passed(settled())) == ["dgx-03"]


@pytest.mark.parametrize("text", ["node ~ l40", "l40", "rack == r3", "not rack == r1 and rack == r3"])
def test_a_question_about_nodes_alone_finds_those_without_accelerators(text: str) -> None:
    assert nodes(Filter(text).passed(settled())) == ["l40-01", "l40-02", "l40-03", "l40-04"]


def test_a_question_about_accelerators_is_never_answered_by_a_host() -> None:
    """`mem_used` of a host is another thing than that of an accelerator."""
    assert "login-01" not in nodes(Filter("mem_used > 1GB").passed(settled()))


def test_one_frame_is_asked_once() -> None:
    chosen = Filter("util > 5")
    assert chosen.passed(settled()) is chosen.passed(settled())


def test_a_wrong_text_has_a_column() -> None:
    with pytest.raises(QueryError) as caught:
        Filter("util > 5 and tmp > 3")
    assert caught.value.column == len("util > 5 and ") + 1
