"""Events: each told once, repeats folded, bounded however much a node says."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.boards import Boards
from watchfloor.events import EventLog
from watchfloor.model import NodeStatus, Phase, Scope
from watchfloor.report import Event, Hello, Report


def xid(at: float, code: int = 79, event_id: str = "", device: str = "0000:05:00.0") -> Event:
    return Event(at, "kernel", "xid", f"XID {code}", device, code, "critical", event_id)


def test_what_happened_is_told_newest_first() -> None:
    log = EventLog()
    for node, at in ((0, 10.0), (1, 30.0), (0, 20.0)):
        log.add(node, xid(at, int(at)), at)
    assert [entry.at for entry in log.since(15)] == [30.0, 20.0]
    assert [entry.event.code for entry in log.of_node(0)] == [20, 10]
    assert [entry.node for entry in log.newest(1)] == [1]
    assert (len(log), log.of_node(7)) == (3, ())


def test_repeats_within_a_minute_of_the_last_are_one_entry() -> None:
    log = EventLog()
    for at in (0.0, 50.0, 100.0, 161.0):
        log.add(0, xid(at), at)
    later, first = log.of_node(0)
    assert (first.at, first.last, first.count) == (0.0, 100.0, 3)
    assert (later.at, later.count) == (161.0, 1)
    assert later.number > first.number
    assert [entry.at for entry in log.since(90)] == [161.0, 0.0]


def test_a_flood_that_the_node_summed_up_counts_as_often() -> None:
    log = EventLog()
    log.add(0, xid(0.0), 0.0)
    log.add(0, msgspec.structs.replace(xid(59.0), facts={"repeats": "996"}), 59.0)
    (entry,) = log.of_node(0)
    assert (entry.count, entry.last) == (997, 59.0)


def test_only_the_very_same_is_a_repeat() -> None:
    log = EventLog()
    log.add(0, xid(0.0), 0.0)
    log.add(0, xid(1.0, code=48), 1.0)
    log.add(0, xid(2.0, device="0000:06:00.0"), 2.0)
    log.add(1, xid(3.0), 3.0)
    assert len(log) == 4


def test_what_two_sources_tell_of_one_thing_is_one_entry_with_the_longer_text() -> None:
    """The driver names the board by its uuid, the kernel's log by its address; either may come first."""
    tables = {Scope.ACCELERATOR: (["GPU-1", "MIG-1"], ["bus_id", "partition_of"])}
    made = Boards(tables=tables)
    made.say(
        {"MIG-1": {"bus_id": "00000000:05:00.0", "partition_of": "GPU-1"}, "GPU-1": {"bus_id": "00000000:05:00.0"}}
    )
    of_driver = Event(made.now, "nvml", "xid", "XID 79", "GPU-1", 79)
    of_kernel = Event(
        made.now + 2, "kernel", "xid", "GPU has fallen off the bus.", "0000:05:00.0", 79, "critical", "b:1"
    )
    later = [
        msgspec.structs.replace(of_kernel, at=made.now + 100, id="b:2"),
        msgspec.structs.replace(of_driver, at=made.now + 101),
    ]
    made.fleet.report(0, Report(1, 1, made.now, events=[of_driver, of_kernel, *later]), made.now)
    entries = made.frame().events.of_node(0)
    assert [(entry.device, entry.event.source, entry.count) for entry in entries] == [("GPU-1", "kernel", 1)] * 2
    assert (entries[1].at, entries[1].last) == (made.now, made.now + 2)


