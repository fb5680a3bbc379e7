"""Held and not used: a job of Slurm keeps its boards and their memory, and computes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import CYCLE_SECONDS, Faults, Floor, Incident, Scenario


@dataclass(frozen=True)
class Waiting(Incident):
    boards: tuple[int, ...] = ()

    def strike(self, since: float, faults: Faults) -> None:
        faults.stalled.update(self.boards)

    def story(self) -> list[tuple[float, str]]:
        return [(0, f"{self.node.name}: the job on boards {self.boards[0]} to {self.boards[-1]} computes nothing")]


def _place(floor: Floor) -> list[Incident]:
    slot = next((slot for slot in floor.slots if slot.kind.name == "finetune" and len(slot.nodes) == 1), None)
    if slot is None:
        return []
    node = floor.nodes[slot.nodes[0]]
    return [Waiting(node, first=0, lasts=CYCLE_SECONDS, every=CYCLE_SECONDS, boards=tuple(slot.boards))]


SCENARIO = Scenario(
    "unused",
    "a job holds boards and runs nothing on them",
    "`util == 0 and mem > 50` with a job; after a quarter of an hour the finding `job-holds-unused`",
    _place,
)
