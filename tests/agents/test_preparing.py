"""A step whose first deed only makes room for what follows, and passes by itself: what is said of it where that fails,
and that what was held open is let go of again. And hands that break in ways that nobody foresaw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agents.action import Scene, done_in_order
from tests.support.frames import SyntheticFleet
from tests.support.road import ANNA, Killed, Points, Road, SetValue, StillFloor
from watchfloor.change import Command, Done, Outcome, Seen, Step
from watchfloor.frame import Frame
from watchfloor.playbook import Guards, Playbook, StepRule
from watchfloor.ports import Floor, Hands
from watchfloor.report import PAUSED, SamplerStatus

_ONE = Playbook("one", "set", steps=(StepRule("first", "set_value", parameters={"value": "a"}),), guards=Guards())


class Roomy(SetValue):
    """Makes room, sets the value, and gives the room back, at once where the value can't be set."""

    preparing = 1

    def prepare(self, scene: Scene, step: Step) -> Step:
        one = super().prepare(scene, step)
        (deed,) = one.deeds
        assert isinstance(deed, Command)
        room, back = (msgspec.structs.replace(deed, argv=("room", "room", word)) for word in ("made", "given back"))
        return msgspec.structs.replace(one, deeds=(room, deed, back))

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        done = await done_in_order(step.deeds, hands, operation)
        if len(done) == 2:
            done.append(await hands.do(step.deeds[2], f"{operation}.2"))
        return done

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        return await super().observe(msgspec.structs.replace(step, deeds=step.deeds[1:]), hands, floor)


_ROOM_MADE = 6  # the moment after the first deed was done: lease, intent (2), deed (2)


@pytest.fixture
def roomy(road: Road) -> Road:
    road.actions["set_value"] = Roomy()
    return road


def _roomy(folder: Path) -> Road:
    folder.mkdir()
    return Road(folder, actions={"set_value": Roomy()})


async def test_where_only_room_was_made_nothing_was_done(roomy: Road) -> None:
    roomy.nodes.fails["set dgx-01"] = Done(1, stderr="it is in use")
    run = (await roomy.console().propose(roomy.planned(_ONE))).run
    result = await roomy.console().carry_out(run, ANNA)
    assert result.outcome is Outcome.FAILED and "it is in use" in result.text
    assert roomy.nodes.log == ["room=made", "room=given back"]
    told = [entry.body for entry in roomy.entries() if entry.kind == "applied"]
    assert [(one["argv"][0], one["exit_code"]) for one in told] == [("room", 0), ("set", 1), ("room", 0)]
    (verified,) = [entry.body for entry in roomy.entries() if entry.kind == "verified"]
    assert verified["result"] == "no-effect"


