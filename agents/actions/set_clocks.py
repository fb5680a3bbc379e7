"""Hold a board's compute clock within a range. R2: what runs on it gets slower.

The driver doesn't tell whether clocks are locked. A clock that was above the range and is within it by now says so; one
that was within it all the time says nothing, and then the command's own end is all there is.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _nvidia
from agents.actions._base import filled, took, unknown, without_effect
from agents.actions._nvidia import OnBoard
from agents.parameters import whole
from watchfloor.change import Risk, Seen, Step
from watchfloor.ports import Floor, Hands

_STEP_MHZ = 30  # clocks come in steps of 15 MHz


class Action(OnBoard):
    summary = "hold a board's clock within a range"
    risk = Risk.SLOWS
    harms = "slowed"
    traceless = True
    sudo_rules = (
        f"/usr/bin/nvidia-smi ^-i {_nvidia.UUID_RULE} -lgc [0-9]+,[0-9]+$",
        f"/usr/bin/nvidia-smi ^-i {_nvidia.UUID_RULE} -rgc$",
    )
    parameters: ClassVar = {
        "most": Parameter("MHz at the most", Kind.NUMBER, least=100, most=10_000),
        "least": Parameter("MHz at the least", Kind.NUMBER, 0, least=0, most=10_000),
    }
    runs = "`sudo nvidia-smi -i UUID -lgc LEAST,MOST`"
    seen_by = "the clock, where it was above the range before"
    undone_by = "`nvidia-smi -i UUID -rgc`: within which range it was held before, no driver tells"

    def prepare(self, scene: Scene, step: Step) -> Step:
        values = self.values(step)
        least, most = whole(values["least"], "least"), whole(values["most"], "most")
        board = _nvidia.board_of(scene, step)
        highest = board.number("clock_sm_max")
        if least > most:
            raise CannotPrepare(f"from {least} to {most} MHz is no range", "least comes first")
        if highest is not None and most > highest:
            raise CannotPrepare(f"{board.label} goes to {highest:.0f} MHz at the most, and not to {most}")
        clock = board.number("clock_sm")
        return filled(
            step,
            risk=self.risk,
            summary=f"hold the clock of {board.label} at {most} MHz at the most",
            deeds=(_nvidia.root(board, "-lgc", f"{least},{most}"),),
            before={"uuid": board.uuid, "clock": -1.0 if clock is None else clock},
            after={"least": least, "most": most},
            undo=(_nvidia.root(board, "-rgc"),),
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        values = await _nvidia.asked(hands, step, "clocks.sm")
        if isinstance(values, Seen):
            return values
        now, most = _nvidia.number_of(values[0]), float(step.after["most"])
        if now is None:
            return unknown("nvidia-smi tells no clock")
        if now > most + _STEP_MHZ:
            return without_effect(f"its clock is {now:.0f} MHz", clock=now)
        if float(step.before["clock"]) > most + _STEP_MHZ:
            return took(f"its clock is {now:.0f} MHz, and was {float(step.before['clock']):.0f}", clock=now)
        return unknown(f"its clock is {now:.0f} MHz, as it may have been anyway", clock=now)
