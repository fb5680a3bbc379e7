"""Checks of what boards are set to and ought to have, of what idles on them, and of links that come and go."""

from __future__ import annotations

import pytest

from tests.support.boards import Boards, Values
from watchfloor import checks
from watchfloor.model import Missing, Scope, State

_BOARD, _LINK = Scope.ACCELERATOR, Scope.LINK
_MIB = 2**20


def found(made: Boards, code: str = "") -> list[tuple[str, State, str]]:
    every = checks.run(made.frame())
    return [(one.code, one.state, str(one.subject)) for one in every if not code or one.code == code]


def text(made: Boards, code: str) -> str:
    return next(one.text for one in checks.run(made.frame()) if one.code == code)


def boards(count: int, nodes: int = 1, **values: float | str | Missing) -> Boards:
    row: Values = {"name": "gpu", "model": "NVIDIA H100 80GB HBM3", "util": 50, **values}
    keys = [f"g{at}" for at in range(count)]
    made = Boards(nodes, {_BOARD: (keys, list(row))})
    for node in range(nodes):
        made.say({key: {**row, "name": f"gpu{key[1:]}"} for key in keys}, node)
    made.pass_time(1)
    return made


# -- settings


def test_persistence_mode_off_counts_on_boards_for_data_centres() -> None:
    made = boards(2, persistence=1, ecc_mode=1)
    assert found(made) == []
    made.say({"g1": {"persistence": 0}})
    assert found(made) == [("persistence-off", State.WARNING, "n0/g1")]
    assert found(boards(1, persistence=0, ecc_mode=Missing.UNSUPPORTED)) == []


@pytest.mark.parametrize(
    ("clock", "state"), [(1950, None), (1949, State.WARNING), (1905, State.WARNING), (1904, State.CRITICAL)]
)
def test_an_application_clock_that_is_not_as_on_other_boards(clock: float, state: State | None) -> None:
    made = boards(8, clock_sm_app=1980, clock_mem_app=2619)
    made.say({"g3": {"clock_sm_app": clock}})
    assert found(made) == ([("application-clock", state, "n0/g3")] if state else [])


def test_the_clock_of_most_boards_is_the_usual_one_and_needs_enough_of_them() -> None:
    made = boards(8, clock_sm_app=1980, clock_mem_app=2619)
    made.say({"g3": {"clock_mem_app": 1593}})
    assert text(made, "application-clock-memory") == (
        "the memory clock that programs get on gpu3 of n0 is 1,593 MHz, on most boards of its model 2,619 MHz"
    )
    made.say({f"g{at}": {"clock_mem_app": 1593} for at in range(4)})
    assert found(made) == [], "half and half: nobody can say"
    few = boards(3, clock_sm_app=1980, clock_mem_app=2619)
    few.say({"g0": {"clock_sm_app": 900}})
    assert found(few) == []


def test_boards_of_other_groups_and_models_are_set_as_they_like() -> None:
    made = boards(4, nodes=2, clock_sm_app=1980)
    for node, group in enumerate(("train", "serve")):
        made.fleet._put_node_text(node, "group", group)
    made.say({f"g{at}": {"clock_sm_app": 1200} for at in range(4)}, node=1)
    assert found(made) == []


# -- what a model has


def test_a_board_without_any_of_its_nvlinks() -> None:
    made = boards(8, links_up=18, links_max=18)
    assert found(made) == []
    made.say({f"g{at}": {"links_up": 0} for at in range(8)})
    assert found(made) == [("nvlink-count", State.CRITICAL, f"n0/g{at}") for at in range(8)]
    assert "gpu0 of n0 has 0 of 18 NVLinks up, boards of its model have 18" in text(made, "nvlink-count")


@pytest.mark.parametrize(
    ("model", "up", "most", "codes"),
    [
        ("NVIDIA H100 80GB HBM3", 17, 18, []),  # the link is told of by itself
        ("NVIDIA H100 80GB HBM3", 12, 12, ["nvlink-count"]),
        ("NVIDIA H100 PCIe", 0, 18, []),
        ("NVIDIA GB200", 0, 18, ["nvlink-count"]),
        ("NVIDIA H100 80GB HBM3", Missing.UNSUPPORTED, Missing.UNSUPPORTED, []),  # partitioned
    ],
)
def test_models_are_known_by_their_whole_name(model: str, up: float, most: float, codes: list[str]) -> None:
    assert [code for code, _, _ in found(boards(1, model=model, links_up=up, links_max=most))] == codes


def test_an_nvlink_that_is_slower_than_those_of_its_model() -> None:
    names = ["kind", "accelerator", "speed", "up"]
    made = Boards(
        tables={_BOARD: (["g0"], ["name", "model", "uuid", "util"]), _LINK: (["nvlink", "pcie"], ["name", *names])}
    )
    made.say({"g0": {"name": "gpu0", "model": "NVIDIA GB200", "uuid": "g0", "util": 50}})
    row: Values = {"accelerator": "g0", "speed": 53.125e9, "up": 1}
    made.say({"nvlink": {**row, "kind": "nvlink"}, "pcie": {**row, "kind": "pcie", "speed": 1e9}}, scope=_LINK)
    assert found(made) == []
    made.say({"nvlink": {"speed": 26.562e9}}, scope=_LINK)
    assert found(made) == [("nvlink-speed", State.WARNING, "n0/nvlink")]
    assert "runs at 26.6 GB/s, NVLinks of its board's model at 53.1 GB/s" in text(made, "nvlink-speed")


