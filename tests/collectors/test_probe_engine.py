"""The clockwork of the probe with samplers made for the purpose: hangs, crashes, new subjects, full reports."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.probe.assembly import Assembly
from collectors.probe.cells import LONGEST_WORDS, Absent, Missing, Rates, Reading, told_power, told_rate
from collectors.probe.cells import NOT_YET as NOT_YET_CELL
from collectors.probe.engine import Engine
from collectors.probe.outbox import Outbox
from collectors.probe.world import World
from tests.support.patience import PATIENCE_SECONDS
from tests.support.probe import FAILED, NOT_YET, TIMED_OUT, UNSUPPORTED, Mirror
from watchfloor.report import Pong, Report, decode


class Ended(Exception):
    """Leaves Engine.run when the test is over."""


class Desk:
    """The other end of an Engine in this process: its lines, as they come."""

    def __init__(self, kinds: dict[str, type]) -> None:
        self.mirror = Mirror()
        self.pongs: list[Pong] = []
        self._changed = threading.Condition()
        self._over = False
        self.engine = Engine(World(), kinds, self._write)
        self.engine.hear({"t": "settings", "period": 0.1, "delay": 0.0, "full_every": 0})
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with pytest.raises(Ended):
            self.engine.run()

    def _write(self, text: str) -> None:
        with self._changed:
            if self._over:
                raise Ended
            line = decode(text.encode())
            self.mirror.take(line)
            if isinstance(line, Pong):
                self.pongs.append(line)
            self._changed.notify_all()

    def until(self, condition: Callable[[Mirror], object]) -> Mirror:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.mirror), PATIENCE_SECONDS)
            return self.mirror

    def end(self) -> None:
        self._over = True
        self._thread.join(PATIENCE_SECONDS)


class Steady:
    """A sampler of one accelerator whose answer the test decides on."""

    period, deadline = 1.0, 0.3
    metrics = {"accelerator": ("uuid", "temp")}  # noqa: RUF012
    owns = ("accelerator",)
    lasting = ("uuid",)
    awaited, follows_holders = True, False
    gate = threading.Event()
    keys: tuple[str, ...] = ("a",)
    fault: Exception | None = None

    def __init__(self, world: World, board: object) -> None:
        pass

    def sample(self) -> Reading:
        self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return Reading({"accelerator": {key: {"uuid": key, "temp": 40} for key in self.keys}})


class Adding:
    """A sampler that adds to the subjects of another one."""

    period, deadline = 1.0, 5.0
    metrics = {"accelerator": ("xid",), "node": ("cpu",)}  # noqa: RUF012
    owns = lasting = ()
    awaited, follows_holders = True, False

    def __init__(self, world: World, board: object) -> None:
        pass

    def sample(self) -> Reading:
        return Reading({"accelerator": {"a": {"xid": 0}, "elsewhere": {"xid": 1}}, "node": {"": {"cpu": 1.5}}})


@pytest.fixture
def steady() -> Iterator[type[Steady]]:
    class Fresh(Steady):
        gate = threading.Event()

    yield Fresh
    Fresh.gate.set()


@pytest.fixture
def desk(steady: type[Steady]) -> Iterator[Desk]:
    desk = Desk({"steady": steady, "adding": Adding})
    yield desk
    steady.gate.set()
    desk.end()


def test_a_slow_sampler_does_not_hold_up_the_first_report(desk: Desk, steady: type[Steady]) -> None:
    first = desk.until(lambda now: now.reports)
    assert first.node["cpu"] == 1.5
    assert first.cells["accelerator"] == {}
    steady.gate.set()
    assert desk.until(lambda now: now.accelerator("a")).accelerator("a") == {"uuid": "a", "temp": 40, "xid": 0}
    assert "elsewhere" not in desk.mirror.cells["accelerator"]


class Slowing:
    """A sampler no report waits for once it has become slow; its first answers are quick."""

    period, deadline = 0.1, 5.0
    metrics = {"node": ("cpu",)}  # noqa: RUF012
    owns = lasting = ()
    awaited, follows_holders = False, False
    samples = 0
    inside: set[int] = set()  # noqa: RUF012
    together = 0

    def __init__(self, world: World, board: object) -> None:
        pass

    @classmethod
    def sample(cls) -> Reading:
        cls.samples += 1
        mine = cls.samples
        cls.inside.add(mine)
        cls.together = max(cls.together, len(cls.inside))
        busy_until = time.monotonic() + (0.01 if mine > 3 else 0.0)  # longer than a prompt one takes
        while time.monotonic() < busy_until:
            pass
        cls.inside.discard(mine)
        return Reading({"node": {"": {"cpu": float(mine)}}})


def test_a_sampler_that_becomes_slow_is_not_begun_twice_in_a_tick() -> None:
    class Fresh(Slowing):
        inside: set[int] = set()  # noqa: RUF012

    desk = Desk({"slowing": Fresh})
    desk.until(lambda _: Fresh.samples >= 12)
    desk.end()
    assert Fresh.together == 1


def test_a_hung_sampler_times_out_and_its_next_answer_heals_it(desk: Desk, steady: type[Steady]) -> None:
    steady.gate.set()
    desk.until(lambda now: now.accelerator("a"))
    steady.gate.clear()
    now = desk.until(lambda now: now.state("steady") == "hung")
    assert re.match(r"no answer for \d+ s, state S", now.samplers["steady"].text)
    assert now.accelerator("a") == {"uuid": "a", "temp": TIMED_OUT, "xid": 0}
    steady.gate.set()
    assert desk.until(lambda now: now.state("steady") == "ok").accelerator("a")["temp"] == 40


def test_a_crash_is_told_and_retried(desk: Desk, steady: type[Steady]) -> None:
    steady.gate.set()
    desk.until(lambda now: now.accelerator("a"))
    steady.fault = ZeroDivisionError("no divisor")
    now = desk.until(lambda now: now.state("steady") == "failed")
    assert now.samplers["steady"].text == "ZeroDivisionError: no divisor"
    assert now.accelerator("a")["temp"] == FAILED
    assert now.note("accelerator.temp", FAILED) == "ZeroDivisionError: no divisor"
    steady.fault = None
    assert desk.until(lambda now: now.state("steady") == "ok").accelerator("a")["temp"] == 40


def test_nothing_to_sample_is_no_failure(desk: Desk, steady: type[Steady]) -> None:
    steady.fault = Absent("no such device")
    steady.gate.set()
    now = desk.until(lambda now: now.state("steady") == "absent")
    assert now.samplers["steady"].text == "no such device"
    assert now.cells["accelerator"] == {}


def test_subjects_that_come_and_go_make_a_new_schema(desk: Desk, steady: type[Steady]) -> None:
    steady.gate.set()
    first = desk.until(lambda now: now.accelerator("a")).schema
    steady.keys = ("b", "a")
    second = desk.until(lambda now: now.accelerator("b")).schema
    assert first is not None and second is not None
    assert second.generation == first.generation + 1
    assert desk.mirror.accelerator("b") == {"uuid": "b", "temp": 40, "xid": UNSUPPORTED}
    assert desk.mirror.accelerator("a")["xid"] == 0


def test_a_ping_is_answered_between_ticks(desk: Desk) -> None:
    desk.engine.hear({"t": "ping", "id": 3})
    desk.until(lambda now: desk.pongs)
    assert desk.pongs[0].id == 3


def test_rates_of_counters() -> None:
    rates = Rates()
    assert rates.rate("a", 100, at=1.0) is NOT_YET_CELL
    assert rates.rate("a", 300, at=2.0, scale=4) == 800
    assert rates.rate("a", 10, at=3.0) is NOT_YET_CELL  # it was reset: neither negative nor a spike
    assert rates.rate("a", 30, at=3.5) == 40


def test_a_rate_is_told_within_two_thousandths() -> None:
    rates = Rates()
    rates.rate("a", 0, at=1.0)
    assert rates.rate("a", 159_178_234_112, at=2.0007) == 296 * 2**29
    assert [told_rate(rate) for rate in (0.0, 0.25, 255.75, 300.25, 511.5, 513.0)] == [0.0, 0.25, 255.75, 300, 512, 514]
    assert all(abs(told_rate(rate) / rate - 1) < 0.002 for rate in (1.017**power for power in range(2_000)))


def test_power_is_told_in_whole_watts_where_a_tenth_is_noise() -> None:
    assert [told_power(watts) for watts in (0.04, 71.26, 99.96, 100.4, 699.5)] == [0.0, 71.3, 100.0, 100, 700]


class _Spoken:
    """What Assembly sees of a runner."""

    def __init__(self, name: str, kind: type) -> None:
        self.name, self.kind = name, kind
        self.state, self.text = "ok", ""
        self.answered_at = self.cost = self.cpu = 0.0
        self.reading: Reading | None = None
        self.events: list[dict[str, Any]] = []

    def period(self, tick: float) -> float:
        return tick


_cells = st.one_of(
    st.integers(0, 3), st.sampled_from(["", "x"]), st.builds(Missing, st.integers(1, 6), st.sampled_from(["", "words"]))
)
_readings = st.dictionaries(
    st.sampled_from("abc"), st.fixed_dictionaries({"uuid": _cells, "temp": _cells}), min_size=0, max_size=3
)


@settings(max_examples=60)
@given(st.lists(st.tuples(_readings, st.sampled_from(["ok", "ok", "hung", "failed"])), min_size=1, max_size=12))
def test_changes_add_up_to_the_full_report(steps: list[tuple[dict[str, dict], str]]) -> None:
    """Whatever samplers say in whatever order: changes since the start and one full report give the same picture."""
    runner, adding = _Spoken("steady", Steady), _Spoken("adding", Adding)
    assembly, mirror = Assembly([runner, adding]), Mirror()
    for number, (reading, state) in enumerate(steps):
        runner.state = state
        runner.reading = Reading({"accelerator": reading})
        adding.reading = Reading({"accelerator": {"a": {"xid": number}}}) if number % 2 else adding.reading
        schema = assembly.renew([runner, adding])
        if schema is not None:
            mirror.take(decode(json.dumps(schema).encode()))
        mirror.take(decode(json.dumps(assembly.report(0.0, schema is not None, 1.0)).encode()))
    whole = Mirror()
    whole.schema = mirror.schema
    whole.cells = {scope: {key: {} for key in rows} for scope, rows in mirror.cells.items()}
    whole.take(decode(json.dumps(assembly.report(0.0, True, 1.0)).encode()))
    assert whole.cells == mirror.cells


def test_rows_may_come_in_parts_of_which_the_very_same_are_not_looked_into() -> None:
    runner = _Spoken("steady", Steady)
    assembly, lasting = Assembly([runner]), {"uuid": "a"}

    def told(row: object) -> dict[str, Any]:
        runner.reading = Reading({"accelerator": {"a": row}})
        assembly.renew([runner])
        return assembly.report(0.0, False, 1.0).get("cells", {})

    assert told((lasting, {"temp": 40})) == {"accelerator": {"p": [1], "v": [40], "xp": [0], "x": ["a"]}}
    lasting["uuid"] = "another"  # against the rules, to see that nobody looks
    assert told((lasting, {"temp": 41})) == {"accelerator": {"p": [1], "v": [41]}}
    assert told({"uuid": "b", "temp": 41}) == {"accelerator": {"xp": [0], "x": ["b"]}}


def test_subjects_of_which_nobody_speaks_any_more_keep_no_values() -> None:
    owner, adding = _Spoken("steady", Steady), _Spoken("adding", Adding)
    owner.reading = Reading({"accelerator": {"a": {"uuid": "a", "temp": 40}}})
    adding.reading = Reading({"accelerator": {"a": {"xid": 79}}})
    assembly, mirror = Assembly([owner, adding]), Mirror()
    for reading in (adding.reading, Reading({})):
        adding.reading = reading
        schema = assembly.renew([owner, adding])
        if schema is not None:
            mirror.take(decode(json.dumps(schema).encode()))
        mirror.take(decode(json.dumps(assembly.report(0.0, False, 1.0)).encode()))
    assert mirror.accelerator("a") == {"uuid": "a", "temp": 40, "xid": UNSUPPORTED}


class Other(Steady):
    """A sampler of another vendor's accelerators, which tells by itself what `Adding` adds to others."""

    metrics = {"accelerator": ("uuid", "xid")}  # noqa: RUF012


