"""Checks of nodes and racks: services, processes, what the PCI bus lists, power and heat of racks."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.support.boards import Boards, Values
from watchfloor import checks
from watchfloor.checks.node_services import _weights
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Finding, Missing, NodeSpec, NodeStatus, Phase, Scope, State
from watchfloor.report import Process, Report, SamplerStatus

_BOARD, _NODE = Scope.ACCELERATOR, Scope.NODE


def found(made: Boards, code: str = "") -> list[tuple[str, State, str]]:
    every = checks.run(made.frame())
    return [(one.code, one.state, str(one.subject)) for one in every if not code or one.code == code]


def only(made: Boards) -> Finding:
    (finding,) = checks.run(made.frame())
    return finding


def node(boards: int = 0, board: Values | None = None, **values: float | str | Missing) -> Boards:
    """One node that tells these values, with so many boards that tell theirs."""
    return told(values, boards, board)


def told(values: Values, boards: int = 0, board: Values | None = None) -> Boards:
    row: Values = board or {"util": 50, "bus_id": ""}
    keys = [f"g{at}" for at in range(boards)]
    made = Boards(tables={_BOARD: (keys, list(row)), _NODE: ([""], list(values))})
    made.say(dict.fromkeys(keys, row))
    made.say({"": values}, scope=_NODE)
    made.pass_time(1)
    return made


# -- services


@pytest.mark.parametrize("text", ["running", "disabled", Missing.UNSUPPORTED, Missing.FAILED])
def test_services_that_run_or_need_not(text: str | Missing) -> None:
    assert found(node(unit_imex=text, unit_dcgm=text)) == []


@pytest.mark.parametrize(
    ("service", "text", "state", "words"),
    [
        ("dcgm", "failed: signal", State.WARNING, "the service nvidia-dcgm or dcgm of n0 has failed (signal)"),
        ("slurmd", "failed", State.CRITICAL, "the service slurmd of n0 has failed"),
        ("munge", "restarting: exit-code", State.CRITICAL, "n0 fails again and again, and is restarted (exit-code)"),
        ("imex", "failed: timeout", State.WARNING, "the service nvidia-imex of n0 has failed (timeout)"),
    ],
)
def test_services_that_fail(service: str, text: str, state: State, words: str) -> None:
    finding = only(told({f"unit_{service}": text}))
    assert (finding.code, finding.state) == (f"{service}-failed", state)
    assert words in finding.text


def test_the_fabric_manager_is_needed_where_there_are_nvlinks() -> None:
    made = node(1, {"util": 50, "links_max": 18}, unit_fabricmanager="failed: exit-code")
    assert found(made) == [("fabricmanager-failed", State.CRITICAL, "n0")]


@pytest.mark.parametrize(("text", "words"), [("stopped", "doesn't run, though it is enabled"), ("starting", "started")])
def test_an_enabled_service_that_does_not_run_is_told_of_when_it_lasts(text: str, words: str) -> None:
    made = node(unit_persistenced=text)
    assert found(made) == []
    made.pass_time(110)
    assert found(made) == []
    made.pass_time(10)
    finding = only(made)
    assert (finding.code, finding.state) == ("persistenced-stopped", State.WARNING)
    assert words in finding.text
    made.say({"": {"unit_persistenced": "running"}}, scope=_NODE)
    assert found(made) == []
    made.say({"": {"unit_persistenced": text}}, scope=_NODE)
    assert found(made) == [], "it begins anew"


def test_every_service_of_the_catalogue_has_a_weight() -> None:
    assert set(_weights()) == {name for name in CATALOGUE[_NODE] if name.startswith("unit_")}


# -- processes


def test_processes_that_cannot_be_killed_are_named() -> None:
    made = node(unkillable=1)
    listed = [
        Process(30, "alice", "python train.py", state="D", hangs_in="nv_wait_for_gsp"),
        Process(31, "bob", "ls", state="D"),
        Process(32, "carol", "python x.py", state="D", hangs_in="?"),
    ]
    details = {"processes": msgspec.Raw(msgspec.json.encode(listed))}
    made.fleet.report(0, Report(1, 1, made.now, details=details), made.now)
    finding = only(made)
    assert (finding.code, finding.state) == ("unkillable", State.CRITICAL)
    assert finding.text.startswith("1 process of n0 can't be killed")
    facts = dict(finding.evidence)
    assert facts["process 30"] == "alice python train.py, in nv_wait_for_gsp"
    assert "process 31" not in facts
    assert facts["process 32"] == "carol python x.py", "a function that isn't told isn't spoken of"


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"zombies": 199, "cpus": 4, "pid_max": 4_194_304}, None),
        ({"zombies": 200, "cpus": 4, "pid_max": 4_194_304}, State.WARNING),
        ({"zombies": 3_276, "cpus": 224, "pid_max": 32_768}, None),
        ({"zombies": 3_277, "cpus": 224, "pid_max": 32_768}, State.WARNING),
        ({"zombies": 16_384, "cpus": 224, "pid_max": 32_768}, State.CRITICAL),
        ({"zombies": 200, "cpus": 4, "pid_max": Missing.NOT_PERMITTED}, State.WARNING),
    ],
)
def test_zombies_count_where_they_are_many_for_the_node(values: Values, state: State | None) -> None:
    made = told(values)
    assert found(made) == ([("zombies", state, "n0")] if state else [])


# -- the PCI bus, and the fleet file


def on_the_bus(told_of: int, listed: int, since: int = 31) -> Boards:
    """A node whose driver tells of the first boards of those that its bus lists."""
    made = node(told_of, pci_accelerators=listed, pci_addresses=" ".join(f"0000:{at:02x}:00.0" for at in range(listed)))
    made.say({f"g{at}": {"bus_id": f"00000000:{at:02X}:00.0"} for at in range(told_of)})
    made.fleet.status(0, NodeStatus(Phase.LIVE, since=made.now))
    made.pass_time(since)
    return made


def test_a_board_that_the_bus_lists_and_its_driver_does_not_have() -> None:
    finding = only(on_the_bus(7, 8))
    assert (finding.code, finding.state) == ("accelerator-untold", State.CRITICAL)
    assert finding.text == (
        "the PCI bus of n0 lists 8 accelerators, 7 are told of: its driver doesn't have 0000:07:00.0"
    )
    assert found(on_the_bus(8, 8)) == found(on_the_bus(9, 8)) == []


def test_where_no_driver_has_any_perhaps_none_is_wanted() -> None:
    made = on_the_bus(0, 2)
    absent = {"nvidia": SamplerStatus("absent", "libnvidia-ml.so.1 not found", made.now)}
    made.fleet.report(0, Report(1, 1, made.now, samplers=absent), made.now)
    finding = only(made)
    assert finding.state is State.WARNING
    assert finding.text.endswith("doesn't have 0000:00:00.0 and 1 more")


def test_a_hung_driver_has_no_number_that_could_be_another_one_than_the_fleet_files() -> None:
    made = on_the_bus(0, 8)
    hung = {"nvidia": SamplerStatus("hung", "no answer for 60 s, state D")}
    made.fleet.report(0, Report(1, 1, made.now, samplers=hung), made.now)
    made.fleet.specs = [NodeSpec("n0", accelerators=8)]
    assert [code for code, _, _ in found(made)] == ["sampler-hung"]


def test_a_node_that_has_only_just_been_heard_is_not_judged() -> None:
    assert found(on_the_bus(7, 8, since=5)) == []


def test_a_sampler_that_is_ill_explains_what_is_not_told() -> None:
    made = on_the_bus(7, 8)
    ill = {"nvidia": SamplerStatus("failed", "NVML: Unknown Error")}
    made.fleet.report(0, Report(1, 1, made.now, samplers=ill), made.now)
    assert [code for code, _, _ in found(made)] == ["sampler-failed"]


def test_what_the_fleet_file_says_goes_before_what_the_group_has() -> None:
    made = Boards(nodes=4, tables={_BOARD: (["g0", "g1"], ["util"])})
    made.fleet.specs = [replace(spec, accelerators=2 if at else 4) for at, spec in enumerate(made.fleet.specs)]
    for at in range(4):
        made.fleet._put_node_text(at, "group", "train")
        made.say({"g0": {"util": 5}, "g1": {"util": 5}}, at)
    made.pass_time(31)
    finding = only(made)
    assert (finding.code, str(finding.subject)) == ("accelerator-count", "n0")
    assert finding.text == "n0 tells of 2 accelerators, the fleet file says 4"


# -- racks


def racks(*specs: NodeSpec, **values: float) -> Boards:
    """A node of two boards for each of these."""
    row: Values = {"power": 500, "temp_margin": 30, "throttle": 0, **values}
    made = Boards(len(specs), {_BOARD: (["g0", "g1"], list(row))})
    made.fleet.specs = [replace(spec, name=f"n{at}") for at, spec in enumerate(specs)]
    for at in range(len(specs)):
        made.say({"g0": row, "g1": row}, at)
    made.pass_time(62)
    return made


@pytest.mark.parametrize(
    ("watts", "state"), [(600.0, None), (801.0, State.WARNING), (889.0, State.WARNING), (891.0, State.CRITICAL)]
)
def test_power_of_a_rack_in_two_steps(watts: float, state: State | None) -> None:
    spec = NodeSpec("", rack="r1", rack_budget_watts=4000)
    made = racks(spec, spec, power=watts)
    assert found(made) == ([("rack-power-budget", state, "n0")] if state else [])


def test_the_steps_say_what_is_to_be_slowed() -> None:
    spec = NodeSpec("", rack="r1", rack_budget_watts=4000)
    text = "the accelerators of rack r1 draw 3.4 kW, 85 % of its budget of 4.0 kW: slow down what can wait"
    assert only(racks(spec, spec, power=850)).text == text
    assert only(racks(spec, spec, power=950)).text.endswith("slow everything down")


def test_a_rack_without_a_budget_has_that_of_its_nodes_where_all_have_one() -> None:
    bounded, free = NodeSpec("", rack="r1", power_budget_watts=2000), NodeSpec("", rack="r1")
    assert found(racks(bounded, bounded, power=950)) == [("rack-power-budget", State.CRITICAL, "n0")]
    assert found(racks(bounded, free, power=950)) == []


def test_racks_of_one_name_at_two_sites_are_two() -> None:
    specs = [NodeSpec("", site=site, rack="r1", rack_budget_watts=2000) for site in ("a", "b")]
    assert found(racks(*specs, power=700)) == []


def test_a_moment_of_much_power_is_no_trouble_and_ten_seconds_near_the_budget_are() -> None:
    spec = NodeSpec("", rack="r1", rack_budget_watts=2000)
    made = racks(spec, power=500)
    made.say({"g0": {"power": 1000}, "g1": {"power": 1000}})
    made.pass_time(1)
    assert found(made) == []
    made.pass_time(10)
    assert found(made) == [("rack-power-budget", State.CRITICAL, "n0")]
    made.say({"g0": {"power": 820}, "g1": {"power": 820}})
    made.pass_time(11)
    assert found(made) == [], "the first step is not passed on the mean of a minute"


def test_half_of_a_rack_that_runs_hot_is_not_a_fan() -> None:
    spec = NodeSpec("", rack="r1")
    made = racks(*[spec] * 6)
    for at in range(2):
        made.say({"g0": {"temp_margin": 3}}, at)
    assert found(made, "rack-heat") == []
    made.say({"g1": {"throttle": 0x40}}, 5)
    assert found(made, "rack-heat") == [("rack-heat", State.CRITICAL, "n0")]
    text = next(one.text for one in checks.run(made.frame()) if one.code == "rack-heat")
    assert text == "3 of 6 nodes of rack r1 run hot: ask who cools it"


def test_three_hot_nodes_of_a_large_rack_are_three_nodes() -> None:
    made = racks(*[NodeSpec("", rack="r1")] * 8, temp_margin=3)
    for at in range(3, 8):
        made.say({"g0": {"temp_margin": 30}, "g1": {"temp_margin": 30}}, at)
    assert found(made, "rack-heat") == []
