"""Start a node anew. R3. It is done when the node tells of another boot, and not before."""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions._base import Base, filled, node_row, took, unknown, without_effect
from agents.actions.restart_service import jobs_on
from watchfloor.change import Command, On, Place, Risk, Seen, Step
from watchfloor.errors import HandsError
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands

_ENDING = ("stopping", "offline")


class Action(Base):
    summary = "start a node anew"
    risk = Risk.TAKES_OUT
    scope = Scope.NODE
    harms = "ended"
    sudo_rules = ("/usr/bin/systemctl reboot",)
    parameters: ClassVar = {"with_jobs": Parameter("even where jobs are on it", Kind.FLAG, False)}
    runs = "`sudo systemctl reboot`"
    seen_by = "the boot id that its probe tells, which is another one than before"

    def prepare(self, scene: Scene, step: Step) -> Step:
        with_jobs = bool(self.values(step)["with_jobs"])
        boot = scene.frame.nodes.text(node_row(scene, step), "boot_id")
        if not boot:
            raise CannotPrepare(f"{step.target.node} has never told its boot id", "a new one couldn't be told from it")
        argv = ("systemctl", "reboot")
        return filled(
            step,
            risk=self.risk,
            summary=f"reboot {step.target.node}" + (", whatever runs there" if with_jobs else ""),
            deeds=(Command(Place(On.NODE, step.target.node), argv, sudo=True, timeout_seconds=60.0),),
            before={"boot": boot, "with_jobs": with_jobs},
            after={"boot": "another"},
            verify_seconds=1800.0,
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        row = scene.frame.node_index.get(step.target.node)
        if row is None:
            return f"{step.target.node} is no longer in the fleet"
        if scene.frame.nodes.text(row, "boot_id") != step.before["boot"]:
            return f"{step.target.node} was rebooted since this was planned"
        jobs = [] if step.before["with_jobs"] else jobs_on(scene, step.target.node)
        return f"jobs {', '.join(jobs)} are on {step.target.node}: drain it, and wait" if jobs else ""

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        frame, node = floor.frame(), step.target.node
        row = frame.node_index.get(node)
        if row is None:
            return unknown(f"{node} is no longer in the fleet")
        boot = frame.nodes.text(row, "boot_id")
        if boot != step.before["boot"] and boot:
            return took(f"{node} has booted anew", boot=boot)
        if not frame.live[row]:
            return unknown(f"{node} is not heard ({frame.statuses[row].phase})")
        try:
            told = await hands.look(Command(Place(On.NODE, node), ("systemctl", "is-system-running")))
        except HandsError as error:
            return unknown(f"{node} doesn't answer: {error}")
        ending = told.stdout.strip() in _ENDING
        return unknown(f"{node} is going down") if ending else without_effect(f"{node} runs on, in the boot of before")
