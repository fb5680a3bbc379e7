"""Let a board draw no more than so many watts. R2: what runs on it gets slower."""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _nvidia, _power
from agents.parameters import whole
from watchfloor.change import Risk, Step


class Action(_power.PowerLimit):
    summary = "let a board draw no more than so much"
    risk = Risk.SLOWS
    harms = "slowed"
    parameters: ClassVar = {"watts": Parameter("the most that it may draw", Kind.NUMBER, least=1, most=10_000)}

    def prepare(self, scene: Scene, step: Step) -> Step:
        watts = whole(self.values(step)["watts"], "watts")
        board = _nvidia.board_of(scene, step)
        now, least, most = _power.bounds(board)
        if not least <= watts <= most:
            raise CannotPrepare(f"{board.label} takes limits from {least:.0f} to {most:.0f} W, and not {watts} W")
        return _power.limited(step, board, watts, now, self.risk)