async def test_where_all_is_well_it_is_done_as_it_stands(roomy: Road) -> None:
    run = (await roomy.console().propose(roomy.planned(_ONE))).run
    assert (await roomy.console().carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED
    assert roomy.nodes.log == ["room=made", "dgx-01=a", "room=given back"]


@pytest.mark.parametrize("moment", range(1, 17))
async def test_a_console_that_is_killed_anywhere_tells_the_same_afterwards(roomy: Road, moment: int) -> None:
    roomy.nodes.fails["set dgx-01"] = Done(1, stderr="it is in use")
    run = (await roomy.console().propose(roomy.planned(_ONE))).run
    try:
        result = await roomy.console("one", Points(die_at=moment)).carry_out(run, ANNA)
    except Killed:
        roomy.leases.release(run, "one")
        result = await roomy.console("two", Points()).carry_out(run, ANNA)
    assert result.outcome is Outcome.FAILED
    made = ["room=made"] * roomy.nodes.log.count("room=made")
    assert 1 <= len(made) <= 2 and roomy.nodes.log in (made, [*made, "room=given back"])


async def _moments(folder: Path) -> int:
    """In so many places a console that does it all may be killed."""
    road, points = _roomy(folder), Points()
    run = (await road.console().propose(road.planned(_ONE))).run
    assert (await road.console("one", points).carry_out(run, ANNA)).outcome is Outcome.SUCCEEDED
    return points.count


async def test_room_that_may_have_passed_is_made_again_and_what_it_was_made_for_done_once(tmp_path: Path) -> None:
    """A second console is killed as well: room is made by each that goes on where nothing else was begun."""
    moments = await _moments(tmp_path / "whole")
    kills = [*((first, 0) for first in range(1, moments + 1)), *((_ROOM_MADE, second) for second in range(1, moments))]
    for first, second in kills:
        road = _roomy(tmp_path / f"{first}-{second}")
        run = (await road.console().propose(road.planned(_ONE))).run
        before: list[str] = []
        for holder, die_at in (("one", first), ("two", second), ("three", 0)):
            try:
                result = await road.console(holder, Points(die_at=die_at)).carry_out(run, ANNA)
            except Killed:
                before = list(road.nodes.log)
                road.leases.release(run, holder)
                continue
            assert result.outcome is Outcome.SUCCEEDED, (first, second, result.text)
            break
        log = road.nodes.log
        assert log.count("dgx-01=a") == 1 and log.count("room=given back") <= 1, (first, second, log)
        if "dgx-01=a" not in before:
            assert log[len(before) :] == ["room=made", "dgx-01=a", "room=given back"], (first, second, log)
        road.close()


class Hiding(StillFloor):
    """Room that was made hides what is on a node, until it has passed."""

    def __init__(self, fleet: SyntheticFleet, until: float) -> None:
        self._until = until
        super().__init__(fleet)

    def _made(self) -> Frame:
        frame = super()._made()
        if self.fleet.now >= self._until:
            return frame
        paused = {"nvidia": SamplerStatus(PAUSED, "let go of for a reset")}
        return replace(frame, detail=[replace(detail, samplers=paused) for detail in frame.detail])


class Looking(Roomy):
    """It can't be done to what isn't told."""

    def precheck(self, scene: Scene, step: Step) -> str:
        return "it isn't known who is on it" if scene.frame.detail[0].is_paused else self.why_not


@pytest.mark.parametrize("why_not", ["", "somebody is on it"])
async def test_what_room_made_before_a_stop_hides_is_waited_for_and_then_decides(roomy: Road, why_not: str) -> None:
    roomy.actions["set_value"] = action = Looking()
    run = (await roomy.console().propose(roomy.planned(_ONE))).run
    with pytest.raises(Killed):
        await roomy.console("one", Points(die_at=_ROOM_MADE)).carry_out(run, ANNA)
    roomy.leases.release(run, "one")
    action.why_not, began = why_not, roomy.now()
    roomy.floor = Hiding(roomy.fleet, began + 20.0)
    result = await roomy.console("two").carry_out(run, ANNA)
    assert roomy.now() >= began + 20.0
    if why_not:
        assert result.outcome is Outcome.ABANDONED and why_not in result.text and roomy.now() < began + 60.0
        return
    assert result.outcome is Outcome.SUCCEEDED, result.text
    assert roomy.nodes.log == ["room=made", "room=made", "dgx-01=a", "room=given back"]


async def test_room_that_is_made_again_is_on_record_and_can_be_refused(roomy: Road) -> None:
    run = (await roomy.console().propose(roomy.planned(_ONE))).run
    with pytest.raises(Killed):
        await roomy.console("one", Points(die_at=_ROOM_MADE)).carry_out(run, ANNA)
    roomy.leases.release(run, "one")
    assert roomy.nodes.log == ["room=made"]
    roomy.nodes.fails["room room"] = Done(1, stderr="sudo: a password is required")
    result = await roomy.console("two").carry_out(run, ANNA)
    assert result.outcome is Outcome.FAILED and "a password is required" in result.text
    assert roomy.nodes.log == ["room=made"] and not roomy.nodes.kept
    told = [entry.body for entry in roomy.entries() if entry.kind == "applied"]
    operations = [(one["operation"], one["exit_code"]) for one in told]
    assert operations == [(f"{run}-0-1.0", 0), (f"{run}-0-1-anew1.0", 1)]
    assert [entry.body["result"] for entry in roomy.entries() if entry.kind == "verified"] == ["no-effect"]


class Explaining(Roomy):
    """Says of a value that can't be set what was seen while room was made."""

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        done = list(await super().apply(step, hands, operation))
        if not done[1].ok:
            done[1] = msgspec.structs.replace(done[1], stderr=f"{done[1].stderr} ({done[0].stdout})")
        return done


async def test_what_was_seen_as_room_was_made_again_is_told_and_not_what_was_seen_before_the_stop(roomy: Road) -> None:
    roomy.actions["set_value"] = Explaining()
    run = (await roomy.console().propose(roomy.planned(_ONE))).run
    roomy.nodes.fails["room room"] = Done(0, stdout="nobody holds it")
    with pytest.raises(Killed):
        await roomy.console("one", Points(die_at=_ROOM_MADE)).carry_out(run, ANNA)
    roomy.leases.release(run, "one")
    roomy.nodes.fails |= {"room room": Done(0, stdout="pid 7 holds it"), "set dgx-01": Done(1, stderr="it is in use")}
    result = await roomy.console("two").carry_out(run, ANNA)
    assert result.outcome is Outcome.FAILED
    assert "it is in use (pid 7 holds it)" in result.text
