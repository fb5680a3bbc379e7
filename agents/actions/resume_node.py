"""Let a node take work again. R2: jobs will start on it, and suffer where it isn't well after all.

Only what watchfloor itself drained is resumed, unless `anyones` says otherwise: who drained a node knows why.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _kubenode, _kubernetes, _slurm
from agents.actions._base import OURS, filled, node_row, took, unknown, without_effect
from watchfloor.change import Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands


class Action(_kubernetes.KubeAction):
    summary = "let a node take work again"
    risk = Risk.SLOWS
    scope = Scope.NODE
    heals = True
    parameters: ClassVar = {"anyones": Parameter("resume it whoever drained it", Kind.FLAG, False)}
    runs = "Slurm: `scontrol update NodeName=NODE State=RESUME`; Kubernetes: as uncordon_node"
    seen_by = "the node's state without DRAIN"
    undone_by = "`State=DRAIN` with the reason that it had"

    def prepare(self, scene: Scene, step: Step) -> Step:
        """A node that isn't drained yet may be so by then: an earlier step of the same plan may do it."""
        anyones = bool(self.values(step)["anyones"])
        home = _slurm.of_node(scene, step)
        told = scene.frame.jobs.scheduler[node_row(scene, step)]
        if home.kind == _kubernetes.KIND:
            return _kubenode.uncordon(scene, step, home, anyones)
        if home.kind != _slurm.KIND:
            raise CannotPrepare(f"{home.name} is a {home.kind}, which drains no nodes")
        drained = _slurm.is_drained(_slurm.state_words(told.state))
        if drained and (others := _others(step.target.node, told.reason, anyones)):
            raise CannotPrepare(others, "anyones: true resumes it all the same")
        update = ("scontrol", "update", f"NodeName={home.node}")
        reason = _slurm.reason_again(told.reason) or ("Reason=drained again",)
        back = (_slurm.command(home, *update, "State=DRAIN", *reason),) if drained else ()
        return filled(
            step,
            risk=self.risk,
            heals=True,
            summary=f"resume {step.target.node} in {home.name}" + (f", drained for: {told.reason}" if drained else ""),
            deeds=(_slurm.command(home, *update, "State=RESUME"),),
            before={"scheduler node": home.node, "source": home.name, "state": told.state, "reason": told.reason,
                    "anyones": anyones},
            after={"state": "resumed"},
            undo=back,
        )  # fmt: skip

    def precheck(self, scene: Scene, step: Step) -> str:
        told = _slurm.node_told(scene, step)
        if isinstance(told, str):
            return told
        if _kubenode.is_meant(step) or not _slurm.is_drained(_slurm.state_words(told.state)):
            return ""
        return _others(step.target.node, told.reason, bool(step.before["anyones"]))

    async def guard(self, step: Step, hands: Hands) -> str:
        if _kubenode.is_meant(step):
            return await _kubenode.uncordon_refused(step, hands)
        record = await _slurm.shown_node(step, hands)
        if isinstance(record, Seen):
            return record.text
        if not _slurm.is_drained(_slurm.node_words(record)):
            return ""
        return _others(step.target.node, _slurm.node_reason(record), bool(step.before["anyones"]))

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        if _kubenode.is_meant(step):
            return await _kubenode.see_uncordon(step, hands, floor)
        record = await _slurm.shown_node(step, hands)
        if isinstance(record, Seen):
            return record
        state, reason = _slurm.fields(record).get("State", ""), _slurm.node_reason(record)
        if not _slurm.is_drained(_slurm.node_words(record)):
            floor.ask_anew()
            return took(f"{step.target.node} is {state}", state=state)
        if OURS not in reason and not step.before["anyones"]:
            return unknown(f"{step.target.node} is drained by others by now: {reason}", state=state, reason=reason)
        return without_effect(f"{step.target.node} is still {state}: {reason}", state=state, reason=reason)


def _others(node: str, reason: str, anyones: bool) -> str:
    if anyones or OURS in reason:
        return ""
    return f"{node} was drained by others: {reason or 'no reason given'}"
