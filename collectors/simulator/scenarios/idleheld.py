"""Idle but held: a notebook keeps boards and their memory and uses none of it."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import CYCLE_SECONDS, Faults, Floor, Incident, Scenario
from collectors.simulator.work import KINDS, Slot

_NUMBER = 900  # beyond the slots of any floor


@dataclass(frozen=True)
class Held(Incident):
    ends_with_reboot = True

    def strike(self, since: float, faults: Faults) -> None:
        boards = tuple(range(self.node.shape.boards // 2, self.node.shape.boards))
        slot = Slot(_NUMBER + self.node.index, KINDS["notebook"], (self.node.index,), boards)
        faults.held.update(dict.fromkeys(boards, slot))

    def story(self) -> list[tuple[float, str]]:
        boards = self.node.shape.boards
        return [(0, f"{self.node.name}: a notebook holds boards {boards // 2} to {boards - 1} and computes nothing")]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: floor.works(plan.index, "finetune")) or floor.pick(
        lambda plan: plan.shape.boards > 1
    )
    return [Held(node, first=0, lasts=CYCLE_SECONDS, every=CYCLE_SECONDS)] if node else []


SCENARIO = Scenario(
    "idleheld",
    "a notebook holds boards without using them",
    "UTIL 0 % with MEM full and a USER: `util < 5 and mem > 50`",
    _place,
)