def test_a_sampler_that_says_nothing_of_a_subject_hides_nothing_that_another_one_says() -> None:
    other, adding = _Spoken("other", Other), _Spoken("zealous", Adding)
    other.reading = Reading({"accelerator": {"b": {"uuid": "b", "xid": 7}}})
    adding.reading = Reading({"accelerator": {"a": {"xid": 79}}})
    assembly, mirror = Assembly([other, adding]), Mirror()
    mirror.take(decode(json.dumps(assembly.renew([other, adding])).encode()))
    mirror.take(decode(json.dumps(assembly.report(0.0, True, 1.0)).encode()))
    assert mirror.accelerator("b") == {"uuid": "b", "xid": 7}


class Following(Adding):
    """A sampler of the processes on accelerators."""

    follows_holders = True


def test_a_board_whose_processes_have_not_been_looked_at_is_not_said_to_have_none() -> None:
    owner, following = _Spoken("steady", Steady), _Spoken("following", Following)
    following.reading = Reading({"accelerator": {}})  # it has answered before there was a board
    holders = {"a": [(7, 100, "compute")]}
    owner.reading = Reading({"accelerator": {"a": {"uuid": "a"}, "b": {"uuid": "b"}}}, None, holders)
    assembly, mirror = Assembly([owner, following]), Mirror()
    mirror.take(decode(json.dumps(assembly.renew([owner, following])).encode()))
    mirror.take(decode(json.dumps(assembly.report(0.0, True, 1.0)).encode()))
    assert (mirror.accelerator("a")["xid"], mirror.accelerator("b")["xid"]) == (NOT_YET, UNSUPPORTED)
    following.reading = Reading({"accelerator": {"a": {"xid": 79}}})
    assembly.renew([following])
    mirror.take(decode(json.dumps(assembly.report(1.0, False, 1.0)).encode()))
    assert (mirror.accelerator("a")["xid"], mirror.accelerator("b")["xid"]) == (79, UNSUPPORTED)


