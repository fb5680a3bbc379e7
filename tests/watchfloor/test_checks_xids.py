"""XIDs: weighed by the chosen source, followers folded into their root, repeats counted, what is over forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.boards import Boards
from watchfloor import checks
from watchfloor.model import Finding, Missing, Scope, State
from watchfloor.report import Event, Hello, Report
from watchfloor.xidlist import WORDS, Weight, meaning, opinion, opinions, sources

COLUMNS = ["name", "util", "xid", "job", "rows_failed", "recovery", "bus_id"]


class Floor(Boards):
    """Nodes of eight boards that run one job, and what their kernels tell."""

    def __init__(self, nodes: int = 1) -> None:
        keys = [f"g{at}" for at in range(8)]
        super().__init__(nodes, {Scope.ACCELERATOR: (keys, COLUMNS), Scope.NODE: ([""], ["uptime"])})
        for node in range(nodes):
            self.say({key: {"name": f"gpu{key[1:]}", "util": 90, "xid": 0, "job": "slurm:7"} for key in keys}, node)

    def xid(self, code: int, board: int = 0, node: int = 0, ago: float = 0.0, **fields: object) -> None:
        at = self.now - ago
        said = Event(at, "kernel", "xid", f"text of {code}", f"g{board}", code, **fields)  # pyright: ignore[reportArgumentType]
        self.fleet.report(node, Report(1, 1, self.now, events=[said]), self.now)

    def found(self) -> list[Finding]:
        return [one for one in checks.run(self.frame()) if one.code.startswith("xid")]

    def codes(self) -> list[tuple[str, State, str]]:
        return [(one.code, one.state, str(one.subject)) for one in self.found()]


def test_the_catalogue_has_every_code_of_nvidia_and_what_others_say() -> None:
    assert sources()[0] == "nvidia"
    assert {"gpud", "healthagent", "aznhc", "gcm", "aws", "nvsentinel"} <= set(sources())
    named = [code for code in range(1, 173) if any(one.source == "nvidia" for one in opinions(code))]
    assert len(named) == 172
    assert meaning(79) == "GPU has fallen off the bus"
    assert {one.source: one.action for one in opinions(63)} == {
        "nvidia": "IGNORE", "gpud": "REBOOT", "healthagent": "WARN", "aznhc": "FAIL", "gcm": "NON_CRITICAL",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "source", "weight"),
    [
        (79, "nvidia", Weight.FATAL),
        (13, "nvidia", Weight.ATTENTION),
        (92, "nvidia", Weight.IGNORE),
        (92, "aznhc", Weight.FATAL),
        (13, "aznhc", Weight.IGNORE),
        (45, "gpud", Weight.IGNORE),
        (45, "healthagent", Weight.FATAL),
        (64, "aws", Weight.FATAL),
        (79, "aws", Weight.FATAL),  # which says nothing of it: nvidia's word
        (999, "nvidia", Weight.ATTENTION),
    ],
)
def test_the_chosen_source_decides(code: int, source: str, weight: Weight) -> None:
    assert opinion(code, source).weight(severe=False) is weight


def test_nvlink_errors_of_blackwell_weigh_what_the_driver_says() -> None:
    assert opinion(145, "nvidia").weight(severe=True) is Weight.FATAL
    assert opinion(145, "nvidia").weight(severe=False) is Weight.ATTENTION


def test_a_fatal_one_is_told_with_advice_and_what_the_sources_say() -> None:
    floor = Floor()
    floor.xid(79, 3, process="1234 python: rank 3")
    (finding,) = floor.found()
    assert (finding.code, finding.state, str(finding.subject)) == ("xid-fatal", State.CRITICAL, "n0/g3")
    assert finding.text == "gpu3 of n0 had XID 79: GPU has fallen off the bus; nvidia: reboot the node"
    facts = dict(finding.evidence)
    assert facts["XID 79"] == "1970-01-12 13:46:40 UTC, process 1234 python: rank 3: text of 79"
    assert facts["gcm"] == "critical"
    assert facts["gpud"] == "reboot the node; then have the hardware inspected"
    assert facts["job"] == "slurm:7"


def test_an_application_error_is_a_warning_for_an_hour_and_comes_back_as_a_sign() -> None:
    floor = Floor()
    floor.xid(31, ago=3500)
    assert floor.codes() == [("xid-application", State.WARNING, "n0/g0")]
    assert "diagnostics" not in floor.found()[0].text
    floor.now += 101
    assert floor.codes() == []
    floor.xid(31)
    assert "2 times within a day on the same board" in floor.found()[0].text


def test_what_the_catalogue_ignores_is_not_told() -> None:
    floor = Floor()
    for code in (92, 106, 137):
        floor.xid(code)
    assert floor.codes() == []


def test_another_source_may_be_chosen_for_a_fleet() -> None:
    floor = Floor()
    floor.xid(92)
    floor.fleet.specs[0] = replace(floor.fleet.specs[0], xid_source="aznhc")
    assert floor.codes() == [("xid-fatal", State.CRITICAL, "n0/g0")]
    assert "aznhc: the node fails its check" in floor.found()[0].text


def test_followers_are_folded_into_their_root_on_the_node_and_in_the_job() -> None:
    floor = Floor(nodes=3)
    for node in range(3):
        for board in range(8):
            if (node, board) != (1, 5):
                floor.xid(45, board, node, ago=10)
    floor.xid(48, 5, node=1, ago=12)
    (finding,) = floor.found()
    assert (finding.code, str(finding.subject)) == ("xid-fatal", "n1/g5")
    assert dict(finding.evidence)["followed by"].startswith("XID 45 on 23 boards: ")


def test_a_burst_without_a_root_is_one_finding() -> None:
    floor = Floor(nodes=11)
    for node in range(11):
        for board in range(7):
            floor.xid(45, board, node, ago=20)
    (finding,) = floor.found()
    assert (finding.code, finding.state, finding.others) == ("xid-burst", State.WARNING, ())
    assert finding.text.startswith("XID 45 on 77 boards of 11 nodes of job slurm:7, and no XID that would explain it")
    floor.now += 400
    floor.xid(45, 7)
    assert len(floor.found()) == 2


@pytest.mark.parametrize(("times", "repeated"), [(4, False), (5, True)])
def test_a_board_that_fails_again_and_again_is_to_be_taken_out(times: int, repeated: bool) -> None:
    floor = Floor()
    for at in range(times):
        floor.xid(119, ago=3600.0 * (times - at))
        floor.xid(119, ago=3600.0 * (times - at) - 100)  # the same burst
    assert ("xid-repeated" in [one.code for one in floor.found()]) is repeated


def test_a_remap_is_told_by_the_state_of_the_board() -> None:
    floor = Floor()
    floor.xid(64, 1)
    assert floor.codes() == [("xid-fatal", State.CRITICAL, "n0/g1")]
    floor.say({"g1": {"rows_failed": 0}})
    assert floor.codes() == []


def recovery(floor: Floor, action: str) -> None:
    floor.xid(154, facts={"action": action})


def test_a_changed_recovery_action_is_what_it_names_until_it_is_taken_back() -> None:
    floor = Floor()
    recovery(floor, "4")
    assert floor.found()[0].text.startswith("gpu0 of n0 had XID 154: its driver asks to drain and reset; nvidia: ")
    floor.say({"g0": {"recovery": 0}})
    assert floor.codes() == []
    floor.say({"g0": {"recovery": Missing.UNSUPPORTED}})
    assert len(floor.codes()) == 1
    floor.now += 100
    recovery(floor, "0")
    assert floor.codes() == []


def test_the_cause_is_told_rather_than_the_recovery_that_it_takes() -> None:
    floor = Floor()
    floor.xid(79, ago=0.1, severity="critical")
    recovery(floor, "2")
    assert floor.found()[0].text.startswith(
        "gpu0 of n0 had XID 79: GPU has fallen off the bus (also XID 154); nvidia: "
    )
    floor.now += 3600
    recovery(floor, "1")
    assert "had XID 154: its driver asks to reset the GPU" in floor.found()[0].text


def test_what_was_before_a_reboot_is_over() -> None:
    floor = Floor()
    floor.xid(79, 2, ago=500)
    assert len(floor.codes()) == 1
    floor.say({"": {"uptime": 60}}, scope=Scope.NODE)
    floor.xid(31, 3)
    assert floor.codes() == [("xid-application", State.WARNING, "n0/g3")]


def test_what_was_before_a_reboot_is_over_also_where_only_the_uptime_tells_of_it_late() -> None:
    """A node says hello with its new boot, and how long it is up a report later: nothing else changes by then."""
    floor = Floor()
    floor.xid(79, 2, ago=500)
    assert len(floor.codes()) == 1
    floor.fleet.hello(0, Hello(1, "n0", "another boot", floor.now, "digest"), floor.now)
    floor.introduce(floor.tables)
    assert len(floor.codes()) == 1, "how long it is up isn't told yet"
    floor.say({"": {"uptime": 60}}, scope=Scope.NODE)
    assert floor.codes() == []


def test_the_column_speaks_where_no_event_came() -> None:
    floor = Floor()
    floor.say({"g0": {"xid": 79}, "g1": {"xid": 31}, "g2": {"xid": 79}})
    assert floor.codes() == [("xid-fatal", State.CRITICAL, f"n0/g{at}") for at in (0, 2)]
    floor.xid(79, 0)
    assert [str(one.subject) for one in floor.found() if "XID 79" in dict(one.evidence)] == ["n0/g0"]
    floor.now += 90_000
    floor.pass_time(1)
    assert floor.codes() == [("xid-fatal", State.CRITICAL, "n0/g2")]


def test_what_a_source_asks_for_is_said_in_words() -> None:
    said = [one for code in range(1, 200) for one in opinions(code)]
    assert {one.action for one in said} | {one.then for one in said if one.then} <= set(WORDS)


def test_an_xid_that_comes_before_the_boards_have_told_where_they_are_is_found_once_and_on_its_board() -> None:
    floor = Floor()
    said = Event(floor.now, "kernel", "xid", "text of 79", "0000:05:00", 79, "critical", "b:1")
    floor.fleet.report(0, Report(1, 1, floor.now, events=[said]), floor.now)
    assert floor.codes() == []
    floor.say({"g3": {"bus_id": "00000000:05:00.0", "xid": 79}})
    (finding,) = floor.found()
    assert (str(finding.subject), dict(finding.evidence)["job"]) == ("n0/g3", "slurm:7")


def test_an_xid_of_an_address_where_no_board_is_is_the_nodes() -> None:
    floor = Floor()
    said = Event(floor.now, "kernel", "xid", "text of 79", "0000:05:00", 79, "critical", "b:1")
    floor.fleet.report(0, Report(1, 1, floor.now, events=[said]), floor.now)
    floor.say({f"g{at}": {"bus_id": f"0000:{at + 16:02x}:00.0"} for at in range(8)})
    assert floor.codes() == [("xid-fatal", State.CRITICAL, "n0")]
