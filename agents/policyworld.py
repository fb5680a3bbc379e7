"""A plan and what is known of the world -> what Cedar is asked: entities, and a request for each step. Pure.

What is derived here is what policies decide by. A target that nobody knows anything of is refused rather than judged:
a policy that forbids by rack or label would say nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import Any

from agents.policyset import ENTITY, ActionClass
from watchfloor.change import Impact, Plan, Risk, Step, Target
from watchfloor.errors import WatchfloorError
from watchfloor.frame import Frame
from watchfloor.jobs.model import Job
from watchfloor.model import NodeSpec, Scope
from watchfloor.people import People
from watchfloor.records.ledgerentry import Party, Who

Uid = dict[str, str]
Entity = dict[str, Any]
Request = dict[str, Any]

_PRINCIPAL = {Party.PERSON: "Person", Party.SERVICE: "Service", Party.AGENT: "Agent"}


class Unknown(WatchfloorError):
    """A step that can't be judged: its target or its action isn't known."""


@dataclass(frozen=True, slots=True)
class World:
    """What targets are: None where nobody knows of one."""

    node: Callable[[str], NodeSpec | None]
    job: Callable[[str], Job | None]


def world_of_frame(frame: Frame) -> World:
    def node(name: str) -> NodeSpec | None:
        at = frame.node_index.get(name)
        return None if at is None else frame.specs[at]

    def job(key: str) -> Job | None:
        row = frame.jobs.index.get(key)
        return None if row is None else frame.jobs.rows[row]

    return World(node, job)


def world_of_inventory(specs: Iterable[NodeSpec], impact: Impact) -> World:
    """Without a fleet to look at: nodes as the fleet file has them, jobs as far as the plan tells of them."""
    nodes = {spec.name: spec for spec in specs}
    told = {hit.job: hit for hit in impact.jobs}

    def job(key: str) -> Job | None:
        hit = told.get(key)
        kind, _, number = key.partition(":")
        return None if hit is None else Job(key, "", kind, number, user=hit.user)

    return World(nodes.get, job)


# -- entities


def entities(plan: Plan, world: World, people: People) -> list[Entity]:
    """Who asks, with their groups, and every target with where it stands. Raises Unknown."""
    found: dict[tuple[str, str], Entity] = {}
    for entity in (*_who(plan.who, people), *(part for step in plan.steps for part in _target(step.target, world))):
        found.setdefault((entity["uid"]["type"], entity["uid"]["id"]), entity)
    return list(found.values())


def principal(who: Who, people: People) -> Uid:
    name = people.person(who.name, who.fingerprint) if who.kind is Party.PERSON else who.name
    return _uid(_PRINCIPAL[who.kind], name)


def _who(who: Who, people: People) -> Iterable[Entity]:
    uid = principal(who, people)
    facts = {"name": uid["id"]}
    if who.kind is Party.PERSON:
        facts |= _told(fingerprint=who.fingerprint)
    elif who.kind is Party.AGENT:
        facts |= _told(model=who.model, on_behalf_of=who.on_behalf_of)
    else:
        facts |= _told(on_behalf_of=who.on_behalf_of)
    groups = [_uid("Group", name) for name in people.groups_of(who)]
    yield _entity(uid, facts, groups)
    yield from (_entity(group) for group in groups)


def _target(target: Target, world: World) -> Iterable[Entity]:
    if target.scope is Scope.JOB:
        job = world.job(target.key)
        if job is None:
            raise Unknown(f"nobody knows a job {target.key}", "who it belongs to can't be judged")
        facts = {"id": job.id, "kind": job.kind} | _told(user=job.user, account=job.account, queue=job.queue)
        yield _entity(_uid("Job", job.id), facts)
        return
    spec = world.node(target.node)
    if spec is None:
        raise Unknown(
            f"there is no node {target.node} in the fleet", "where it stands can't be judged: name it in --fleet"
        )
    if target.scope is not Scope.NODE:
        facts = {"key": target.key, "node": spec.name}
        yield _entity(resource(target), facts, [_uid("Node", spec.name)])
    yield from _node(spec)


def _node(spec: NodeSpec) -> Iterable[Entity]:
    site, rack = _uid("Site", spec.site), _uid("Rack", f"{spec.site}/{spec.rack}" if spec.site else spec.rack)
    group = _uid("NodeGroup", spec.group)
    parents = [uid for uid, told in ((rack, spec.rack), (site, spec.site), (group, spec.group)) if told]
    facts = {"name": spec.name} | _told(site=spec.site, rack=spec.rack, group=spec.group)
    yield {**_entity(_uid("Node", spec.name), facts, parents), "tags": dict(spec.labels)}
    if spec.rack:
        yield _entity(rack, parents=[site] if spec.site else [])
    if spec.site:
        yield _entity(site)
    if spec.group:
        yield _entity(group)


def resource(target: Target) -> Uid:
    name = target.key if target.scope is Scope.JOB else str(target)
    return _uid(ENTITY[target.scope], name)


def _uid(kind: str, name: str) -> Uid:
    return {"type": kind, "id": name}


def _entity(uid: Uid, facts: Mapping[str, Any] | None = None, parents: Iterable[Uid] = ()) -> Entity:
    return {"uid": uid, "attrs": dict(facts or {}), "parents": list(parents)}


def _told(**facts: str) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value}


# -- requests


def requests(plan: Plan, people: People, actions: Mapping[str, ActionClass]) -> list[Request]:
    """One for each step, with no approvals yet. Raises Unknown."""
    who, told = principal(plan.who, people), _context(plan, people)
    least = plan.risk if plan.risk > max(step.risk for step in plan.steps) else Risk.READ
    found = []
    for step in plan.steps:
        action = actions.get(step.action)
        if action is None:
            raise Unknown(f"no action {step.action} is known", "what isn't known can't be judged")
        if action.scope is not step.target.scope:
            raise Unknown(f"{step.action} is done to a {action.scope}, and {step.target} is a {step.target.scope}")
        context = {**told, **_of_step(step), "risk": int(max(step.risk, least))}
        asked = {"principal": who, "action": _uid("Action", step.action), "resource": resource(step.target)}
        found.append({**asked, "context": context})
    return found


def _of_step(step: Step) -> dict[str, Any]:
    return {"approvals": 0, "heals": step.heals, "undoable": bool(step.undo)}


def _context(plan: Plan, people: People) -> dict[str, Any]:
    impact = plan.impact
    askers = [name for name in (plan.who.name if plan.who.kind is Party.PERSON else "", plan.who.on_behalf_of) if name]
    foreign = [hit for hit in impact.jobs if not any(people.same(hit.user, name) for name in askers)]
    lost = [hit.gpu_hours_lost for hit in impact.jobs]
    context: dict[str, Any] = {
        "playbook": plan.playbook,
        "playbook_digest": plan.playbook_digest,
        "trigger": plan.origin.trigger,
        "finding": plan.origin.finding,
        "steps": len(plan.steps),
        "jobs": len(impact.jobs),
        "foreign_jobs": len(foreign),
        "users": list(impact.users),
        "nodes_out": len(impact.nodes),
    }
    if impact.accelerators is not None:
        context["accelerators_out"] = impact.accelerators
    if all(hours is not None and isfinite(hours) for hours in lost):
        context["gpu_hours_lost"] = ceil(sum(hours or 0.0 for hours in lost))
    if impact.capacity_left is not None and isfinite(impact.capacity_left):
        context["capacity_left_percent"] = floor(impact.capacity_left * 100 + 1e-9)
    return context
