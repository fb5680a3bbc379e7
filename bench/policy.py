"""What it costs to judge a plan by the shipped policies, and to read them anew.

    python -m bench.policy

Limit: a plan of a few steps is judged in less than 1 ms with policies and schema that were read before. Time is this
process's own CPU: what else the machine does doesn't count.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.policy import judge
from agents.policyset import ActionClass, Policies, read
from agents.policyworld import World, world_of_inventory
from watchfloor.change import Command, Impact, JobHit, On, Origin, Place, Plan, Risk, Step, Target
from watchfloor.model import NodeSpec, Scope
from watchfloor.places import PolicyPlaces, shipped_policies
from watchfloor.records.ledgerentry import Party, Who

LIMIT_MS, ROUNDS, TURNS = 1.0, 200, 5
NODES = 10_000
ACTIONS = {f"action_{at}": ActionClass(Scope.NODE, Risk(at % 5)) for at in range(40)}


def main() -> int:
    places = PolicyPlaces(shipped_policies())
    policies = read(places, ACTIONS)
    if policies.troubles:
        sys.stdout.write(f"the shipped policies are broken: {policies.troubles[0]}\n")
        return 1
    specs = [
        NodeSpec(f"n{at}", site="lab", rack=f"r{at // 16}", group="train", labels={"a": "b"}) for at in range(NODES)
    ]
    world = world_of_inventory(specs, Impact())
    sys.stdout.write(f"{len(policies.rules)} policies, {len(ACTIONS)} actions, {NODES:,} nodes\n")
    few = _plan(_of(Risk.READ), _of(Risk.REVERSIBLE), _of(Risk.TAKES_OUT))
    cases = {
        "one step, permitted": _plan(_of(Risk.REVERSIBLE)),
        "one step, one approval": _plan(_of(Risk.TAKES_OUT)),
        "three steps, one approval": few,
        "five steps, two approvals": _plan(*map(_of, Risk)),
        "100 steps on 100 nodes": _plan(*[_of(Risk.TAKES_OUT)] * 100),
    }
    worst = 0.0
    for name, plan in cases.items():
        took = _judging(plan, world, policies)
        worst = max(worst, took) if len(plan.steps) <= 3 else worst
        sys.stdout.write(f"  {name:<28} {took:8.3f} ms\n")
    sys.stdout.write(
        f"  {'reading policies and schema':<28} {_milliseconds(lambda: read(places, ACTIONS), 5):8.3f} ms\n"
    )
    sys.stdout.write(f"limit: {LIMIT_MS:g} ms for up to three steps: {'held' if worst < LIMIT_MS else 'NOT HELD'}\n")
    return 0 if worst < LIMIT_MS else 1


def _of(risk: Risk) -> str:
    return f"action_{int(risk)}"


def _plan(*actions: str) -> Plan:
    steps = tuple(
        Step(
            str(at),
            name,
            Target(Scope.NODE, f"n{at}"),
            ACTIONS[name].risk,
            name,
            (Command(Place(On.NODE, f"n{at}"), (name,)),),
        )
        for at, name in enumerate(actions)
    )
    impact = Impact((JobHit("slurm:42", "requeued", "carol", gpu_hours_lost=1.5),), ("n1",), 8, 0.97)
    return Plan("bench", Who(Party.PERSON, "anna"), Origin("a bench"), steps, 0.0, 1.0, impact)


def _judging(plan: Plan, world: World, policies: Policies) -> float:
    return _milliseconds(lambda: judge(plan, world, policies), max(5, ROUNDS // len(plan.steps)))


def _milliseconds(what: Callable[[], object], rounds: int) -> float:
    """CPU of one call: the median of some turns."""
    return median(_turn(what, rounds) for _ in range(TURNS))


def _turn(what: Callable[[], object], rounds: int) -> float:
    start = time.process_time()
    for _ in range(rounds):
        what()
    return (time.process_time() - start) * 1e3 / rounds


if __name__ == "__main__":
    sys.exit(main())
