"""What reading a node costs it, for a person and as JSON: `watchfloor doctor --costs`. Pure.

A class says how a thing may be read: A once; B at every tick; C every few seconds to minutes; D on a thread of its
own, because it waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from watchfloor.model import NodeSpec
from watchfloor.report import Cost

_TICK_SECONDS = 1.0
_WAITING_SECONDS = 0.01  # of a cost that is no processor time: whoever takes longer would hold up a tick


class CostClass(StrEnum):
    STATIC = "A"
    TICK = "B"
    SLOW = "C"
    BLOCKING = "D"


def class_of(cost: Cost) -> CostClass:
    if cost.period <= 0:
        return CostClass.STATIC
    if waiting(cost) > _WAITING_SECONDS:
        return CostClass.BLOCKING
    return CostClass.TICK if cost.period <= _TICK_SECONDS else CostClass.SLOW


def waiting(cost: Cost) -> float:
    """Seconds of an answer in which nothing was computed: for a driver or a program, or for something to happen."""
    return max(0.0, cost.seconds - cost.cpu)


def interval(cost: Cost) -> float:
    """Seconds between two answers: nobody is asked anew while an answer is still awaited. 0: asked once."""
    return max(cost.period, cost.seconds) if cost.period > 0 else 0.0


def share(cost: Cost) -> float:
    """Percent of a core; what is asked once costs nothing in the long run."""
    return 100 * cost.cpu / interval(cost) if cost.period > 0 else 0.0


def total(costs: Sequence[Cost]) -> float:
    """Percent of a core that all samplers take; their questions are part of them."""
    return sum(share(cost) for cost in costs if not cost.call)


def record(spec: NodeSpec, costs: Sequence[Cost], why: str) -> dict[str, object]:
    """One node as JSON-ready data; `why` there are no costs, "" where there are."""
    rows = [
        {
            "sampler": cost.sampler,
            "call": cost.call,
            "class": class_of(cost).value,
            "seconds": cost.seconds,
            "cpu_seconds": cost.cpu,
            "waiting_seconds": round(waiting(cost), 6),
            "period_seconds": cost.period,
            "core_percent": round(share(cost), 5),
        }
        for cost in costs
    ]
    return {"name": spec.name, "host": spec.host, "error": why, "core_percent": round(total(costs), 4), "costs": rows}


def text(spec: NodeSpec, costs: Sequence[Cost], why: str) -> str:
    """One node as a table."""
    if why:
        return f"{spec.name}: {why}"
    names = [f"  {cost.call}" if cost.call else cost.sampler for cost in costs]
    width = max([len("SAMPLER, QUESTION"), *map(len, names)])
    lines = [
        f"{spec.name}: {total(costs):.3f} % of a core within the samplers",
        f"  {'SAMPLER, QUESTION':<{width}}  CLASS    CPU ms  WAITING ms  EVERY s  % OF A CORE",
    ]
    for name, cost in zip(names, costs, strict=True):
        spent = f"{1000 * cost.cpu:>8.3f}  {1000 * waiting(cost):>10.3f}"
        times = f"{spent}  {interval(cost):>7.3g}  {share(cost):>11.4f}"
        lines.append(f"  {name:<{width}}  {class_of(cost):>5}  {times}")
    return "\n".join(lines)
