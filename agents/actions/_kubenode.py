"""Cordon and its opposite, as several actions do them: a cordon carries the mark of its plan as an annotation."""

from __future__ import annotations

from agents.action import CannotPrepare, Home, Scene
from agents.actions import _kubernetes as kube
from agents.actions._base import filled, mark_of, node_row, took, unknown, without_effect
from watchfloor.change import Request, Risk, Seen, Step
from watchfloor.ports import Floor, Hands


def is_meant(step: Step) -> bool:
    """Whether a step that several schedulers know is one of Kubernetes'."""
    return bool(step.deeds) and isinstance(step.deeds[0], Request)


def cordon(scene: Scene, step: Step, home: Home, reason: str) -> Step:
    """Raises CannotPrepare."""
    path, told = kube.node_path(home.node), scene.frame.jobs.scheduler[node_row(scene, step)]
    if "cordoned" in told.state:
        raise CannotPrepare(f"{step.target.node} is cordoned already", "uncordon_node lets it take work again")
    mark = mark_of(scene, step)
    notes = {kube.MARK: mark, kube.REASON: reason}
    return filled(
        step,
        risk=Risk.TAKES_OUT,
        summary=f"cordon {step.target.node} in {home.name}: {reason}",
        deeds=(kube.patch(home, path, {"metadata": {"annotations": notes}, "spec": {"unschedulable": True}}),),
        before={"scheduler node": home.node, "source": home.name, "state": told.state},
        after={"state": "cordoned", "mark": mark, "reason": reason},
        undo=(_open(home, path),),
    )


def uncordon(scene: Scene, step: Step, home: Home, anyones: bool) -> Step:
    """Undone by a cordon with the mark and the reason that it had. Raises CannotPrepare."""
    path, told = kube.node_path(home.node), scene.frame.jobs.scheduler[node_row(scene, step)]
    had = dict(told.notes)
    notes = {name: had[name] for name in (kube.MARK, kube.REASON) if name in had}
    marked = {"metadata": {"annotations": notes}} if notes else {}
    return filled(
        step,
        risk=Risk.SLOWS,
        heals=True,
        summary=f"uncordon {step.target.node} in {home.name}",
        deeds=(_open(home, path),),
        before={"scheduler node": home.node, "source": home.name, "anyones": anyones,
                "mark": notes.get(kube.MARK, ""), "reason": notes.get(kube.REASON, "")},
        after={"state": "ready"},
        undo=(kube.patch(home, path, {**marked, "spec": {"unschedulable": True}}),),
    )  # fmt: skip


def _open(home: Home, path: str) -> Request:
    notes = {kube.MARK: None, kube.REASON: None}
    return kube.patch(home, path, {"metadata": {"annotations": notes}, "spec": {"unschedulable": None}})


async def cordoned_by_others(step: Step, hands: Hands) -> str:
    node = await _node(step, hands)
    if isinstance(node, Seen):
        return node.text
    if not kube.within(node, "spec", "unschedulable") or kube.annotation(node, kube.MARK) == step.after["mark"]:
        return ""
    return f"{step.target.node} was cordoned by others: {kube.annotation(node, kube.REASON) or 'no reason given'}"


async def uncordon_refused(step: Step, hands: Hands) -> str:
    node = await _node(step, hands)
    if isinstance(node, Seen):
        return node.text
    ours = kube.annotation(node, kube.MARK) or not kube.within(node, "spec", "unschedulable")
    return "" if ours or step.before["anyones"] else f"{step.target.node} was cordoned by others"


async def see_cordon(step: Step, hands: Hands, floor: Floor) -> Seen:
    node = await _node(step, hands)
    if isinstance(node, Seen):
        return node
    if not kube.within(node, "spec", "unschedulable"):
        return without_effect(f"{step.target.node} is not cordoned")
    if kube.annotation(node, kube.MARK) != step.after["mark"]:
        return without_effect(f"{step.target.node} is cordoned, by others")
    floor.ask_anew()
    return took(f"{step.target.node} is cordoned: {kube.annotation(node, kube.REASON)}")


async def see_uncordon(step: Step, hands: Hands, floor: Floor) -> Seen:
    node = await _node(step, hands)
    if isinstance(node, Seen):
        return node
    if kube.within(node, "spec", "unschedulable"):
        return without_effect(f"{step.target.node} is still cordoned")
    floor.ask_anew()
    return took(f"{step.target.node} takes work")


async def _node(step: Step, hands: Hands) -> kube.Object | Seen:
    deed = step.deeds[0]
    assert isinstance(deed, Request)
    return await kube.looked_at(hands, deed.place, deed.path) or unknown(f"there is no node {step.target.node}")
