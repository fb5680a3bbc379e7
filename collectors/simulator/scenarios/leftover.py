"""Left over: a process has lost its parent and goes on holding boards; one of another job can't even be killed."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import CYCLE_SECONDS, Faults, Floor, Incident, Scenario
from collectors.simulator.work import KINDS, Slot

_NUMBER = 950  # beyond the slots of any floor, and of those that are held
_ORPHANED, _HANGING = 1, 0  # boards


@dataclass(frozen=True)
class LeftOver(Incident):
    ends_with_reboot = True

    def strike(self, since: float, faults: Faults) -> None:
        slot = Slot(_NUMBER + self.node.index, KINDS["notebook"], (self.node.index,), (_HANGING, _ORPHANED))
        faults.held.update({_HANGING: slot, _ORPHANED: slot})
        faults.orphaned.add(_ORPHANED)
        faults.unkillable.add(_HANGING)

    def story(self) -> list[tuple[float, str]]:
        who = f"a process without a parent holds board {_ORPHANED}, one that can't be killed board {_HANGING}"
        return [(0, f"{self.node.name}: {who}")]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "nvidia" and floor.works(plan.index, "finetune"))
    return [LeftOver(node, first=0, lasts=CYCLE_SECONDS, every=CYCLE_SECONDS)] if node else []


SCENARIO = Scenario(
    "leftover",
    "processes of the past hold boards: an orphan, and one that hangs in the kernel",
    "`unkillable` within a minute, `orphan-holder` after five; on the node's page their rows among the processes",
    _place,
)