class Serving(Steady):
    """A sampler of services, and of events and details of its own."""

    metrics = {"service": ("name",)}  # noqa: RUF012
    owns = ("service",)


def test_services_have_a_table_where_a_sampler_tells_of_them() -> None:
    runner = _Spoken("serving", Serving)
    runner.reading = Reading({"service": {"triton:8002": {"name": "triton"}}})
    schema = Assembly([runner]).renew([runner])
    assert schema is not None
    assert schema["tables"] == {"service": {"keys": ["triton:8002"], "metrics": ["name"]}}


def test_events_are_told_once_in_order_and_a_bounded_number_a_report() -> None:
    runner = _Spoken("serving", Serving)
    assembly = Assembly([runner])
    runner.events = [{"at": 1.0, "source": "kernel", "kind": "xid", "text": "x" * 2000, "code": n} for n in range(450)]
    assembly.renew([runner])
    reports = [assembly.report(9.0, full, 1.0) for full in (False, True, False, True)]
    told = [[event["code"] for event in report.get("events", ())] for report in reports]
    assert [len(codes) for codes in told] == [200, 200, 50, 0]
    assert [code for codes in told for code in codes] == list(range(450))
    line = decode(json.dumps(reports[0]).encode())
    assert isinstance(line, Report) and len(line.events[0].text) == LONGEST_WORDS


def test_more_events_than_can_be_told_are_counted() -> None:
    outbox = Outbox()
    outbox.put([{"at": 1.0, "source": "kernel", "kind": "oom", "text": ""}] * 6000)
    taken = [event for _ in range(30) for event in outbox.take(at=2.0)]
    assert len(taken) == 5001
    assert taken[-1]["text"].startswith("1000 events were left out")


def test_details_of_several_samplers_are_one() -> None:
    runners = [_Spoken("steady", Steady), _Spoken("adding", Adding)]
    assembly = Assembly(runners)
    for runner in runners:
        runner.reading = Reading({}, {"costs": [{"sampler": runner.name}]})
    assembly.renew(runners)
    both = {"costs": [{"sampler": "steady"}, {"sampler": "adding"}]}
    assert assembly.report(0.0, False, 1.0)["details"] == both
    assembly.renew(runners)
    assert "details" not in assembly.report(0.0, False, 1.0)
    assert assembly.report(0.0, True, 1.0)["details"] == both
    runners[0].state, runners[0].reading = "absent", None
    assembly.renew(runners)
    assert assembly.report(0.0, False, 1.0)["details"] == {"costs": [{"sampler": "adding"}]}
