"""Counters: how much they grew and when, and why one went backwards."""

from __future__ import annotations

import pytest

from tests.support.boards import Boards
from watchfloor.counters import Cause, CounterLog
from watchfloor.model import NodeStatus, Phase, Scope
from watchfloor.report import Hello

AT = Scope.LINK
METRICS = ["name", "crc_errors", "replay_errors", "recovery_errors", "ib.symbol_error"]


@pytest.fixture
def made() -> Boards:
    return Boards(tables={AT: (["l0", "l1"], METRICS)})


def tell(made: Boards, **values: float) -> CounterLog:
    """The counters of l0, ten seconds after what was told last."""
    made.pass_time(10)
    made.say({"l0": {name.replace("ib_", "ib."): value for name, value in values.items()}}, scope=AT)
    return made.frame().counters


def grown(made: Boards, name: str, seconds: float = 3600) -> float:
    return float(made.frame().counters.increases(AT, name, 2, made.now - seconds)[0])


def test_growth_is_asked_of_any_time(made: Boards) -> None:
    tell(made, crc_errors=5)
    tell(made, crc_errors=8)
    log = tell(made, crc_errors=9)
    assert grown(made, "crc_errors") == 4
    assert grown(made, "crc_errors", 5) == 1
    assert log.rate(AT, "crc_errors", 0, 100, made.now) == pytest.approx(0.04)
    assert log.rate(AT, "crc_errors", 1, 100, made.now) == 0
    assert log.resets() == ()


@pytest.mark.parametrize(
    ("before", "after", "cause", "names", "increase"),
    [
        ({"crc_errors": 9, "replay_errors": 4}, {"crc_errors": 2, "replay_errors": 0}, Cause.RESTART, 2, 2),
        ({"crc_errors": 9, "replay_errors": 0}, {"crc_errors": 0}, Cause.RESTART, 1, 0),
        ({"crc_errors": 9, "replay_errors": 4}, {"crc_errors": 1}, Cause.CLEARED, 1, 1),
        ({"crc_errors": 9, "replay_errors": 4}, {"crc_errors": 1, "replay_errors": 5}, Cause.CLEARED, 1, 1),
        ({"crc_errors": 2**32 - 10, "replay_errors": 4}, {"crc_errors": 5}, Cause.WRAP, 1, 15),
        ({"crc_errors": 2**16 - 10}, {"crc_errors": 5}, Cause.WRAP, 1, 15),
        ({"crc_errors": 2**16 - 1, "replay_errors": 4}, {"crc_errors": 5}, Cause.CLEARED, 1, 5),
        ({"crc_errors": 2**32 - 10, "replay_errors": 4}, {"crc_errors": 5, "replay_errors": 1}, Cause.RESTART, 2, 5),
    ],
    ids=[
        "all fall",
        "the only one",
        "others stand",
        "others grow",
        "32 bits",
        "16 bits",
        "saturated",
        "no wrap of two",
    ],
)
def test_a_counter_that_goes_backwards(
    made: Boards, before: dict, after: dict, cause: Cause, names: int, increase: float
) -> None:
    tell(made, **before)
    log = tell(made, **after)
    (reset,) = log.resets(made.now - 60, AT, 0)
    assert (reset.cause, len(reset.names), reset.at) == (cause, names, made.now)
    assert grown(made, "crc_errors") == increase
    assert log.resets(made.now + 1) == log.resets(scope=Scope.ACCELERATOR) == log.resets(row=1) == ()


def test_after_a_reboot_every_fall_is_one_of_the_reboot(made: Boards) -> None:
    tell(made, crc_errors=2**32 - 10, replay_errors=4)
    made.fleet.status(0, NodeStatus(Phase.LIVE))
    made.fleet.hello(0, Hello(1, "n0", "another boot", made.now, "digest"), made.now)
    made.introduce(made.tables)
    (reset,) = tell(made, crc_errors=5, replay_errors=4).resets()
    assert reset.cause is Cause.REBOOT
    (_, cleared) = reversed(tell(made, crc_errors=1).resets())
    assert cleared.cause is Cause.CLEARED


def reboot(made: Boards) -> None:
    """The node is another boot's from now on, and has told nothing yet."""
    made.fleet.hello(0, Hello(1, "n0", "another boot", made.now, "digest"), made.now)
    made.introduce(made.tables)


def test_what_is_counted_after_a_reboot_counts_from_zero(made: Boards) -> None:
    """More than before the reboot, and yet all of it is new."""
    tell(made, crc_errors=3, replay_errors=9)
    reboot(made)
    tell(made, crc_errors=5, replay_errors=1)
    assert (grown(made, "crc_errors"), grown(made, "replay_errors")) == (5, 1)
    tell(made, crc_errors=6)
    assert grown(made, "crc_errors") == 6


