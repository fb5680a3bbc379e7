"""Divide an empty board into MIG instances, or make it whole again. R2: jobs that wait for its old shape wait on.

Profiles go by the names that `nvidia-smi mig -lgip` lists. MIG mode must be on already: switching it resets boards.
"""

from __future__ import annotations

import re
from typing import ClassVar

from agents.action import CannotPrepare, Parameter, Scene
from agents.actions import _nvidia
from agents.actions._base import filled, looked, took, unknown, without_effect
from agents.actions._nvidia import Board, OnBoard
from watchfloor.change import Command, Risk, Seen, Step
from watchfloor.ports import Floor, Hands

NONE = "none"
_PROFILE = re.compile(r"[1-9]g\.\d{1,3}gb(\+me|\+gfx|\+me\.all|-me)?")
_LISTED = re.compile(r"^\s+MIG\s+(\S+)\s+Device\s+\d+:", re.MULTILINE)
_MOST = 7


class Action(OnBoard):
    summary = "divide an empty board into MIG instances"
    risk = Risk.SLOWS
    sudo_rules = tuple(
        f"/usr/bin/nvidia-smi ^mig -i {_nvidia.UUID_RULE} {rest}$" for rest in ("-dci", "-dgi", "-cgi [0-9a-z.+,-]+ -C")
    )
    parameters: ClassVar = {"layout": Parameter('profiles, as "3g.40gb,3g.40gb"; none: no instances')}
    runs = "`sudo nvidia-smi mig -i UUID -dci`, `-dgi`, `-cgi PROFILES -C`"
    seen_by = "the instances that `nvidia-smi -L` lists"
    undone_by = "the instances that it had"

    def prepare(self, scene: Scene, step: Step) -> Step:
        wanted = profiles(str(self.values(step)["layout"]))
        board = _nvidia.board_of(scene, step)
        if not board.number("mig"):
            raise CannotPrepare(
                f"MIG is not on at {board.label}", "nvidia-smi -mig 1, and a reset of the board, turn it on"
            )
        had = [part.text("profile") for part in _nvidia.parts_of(scene, board)]
        if sorted(had) == sorted(wanted):
            raise CannotPrepare(f"{board.label} is divided so already: {', '.join(had) or NONE}")
        return filled(
            step,
            risk=self.risk,
            summary=f"divide {board.label} into {', '.join(wanted) or 'nothing'}, from {', '.join(had) or 'nothing'}",
            deeds=_deeds(board, had, wanted),
            before={"uuid": board.uuid, "layout": ",".join(had)},
            after={"layout": ",".join(wanted)},
            undo=_deeds(board, wanted, had) if all(_PROFILE.fullmatch(one) for one in had) else (),
            timeout_seconds=120.0,
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        if why := super().precheck(scene, step):
            return why
        board = _nvidia.board_of(scene, step)
        return "; ".join(
            filter(None, (_nvidia.used_by(scene, one) for one in (board, *_nvidia.parts_of(scene, board))))
        )

    async def guard(self, step: Step, hands: Hands) -> str:
        now = await _listed(step, hands)
        if isinstance(now, Seen):
            return now.text
        if sorted(now) != sorted(filter(None, str(step.before["layout"]).split(","))):
            return f"it is divided into {', '.join(now) or 'nothing'} by now"
        return await _nvidia.processes(hands, step.target.node, str(step.before["uuid"]))

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        now = await _listed(step, hands)
        if isinstance(now, Seen):
            return now
        shown = ", ".join(now) or "nothing"
        if sorted(now) == sorted(filter(None, str(step.after["layout"]).split(","))):
            return took(f"it is divided into {shown}", layout=",".join(now))
        if sorted(now) == sorted(filter(None, str(step.before["layout"]).split(","))):
            return without_effect(f"it is divided into {shown}, as before", layout=",".join(now))
        return unknown(f"it is divided into {shown}: neither as before nor as wanted", layout=",".join(now))


def profiles(layout: str) -> list[str]:
    """Raises CannotPrepare."""
    found = [] if layout == NONE else [part.strip() for part in layout.split(",")]
    wrong = [part for part in found if not _PROFILE.fullmatch(part)]
    if wrong or len(found) > _MOST:
        raise CannotPrepare(
            f"{layout!r} is no layout", 'profiles as `nvidia-smi mig -lgip` has them: "3g.40gb,3g.40gb"'
        )
    return found


def _deeds(board: Board, had: list[str], wanted: list[str]) -> tuple[Command, ...]:
    def mig(*arguments: str) -> Command:
        return _nvidia.smi(board.node, "mig", "-i", board.uuid, *arguments, sudo=True, timeout_seconds=60.0)

    gone = (mig("-dci"), mig("-dgi")) if had else ()
    return (*gone, mig("-cgi", ",".join(wanted), "-C")) if wanted else gone


async def _listed(step: Step, hands: Hands) -> list[str] | Seen:
    answer = await looked(hands, _nvidia.smi(step.target.node, "-L"))
    return answer if isinstance(answer, Seen) else layout_of(answer.stdout, str(step.before["uuid"]))


def layout_of(text: str, uuid: str) -> list[str]:
    """The profiles that `nvidia-smi -L` lists of one board."""
    for block in re.split(r"(?m)^(?=GPU \d+:)", text):
        if f"(UUID: {uuid})" in block.partition("\n")[0]:
            return _LISTED.findall(block)
    return []
