"""How a power limit is set and seen, whichever way it goes."""

from __future__ import annotations

from agents.action import CannotPrepare, Scene
from agents.actions import _nvidia
from agents.actions._base import filled, took, unknown, without_effect
from agents.actions._nvidia import Board, OnBoard
from watchfloor.change import Risk, Seen, Step
from watchfloor.ports import Floor, Hands

_ALIKE_WATTS = 1.0  # nvidia-smi tells hundredths, the driver rounds
RULES = (f"/usr/bin/nvidia-smi ^-i {_nvidia.UUID_RULE} -pl [0-9]+$",)


def bounds(board: Board) -> tuple[float, float, float]:
    """The limit now, the lowest and the highest, in watts. Raises CannotPrepare where the board doesn't tell them."""
    found = [board.number(name) for name in ("power_limit", "power_min", "power_max")]
    now, least, most = found
    if now is None or least is None or most is None:
        raise CannotPrepare(f"{board.label} doesn't tell its power limits", "a board that has none can't be capped")
    return now, least, most


def limited(step: Step, board: Board, watts: int, now: float, risk: Risk) -> Step:
    """Raises CannotPrepare where there is nothing to change."""
    if abs(now - watts) < _ALIKE_WATTS:
        raise CannotPrepare(f"{board.label} is limited to {watts} W already")
    return filled(
        step,
        risk=risk,
        summary=f"limit {board.label} to {watts} W, from {now:.0f} W",
        deeds=(_nvidia.root(board, "-pl", str(watts)),),
        before={"uuid": board.uuid, "power_limit": now},
        after={"power_limit": watts},
        undo=(_nvidia.root(board, "-pl", str(round(now))),),
    )


class PowerLimit(OnBoard):
    sudo_rules = RULES
    runs = "`sudo nvidia-smi -i UUID -pl WATTS`"
    seen_by = "nvidia-smi's `power.limit`"
    undone_by = "the limit that it had"

    def precheck(self, scene: Scene, step: Step) -> str:
        if why := super().precheck(scene, step):
            return why
        now = _nvidia.board_of(scene, step).number("power_limit")
        before = float(step.before["power_limit"])
        if (
            now is None
            or abs(now - before) < _ALIKE_WATTS
            or abs(now - float(step.after["power_limit"])) < _ALIKE_WATTS
        ):
            return ""
        return f"its limit is {now:.0f} W by now, and was {before:.0f} W when this was planned"

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        values = await _nvidia.asked(hands, step, "power.limit")
        if isinstance(values, Seen):
            return values
        now = _nvidia.number_of(values[0])
        if now is None:
            return unknown("nvidia-smi tells no power limit")
        if abs(now - float(step.after["power_limit"])) < _ALIKE_WATTS:
            return took(f"it is limited to {now:.0f} W", power_limit=now)
        if abs(now - float(step.before["power_limit"])) < _ALIKE_WATTS:
            return without_effect(f"it is limited to {now:.0f} W, as before", power_limit=now)
        return unknown(f"somebody else limited it to {now:.0f} W", power_limit=now)
