"""Mark a node at its scheduler. R1: it can be taken away again; only what is told to heed it does.

At Kubernetes it is a label that the node doesn't have yet; at Slurm the node's comment, where there is none, or one
that an earlier plan left. Labels of kubernetes.io are the cluster's own, and are left alone.
"""

from __future__ import annotations

import re
from typing import ClassVar

from agents.action import CannotPrepare, Home, Parameter, Scene
from agents.actions import _kubenode, _kubernetes, _slurm
from agents.actions._base import OURS, filled, mark_of, node_row, silent_source, took, without_effect
from watchfloor.change import Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands

_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?")
_COMMENT = re.compile(r"\bComment=(\S*)")


class Action(_kubernetes.KubeAction):
    summary = "mark a node at its scheduler"
    risk = Risk.REVERSIBLE
    scope = Scope.NODE
    parameters: ClassVar = {
        "label": Parameter("its name", longest=253),
        "value": Parameter("its value", default="", longest=63),
    }
    runs = "Kubernetes: PATCH of the node's labels; Slurm: `scontrol update NodeName=NODE Comment=…`"
    seen_by = "the label, or the comment with this plan's mark"
    undone_by = "the label is taken away; the comment is as it was"

    def prepare(self, scene: Scene, step: Step) -> Step:
        values = self.values(step)
        label, value = str(values["label"]), str(values["value"])
        if not _KEY.fullmatch(label) or not _VALUE.fullmatch(value):
            raise CannotPrepare(f"{label}={value} is no label", "letters, digits, dots, dashes, underscores; one slash")
        if re.match(r"([\w.-]+\.)?(kubernetes|k8s)\.io/", label):
            raise CannotPrepare(f"{label} belongs to the cluster itself", "a prefix of your own, as example.org/")
        home = _slurm.of_node(scene, step)
        if home.kind == _kubernetes.KIND:
            return self._labelled(step, home, label, value)
        if home.kind != _slurm.KIND:
            raise CannotPrepare(f"{home.name} is a {home.kind}, whose nodes take no labels")
        had = scene.frame.jobs.scheduler[node_row(scene, step)].comment
        if had and OURS not in had:
            raise CannotPrepare(f"{step.target.node} is marked already: {had}", "what others wrote is left alone")
        return self._commented(step, home, f"{label}={value}", had, f"{OURS}{mark_of(scene, step)}")

    def _labelled(self, step: Step, home: Home, label: str, value: str) -> Step:
        path = _kubernetes.node_path(home.node)
        return filled(
            step,
            risk=self.risk,
            summary=f"label {step.target.node} in {home.name}: {label}={value}",
            deeds=(_kubernetes.patch(home, path, {"metadata": {"labels": {label: value}}}),),
            before={"source": home.name, "scheduler node": home.node},
            after={"label": label, "value": value},
            undo=(_kubernetes.patch(home, path, {"metadata": {"labels": {label: None}}}),),
        )

    def _commented(self, step: Step, home: Home, text: str, had: str, mark: str) -> Step:
        update = ("scontrol", "update", f"NodeName={home.node}")
        return filled(
            step,
            risk=self.risk,
            summary=f"comment of {step.target.node} in {home.name}: {text}",
            deeds=(_slurm.command(home, *update, f"Comment={text},{mark}"),),
            before={"source": home.name, "scheduler node": home.node, "comment": had},
            after={"comment": text, "mark": mark},
            undo=(_slurm.command(home, *update, f"Comment={had}"),),
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        return silent_source(scene, str(step.before["source"]))

    async def guard(self, step: Step, hands: Hands) -> str:
        now = await self._now(step, hands)
        if isinstance(now, Seen):
            return now.text
        if now is None or now == str(step.before.get("comment", "\n")):
            return ""
        return f"{step.target.node} is marked already: {now or 'without a value'}"

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        now = await self._now(step, hands)
        if isinstance(now, Seen):
            return now
        is_there = now is not None and (now == step.after.get("value") or str(step.after.get("mark", "\n")) in now)
        if is_there:
            return took(f"{step.target.node} is marked: {now or step.after.get('label', '')}")
        return without_effect(f"{step.target.node} is marked otherwise: {now}" if now else "it is not marked")

    async def _now(self, step: Step, hands: Hands) -> str | Seen | None:
        """The label's value, or the comment; None where there is none."""
        if not _kubenode.is_meant(step):
            record = await _slurm.shown_node(step, hands)
            return record if isinstance(record, Seen) else comment_of(record)
        path = _kubernetes.requests(step)[0].path
        node = await _kubernetes.looked_at(hands, step.deeds[0].place, path)
        if isinstance(node, Seen):
            return node
        return _kubernetes.within(node, "metadata", "labels", str(step.after["label"]))


def comment_of(record: str) -> str | None:
    found = _COMMENT.search(record)
    return found[1] if found and found[1] not in ("", "(null)") else None