@pytest.mark.parametrize("order", ["dkdk", "ddkk", "kkdd", "kddk", "dddkkk"])
def test_two_sources_count_once_what_happened_twice(order: str) -> None:
    """The driver tells at once, the log is read every second: either may have told of several by then."""
    log = EventLog()
    for place, source in enumerate(order):
        told = xid(100.0, event_id=f"boot:{place}")
        if source == "d":
            told = msgspec.structs.replace(told, source="nvml", id="", text="short")
        log.add(0, told, 100.0 + place / 10)
    (entry,) = log.of_node(0)
    assert (entry.count, entry.event.source) == (len(order) // 2, "kernel")


@pytest.mark.parametrize("order", ["dkdk", "ddkk", "kkdd", "kddk", "dddkkk", "kkkddd"])
def test_different_lines_of_one_code_have_one_twin_each(order: str) -> None:
    log = EventLog()
    for place, source in enumerate(order):
        told = msgspec.structs.replace(xid(100.0, event_id=f"boot:{place}"), text=f"a longer line {place}")
        if source == "d":
            told = msgspec.structs.replace(told, source="nvml", id="", text="short")
        log.add(0, told, 100.0 + place / 10)
    assert [(entry.count, entry.event.source) for entry in log.of_node(0)] == [(1, "kernel")] * (len(order) // 2)


def test_other_codes_and_other_devices_are_no_twins() -> None:
    log = EventLog()
    for event in (
        xid(0.0),
        Event(1.0, "nvml", "xid", "XID 48", "0000:05:00.0", 48),
        Event(1.0, "nvml", "ecc", "?", "a"),
    ):
        log.add(0, event, event.at)
    log.add(0, Event(2.0, "kernel", "ecc", "an error", "a"), 2.0)
    log.add(0, Event(9.0, "nvml", "xid", "it fell off the bus", "0000:05:00.0", 79), 9.0)  # too late
    assert len(log) == 5


def test_what_was_added_since_is_known_by_node() -> None:
    log = EventLog()
    log.add(3, xid(0.0), 0.0)
    version = log.version
    log.add(5, xid(0.0), 0.0)
    assert (log.nodes_since(version), log.nodes_since(log.version), log.nodes_since(0)) == ([5], [], [3, 5])


def test_a_log_that_is_read_again_from_its_start_doubles_nothing() -> None:
    made = Boards()
    told = [xid(made.now - 500, 79, "boot:1"), xid(made.now - 400, 79, "boot:2"), xid(made.now - 390, 79, "boot:3")]
    made.fleet.report(0, Report(1, 1, made.now, events=told), made.now)
    made.fleet.status(0, NodeStatus(Phase.LIVE))
    made.fleet.hello(0, Hello(1, "n0", "boot", made.now, "digest"), made.now)
    made.introduce(made.tables)
    made.fleet.report(0, Report(1, 1, made.now, events=[*told, xid(made.now, 48, "boot:4")]), made.now)
    assert [(entry.event.code, entry.count) for entry in made.frame().events.of_node(0)] == [(48, 1), (79, 2), (79, 1)]


def test_a_long_log_that_is_read_again_counts_nothing_twice() -> None:
    """A ring of a few megabytes holds thousands of XIDs of one board; half a dozen a minute are told one by one."""
    log = EventLog()
    for _ in range(2):
        for number in range(4000):
            log.add(0, xid(10.0 * number, 13 + number // 200, f"boot:{number}"), 10.0 * number)
    assert sum(entry.count for entry in log.of_node(0)) == 4000
    assert len(log) == 20


def test_times_are_those_of_the_console() -> None:
    made = Boards()
    made.fleet.hello(0, Hello(1, "n0", "boot", made.now + 100, "digest"), made.now)
    made.introduce(made.tables)
    made.fleet.report(0, Report(1, 1, made.now + 100, events=[xid(made.now + 100)]), made.now)
    made.fleet.clock(0, 99.5, 0.01)
    made.fleet.report(0, Report(2, 1, made.now + 100, events=[xid(made.now + 100, 48)]), made.now)
    assert [entry.at for entry in made.frame().events.of_node(0)] == [made.now + 0.5, made.now]


def test_a_noisy_node_pushes_out_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfloor.events.EVENTS_PER_NODE", 5)
    monkeypatch.setattr("watchfloor.events.EVENTS_KEPT", 20)
    log = EventLog()
    log.add(0, xid(0.0), 0.0)
    for code in range(1000):
        log.add(1, xid(float(code), code), float(code))
    assert [entry.event.code for entry in log.of_node(1)] == [999, 998, 997, 996, 995]
    assert len(log.of_node(0)) == 1
    assert len(log._order) <= 2 * 20


def test_the_fleets_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfloor.events.EVENTS_KEPT", 10)
    log = EventLog()
    for node in range(30):
        log.add(node, xid(float(node)), float(node))
    assert len(log) == 10
    assert [entry.node for entry in log.newest(100)] == list(range(29, 19, -1))


def test_what_was_pushed_out_is_not_taken_for_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfloor.events.EVENTS_PER_NODE", 2)
    log = EventLog()
    for _ in range(2):
        for code in range(5):
            log.add(0, xid(float(code), code, f"boot:{code}"), float(code))
    assert [entry.event.code for entry in log.of_node(0)] == [4, 3]


def test_what_came_before_the_boards_told_where_they_are_is_theirs_once_they_do() -> None:
    made = Boards(tables={Scope.ACCELERATOR: (["GPU-1", "GPU-2"], ["name", "bus_id"])})
    told = [xid(made.now, event_id="b:1"), xid(made.now, event_id="b:2", device="0000:99:00.0")]
    told += [Event(made.now, "nvml", "xid", "XID 79", "GPU-1", 79)]
    made.fleet.report(0, Report(1, 1, made.now, events=told), made.now)
    before = made.frame().events
    assert {entry.device for entry in before.of_node(0)} == {"0000:05:00.0", "0000:99:00.0", "GPU-1"}
    version = before.version
    made.say({"GPU-1": {"bus_id": "00000000:05:00.0"}})
    events = made.frame().events
    assert {(entry.device, entry.count) for entry in events.of_node(0)} == {("GPU-1", 1), ("0000:99:00.0", 1)}
    assert (len(events), events.nodes_since(version)) == (2, [0])
    version = events.version
    made.say({"GPU-2": {"name": "gpu2"}})
    made.say({"GPU-2": {"bus_id": "00000000:06:00.0"}})
    assert made.frame().events.version == version
