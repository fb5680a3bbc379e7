"""Checks of links, power, counts, kernel events and services: each with its fault and without."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.boards import Boards, Values
from watchfloor import checks
from watchfloor.checks._rules import growths
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Finding, Missing, NodeStatus, Phase, Scope, State
from watchfloor.report import Event, Report

_BOARD = Scope.ACCELERATOR


def found(made: Boards, code: str = "") -> list[tuple[str, State, str]]:
    every = checks.run(made.frame())
    return [(one.code, one.state, str(one.subject)) for one in every if not code or one.code == code]


def text(made: Boards, code: str) -> str:
    return next(one.text for one in checks.run(made.frame()) if one.code == code)


# -- boards

BOARD: Values = {"name": "gpu0", "model": "H100", "util": 95, "power": 600, "power_limit": 700, "clock_sm": 1980}


def boards(count: int = 1, **values: float | str) -> Boards:
    keys = [f"g{at}" for at in range(count)]
    row = {**BOARD, **values}
    made = Boards(tables={_BOARD: (keys, list(row))})
    made.say({key: {**row, "name": f"gpu{at}"} for at, key in enumerate(keys)})
    return made


@pytest.mark.parametrize(
    ("healthy", "sick", "code", "state"),
    [
        ({"ecc_corrected": 20_000_000}, {"ecc_corrected": 20_000_001}, "ecc-corrected", State.WARNING),
        ({"pages_retired": 10}, {"pages_retired": 11}, "pages-retired", State.WARNING),
        ({"pages_pending": 0}, {"pages_pending": 1}, "pages-pending", State.WARNING),
        ({"ecc_sram_corrected": 10_000}, {"ecc_sram_corrected": 10_001}, "ecc-sram-corrected", State.WARNING),
        ({"sram_threshold": 0}, {"sram_threshold": 1}, "sram-threshold", State.CRITICAL),
        ({"repair_pending": 0}, {"repair_pending": 1}, "repair-pending", State.WARNING),
        ({"fabric_state": "completed"}, {"fabric_state": "in progress"}, "fabric-not-joined", State.WARNING),
        ({"fabric_state": "completed"}, {"fabric_state": "failed: Unknown Error"}, "fabric-not-joined", State.WARNING),
        ({"fabric_state": "completed"}, {"fabric_state": "completed, route unhealthy"}, "fabric-ill", State.WARNING),
        ({"temp": 93}, {"temp": 94}, "temp-high", State.WARNING),
        ({"temp_mem": 95}, {"temp_mem": 96}, "temp-mem-high", State.WARNING),
        ({"ecc_sram": 7}, {"ecc_sram": 8}, "ecc-sram", State.CRITICAL),
        ({"exec_errors": 7}, {"exec_errors": 8}, "execution-errors", State.WARNING),
        ({"pcie_replays": 0}, {"pcie_replays": 9}, "pcie-replays", State.WARNING),
        ({"throttle_thermal_time": 0}, {"throttle_thermal_time": 121}, "throttle-time", State.WARNING),
        ({"throttle": 0x4}, {"throttle": 0x20}, "throttled", State.WARNING),
    ],
)
def test_boards(healthy: Values, sick: Values, code: str, state: State) -> None:
    made = boards(**healthy)  # pyright: ignore[reportArgumentType]
    made.pass_time(1)
    assert found(made) == []
    made.say({"g0": sick})
    assert found(made) == [(code, state, "n0/g0")]


def test_a_board_that_tells_its_margin_is_judged_by_it() -> None:
    assert found(boards(temp=99, temp_margin=20)) == []


@pytest.mark.parametrize(
    ("model", "margin", "state"),
    [
        ("NVIDIA H100 80GB HBM3", -1.0, State.WARNING),
        ("NVIDIA H100 80GB HBM3", -2.0, State.CRITICAL),
        ("NVIDIA B200", -2.0, State.WARNING),
        ("NVIDIA B200", -3.0, State.CRITICAL),
        ("NVIDIA GB200", -2.0, State.CRITICAL),
        ("another", 0.0, State.CRITICAL),
    ],
)
def test_models_slow_down_at_different_margins(model: str, margin: float, state: State) -> None:
    assert found(boards(model=model, temp_margin=margin)) == [("temp-margin", state, "n0/g0")]


def test_a_hardware_slowdown_that_comes_again_and_again() -> None:
    made = boards(throttle=0)
    for _ in range(6):
        assert found(made, "hardware-slowdown") == []
        made.say({"g0": {"throttle": 0x40}})
        found(made)
        made.say({"g0": {"throttle": 0}})
        made.pass_time(60)
    assert found(made, "hardware-slowdown") == [("hardware-slowdown", State.CRITICAL, "n0/g0")]
    assert "in 6 of the last 10 minutes" in text(made, "hardware-slowdown")
    made.pass_time(600)
    assert found(made) == []


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({"pcie_width": 8}, ["pcie-downgrade"]),
        ({"pcie_gen": 4}, ["pcie-downgrade"]),
        ({"pcie_gen": 1, "util": 3}, []),
        ({}, []),
    ],
)
def test_pcie_is_judged_under_load(values: Values, codes: list[str]) -> None:
    row: Values = {"pcie_width": 16, "pcie_width_max": 16, "pcie_gen": 5, "pcie_gen_max": 5, **values}
    assert [code for code, _, _ in found(boards(**row))] == codes  # pyright: ignore[reportArgumentType]


def test_power_beyond_the_limit_is_told_when_it_lasts() -> None:
    made = boards(power=650)
    made.pass_time(10)
    made.say({"g0": {"power": 800}})
    assert found(made) == []
    made.pass_time(11)
    assert found(made) == [("power-over-limit", State.WARNING, "n0/g0")]


def test_power_beyond_the_budget_of_a_node() -> None:
    made = Boards(nodes=2, tables={_BOARD: (["g0", "g1"], ["name", "power"])})
    made.say({"g0": {"power": 700.0}, "g1": {"power": 700.0}})
    made.say({"g0": {"power": 700.0}}, node=1)
    assert found(made) == []
    for node, spec in enumerate(made.fleet.specs):
        made.fleet._describe(node, replace(spec, power_budget_watts=1000.0))
        made.fleet.status(node, NodeStatus(Phase.LIVE))
    assert found(made) == [("power-budget", State.WARNING, "n0")]
    assert text(made, "power-budget") == "the accelerators of n0 draw 1.4 kW, the budget is 1.0 kW"


def test_a_busy_board_that_gets_less_clock_for_its_power() -> None:
    made = boards(9)
    made.pass_time(61)
    assert found(made) == []
    made.say({"g3": {"power": 690, "clock_sm": 1500}, "g4": {"util": 20, "clock_sm": 900}})
    made.pass_time(61)
    assert ("inefficient", State.WARNING, "n0/g3") in found(made)
    assert "2.17 MHz per watt over the last minute, the median of 8 busy boards" in text(made, "inefficient")


def test_fewer_accelerators_than_the_group_has() -> None:
    made = Boards(nodes=4, tables={_BOARD: (["g0", "g1"], ["name", "util"])})
    for node in range(4):
        made.fleet._put_node_text(node, "group", "train")
        made.say({"g0": {"util": 5}, "g1": {"util": 5}}, node)
    made.pass_time(31)
    assert found(made) == []
    made.fleet._put_node(2, "accelerators", 1)
    assert found(made) == [("accelerator-count", State.CRITICAL, "n2")]


def test_nodes_of_other_boards_and_partitions_are_no_fewer() -> None:
    names = ["name", "util", "model", "partition_of"]
    made = Boards(nodes=5, tables={_BOARD: (["g0", "g1"], names)})
    for node in range(5):
        made.fleet._put_node_text(node, "group", "train")
        made.say({key: {"util": 5, "model": "H100", "partition_of": ""} for key in ("g0", "g1")}, node)
    made.say({"g0": {"model": "A100"}, "g1": {"model": "A100"}}, node=4)
    made.say({"g1": {"partition_of": "g0"}}, node=0)
    made.pass_time(31)
    made.fleet._put_node(4, "accelerators", 1)
    assert found(made) == [("accelerator-count", State.CRITICAL, "n0")]
    for node in range(4):
        made.say({"g1": {"partition_of": "g0"}}, node)
    assert found(made) == []
    made.say({"g1": {"partition_of": ""}}, node=0)
    assert found(made) == []


def test_a_job_that_draws_more_for_each_clock_is_no_ill_of_its_boards() -> None:
    names = ["name", "model", "util", "power", "clock_sm", "job"]
    keys = [f"g{at}" for at in range(8)]
    made = Boards(nodes=3, tables={_BOARD: (keys, names)})
    for node in range(3):
        watts = 690 if node == 2 else 350
        row: Values = {"model": "H100", "util": 99, "power": watts, "clock_sm": 1800, "job": f"slurm:{node}"}
        made.say(dict.fromkeys(keys, row), node)
    made.pass_time(61)
    assert found(made) == []


def test_a_board_that_has_only_just_got_work_may_still_step_up() -> None:
    names = ["name", "util", "pcie_gen", "pcie_gen_max", "pcie_width", "pcie_width_max"]
    made = Boards(tables={_BOARD: (["g0"], names)})
    made.say({"g0": {"util": 0, "pcie_gen": 1, "pcie_gen_max": 5, "pcie_width": 16, "pcie_width_max": 16}})
    made.pass_time(40)
    made.say({"g0": {"util": 95}})
    made.pass_time(5)
    assert found(made) == []
    made.pass_time(30)
    assert found(made) == [("pcie-downgrade", State.WARNING, "n0/g0")]


# -- links

LINK: Values = {
    "name": "l0",
    "kind": "infiniband",
    "up": 1,
    "phys": "LinkUp",
    "speed": 5e10,
    "speed_max": 5e10,
    "peer": "",
}


def links(**values: float | str) -> Boards:
    row = {**LINK, **values}
    made = Boards(tables={Scope.LINK: (["l0"], list(row))})
    made.say({"l0": row}, scope=Scope.LINK)
    made.pass_time(1)
    return made


@pytest.mark.parametrize("rule", growths("link-errors"), ids=lambda rule: rule.code)
def test_every_rule_of_growing_errors(rule: object) -> None:
    (rule,) = (one for one in growths("link-errors") if one is rule)
    assert rule.metric in CATALOGUE[Scope.LINK]
    kind = sorted(rule.kinds)[0] if rule.kinds else "infiniband"
    made = links(kind=kind, **{rule.metric: 100})  # pyright: ignore[reportArgumentType]
    made.say({"l0": {rule.metric: 100 + rule.above}}, scope=Scope.LINK)
    assert found(made, rule.code) == []
    made.say({"l0": {rule.metric: 101 + rule.above}}, scope=Scope.LINK)
    assert found(made, rule.code) == [(rule.code, rule.state, "n0/l0")]
    assert f"l0 of n0 counted {rule.above + 1:,.0f} " in text(made, rule.code)
    assert f" within the last {rule.span}" in text(made, rule.code)
    made.now += rule.seconds + 11
    made.pass_time(1)
    assert found(made, rule.code) == []


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("ib.link_downed", "counted 1 time that the link went down within"),
        ("rdma.rnr_nak_retry", "counted 1 retry for a receiver"),
        ("ib.buffer_overrun", "counted 1 buffer overrun in a row"),
        ("crc_errors", "counted 1 packet with a wrong checksum within"),
    ],
)
def test_what_was_counted_once_is_told_in_the_singular(metric: str, words: str) -> None:
    (rule,) = (one for one in growths("link-errors") if one.metric == metric)
    made = links(kind=min(rule.kinds, default="infiniband"), **{metric: 100})
    made.say({"l0": {metric: 101}}, scope=Scope.LINK)
    assert words in text(made, rule.code)


def test_a_rule_is_for_its_kinds_of_link() -> None:
    made = links(kind="pcie", crc_errors=0)
    made.say({"l0": {"crc_errors": 5}}, scope=Scope.LINK)
    assert found(made) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"speed": 2.5e10}, [("link-slow", State.WARNING, "n0/l0")]),
        ({"speed": 2.5e10, "kind": "pcie"}, []),
        ({"speed": 2.5e10, "up": 0, "phys": "Disabled"}, []),
        ({"ber": 1e-7}, []),
        ({"ber": 2e-6, "kind": "nvlink"}, [("link-ber", State.WARNING, "n0/l0")]),
        ({"ici.health": 0, "kind": "ici"}, []),
        ({"ici.health": 3, "kind": "ici"}, [("ici-health", State.WARNING, "n0/l0")]),
        ({"ici.health": 10, "kind": "ici"}, [("ici-health", State.CRITICAL, "n0/l0")]),
        ({"kind": "xgmi", "up": 0, "peer": "gpu2"}, [("xgmi-down", State.CRITICAL, "n0/l0")]),
        ({"kind": "gaudi", "up": 0, "peer": "hl1"}, [("gaudi-down", State.CRITICAL, "n0/l0")]),
        ({"kind": "roce", "up": 0, "phys": "Polling"}, [("roce-port-down", State.WARNING, "n0/l0")]),
    ],
)
def test_links(values: Values, expected: list[tuple[str, State, str]]) -> None:
    assert found(links(**values)) == expected  # pyright: ignore[reportArgumentType]


def test_an_ethernet_port_that_went_down_and_one_that_flaps() -> None:
    made = links(kind="ethernet", carrier_changes=1)
    made.say({"l0": {"up": 0, "carrier_changes": 2}}, scope=Scope.LINK)
    assert found(made) == [("ethernet-down", State.WARNING, "n0/l0")]
    made.say({"l0": {"up": 1, "carrier_changes": 7}}, scope=Scope.LINK)
    assert found(made) == [("link-flapping", State.CRITICAL, "n0/l0")]
    made.now += 3 * 3600 + 11
    made.pass_time(1)
    assert found(made) == []


# -- events and services


def event(made: Boards, kind: str, severity: str, device: str = "", ago: float = 0.0) -> None:
    said = Event(made.now - ago, "kernel", kind, f"a line of {kind}", device, severity=severity)
    made.fleet.report(0, Report(1, 1, made.now, events=[said]), made.now)


def test_events_are_told_by_subject_and_kind() -> None:
    made = boards()
    event(made, "mce", "critical")
    event(made, "oom", "warning")
    event(made, "hang", "critical", "g0")
    event(made, "reset", "info", "g1")
    event(made, "link-down", "warning", "eth0")
    assert sorted(found(made)) == [
        ("event-hang", State.CRITICAL, "n0/g0"),
        ("event-mce", State.CRITICAL, "n0"),
        ("event-oom", State.WARNING, "n0"),
    ]
    assert text(made, "event-mce") == "n0: machine check: a line of mce"


def test_what_a_reset_has_mended_is_a_warning_for_an_hour() -> None:
    made = boards()
    event(made, "hang", "critical", "g0", ago=20)
    event(made, "memory-lost", "critical", "g0", ago=5)
    event(made, "ecc", "critical", "g0", ago=5)
    event(made, "reset", "info", "g0")
    assert sorted(found(made)) == [
        ("event-ecc", State.CRITICAL, "n0/g0"),
        ("event-hang", State.WARNING, "n0/g0"),
        ("event-memory-lost", State.WARNING, "n0/g0"),
    ]
    made.now += 10
    event(made, "hang", "critical", "g0")
    assert ("event-hang", State.CRITICAL, "n0/g0") in found(made)
    made.now += 3_700
    made.pass_time(1)
    assert sorted(code for code, _, _ in found(made)) == ["event-ecc", "event-hang"]


def test_events_grow_old() -> None:
    made = boards()
    event(made, "oom", "warning", ago=3500)
    event(made, "hang", "critical")
    made.now += 101
    made.pass_time(1)
    assert found(made) == [("event-hang", State.CRITICAL, "n0")]
    made.now += 86_400
    made.pass_time(1)
    assert found(made) == []


def services(**values: float | str) -> Boards:
    row: Values = {"name": "vllm:8000", "up": 1, "kv_cache": 95, "waiting": 3, "endpoint": "", **values}
    made = Boards(tables={Scope.SERVICE: (["s0"], list(row))})
    made.say({"s0": row}, scope=Scope.SERVICE)
    return made


def test_a_service_that_does_not_answer() -> None:
    assert found(services(up=0, waiting=0)) == [("service-down", State.CRITICAL, "n0/s0")]


def test_a_service_that_is_gone_for_longer_than_a_change_of_jobs_takes() -> None:
    made = services(waiting=0)
    gone = {"up": Missing.LOST, "waiting": Missing.LOST, "kv_cache": Missing.LOST}
    made.say({"s0": gone}, scope=Scope.SERVICE)
    assert found(made) == []
    made.pass_time(110)
    assert found(made) == []
    made.pass_time(15)
    assert found(made) == [("service-gone", State.WARNING, "n0/s0")]
    made.say({"s0": {"up": 1, "waiting": 0, "kv_cache": 5}}, scope=Scope.SERVICE)
    assert found(made) == []


def test_a_service_whose_cache_is_full_while_requests_wait_for_five_minutes() -> None:
    made = services()
    assert found(made) == []
    made.pass_time(299)
    assert found(made) == []
    made.pass_time(1)
    assert found(made) == [("service-overload", State.WARNING, "n0/s0")]
    made.say({"s0": {"waiting": 0}}, scope=Scope.SERVICE)
    assert found(made) == []
    made.say({"s0": {"waiting": 1}}, scope=Scope.SERVICE)
    assert found(made) == []


def test_every_finding_has_a_code_that_can_be_written() -> None:
    every: list[Finding] = [*checks.run(links(kind="xgmi", up=0, peer="x").frame())]
    assert all(one.code == one.code.lower().replace(" ", "-") for one in every)
