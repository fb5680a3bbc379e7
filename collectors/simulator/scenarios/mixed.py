"""All of it, spread over the fleet and over time: what `demo` shows when it isn't asked for anything else."""

from __future__ import annotations

from dataclasses import replace

from collectors.simulator.faults import Floor, Incident, Scenario, scenarios

# (scenario, when it first begins): something is odd from the start, and something new every few seconds
_TIMES = (
    ("idleheld", 0), ("straggler", 0), ("thermal", 3), ("nvlink", 8), ("gaudiport", 10), ("xid79", 14), ("ibflap", 20),
    ("hung", 32), ("nodelost", 48), ("ringhang", 26), ("services", 16), ("leftover", 0), ("settings", 0),
)  # fmt: skip


def _place(floor: Floor) -> list[Incident]:
    known = scenarios()
    return [replace(incident, first=float(at)) for name, at in _TIMES for incident in known[name].place(floor)]


SCENARIO = Scenario(
    "mixed",
    "all of them, spread over the fleet and over time",
    "the list that the demo prints at its start tells what happens where and when",
    _place,
)
