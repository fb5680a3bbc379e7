"""Hands that break in ways that nobody foresaw: what they were asked for is in doubt, looked at, and on record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.harness import Harness
from tests.support.road import ANNA, Killed, MemoryHands, Points, Road
from watchfloor.change import Deed, Done, Outcome
from watchfloor.errors import ConnectError
from watchfloor.model import Problem
from watchfloor.playbook import Guards, Playbook, StepRule

_SET = StepRule("first", "set_value", parameters={"value": "a"})
_ONE = Playbook("one", "set", steps=(_SET,), guards=Guards(most_targets=9), rollback=True)
_CUT = "the connection to dgx-01 broke"


class BreakingHands(MemoryHands):
    """A call whose name and operation hold these words is cut off, once the deed is done or before."""

    def __init__(self, road: Road, call: str, operation: str, after: bool = False) -> None:
        super().__init__(road.nodes, Points())
        self._call, self._operation, self._after = call, operation, after

    async def do(self, deed: Deed, operation: str) -> Done:
        if self._after:
            await super().do(deed, operation)
        self._perhaps("do", operation)
        return await super().do(deed, operation)

    async def recall(self, deed: Deed, operation: str) -> Done | None:
        self._perhaps("recall", operation)
        return await super().recall(deed, operation)

    def _perhaps(self, call: str, operation: str) -> None:
        if call == self._call and self._operation in operation:
            raise ConnectError(Problem.CLOSED, _CUT)


def _console(road: Road, hands: BreakingHands, holder: str = "one") -> Harness:
    console = road.console(holder)
    return type(console)(replace(console._desk, hands=hands))


@pytest.mark.parametrize(("after", "outcome"), [(True, Outcome.SUCCEEDED), (False, Outcome.UNVERIFIED)])
async def test_a_deed_that_is_cut_off_is_looked_at(road: Road, after: bool, outcome: Outcome) -> None:
    console = _console(road, BreakingHands(road, "do", "", after))
    run = (await console.propose(road.planned(_ONE))).run
    assert (await console.carry_out(run, ANNA)).outcome is outcome
    (applied,) = [entry.body for entry in road.entries() if entry.kind == "applied"]
    assert applied.get("exit_code") is None and _CUT in str(applied["errors"])


async def test_an_undoing_that_is_cut_off_is_told_as_not_undone(road: Road) -> None:
    console = _console(road, BreakingHands(road, "do", "undo"))
    run = (await console.propose(road.planned(_ONE, "dgx-01", "dgx-02"))).run
    road.nodes.fails["set dgx-02"] = Done(1, stderr="no")
    result = await console.carry_out(run, ANNA)
    assert result.outcome is Outcome.FAILED and _CUT in result.text
    assert road.nodes.values["dgx-01"] == "a" and road.kinds()[-1] == "outcome"


async def test_what_came_of_it_before_a_stop_is_in_doubt_where_asking_is_cut_off(road: Road) -> None:
    run = (await road.console(points=Points()).propose(road.planned(_ONE, "dgx-01"))).run
    with pytest.raises(Killed):
        await road.console("one", _dies_after_its_deed(road)).carry_out(run, ANNA)
    road.leases.release(run, "one")
    result = await _console(road, BreakingHands(road, "recall", ""), "two").carry_out(run, ANNA)
    assert result.outcome is Outcome.SUCCEEDED, "it is there, whoever did it"
    assert road.nodes.log == ["dgx-01=a"]


def _dies_after_its_deed(road: Road) -> Points:
    class Dying(Points):
        def pass_by(self) -> None:
            if road.nodes.log:
                raise Killed

    return Dying()
