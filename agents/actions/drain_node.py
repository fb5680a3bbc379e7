"""Give a node no new work; what runs on it goes on. R3: it takes a node out.

In Slurm the reason carries a mark of this plan, by which its own drain is told from anybody else's: a node that others
drained is never touched, and a drain of theirs is never taken for this one. At Kubernetes it is a cordon.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Home, Parameter, Scene
from agents.actions import _kubenode, _kubernetes, _slurm
from agents.actions._base import OURS, filled, mark_of, node_row, took, without_effect
from watchfloor.change import Risk, Seen, Step
from watchfloor.jobs.model import SchedulerNode
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands


class Action(_kubernetes.KubeAction):
    summary = "give a node no new work"
    risk = Risk.TAKES_OUT
    scope = Scope.NODE
    parameters: ClassVar = {"reason": Parameter("why, as the scheduler shows it", longest=_slurm.LONGEST_REASON)}
    runs = "Slurm: `scontrol update NodeName=NODE State=DRAIN Reason=…`; Kubernetes: as cordon_node"
    seen_by = "DRAIN in the node's state, with this plan's mark in its reason"
    undone_by = "`State=RESUME`; of a node that was down before, `State=UNDRAIN` with the reason that it had"

    def prepare(self, scene: Scene, step: Step) -> Step:
        reason = str(self.values(step)["reason"])
        home = _slurm.of_node(scene, step)
        told = scene.frame.jobs.scheduler[node_row(scene, step)]
        if home.kind == _kubernetes.KIND:
            return _kubenode.cordon(scene, step, home, reason)
        if home.kind != _slurm.KIND:
            raise CannotPrepare(
                f"{home.name} is a {home.kind}, which drains no nodes", "drain it where its nodes come from"
            )
        if _slurm.is_drained(_slurm.state_words(told.state)):
            raise CannotPrepare(f"{step.target.node} is drained already: {told.reason or 'no reason given'}")
        return self._in_slurm(step, home, reason, told, f"{OURS}{mark_of(scene, step)}")

    def _in_slurm(self, step: Step, home: Home, reason: str, told: SchedulerNode, mark: str) -> Step:
        """RESUME would also bring back a node that was down before: there UNDRAIN takes the drain alone away."""
        update = ("scontrol", "update", f"NodeName={home.node}")
        text = _slurm.reason_text(reason, mark)
        return filled(
            step,
            risk=self.risk,
            summary=f"drain {step.target.node} in {home.name}: {reason}",
            deeds=(_slurm.command(home, *update, "State=DRAIN", f"Reason={text}"),),
            before={"scheduler node": home.node, "source": home.name, "state": told.state, "reason": told.reason},
            after={"state": "drain", "mark": mark, "reason": text},
            undo=(_slurm.command(home, *update, *_as_it_was(told)),),
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        told = _slurm.node_told(scene, step)
        if isinstance(told, str):
            return told
        if "mark" not in step.after or str(step.after["mark"]) in told.reason:
            return ""
        if not _slurm.is_drained(_slurm.state_words(told.state)) and "cordoned" not in told.state:
            return ""
        return f"{step.target.node} was drained by others meanwhile: {told.reason or 'no reason given'}"

    async def guard(self, step: Step, hands: Hands) -> str:
        if _kubenode.is_meant(step):
            return await _kubenode.cordoned_by_others(step, hands)
        record = await _slurm.shown_node(step, hands)
        if isinstance(record, Seen):
            return record.text
        others = _slurm.is_drained(_slurm.node_words(record)) and str(step.after["mark"]) not in record
        return f"{step.target.node} was drained by others: {_slurm.node_reason(record)}" if others else ""

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        if _kubenode.is_meant(step):
            return await _kubenode.see_cordon(step, hands, floor)
        record = await _slurm.shown_node(step, hands)
        if isinstance(record, Seen):
            return record
        state, reason = _slurm.fields(record).get("State", ""), _slurm.node_reason(record)
        if not _slurm.is_drained(_slurm.node_words(record)):
            return without_effect(f"{step.target.node} is {state}", state=state)
        if str(step.after["mark"]) not in record:
            return without_effect(f"{step.target.node} is drained, by others: {reason}", state=state, reason=reason)
        floor.ask_anew()
        return took(f"{step.target.node} is {state}: {reason}", state=state, reason=reason)


def _as_it_was(told: SchedulerNode) -> tuple[str, ...]:
    """UNDRAIN waits for the node to register anew before it gives it work (scontrol(1)): only where it had none."""
    down = _slurm.state_words(told.state) & {"down", "fail", "failing"}
    return ("State=UNDRAIN", *_slurm.reason_again(told.reason)) if down else ("State=RESUME",)
