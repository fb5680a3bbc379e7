"""Let a board's compute clock go as high as it will. R1: no job suffers by it, and it can be held again.

Whether clocks are locked the driver doesn't tell: a clock above what it was shows it, an idle board shows nothing.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import Kind, Parameter, Scene
from agents.actions import _nvidia
from agents.actions._base import filled, took, unknown
from agents.actions._nvidia import OnBoard
from agents.parameters import whole
from watchfloor.change import Risk, Seen, Step
from watchfloor.ports import Floor, Hands


class Action(OnBoard):
    summary = "let a board's clock go free"
    risk = Risk.REVERSIBLE
    heals = True
    traceless = True
    sudo_rules = (f"/usr/bin/nvidia-smi ^-i {_nvidia.UUID_RULE} -rgc$",)
    parameters: ClassVar = {
        "held": Parameter("MHz that it was held at, if known", Kind.NUMBER, 0, least=0, most=10_000)
    }
    runs = "`sudo nvidia-smi -i UUID -rgc`"
    seen_by = "a clock above what it was held at"

    def prepare(self, scene: Scene, step: Step) -> Step:
        held = whole(self.values(step)["held"], "held")
        board = _nvidia.board_of(scene, step)
        return filled(
            step,
            risk=self.risk,
            heals=True,
            summary=f"let the clock of {board.label} go free",
            deeds=(_nvidia.root(board, "-rgc"),),
            before={"uuid": board.uuid, "held": held},
            after={"held": 0},
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        values = await _nvidia.asked(hands, step, "clocks.sm")
        if isinstance(values, Seen):
            return values
        now, held = _nvidia.number_of(values[0]), float(step.before["held"])
        if now is not None and held and now > held + 30:
            return took(f"its clock is {now:.0f} MHz, and was held at {held:.0f}", clock=now)
        return unknown(f"its clock is {values[0] or 'not told'}, which says nothing of how it is held")
