"""Lines in little room: parts flow onto further lines, nothing is cut where there is another line, hints give way."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tui.base import fewer_hints, hint_line
from tui.present.help import section
from tui.present.line import Line, broken, flow, width_of, within
from tui.present.style import Token
from tui.widgets.lineinput import _pointed


def text_of(line: Line) -> str:
    return "".join(text for text, _ in line)


def texts(lines: Sequence[Line]) -> list[str]:
    return [text_of(line) for line in lines]


def plain(*words: str) -> list[Line]:
    return [[(word, Token.TEXT)] for word in words]


def test_parts_flow_and_only_what_is_wider_than_a_line_is_broken() -> None:
    assert texts(flow(plain("one two", "three"), 20)) == [" one two   three"]
    assert texts(flow(plain("one two", "three"), 12)) == [" one two", " three"]
    assert texts(flow(plain("one two three four"), 10)) == [" one two", " three", " four"]
    assert flow([], 10) == []


@given(st.lists(st.text("ab ", min_size=1, max_size=30), max_size=4), st.integers(4, 40))
def test_a_broken_line_keeps_its_words_and_the_width(pieces: list[str], width: int) -> None:
    line: Line = [(piece, Token.TEXT) for piece in pieces]
    lines = broken(line, width)
    assert all(width_of(found) <= width for found in lines)
    if all(len(word) <= width for word in text_of(line).split()):
        assert "".join(texts(lines)).replace(" ", "") == text_of(line).replace(" ", "")


def test_what_has_no_line_is_hinted_at() -> None:
    assert texts(within(plain("a", "b", "c"), 2, 10)) == ["a", "b …"]
    assert texts(within(plain("a", "b"), 2, 10)) == ["a", "b"]


def test_hints_give_way_one_by_one_and_the_filter_stays_longer_than_the_rest() -> None:
    hints = hint_line("?", "help", "/", "filter", "t", "rows", "q", "quit")
    assert text_of(fewer_hints(hints, 80)) == "? help  / filter  t rows  q quit"
    assert text_of(fewer_hints(hints, 30)) == "? help  / filter  q quit"
    assert text_of(fewer_hints(hints, 15)) == "? help  q quit"
    assert text_of(fewer_hints(hints, 6)) == "? help"


def test_help_cuts_no_word_where_a_column_less_has_room_for_it() -> None:
    entries = [
        ("Shift+B", "hold nodes against one another by group, model, job, rack, site"),
        ("d", "only what differs"),
    ]
    for width in (84, 110, 140, 178):
        assert entries[0][1] in "\n".join(texts(section("Keys", entries, width)))


def test_an_error_is_told_whole_at_any_column() -> None:
    message = "accelerators have no metric 'utl': did you mean util? A text goes into quotes"
    for column in (2, 40, 78):
        lines = texts(_pointed(column, message, 80))
        assert " ".join(" ".join(lines).replace("^", "").split()) == message
        assert lines[0].index("^") == column
        assert all(len(line) <= 80 for line in lines)
