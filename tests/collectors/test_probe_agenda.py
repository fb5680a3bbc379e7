"""Which sampler runs when and on which thread: prompt ones with the report, new ones in a row, stuck ones alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from collectors.probe.agenda import Agenda
from collectors.probe.cells import Absent, Board, Reading
from collectors.probe.engine import Engine
from collectors.probe.runner import ABSENT_LONGEST_SECONDS, ABSENT_PERIOD_SECONDS, PROMPT_SECONDS, Runner
from collectors.probe.world import World
from tests.support.patience import PATIENCE_SECONDS


class Ended(Exception):
    """Leaves Engine.run when the test is over."""


class Clock(World):
    """Time that passes where the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at


class Taking:
    """A sampler that takes as long as the test says, by its clock."""

    period, deadline = 1.0, 9.0
    metrics: dict[str, tuple[str, ...]] = {}  # noqa: RUF012
    owns = lasting = ()
    awaited, follows_holders = False, False
    seconds = 0.0
    is_here = True

    def __init__(self, world: Any, board: object) -> None:
        self._world = world

    def sample(self) -> Reading:
        self._world.at += self.seconds
        if not self.is_here:
            raise Absent("not here")
        return Reading({})


@pytest.fixture
def kind() -> type[Taking]:
    return type("Fresh", (Taking,), {})


def sampled(runner: Runner, clock: Clock) -> Runner:
    runner.begin(clock.at, 1.0)
    runner.run("?")
    assert runner.collect()
    return runner


def new_runner(kind: type, clock: Clock, name: str = "taking") -> Runner:
    return Runner(name, kind, clock, Board(), lambda runner: None)


def test_a_report_waits_for_those_that_have_lately_been_prompt(kind: type[Taking]) -> None:
    clock = Clock()
    runner = new_runner(kind, clock)
    assert runner.is_new and not runner.is_prompt
    assert sampled(runner, clock).is_prompt
    kind.seconds = 9 * PROMPT_SECONDS
    assert not sampled(runner, clock).is_prompt
    kind.seconds = 0.0
    assert [sampled(runner, clock).is_prompt for _ in range(5)] == [False, False, False, True, True]


def test_what_is_absent_is_looked_for_more_and_more_seldom_until_it_is_there(kind: type[Taking]) -> None:
    clock = Clock()
    runner = new_runner(kind, clock)
    kind.is_here = False
    waits = [sampled(runner, clock).due - clock.at for _ in range(6)]
    assert waits[:3] == [ABSENT_PERIOD_SECONDS, 2 * ABSENT_PERIOD_SECONDS, 4 * ABSENT_PERIOD_SECONDS]
    assert waits[-1] == ABSENT_LONGEST_SECONDS
    kind.is_here = True
    assert sampled(runner, clock).due - clock.at == 1.0
    kind.is_here = False
    assert sampled(runner, clock).due - clock.at == ABSENT_PERIOD_SECONDS


def test_the_agenda_gives_what_is_due_and_what_is_in_a_hurry(kind: type[Taking]) -> None:
    clock = Clock()
    first, second, third = runners = [new_runner(kind, clock, name) for name in ("first", "second", "third")]
    for runner, due in zip(runners, (103.0, 101.0, 102.0), strict=True):
        runner.due = due
    agenda = Agenda(runners)
    assert agenda.take(100.0) == []
    assert agenda.take(102.0) == [second, third]
    agenda.hurry(first)
    agenda.hurry(second)
    assert agenda.take(0.0) == [first]
    agenda.put([second])  # it has answered
    assert agenda.take(0.0) == [second]


class Place:
    """Where and when samplers of a real engine have run: thread ids by sampler, and a gate that holds some up."""

    def __init__(self) -> None:
        self.threads: dict[str, list[int]] = {}
        self.gate = threading.Event()
        self._changed = threading.Condition()
        self._over = False

    def kind(self, name: str, *, awaited: bool = False, held: bool = False) -> type:
        place = self

        class Here(Taking):
            def sample(self) -> Reading:
                if held:
                    place.gate.wait()
                with place._changed:
                    place.threads.setdefault(name, []).append(threading.get_ident())
                    place._changed.notify_all()
                return Reading({})

        Here.awaited = awaited
        return Here

    def write(self, text: str) -> None:
        if self._over:
            raise Ended

    def until(self, true: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE_SECONDS), self.threads

    def until_run(self, name: str, times: int) -> list[int]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.threads.get(name, ())) >= times, PATIENCE_SECONDS)
            return self.threads[name]

    def end(self) -> None:
        self._over = True
        self.gate.set()


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    yield place
    place.end()


def started(kinds: dict[str, type], place: Place) -> None:
    engine = Engine(World(), kinds, place.write)
    engine.hear({"t": "settings", "period": 0.1, "delay": 0.0, "full_every": 0})

    def run() -> None:
        with suppress(Ended):
            engine.run()

    threading.Thread(target=run, daemon=True).start()


def test_new_samplers_run_one_after_the_other_and_a_stuck_one_holds_up_nobody_for_long(place: Place) -> None:
    started(
        {"first": place.kind("first"), "stuck": place.kind("stuck", held=True), "third": place.kind("third")}, place
    )
    place.until_run("third", 3)
    assert place.threads["first"][0] != place.threads["third"][0]  # it waited for its turn, then another thread came
    assert "stuck" not in place.threads
    place.gate.set()
    assert place.until_run("stuck", 1)[0] == place.threads["first"][0]


def test_prompt_samplers_share_the_thread_of_those_that_a_report_waits_for(place: Place) -> None:
    started({"awaited": place.kind("awaited", awaited=True), "late": place.kind("late")}, place)
    last = 6  # runs of each: where a run was held up, the sampler is not prompt for the next few

    def shared() -> bool:
        late, awaited = (place.threads.get(name, [])[-last:] for name in ("late", "awaited"))
        return len(late) == len(awaited) == last and len({*late, *awaited}) == 1

    place.until(shared)
