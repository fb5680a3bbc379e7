"""Bytes into lines, whatever the cuts, and within bounds whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stream import Budget, ErrorTail, LineStream
from watchfloor.errors import StreamError
from watchfloor.model import Problem

_lines = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b".")), max_size=12)


@given(_lines, st.lists(st.integers(1, 30), max_size=60))
def test_lines_come_out_as_they_went_in_however_they_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    rest, stream, found = b"".join(line + b"\n" for line in lines), LineStream(), []
    for cut in cuts:
        found += stream.feed(rest[:cut], 0.0)
        rest = rest[cut:]
    found += stream.feed(rest, 0.0)
    assert found == lines
    assert stream.unfinished == 0


def test_a_line_without_an_end_is_let_go_at_its_bound() -> None:
    stream = LineStream(max_line=1000)
    with pytest.raises(StreamError) as caught:
        for _ in range(11):
            stream.feed(b"x" * 100, 0.0)
    assert caught.value.problem is Problem.FLOOD
    assert stream.unfinished == 0


def test_the_budget_refills_with_time_and_never_above_its_burst() -> None:
    budget = Budget(burst=1000, rate=100)
    budget.charge(1000, 0.0)
    budget.charge(500, 5.0)
    budget.charge(1000, 500.0)
    with pytest.raises(StreamError) as caught:
        budget.charge(200, 501.0)
    assert caught.value.problem is Problem.FLOOD


def test_of_the_standard_error_the_end_is_kept() -> None:
    tail = ErrorTail(limit=20)
    for _ in range(100):
        tail.feed(b"noise and more noise\n")
    tail.feed(b"the \x1b[31mreason\n\n")
    assert tail.last_line == "the [31mreason"
    assert len(tail.text) <= 20
