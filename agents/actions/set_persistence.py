"""Keep a board's driver state loaded while nobody uses it, or let it go. R1: no job notices."""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _nvidia
from agents.actions._base import filled, took, unknown, without_effect
from agents.actions._nvidia import OnBoard
from watchfloor.change import Risk, Seen, Step
from watchfloor.ports import Floor, Hands

_WORDS = {True: "Enabled", False: "Disabled"}


class Action(OnBoard):
    summary = "keep a board's driver loaded, or let it go"
    risk = Risk.REVERSIBLE
    sudo_rules = (f"/usr/bin/nvidia-smi ^-i {_nvidia.UUID_RULE} -pm [01]$",)
    parameters: ClassVar = {"on": Parameter("whether it is kept loaded", Kind.FLAG, True)}
    runs = "`sudo nvidia-smi -i UUID -pm 1`, or 0"
    seen_by = "nvidia-smi's `persistence_mode`"
    undone_by = "the mode that it had, where that is told"

    def prepare(self, scene: Scene, step: Step) -> Step:
        on = bool(self.values(step)["on"])
        board = _nvidia.board_of(scene, step)
        now = board.number("persistence")
        if now is not None and bool(now) is on:
            raise CannotPrepare(f"persistence mode of {board.label} is {'on' if on else 'off'} already")
        return filled(
            step,
            risk=self.risk,
            summary=f"persistence mode of {board.label} {'on' if on else 'off'}",
            deeds=(_nvidia.root(board, "-pm", str(int(on))),),
            before={"uuid": board.uuid} if now is None else {"uuid": board.uuid, "persistence": not on},
            after={"persistence": on},
            undo=(_nvidia.root(board, "-pm", str(int(not on))),) if now is not None else (),
        )

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        values = await _nvidia.asked(hands, step, "persistence_mode")
        if isinstance(values, Seen):
            return values
        if values[0] == _WORDS[bool(step.after["persistence"])]:
            return took(f"persistence mode is {values[0].lower()}")
        return without_effect(f"persistence mode is {values[0].lower()}") if values[0] else unknown("it isn't told")