def test_a_counter_that_is_told_late_after_a_reboot_counts_from_zero_too(made: Boards) -> None:
    """Its sampler is slower than that of another counter, which has moved meanwhile."""
    tell(made, crc_errors=3, replay_errors=9)
    reboot(made)
    tell(made, replay_errors=1)
    tell(made, replay_errors=2)
    tell(made, crc_errors=5)
    assert grown(made, "crc_errors") == 5


def test_the_alone_counter_of_a_port_counts_from_zero_after_a_reboot(made: Boards) -> None:
    tell(made, crc_errors=3)
    reboot(made)
    tell(made, crc_errors=5)
    assert grown(made, "crc_errors") == 5


def test_counters_of_an_adapter_that_outlived_the_reboot_count_on(made: Boards) -> None:
    """A warm reboot need not reset an adapter: where nothing fell and one stands where it stood, nothing was reset."""
    tell(made, crc_errors=3, ib_symbol_error=40)
    reboot(made)
    tell(made, crc_errors=5, ib_symbol_error=40)
    assert (grown(made, "crc_errors"), grown(made, "ib.symbol_error")) == (2, 0)
    tell(made, ib_symbol_error=41)
    assert grown(made, "ib.symbol_error") == 1


def test_bringing_a_port_up_at_the_start_is_no_change_of_its_carrier() -> None:
    made = Boards(tables={AT: (["l0", "l1"], ["name", "carrier_changes", "rx_errors"])})
    tell(made, carrier_changes=2, rx_errors=8)
    reboot(made)
    tell(made, carrier_changes=4, rx_errors=0)
    assert grown(made, "carrier_changes") == 0
    tell(made, carrier_changes=6)
    assert grown(made, "carrier_changes") == 2


def test_a_conversation_of_the_same_boot_resets_nothing(made: Boards) -> None:
    tell(made, crc_errors=9, replay_errors=4)
    made.fleet.hello(0, Hello(1, "n0", "boot", made.now, "digest"), made.now)
    made.introduce(made.tables)
    (reset,) = tell(made, crc_errors=5, replay_errors=4).resets()
    assert reset.cause is Cause.CLEARED


def test_counters_for_life_say_nothing_of_a_drivers_start() -> None:
    metrics = ["ecc_corrected", "ecc_corrected_total", "rows_corrected"]
    made = Boards(tables={Scope.ACCELERATOR: (["g0"], metrics)})
    made.say({"g0": {"ecc_corrected": 7, "ecc_corrected_total": 90, "rows_corrected": 1}})
    made.say({"g0": {"ecc_corrected": 0}})
    (reset,) = made.frame().counters.resets()
    assert (reset.cause, reset.names) == (Cause.RESTART, ("ecc_corrected",))


def test_counters_for_life_count_on_after_a_reboot() -> None:
    names = ("ecc_corrected", "ecc_corrected_total", "rows_corrected")
    made = Boards(tables={Scope.ACCELERATOR: (["g0"], names)})
    made.say({"g0": {"ecc_corrected": 7, "ecc_corrected_total": 90, "rows_corrected": 1}})
    made.frame()
    reboot(made)
    made.say({"g0": {"ecc_corrected": 8, "ecc_corrected_total": 98, "rows_corrected": 1}})
    counters = made.frame().counters
    found = [counters.grown(Scope.ACCELERATOR, name, 0.0) for name in names]
    assert found == [{0: 8.0}, {0: 8.0}, {}]


def test_moves_between_two_frames_are_all_counted(made: Boards) -> None:
    for value in (5, 7, 5, 6):
        made.say({"l0": {"crc_errors": value}}, scope=AT)
    assert grown(made, "crc_errors") == 2 + 5 + 1
    assert len(made.frame().counters.resets()) == 1


def test_many_restless_counters_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfloor.counters._CHANGES_IN_ALL", 1_000)
    made = Boards(tables={AT: ([f"l{at}" for at in range(40)], ["crc_errors"])})
    for second in range(300):
        made.now += 10
        made.say({f"l{at}": {"crc_errors": second} for at in range(40)}, scope=AT)
    log = made.frame().counters
    kept = [len(changes.at) for changes in log._changes[AT, "crc_errors"].values()]
    assert max(kept) <= 25
    assert log.increases(AT, "crc_errors", 40, 0.0).tolist() == [299.0] * 40