@pytest.mark.parametrize(("watts", "codes"), [(64, ["power-implausible"]), (66, []), (1501, ["power-implausible"])])
def test_a_draw_that_no_such_board_has(watts: float, codes: list[str]) -> None:
    made = boards(1, model="NVIDIA GB200", power=watts, power_limit=Missing.UNSUPPORTED)
    made.pass_time(11)
    assert [code for code, _, _ in found(made)] == codes
    assert found(boards(1, model="NVIDIA B200", power=watts)) == []


# -- idle


def test_what_an_orphan_holds_and_does_not_use() -> None:
    made = boards(2, util=0, mem_used=900 * _MIB, mem_total=80 * 1024 * _MIB, orphan_mem=15 * _MIB, user="alice")
    made.say({"g1": {"orphan_mem": 800 * _MIB}})
    made.pass_time(200)
    assert found(made) == []
    made.pass_time(130)
    assert found(made) == [("orphan-holder", State.WARNING, "n0/g1")]
    assert text(made, "orphan-holder") == (
        "a process whose parent is gone holds 800 MiB of gpu1 of n0, which has run nothing for 5 min (user alice)"
    )
    made.say({"g1": {"util": 3}})
    assert found(made) == []


def test_memory_that_no_process_holds_beside_equal_idle_boards() -> None:
    made = boards(5, util=0, processes=0, mem_used=59 * _MIB, mem_total=80 * 1024 * _MIB)
    made.say({"g1": {"mem_used": 5059 * _MIB}, "g2": {"mem_used": 70 * _MIB}})
    made.pass_time(590)
    assert found(made) == []
    made.pass_time(30)
    assert found(made) == [("memory-unowned", State.WARNING, "n0/g1")]
    assert "5,000 MiB of gpu1 of n0 are in use for 10 min and no process holds it" in text(made, "memory-unowned")


def test_memory_of_a_process_and_of_boards_without_peers_is_not_nobodys() -> None:
    made = boards(5, util=0, processes=0, mem_used=59 * _MIB, mem_total=80 * 1024 * _MIB)
    made.say({"g1": {"mem_used": 5059 * _MIB, "processes": 1}, "g2": {"processes": Missing.NOT_PERMITTED}})
    made.pass_time(630)
    assert found(made) == []


# -- links that come and go

PORT: Values = {"name": "p", "kind": "infiniband", "up": 1, "phys": "LinkUp", "speed": 5e10, "speed_max": 5e10}


def ports(count: int = 1, **values: float | str) -> Boards:
    row = {**PORT, "ib.link_downed": 0, "carrier_changes": 1, "rx_errors": 0, **values}
    keys = [f"l{at}" for at in range(count)]
    made = Boards(tables={_LINK: (keys, list(row))})
    made.say(dict.fromkeys(keys, row), scope=_LINK)
    made.pass_time(1)
    return made


def test_a_lone_port_that_stays_down_is_critical_after_half_a_minute() -> None:
    made = ports()
    made.say({"l0": {"up": 0, "ib.link_downed": 1}}, scope=_LINK)
    assert found(made, "ib-port-down") == [("ib-port-down", State.WARNING, "n0/l0")]
    made.pass_time(31)
    assert found(made, "ib-port-down") == [("ib-port-down", State.CRITICAL, "n0/l0")]


def test_a_port_that_nobody_saw_up_stays_a_warning() -> None:
    made = ports(up=0)
    made.pass_time(100)
    assert found(made, "ib-port-down") == [("ib-port-down", State.WARNING, "n0/l0")]


def test_a_carrier_that_changes_more_than_twice_in_a_minute() -> None:
    made = ports(kind="ethernet")
    made.say({"l0": {"carrier_changes": 3}}, scope=_LINK)
    assert found(made) == []
    made.say({"l0": {"carrier_changes": 4}}, scope=_LINK)
    assert found(made) == [("carrier-changes", State.WARNING, "n0/l0")]
    assert text(made, "carrier-changes") == "the carrier of p of n0 changed 3 times within 60 s"
    made.say({"l0": {"carrier_changes": 8}}, scope=_LINK)
    assert [code for code, _, _ in found(made)] == ["link-flapping"], "which says it all"


def test_a_link_that_gets_worse_three_times_within_an_hour() -> None:
    made = ports()
    assert found(made) == []
    for time in range(3):
        made.say({"l0": {"speed": 2.5e10}}, scope=_LINK)
        assert (("link-degradations", State.CRITICAL, "n0/l0") in found(made)) == (time == 2)
        made.say({"l0": {"speed": 5e10}}, scope=_LINK)
        found(made)
        made.pass_time(60)
    assert text(made, "link-degradations") == "p of n0 got worse 3 times within the last 60 minutes: contact support"
    made.now += 3600
    made.pass_time(1)
    assert found(made) == []


def test_bursts_of_errors_are_degradations_and_one_that_lasts_is_one() -> None:
    made = ports(speed=2.5e10)
    found(made)
    for burst in range(3):
        made.say({"l0": {"rx_errors": 601.0 * (burst + 1)}}, scope=_LINK)
        found(made)
        made.pass_time(75)
        found(made)
    assert "link-degradations" not in [code for code, _, _ in found(made)], "slow all the time: one state"
    made.say({"l0": {"speed": 5e10}}, scope=_LINK)
    found(made)
    for burst in range(3, 6):
        made.say({"l0": {"rx_errors": 601.0 * (burst + 1)}}, scope=_LINK)
        found(made)
        made.pass_time(75)
        found(made)
    assert found(made) == [("link-degradations", State.CRITICAL, "n0/l0")]
