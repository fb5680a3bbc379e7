"""Give a board back the power that it had. R1: no job suffers by it, and it can be taken again."""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _nvidia, _power
from agents.parameters import whole
from watchfloor.change import Risk, Step


class Action(_power.PowerLimit):
    summary = "give a board its power back"
    risk = Risk.REVERSIBLE
    heals = True
    parameters: ClassVar = {
        "watts": Parameter("its limit before; 0: the highest that it takes", Kind.NUMBER, 0, least=0, most=10_000)
    }

    def prepare(self, scene: Scene, step: Step) -> Step:
        given = whole(self.values(step)["watts"], "watts")
        board = _nvidia.board_of(scene, step)
        now, least, most = _power.bounds(board)
        watts = given or round(most)
        if not least <= watts <= most:
            raise CannotPrepare(f"{board.label} takes limits from {least:.0f} to {most:.0f} W, and not {watts} W")
        if watts < now - 1:
            raise CannotPrepare(f"{board.label} has {now:.0f} W already", "set_power_limit takes some away")
        return _power.limited(step, board, watts, now, self.risk)
