"""`for 2m`: what the history vouches for, what a watch has seen, and what neither can know; `rate` of counters."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.boards import Boards
from watchfloor.model import Missing, Scope
from watchfloor.query import Watch, parse


@pytest.fixture
def boards() -> Boards:
    boards = Boards()
    boards.say({"g0": {"name": "gpu0", "util": 90, "temp": 90}, "g1": {"name": "gpu1", "util": 90, "temp": 60}})
    return boards


def mask(boards: Boards, text: str) -> list[bool]:
    return parse(text).mask(boards.frame()).tolist()


def test_history_vouches_for_trended_metrics_once_it_reaches_back_far_enough(boards: Boards) -> None:
    boards.pass_time(29)
    assert mask(boards, "temp > 85 for 30s") == [False, False]
    boards.pass_time(1)
    assert mask(boards, "temp > 85 for 30s") == [True, False]


def test_one_second_below_ends_it_and_makes_it_known_to_be_false(boards: Boards) -> None:
    boards.pass_time(40)
    boards.say({"g0": {"temp": 80}})
    boards.pass_time(1)
    boards.say({"g0": {"temp": 90}})
    boards.pass_time(20)
    assert mask(boards, "temp > 85 for 30s") == [False, False]
    assert mask(boards, "not (temp > 85 for 30s)") == [True, True]
    boards.pass_time(30)
    assert mask(boards, "temp > 85 for 30s") == [True, False]


def test_beyond_a_minute_means_of_ten_seconds_count(boards: Boards) -> None:
    boards.pass_time(185)
    assert mask(boards, "temp > 85 for 3m") == [True, False]
    boards.say({"g0": {"temp": 40}})
    boards.pass_time(10)
    boards.say({"g0": {"temp": 90}})
    boards.pass_time(100)
    assert mask(boards, "temp > 85 for 90s") == [True, False]
    assert mask(boards, "temp > 85 for 3m") == [False, False]


def test_a_second_in_which_nothing_was_known_leaves_it_unknown(boards: Boards) -> None:
    boards.pass_time(40)
    boards.say({"g0": {"temp": Missing.FAILED}})
    boards.pass_time(1)
    boards.say({"g0": {"temp": 90}})
    boards.pass_time(10)
    assert mask(boards, "temp > 85 for 30s") == [False, False]
    assert mask(boards, "not (temp > 85 for 30s)") == [False, True]
    assert mask(boards, "temp > 85 for 10s") == [True, False]


def test_history_is_asked_of_the_whole_condition_and_of_the_node_around(boards: Boards) -> None:
    boards.pass_time(40)
    assert mask(boards, "(temp > 85 and util > 50) for 30s") == [True, False]
    assert mask(boards, "temp > 85 for 30s and name == gpu0") == [True, False]
    assert mask(boards, "node.cpu > 5 for 30s") == [False, False]
    assert mask(boards, "temp / util >= 1 for 30s") == [True, False]


def test_a_single_frame_knows_nothing_of_the_past_of_other_metrics(boards: Boards) -> None:
    boards.pass_time(40)
    assert mask(boards, "name == gpu0 for 30s") == [False, False]
    assert mask(boards, "not (name == gpu1 for 30s)") == [True, False]  # it isn't now, so it wasn't throughout


def test_a_watch_sees_it_last_in_any_metric(boards: Boards) -> None:
    watch = Watch(parse("name == gpu0 for 30s"))
    assert watch.query.lasting
    for _ in range(30):
        assert watch.update(boards.frame()).tolist() == [False, False]
        boards.pass_time(1)
    assert watch.update(boards.frame()).tolist() == [True, False]
    assert watch.update(boards.frame()).tolist() == [True, False]


def test_a_watch_that_saw_nothing_for_too_long_begins_anew(boards: Boards) -> None:
    watch = Watch(parse("name == gpu0 for 20s"))
    watch.update(boards.frame())
    boards.pass_time(30)
    assert watch.update(boards.frame()).tolist() == [False, False]
    boards.pass_time(10)
    assert watch.update(boards.frame()).tolist() == [False, False]
    boards.pass_time(10)
    assert watch.update(boards.frame()).tolist() == [True, False]


def test_a_watch_of_a_plain_query_answers_as_the_query(boards: Boards) -> None:
    query = parse("temp > 85")
    assert not query.lasting
    assert Watch(query).update(boards.frame()).tolist() == query.mask(boards.frame()).tolist()


def test_rows_that_come_later_start_their_own_streak() -> None:
    boards = Boards(nodes=2, tables={Scope.ACCELERATOR: (["g0"], ["name", "util"])})
    boards.say({"g0": {"name": "gpu0"}})
    watch = Watch(parse("name == gpu0 for 10s"))
    watch.update(boards.frame())
    boards.pass_time(8)
    boards.say({"g0": {"name": "gpu0"}}, node=1)
    watch.update(boards.frame())
    boards.pass_time(2)
    assert watch.update(boards.frame()).tolist() == [True, False]
    boards.pass_time(8)
    assert watch.update(boards.frame()).tolist() == [True, True]


def test_for_within_an_aggregate_is_kept_by_row_of_the_accelerators(boards: Boards) -> None:
    watch = Watch(parse("count(name ~ gpu for 10s) == 2"))
    watch.update(boards.frame())
    boards.pass_time(10)
    assert watch.update(boards.frame()).tolist() == [True]
    assert mask(boards, "count(temp > 50 for 5s) == 2") == [True]


def test_an_aggregate_lasts_where_a_watch_sees_it(boards: Boards) -> None:
    watch = Watch(parse("max(temp) > 85 for 10s"))
    watch.update(boards.frame())
    boards.pass_time(10)
    assert mask(boards, "max(temp) > 85 for 10s") == [False]
    assert watch.update(boards.frame()).tolist() == [True]


def test_rate_is_the_increase_within_the_time() -> None:
    boards = Boards(tables={Scope.LINK: (["l0", "l1"], ["name", "ib.symbol_error"])})
    boards.say({"l0": {"ib.symbol_error": 5}, "l1": {"ib.symbol_error": 5}}, scope=Scope.LINK)
    boards.pass_time(1)
    boards.say({"l0": {"ib.symbol_error": 205}}, scope=Scope.LINK)
    boards.pass_time(60)
    assert mask(boards, "rate(ib.symbol_error, 1h) > 120") == [True, False]
    assert mask(boards, "rate(ib.symbol_error, 1h) == 200") == [True, False]
    assert mask(boards, "rate(ib.symbol_error, 30s) > 120") == [False, False]
    assert mask(boards, "node: sum(rate(ib.symbol_error, 1h)) == 200") == [True]


def test_windows_of_the_history_are_oldest_first_and_end_now(boards: Boards) -> None:
    for value in range(100):
        boards.say({"g0": {"temp": value}})
        boards.pass_time(1)
    rows = np.array([0, 7])
    window = boards.fleet._history.window(Scope.ACCELERATOR, "temp", 5, rows)
    assert window[:, 0].tolist() == [95, 96, 97, 98, 99]
    assert np.isnan(window[:, 1]).all()
    longer = boards.fleet._history.window(Scope.ACCELERATOR, "temp", 85, rows)
    assert longer[:4, 0].tolist() == [9.5, 29.5, 40, 41]
    assert not len(boards.fleet._history.window(Scope.ACCELERATOR, "temp", 101, rows))
