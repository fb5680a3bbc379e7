"""Checks: each fault is found once and said in one sentence; health, absence and silence are no faults."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.boards import Boards, Values
from tests.support.frames import SyntheticFleet, hosts_only
from watchfloor import checks
from watchfloor.checks import _tools
from watchfloor.checks._tools import thresholds
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.model import Finding, Missing, NodeSpec, NodeStatus, Phase, Problem, Scope, State
from watchfloor.report import Hello, Report, SamplerStatus, Schema

HEALTHY: Values = {
    "name": "gpu0", "model": "H100", "util": 95, "temp": 60, "temp_margin": 27, "mem_used": 40e9, "mem_total": 80e9,
    "clock_sm": 1980, "throttle": 0, "recovery": 0, "rows_pending": 0, "rows_failed": 0, "ecc_uncorrected": 0, "xid": 0,
    "partition_of": "", "user": "alice", "job": "slurm:42", "power": 650,
}  # fmt: skip
METRICS = list(HEALTHY)
IB_COUNTERS = ["ib.symbol_error", "ib.link_downed", "ib.link_recovery"]
LINK_METRICS = ["name", "kind", "accelerator", "peer", "up", "phys", *IB_COUNTERS]


def boards(count: int = 5) -> Boards:
    keys = [f"g{at}" for at in range(count)]
    made = Boards(tables={Scope.ACCELERATOR: (keys, METRICS)})
    made.say({key: {**HEALTHY, "name": f"gpu{at}"} for at, key in enumerate(keys)})
    return made


def ports(**links: Values) -> Boards:
    made = Boards(tables={Scope.LINK: (list(links), LINK_METRICS)})
    made.say({key: {"name": key, **values} for key, values in links.items()}, scope=Scope.LINK)
    made.pass_time(1)
    return made


def found(frame: Frame) -> list[tuple[str, State, str]]:
    return [(finding.code, finding.state, str(finding.subject)) for finding in checks.run(frame)]


def only(frame: Frame) -> Finding:
    (finding,) = checks.run(frame)
    return finding


# -- accelerators


def test_a_healthy_node_has_no_findings() -> None:
    made = boards()
    made.pass_time(70)
    assert found(made.frame()) == []


@pytest.mark.parametrize(
    ("values", "code", "state", "words"),
    [
        ({"recovery": 2}, "recovery-action", State.CRITICAL, "the driver of gpu1 of n0 asks to reboot the node"),
        ({"recovery": 9}, "recovery-action", State.CRITICAL, "take recovery action 9"),
        ({"rows_failed": 1}, "row-remap-failed", State.CRITICAL, "could not be remapped"),
        ({"rows_pending": 1}, "row-remap-pending", State.WARNING, "remapped at its next reset"),
        ({"ecc_uncorrected": 1200}, "ecc-uncorrected", State.CRITICAL, "1,200 uncorrected memory errors"),
        ({"xid": 79}, "xid-fatal", State.CRITICAL, "XID 79: GPU has fallen off the bus; nvidia: reboot the node"),
        ({"throttle": 0x44}, "throttled", State.WARNING, "slowed down: thermal (hardware)"),
        ({"temp_margin": 2}, "temp-margin", State.WARNING, "gpu1 of n0 is 4 °C below the temperature"),
        ({"temp_margin": -3}, "temp-margin", State.CRITICAL, "is 1 °C above the temperature that slows it down"),
    ],
)
def test_a_fault_of_a_board_is_found(values: Values, code: str, state: State, words: str) -> None:
    made = boards()
    made.say({"g1": values})
    finding = only(made.frame())
    assert (finding.code, finding.state, str(finding.subject)) == (code, state, "n0/g1")
    assert words in finding.text
    assert next(iter(values)) in dict(finding.evidence)


@pytest.mark.parametrize("values", [{"xid": 31}, {"throttle": 0x5}, {"throttle": 0x100}, {"temp_margin": 5}])
def test_what_is_no_fault_of_the_board_is_not_found(values: Values) -> None:
    made = boards()
    made.say({"g1": values})
    assert found(made.frame()) == []


@pytest.mark.parametrize("metric", ["recovery", "ecc_uncorrected", "xid", "throttle", "temp_margin", "rows_failed"])
def test_a_value_that_is_no_longer_current_is_no_finding(metric: str) -> None:
    made = boards()
    made.say({"g1": {metric: 79 if metric != "temp_margin" else -5}})
    made.say({"g1": {metric: Missing.FAILED}})
    assert found(made.frame()) == []


def test_a_board_that_the_driver_lost_is_found_and_a_mig_instance_that_was_removed_is_not() -> None:
    made = boards()
    made.say({"g2": {"partition_of": "g1"}})
    gone: Values = dict.fromkeys(METRICS, Missing.LOST)
    made.say({"g1": gone, "g2": gone})
    assert found(made.frame()) == [("accelerator-lost", State.CRITICAL, "n0/g1")]
    assert "gpu1 of n0 is lost" in only(made.frame()).text


def test_a_board_whose_place_another_has_taken_is_not_lost() -> None:
    """One was lost before it could say its name, and has come back; one was replaced; one is gone."""
    names = ["util", "index", "bus_id"]
    made = Boards(tables={Scope.ACCELERATOR: (["nvidia:0", "old", "gone"], names)})
    made.say({"nvidia:0": {"index": 0, "util": Missing.LOST}, "old": {"util": 5, "index": 1, "bus_id": "c1"}})
    made.say({"gone": {"util": 5, "index": 2, "bus_id": "c2"}})
    assert found(made.frame()) == [("accelerator-lost", State.CRITICAL, "n0/nvidia:0")]
    made.introduce({Scope.ACCELERATOR: (["named", "new"], names)})
    made.say({"named": {"util": 5, "index": 0, "bus_id": "c0"}, "new": {"util": 5, "index": 1, "bus_id": "c1"}})
    assert found(made.frame()) == [("accelerator-lost", State.CRITICAL, "n0/gone")]


def test_a_board_that_is_held_and_idle_for_ten_minutes_is_found() -> None:
    made = boards()
    made.say({"g1": {"util": 0}})
    made.pass_time(590)
    assert found(made.frame()) == []
    made.pass_time(20)
    assert found(made.frame()) == [("idle-held", State.WARNING, "n0/g1")]
    assert (
        only(made.frame()).text
        == "gpu1 of n0 holds 50 % of its memory and has run nothing for 10 min (user alice, job slurm:42)"
    )
    made.say({"g1": {"mem_used": 1e9}})
    assert found(made.frame()) == []


def test_a_board_that_runs_slower_than_equal_boards_beside_it_is_found() -> None:
    made = boards()
    made.say({"g1": {"clock_sm": 1400}})
    assert found(made.frame()) == []
    made.pass_time(60)
    finding = only(made.frame())
    assert (finding.code, str(finding.subject)) == ("straggler", "n0/g1")
    assert finding.text == "gpu1 of n0 ran at 1,400 MHz over the last minute, 4 equal boards beside it at 1,980 MHz"


def test_a_checkpoint_does_not_hide_a_straggler() -> None:
    made = boards()
    made.say({"g1": {"clock_sm": 1400}})
    made.pass_time(60)
    made.say({f"g{at}": {"util": 3} for at in range(5)})
    made.pass_time(13)
    made.say({f"g{at}": {"util": 95} for at in range(5)})
    made.pass_time(1)
    assert [code for code, _, _ in found(made.frame())] == ["straggler"]


@pytest.mark.parametrize("values", [{"util": 40}, {"model": "L40S"}, {"clock_sm": 1900}])
def test_an_unequal_or_less_busy_board_is_no_straggler(values: Values) -> None:
    made = boards()
    made.say({"g1": {"clock_sm": 1400, **values}})
    made.pass_time(61)
    assert found(made.frame()) == []


def test_two_boards_alone_are_not_compared() -> None:
    made = boards(2)
    made.say({"g1": {"clock_sm": 1400}})
    made.pass_time(61)
    assert found(made.frame()) == []


# -- links

NVLINK: Values = {"kind": "nvlink", "up": 1}
IB: Values = {
    "kind": "infiniband",
    "up": 1,
    "phys": "LinkUp",
    "ib.symbol_error": 0,
    "ib.link_downed": 0,
    "ib.link_recovery": 0,
}
DOWN: Values = {"up": 0, "phys": "Polling"}


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({"l0": NVLINK, "l1": {**NVLINK, "up": 0, "peer": "0:c1:0"}}, [("nvlink-down", State.CRITICAL, "n0/l1")]),
        ({"l0": NVLINK, "l1": {**NVLINK, "up": 0}}, []),  # bridged over some of its links
        ({"l0": {**NVLINK, "up": 0}, "l1": {**NVLINK, "up": 0}}, []),  # no bridge: never wired
        ({"p0": IB, "p1": {**IB, **DOWN, "ib.link_downed": 2}}, [("ib-port-down", State.CRITICAL, "n0/p1")]),
        ({"p0": IB, "p1": {**IB, **DOWN}}, [("ib-port-down", State.WARNING, "n0/p1")]),  # perhaps never wired
        ({"p0": {**IB, **DOWN}}, [("ib-port-down", State.WARNING, "n0/p0")]),
        ({"p0": IB, "p1": {**IB, "up": 0, "phys": "Disabled"}}, []),
        ({"p0": IB, "p1": {**IB, "up": Missing.FAILED}}, []),
        ({"e0": {"kind": "ethernet", "up": 0}}, []),
    ],
)
def test_a_link_is_down_where_a_sister_works(links: Mapping[str, Values], expected: list) -> None:
    assert found(ports(**links).frame()) == expected


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        ((18, 18), []),
        ((18, 17), [("nvlink-down", State.CRITICAL, "n0/l1")]),
        ((18, 0), [("nvlink-down", State.WARNING, "n0/l1")]),
        ((6, 6), []),  # bridged alike
    ],
)
def test_a_link_that_nobody_saw_up_is_judged_by_the_boards_beside_it(up: tuple[int, int], expected: list) -> None:
    tables = {Scope.ACCELERATOR: (["a", "b"], ["uuid", "links_up"]), Scope.LINK: (["l0", "l1"], LINK_METRICS)}
    made = Boards(tables=tables)
    made.say({key: {"uuid": key, "links_up": count} for key, count in zip("ab", up, strict=True)})
    made.say({"l0": {**NVLINK, "accelerator": "a"}, "l1": {**NVLINK, "up": 0, "accelerator": "b"}}, scope=Scope.LINK)
    made.pass_time(1)
    assert found(made.frame()) == expected


@pytest.mark.parametrize(
    ("metric", "grown", "code", "state"),
    [
        ("ib.symbol_error", 121, "ib-symbol-errors", State.CRITICAL),
        ("ib.link_downed", 1, "ib-link-downed", State.WARNING),
        ("ib.link_recovery", 6, "ib-link-recovery", State.WARNING),
    ],
)
def test_a_port_whose_errors_grow_is_found_until_they_are_old(metric: str, grown: int, code: str, state: State) -> None:
    made = ports(p0=IB, p1=IB)
    made.say({"p1": {metric: grown}}, scope=Scope.LINK)
    finding = only(made.frame())
    assert (finding.code, finding.state, str(finding.subject)) == (code, state, "n0/p1")
    assert f" {grown:,} " in finding.text
    made.now += 3601
    made.pass_time(1)
    assert found(made.frame()) == []


# -- nodes


def fleet_of(*names: str) -> tuple[Fleet, list[float]]:
    clock = [1_000_000.0]
    fleet = Fleet([NodeSpec(name) for name in names], lambda: clock[0])
    for node in range(len(names)):
        fleet.status(node, NodeStatus(Phase.LIVE))
        hear(fleet, node, clock[0])
    return fleet, clock


def hear(fleet: Fleet, node: int, at: float) -> None:
    fleet.hello(node, Hello(1, fleet.specs[node].name, "boot", at, "digest"), at)
    fleet.schema(node, Schema(1, {}))
    fleet.report(node, Report(1, 1, at), at)


@pytest.mark.parametrize("problem", [problem for problem in Problem if problem])
def test_a_node_that_cannot_be_read_is_found_by_its_problem(problem: Problem) -> None:
    fleet, _ = fleet_of("a", "b")
    fleet.status(1, NodeStatus(Phase.BACKOFF, problem, "the words of it"))
    finding = only(fleet.frame())
    assert finding.code == f"node-{problem.value.replace(' ', '-')}"
    assert finding.text == f"b can't be read ({problem.value}): the words of it"
    broken = {Problem.UNREACHABLE, Problem.REFUSED, Problem.HUNG, Problem.CLOSED, Problem.HOST_KEY_CHANGED}
    assert finding.state is (State.CRITICAL if problem in broken else State.WARNING)


def test_a_silent_node_and_a_clock_that_is_off_are_found() -> None:
    fleet, clock = fleet_of("a", "b")
    clock[0] += 12
    fleet.status(0, NodeStatus(Phase.STALE))
    hear(fleet, 1, clock[0])
    fleet.clock(1, -3.5, 0.001)
    texts = {finding.code: finding.text for finding in checks.run(fleet.frame())}
    assert texts == {
        "node-silent": "a is connected and has said nothing for 12 s",
        "node-clock-skew": "the clock of b is -3.5 s from the console's",
    }


def test_a_hung_and_a_failed_sampler_are_found_and_forgotten_when_they_heal() -> None:
    made = Boards()

    def sampled(**states: SamplerStatus) -> Frame:
        made.fleet.report(0, Report(1, 1, made.now, samplers=states), made.now)
        return made.frame()

    sick = sampled(nvidia=SamplerStatus("hung", "no answer for 12 s, state D"), network=SamplerStatus("failed"))
    assert [(finding.code, finding.text) for finding in checks.run(sick)] == [
        ("sampler-hung", "n0 has a hung nvidia sampler: no answer for 12 s, state D"),
        ("sampler-failed", "n0 has a failed network sampler"),
    ]
    assert found(sampled(nvidia=SamplerStatus("ok"), network=SamplerStatus("absent"))) == []


# -- all of them


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    made = boards()
    made.say({"g1": {"xid": 79}})

    def broken(frame: Frame) -> list[Finding]:
        raise ValueError("what a pity")

    monkeypatch.setattr(checks, "all_checks", lambda: {"pity": broken, **_all()})
    frame = made.frame()
    found_all = checks.run(frame)
    assert [finding.code for finding in found_all] == ["xid-fatal", "check-failed"]
    assert found_all[1].text == "the check 'pity' broke and found nothing: ValueError: what a pity"
    assert frame.with_findings(found_all).accelerators.states.tolist() == [0, 3, 0, 0, 0]


_all = checks.all_checks


def test_what_is_too_many_to_be_read_one_by_one_is_summed_up() -> None:
    count = _tools.MOST_FINDINGS + 500
    fleet = Fleet([NodeSpec(f"n{at}") for at in range(count)], lambda: 1.0)
    for node in range(count):
        fleet.status(node, NodeStatus(Phase.BACKOFF, Problem.UNREACHABLE))
    frame = fleet.frame()
    found_all = checks.run(frame)
    assert len(found_all) == _tools.MOST_FINDINGS + 1
    assert found_all[-1].text.startswith("500 more nodes are as this one")
    assert [str(subject) for subject in found_all[-1].others[-2:]] == [f"n{count - 2}", f"n{count - 1}"]
    assert set(frame.with_findings(found_all).nodes.states.tolist()) == {State.CRITICAL}


def test_the_worst_comes_first_and_a_fleet_of_every_ill_is_found() -> None:
    fleet = SyntheticFleet()
    fleet.step(75)
    found_all = checks.run(fleet.frame())
    states = [finding.state for finding in found_all]
    assert states == sorted(states, reverse=True)
    assert {finding.code for finding in found_all} >= {
        "accelerator-lost", "node-closed", "node-host-key-changed", "sampler-hung", "throttled", "nvlink-down",
    }  # fmt: skip
    assert checks.run(hosts_only()) == ()


def test_every_threshold_has_a_source() -> None:
    assert all(limits["source"].text() for limits in thresholds().values())
