"""Consoles that are killed at moments that a seed chooses: no act twice, none lost, the ledger verifies.

One console follows the other until the run is over. Each may die anywhere: before or after any entry, any deed,
any acknowledgement. The nodes outlive them and remember operations, as the hands on a node do.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from agents.plan import Asked, make_plan
from tests.support.road import ANNA, Killed, Points, Road, SetValue, node, origin
from watchfloor.change import Command, Deed, Done, Effect, On, Outcome, Place, Plan, Seen, Step
from watchfloor.playbook import Guards, Playbook, StepRule
from watchfloor.ports import Floor, Hands
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.records.ledgerverify import verify

SEEDS = range(240)
MOST_KILLS = 12


class SetTwo(SetValue):
    """Two deeds: a value, and its mark. It took effect when both are there."""

    def prepare(self, scene: object, step: Step) -> Step:
        one = super().prepare(scene, step)  # type: ignore[arg-type]
        name, value = step.target.node, str(step.parameters["value"])
        place = Place(On.NODE, name)
        mark = Command(place, ("mark", f"{name}.mark", value))
        return msgspec.structs.replace(one, deeds=(*one.deeds, mark))

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        found = [(await hands.look(deed)).stdout for deed in step.deeds]
        whole = all(value == step.after["value"] for value in found)
        return Seen(Effect.TOOK if whole else Effect.NONE, f"it is {found}")


def plan(road: Road, dice: random.Random, parallel: int = 1) -> Plan:
    names = dice.sample(["dgx-01", "dgx-02", "dgx-03"], dice.randint(1, 3))
    rules = tuple(
        StepRule(f"s{at}", dice.choice(["set_value", "set_two"]), parameters={"value": f"v{at}"}, attempts=2)
        for at in range(dice.randint(1, 3))
    )
    guards = Guards(most_targets=9, parallel=parallel)
    playbook = Playbook("seeded", "seeded", steps=rules, guards=guards, rollback=dice.random() < 0.5)
    asked = Asked(ANNA, origin(), road.now())
    return make_plan(playbook, [node(name) for name in names], road.scene(), road.actions, asked)


def troubled(road: Road, made: Plan, dice: random.Random) -> bool:
    """Perhaps one deed ends otherwise. Whether the run can succeed all the same."""
    deed = dice.choice(dice.choice(made.steps).deeds)
    name = _name(deed)
    met = next(step for step in made.steps for other in step.deeds if _name(other) == name)  # it ends so once
    kind = dice.choice(["well", "well", "nobody knows", "transient", "fails"])
    if kind == "nobody knows":
        road.nodes.fails[name] = Done(None)
    if kind == "transient":
        road.nodes.fails[name] = Done(1, stderr="busy", transient=True)
    if kind == "fails":
        road.nodes.fails[name] = Done(1, stderr="no")
    last = _name(met.deeds[-1]) == name  # what comes after an end that nobody knows is not begun
    return kind == "well" or (kind == "nobody knows" and last)


def _name(deed: Deed) -> str:
    assert isinstance(deed, Command)
    return f"{deed.argv[0]} {deed.argv[1]}"


async def to_the_end(road: Road, run: str, dice: random.Random) -> tuple[Outcome, int]:
    """One console after the other."""
    for kills in range(MOST_KILLS):
        points = Points(die_at=dice.randint(1, 40) if kills < MOST_KILLS - 1 else -1)
        holder = f"console {kills}"
        try:
            result = await road.console(holder, points).carry_out(run, ANNA)
        except Killed:
            road.leases.release(run, holder)
            continue
        return result.outcome, kills
    raise AssertionError("it never ended")


def shuffled(road: Road, dice: random.Random) -> None:
    """Deeds that go side by side take their turns as the seed has it."""
    for name, action in road.actions.items():
        road.actions[name] = _Dawdling(action, dice)  # type: ignore[assignment]


class _Dawdling:
    def __init__(self, action: SetValue, dice: random.Random) -> None:
        self._action, self._dice = action, dice

    def __getattr__(self, name: str) -> object:
        return getattr(self._action, name)

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        for _ in range(self._dice.randint(0, 3)):
            await asyncio.sleep(0)
        return await self._action.apply(step, hands, operation)


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_is_killed_nothing_is_done_twice_and_nothing_is_lost(seed: int, tmp_path: Path) -> None:
    await killed(Road(tmp_path), random.Random(seed), parallel=1)


@pytest.mark.parametrize("seed", SEEDS)
async def test_so_it_is_where_steps_go_side_by_side(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    await killed(Road(tmp_path), dice, parallel=dice.randint(2, 4))


async def killed(road: Road, dice: random.Random, parallel: int) -> None:
    road.actions["set_two"] = SetTwo()
    shuffled(road, dice)
    made = plan(road, dice, parallel)
    decision = await road.console(points=Points()).propose(made)
    well = troubled(road, made, dice)
    outcome, _ = await to_the_end(road, decision.run, dice)
    each = Counter(road.nodes.log)
    wanted = [f"{deed.argv[1]}={deed.argv[2]}" for deed in deeds_of(made)]
    assert all(count == 1 for word, count in each.items() if not word.endswith("=before")), (each, outcome)
    assert all(word in wanted or word.endswith("=before") for word in each)
    if well:
        assert outcome is Outcome.SUCCEEDED and per_node(road.nodes.log) == per_node(wanted)
        assert parallel > 1 or list(road.nodes.log) == wanted
    if outcome is Outcome.SUCCEEDED:
        assert sorted(road.nodes.log) == sorted(wanted)
    if outcome is Outcome.ROLLED_BACK:
        assert undone_last_first(road)
    assert road.kinds().count("outcome") == 1 and not road.leases.all()
    with LedgerReader(road.ledger.path) as reader:
        assert verify(reader.rows, reader.head(), ()).intact
    road.close()


def deeds_of(made: Plan) -> list[Command]:
    return [deed for step in made.steps for deed in step.deeds if isinstance(deed, Command)]


def per_node(log: Sequence[str]) -> dict[str, list[str]]:
    """What was done to each node, in its order."""
    found: dict[str, list[str]] = {}
    for word in log:
        found.setdefault(word.partition("=")[0].partition(".")[0], []).append(word)
    return found


def undone_last_first(road: Road) -> bool:
    """Nothing new was begun after the first undoing, and what was undone was so in the reverse order of intents."""
    intents = [entry.body for entry in road.entries() if entry.kind == "intent"]
    undone = list(
        dict.fromkeys(body["step"] for body in intents if body["facts"].get("undo"))
    )  # once more after a kill
    begun = list(dict.fromkeys(body["step"] for body in intents if not body["facts"].get("undo")))
    first = next(place for place, body in enumerate(intents) if body["facts"].get("undo"))
    return undone == [key for key in reversed(begun) if key in undone] and all(
        body["facts"].get("undo") for body in intents[first:]
    )
