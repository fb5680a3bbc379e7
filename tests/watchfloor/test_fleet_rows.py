"""Rows and their owners: one for the life of the fleet, but where subjects without end come and go."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.boards import Boards
from watchfloor.errors import StreamError
from watchfloor.fleet import GONE_SECONDS, SUBJECTS_PER_NODE
from watchfloor.frame import Cell
from watchfloor.model import Missing, Problem, Scope, Subject

METRICS = ["name", "util", "ecc_uncorrected"]
AT = Scope.ACCELERATOR


def named(boards: Boards, *keys: str) -> None:
    boards.introduce({AT: (keys, METRICS)})


def crowded() -> Boards:
    """A node that has had as many subjects as fit: "old", of which there is something to forget, and parts of it."""
    boards = Boards(2, {AT: (["old"], METRICS)})
    boards.say({"old": {"name": "mig0", "util": 90.0, "ecc_uncorrected": 5.0}})
    boards.pass_time(2)
    boards.say({"old": {"ecc_uncorrected": 9.0}})
    boards.pass_time(2)
    boards.say({"old": {"ecc_uncorrected": 1.0}})
    boards.pass_time(2)
    named(boards, *map(str, range(SUBJECTS_PER_NODE - 1)))
    return boards


def test_what_is_long_gone_leaves_its_row_and_nothing_of_it_stays() -> None:
    boards = crowded()
    before = boards.frame()
    row = before.row(Subject(AT, "n0", "old"))
    assert row is not None and before.counters.resets(row=row)
    boards.now += GONE_SECONDS + 1
    named(boards, "new")
    boards.pass_time(1)
    frame = boards.frame()
    assert frame.row(Subject(AT, "n0", "new")) == row and frame.row(Subject(AT, "n0", "old")) is None
    view = frame.accelerators
    assert (view.keys[row], view.count) == ("new", before.accelerators.count)
    assert view.cell(row, "util") == Cell(None, Missing.NOT_YET) and view.text(row, "name") == ""
    assert np.isnan(frame.history.minute(AT, "util", row).mean).all()
    assert not frame.counters.resets(row=row) and not frame.counters.grown(AT, "ecc_uncorrected", 0.0)
    boards.say({"new": {"util": 7.0, "ecc_uncorrected": 3.0}})
    assert boards.frame().accelerators.cell(row, "util") == Cell(7.0)
    assert not boards.frame().counters.grown(AT, "ecc_uncorrected", 0.0)  # what it begins with is no growth


def test_a_picture_that_was_taken_before_still_shows_who_was_there() -> None:
    boards = crowded()
    before = boards.frame()
    boards.now += GONE_SECONDS + 1
    named(boards, "new")
    row = before.row(Subject(AT, "n0", "old"))
    assert row is not None and before.accelerators.keys[row] == "old"
    assert before.accelerators.text(row, "name") == "mig0" and before.row(Subject(AT, "n0", "new")) is None


def test_what_has_just_gone_makes_no_room() -> None:
    boards = crowded()
    boards.now += GONE_SECONDS - 1
    with pytest.raises(StreamError) as caught:
        named(boards, "new")
    assert caught.value.problem is Problem.FLOOD
    assert boards.frame().row(Subject(AT, "n0", "old")) is not None


def test_those_that_went_first_make_room_and_those_that_come_back_keep_their_rows() -> None:
    boards = Boards(1, {AT: (["a", "b"], METRICS)})
    named(boards, "b")
    boards.now += 10
    named(boards, *map(str, range(SUBJECTS_PER_NODE - 2)))
    rows = {key: boards.frame().row(Subject(AT, "n0", key)) for key in ("a", "b")}
    boards.now += GONE_SECONDS + 1
    named(boards, "b", "new")
    frame = boards.frame()
    assert frame.row(Subject(AT, "n0", "b")) == rows["b"] and frame.row(Subject(AT, "n0", "new")) == rows["a"]
    assert frame.accelerators.reasons("util")[rows["b"]] == Missing.NOT_YET


def test_boards_that_are_partitioned_anew_all_day_are_no_flood() -> None:
    boards = Boards(1, {AT: (["board"], METRICS)})
    for turn in range(100):
        boards.now += GONE_SECONDS / 2
        named(boards, "board", *(f"mig-{turn}-{part}" for part in range(56)))
        boards.say({"board": {"util": float(turn)}, f"mig-{turn}-0": {"name": f"mig{turn}"}})
    view = boards.frame().accelerators
    assert view.count == SUBJECTS_PER_NODE
    assert view.cell(0, "util") == Cell(99.0)
    newest = view.roster.row(0, "mig-99-0")
    assert newest is not None and view.text(newest, "name") == "mig99"
    assert (view.reasons("util") != Missing.LOST).sum() == 57
