"""A console that begins knows nothing of the fleet for a moment: an approved plan waits for that, and isn't void."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.fingerprint import Change, change, state_of
from agents.harness import Harness
from tests.agents.test_harness import TWO, plan
from tests.agents.test_watchman import FATAL, Told, approve, awaiting, rounds, watchman, xid
from tests.support.patience import PATIENCE_SECONDS
from tests.support.road import ANNA, Road
from watchfloor.change import Outcome, Plan, Risk, Ruling, Step, Target, Verdict
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.jobs.model import SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.model import NodeStatus, Phase, Scope
from watchfloor.report import PAUSED, SamplerStatus


@pytest.fixture
def road(tmp_path: Path) -> Road:
    return Road(tmp_path)


def unheard(road: Road) -> Frame:
    """What a console has of this fleet before anything was told."""
    fleet = Fleet([machine.spec for machine in road.fleet.machines], road.now)
    for node in range(len(road.fleet.machines)):
        fleet.status(node, NodeStatus(Phase.STARTING))
    fleet.tick()
    return fleet.frame().with_findings(())


class Beginning:
    """ports.Floor of a console that has heard nothing for so many frames."""

    def __init__(self, road: Road, frames: int) -> None:
        self._road, self._left, self._inner = road, frames, road.floor

    def frame(self) -> Frame:
        return unheard(self._road) if self._left > 0 else self._inner.frame()

    async def later(self, than: Frame) -> Frame:
        self._left -= 1
        await self._inner.later(than)
        return self.frame()

    def ask_anew(self) -> None: ...


async def proposed(road: Road, made: Plan) -> tuple[Harness, str]:
    console = road.console()
    return console, (await console.propose(made)).run


async def test_an_approved_plan_is_not_void_because_a_console_has_just_begun(road: Road) -> None:
    made = plan(road, TWO)
    _, run = await proposed(road, made)
    heard = road.floor
    road.floor = Beginning(road, 1)  # type: ignore[assignment]
    result = await road.console("two").carry_out(run, ANNA)
    assert (result.outcome, result.why) == (Outcome.REFUSED, "interlocked")
    assert "not heard yet, or not just now: dgx-01 boot" in result.text
    road.floor = heard
    assert (await road.console("two").carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED


async def test_a_watch_that_begins_waits_until_it_has_heard_what_an_approved_plan_relies_on(road: Road) -> None:
    told = Told()
    await awaiting(road, told)
    approve(road)
    road.floor = Beginning(road, 6)  # type: ignore[assignment]
    again = watchman(road, told)
    await rounds(road, again, 5)
    assert (road.nodes.log, told.lines[-1]) == ([], "fatal needs-approval"), "nothing was even tried"
    await rounds(road, again, 4)
    assert (road.nodes.log, told.lines[-1]) == (["dgx-02=drained"], "r1 succeeded")


async def test_signatures_that_did_not_do_once_are_looked_at_again(road: Road) -> None:
    """What policy asks for hangs on the fleet, too: on its first frame it may have asked for more."""
    told = Told()
    man = await awaiting(road, told, replace(FATAL, lifetime_seconds=3600.0))
    approve(road)
    road.approved = False
    await rounds(road, man, 3)
    road.approved = True
    await rounds(road, man, 10)
    assert road.nodes.log == []
    await rounds(road, man, 30)
    assert (road.nodes.log, told.lines[-1]) == (["dgx-02=drained"], "r1 succeeded")


async def test_what_held_an_approved_run_back_lets_it_begin_as_soon_as_it_lets_go(road: Road) -> None:
    told = Told()
    man = await awaiting(road, told, replace(FATAL, lifetime_seconds=3600.0))
    usual, road.limits = road.limits, replace(road.limits, fresh_seconds=-1.0)
    man._means = replace(man._means, harness=road.console())
    approve(road)
    await rounds(road, man, 20)
    assert road.nodes.log == [] and told.lines.count("r1 refused") == 1
    road.limits = usual
    man._means = replace(man._means, harness=road.console())
    await rounds(road, man, 3)
    assert (road.nodes.log, told.lines[-1]) == (["dgx-02=drained"], "r1 succeeded")


@pytest.mark.parametrize("answered", [SourceState.OK, SourceState.FAILED])
async def test_a_fault_of_the_first_moments_is_planned_for_once_the_scheduler_was_asked(
    road: Road, answered: SourceState
) -> None:
    """Before, the plan would be made without the drain and the jobs, and its cooldown would keep the right one away."""
    told = Told()
    man = watchman(road, told)
    xid(road, "dgx-02")
    for _ in range(3):
        await man.look(with_source(road, SourceState.WAITING))
    assert told.lines == []
    await man.look(with_source(road, answered))
    assert told.lines == ["fatal permit"]
    await man._leave(PATIENCE_SECONDS)


async def test_policy_that_cannot_be_asked_refuses_and_ends_nothing(road: Road) -> None:
    console, run = await proposed(road, plan(road, TWO))
    road.verdict = Verdict(Ruling.DENY, ("x.cedar:1:1: unexpected token",), sound=False)
    refused = await console.carry_out(run, ANNA)
    assert (refused.outcome, refused.why) == (Outcome.REFUSED, "no-policy") and "x.cedar:1:1" in refused.text
    road.verdict = Verdict(Ruling.PERMIT)
    assert (await console.carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED


STEP = Step("out", "drain", Target(Scope.NODE, "dgx-01"), risk=Risk.TAKES_OUT, summary="drain it")
BOARD = Step("cap", "cap", Target(Scope.ACCELERATOR, "dgx-01", "GPU-x"), risk=Risk.SLOWS, summary="cap it")
KNOWN = {"dgx-01 boot": "boot-0000", "dgx-01 takes work": True, "dgx-01 jobs": "slurm:7 attempt 1"}


def with_source(road: Road, state: SourceState) -> Frame:
    frame, roll = road.floor.frame(), Roll()
    roll.answer(SourceAnswer(SourceStatus("alpha", "slurm", state, at=road.now())))
    return replace(frame, jobs=roll.frame(frame))


def test_what_a_scheduler_that_has_not_answered_would_say_is_unread_and_what_it_says_no_more_has_moved(
    road: Road,
) -> None:
    waits = change(with_source(road, SourceState.WAITING), [STEP], KNOWN)
    assert waits == Change((), ("dgx-01 takes work", "dgx-01 jobs"))
    gone = change(with_source(road, SourceState.OK), [STEP], KNOWN)
    assert gone.unread == () and [text.partition(" was ")[0] for text in gone.moved] == [
        "dgx-01 takes work",
        "dgx-01 jobs",
    ]


def test_a_board_of_a_node_whose_probe_has_let_go_is_unread_and_one_that_is_no_longer_listed_has_moved(
    road: Road,
) -> None:
    frame = road.floor.frame()
    state = {**state_of(frame, [BOARD]), "dgx-01/GPU-x": "GPU-x"}
    assert change(frame, [BOARD], state).moved == ("dgx-01/GPU-x was GPU-x, and is not there",)
    node = frame.node_index["dgx-01"]
    details = list(frame.detail)
    details[node] = replace(details[node], samplers={"nvidia": SamplerStatus(state=PAUSED)})
    assert change(replace(frame, detail=details), [BOARD], state) == Change((), ("dgx-01/GPU-x",))
