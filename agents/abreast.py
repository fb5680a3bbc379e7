"""Which steps of a plan may go side by side. Pure.

A step waits for those that it needs, and for the one before it on the same node. One on a job, or on anything that is
no node's, waits for all before it, and all after wait for it: where a job is when the step comes, no plan knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from watchfloor.change import Step


def awaited(steps: Sequence[Step]) -> list[frozenset[int]]:
    """Of each step the places of those that must have come to their end before it."""
    found: list[frozenset[int]] = []
    places: dict[str, int] = {}
    last_on: dict[str, int] = {}  # node -> its newest step
    everything: set[int] = set()  # since the newest step that all wait for, and that one
    barrier: frozenset[int] = frozenset()
    for place, step in enumerate(steps):
        needs = {places[key] for key in step.needs if key in places}
        if node := step.target.node:
            before = {last_on[node]} if node in last_on else barrier
            last_on[node] = place
            everything.add(place)
        else:
            before = everything
            barrier, everything = frozenset({place}), {place}
            last_on.clear()
        found.append(frozenset(needs | before))
        places[step.key] = place
    return found


def next_steps(waits: Sequence[Collection[int]], over: Collection[int], among: Iterable[int], most: int) -> list[int]:
    """At most so many of `among`, in their order, that wait for nothing that isn't over."""
    ready = (place for place in among if all(other in over for other in waits[place]))
    return [place for place, _ in zip(ready, range(most), strict=False)]
