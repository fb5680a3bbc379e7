"""Have the boards of a node examined. R0 for what only asks, R2 for what loads them: then nobody else may be on them.

Level 0 asks nvidia-smi of everything it knows; 1 to 4 are those of DCGM (`dcgmi diag -r`), from seconds to hours. What
it finds is its exit code and its output, and leaves nothing to look at later.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _nvidia
from agents.actions._base import Base, filled, node_row, silent_node, unknown
from agents.actions.restart_service import jobs_on
from agents.parameters import whole
from watchfloor.change import Command, On, Place, Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands

_SECONDS = {0: 120.0, 1: 180.0, 2: 900.0, 3: 3600.0, 4: 10_800.0}  # DCGM's user guide, and as much again
_LOADS = 2  # from this level on


class Action(Base):
    summary = "have the boards of a node examined"
    risk = Risk.SLOWS
    scope = Scope.NODE
    traceless = True
    parameters: ClassVar = {
        "level": Parameter("0: nvidia-smi -q; 1 to 4: DCGM, ever longer", Kind.NUMBER, 1, least=0, most=4)
    }
    runs = "`dcgmi diag -r LEVEL -j`, or `nvidia-smi -q`"
    seen_by = "its exit code and output"

    def prepare(self, scene: Scene, step: Step) -> Step:
        level = whole(self.values(step)["level"], "level")
        node = node_row(scene, step)
        if not _nvidia.boards_of(scene, node):
            raise CannotPrepare(f"{step.target.node} has no boards of NVIDIA's", "others have no such diagnostic here")
        dcgm = scene.frame.nodes.text(node, "unit_dcgm")
        if level and dcgm and dcgm != "running":
            raise CannotPrepare(
                f"DCGM is {dcgm} on {step.target.node}", "restart_service starts it; level 0 needs none"
            )
        argv = ("dcgmi", "diag", "-r", str(level), "-j") if level else (_nvidia.SMI, "-q")
        seconds = _SECONDS[level]
        return filled(
            step,
            risk=Risk.SLOWS if level >= _LOADS else Risk.READ,
            summary=f"examine {step.target.node}: {' '.join(argv[:4])}",
            deeds=(Command(Place(On.NODE, step.target.node), argv, timeout_seconds=seconds),),
            before={"level": level},
            after={"examined": True},
            timeout_seconds=seconds + 30.0,
            verify_seconds=1.0,
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        if why := silent_node(scene, step):
            return why
        if int(step.before["level"]) < _LOADS:
            return ""
        jobs = jobs_on(scene, step.target.node)
        if jobs:
            return f"it loads the boards, and jobs {', '.join(jobs)} are on {step.target.node}"
        boards = _nvidia.boards_of(scene, scene.frame.node_index[step.target.node])
        return "; ".join(filter(None, (_nvidia.used_by(scene, board) for board in boards)))

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        return unknown("a diagnostic leaves nothing behind: its exit code says what it found")
