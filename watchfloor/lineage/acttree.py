"""What watchfloor did as a person reads it: plans, verdicts, approvals, runs, steps, and their effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from watchfloor.lineage.branch import Branch, by_time
from watchfloor.lineage.graph import Edge, Entity, Graph, Key, Kind, Relation
from watchfloor.lineage.times import Times
from watchfloor.lineage.words import finding_name

_EARLY_SECONDS = 60.0  # a plan may be told of so long before the finding that led to it: clocks and seconds
_LATE_SECONDS = 900.0  # and so long after that was over
_MOST_SUMMED_UP = 3  # steps in a sentence
_WORDS = {"needs-approval": "waits for approval", "permit": "may begin", "deny": "is denied"}
REQUEUED = "requeued"


class Acts:
    """The acts of one graph. A plan is told once, and then only named: one tells a whole tree."""

    def __init__(self, graph: Graph, times: Times) -> None:
        self._graph = graph
        self._times = times
        self._told: set[Key] = set()

    # -- which

    def of_finding(self, finding: Key, begin: float, end: float | None, again: float | None = None) -> Iterator[Branch]:
        """The plans that a finding led to while it held; `again`: when it came next."""
        for edge in self._graph.effects(finding, Relation.LED_TO):
            late = end is not None and edge.start > end + _LATE_SECONDS
            late = late or (again is not None and edge.start >= again - _EARLY_SECONDS)
            if edge.start >= begin - _EARLY_SECONDS and not late:
                yield self._plan(self._graph.entities[edge.effect], "led to ")

    def of_target(self, target: Key) -> Iterator[Branch]:
        """The plans that are for this or acted on it, but for those that were told before."""
        plans = {edge.cause for edge in self._graph.causes(target, Relation.PLANNED_FOR)}
        for edge in self._graph.causes(target, Relation.ACTED_ON):
            plans |= {of.cause for of in self._graph.causes(edge.cause, Relation.PROPOSED_AS)}
        for plan in sorted(plans - self._told):
            yield self._plan(self._graph.entities[plan], "")

    # -- plan and run

    def root(self, root: Entity) -> Branch:
        """A plan or a run as the beginning of a tree: what led to it comes first."""
        plans = [root.key]
        if root.key.kind is Kind.RUN:
            plans = [edge.cause for edge in self._graph.causes(root.key, Relation.PROPOSED_AS)]
        below = [*(self._cause(edge) for plan in plans for edge in self._graph.causes(plan, Relation.LED_TO))]
        below += [self._plan(self._graph.entities[plan], "") for plan in plans]
        playbook = f" of {root.facts['playbook']}" if root.facts.get("playbook") else ""
        text = f"{root.key.kind.value} {root.name}{playbook}"
        if not plans:
            text += f": {root.facts.get('stands', '')}: {root.facts.get('text', '')}"
        return Branch(root.key, root.start, text, tuple(below), root.facts.get("stands", ""), root.end)

    def _cause(self, edge: Edge) -> Branch:
        finding = self._graph.entities[edge.cause]
        said = f": {finding.facts['text']}" if finding.facts.get("text") else ""
        state = finding.facts.get("state", "")
        return Branch(finding.key, finding.start, f"finding {finding_name(finding)}{said}", (), state, finding.end)

    def _plan(self, plan: Entity, led: str) -> Branch:
        said = plan.facts
        text = f"{led}plan {plan.name} of {said.get('playbook', '?')} at {self._times.at(plan.start)}"
        if plan.key in self._told:
            return Branch(plan.key, plan.start, f"{text}, as above")
        self._told.add(plan.key)
        why = f": {said['reason']}" if said.get("reason") and not led else ""
        text += f", asked by {said.get('asked by', '?')}{why}"
        below = [*self._given(plan.key)]
        for edge in self._graph.effects(plan.key, Relation.PROPOSED_AS):
            run = self._graph.entities[edge.effect]
            below += [*self._verdicts(run), self._run(run)]
        return Branch(plan.key, plan.start, text, by_time(below))

    def _verdicts(self, run: Entity) -> Iterator[Branch]:
        number = 1
        while text := run.facts.get(f"verdict {number}"):
            at = float(run.facts.get(f"verdict {number} at", run.start))
            yield Branch(run.key, at, f"verdict at {self._times.at(at)}: {text}")
            number += 1

    def _given(self, plan: Key) -> Iterator[Branch]:
        for edge in self._graph.effects(plan, Relation.APPROVED_BY, Relation.REJECTED_BY, Relation.WITHDRAWN_BY):
            given = self._graph.entities[edge.effect]
            why = f": {given.facts['reason']}" if given.facts.get("reason") else ""
            lost = f" (doesn't count, {given.facts['counts not']})" if given.facts.get("counts not") else ""
            text = f"{edge.relation.value} {given.name} at {self._times.at(edge.start)}{lost}{why}"
            yield Branch(given.key, edge.start, text, (), "rejected" if edge.relation is Relation.REJECTED_BY else "")

    def _run(self, run: Entity) -> Branch:
        begun = self._begun(run.key)
        # one that never began stands behind the verdict that says why
        at = begun if begun is not None else max(run.start, run.end or run.start)
        below = by_time([*self._steps(run.key), *self._effects(run.key)])
        return Branch(run.key, at, self.stands(run), below, run.facts.get("stands", ""), run.end)

    def _begun(self, run: Key) -> float | None:
        return next((edge.start for edge in self._graph.causes(run, Relation.CARRIED_OUT_AS)), None)

    def stands(self, run: Entity) -> str:
        """`carried out as run r8d41f00c3e 11:41–11:43: succeeded`, `run r8d41f00c3e waits for approval`."""
        begun, stands = self._begun(run.key), run.facts.get("stands", "")
        text = f": {run.facts['text']}" if run.facts.get("text") else ""
        if begun is not None and run.end is not None:
            return f"carried out as run {run.name} {self._times.between(begun, run.end)}: {stands}{text}"
        if begun is not None:
            return f"carried out as run {run.name} since {self._times.at(begun)}: goes on{text}"
        if run.end is not None:
            return f"run {run.name} was {stands} at {self._times.at(run.end)}{text}"
        return f"run {run.name} {_WORDS.get(stands, stands if stands in _WORDS.values() else f'is {stands}')}{text}"

    def _steps(self, run: Key) -> Iterator[Branch]:
        for edge in self._graph.effects(run, Relation.DID):
            step = self._graph.entities[edge.effect]
            said, state = step.facts, step.facts.get("state", "")
            seen = f" ({said['seen']})" if said.get("seen") else ""
            text = f"{said.get('summary', step.name)}: {state} at {self._times.at(step.end or step.start)}{seen}"
            yield Branch(step.key, step.start, text, (), state, step.end)

    def _effects(self, run: Key) -> Iterator[Branch]:
        """What became of jobs."""
        for edge in self._graph.effects(run, Relation.ACTED_ON):
            if edge.effect.kind is Kind.JOB and edge.facts.get("effect"):
                at = edge.start if edge.end is None else edge.end
                yield Branch(edge.effect, at, self._effect(edge))

    def _effect(self, edge: Edge) -> str:
        job = self._graph.entities[edge.effect]
        user = edge.facts.get("user") or job.facts.get("user", "")
        lost = edge.facts.get("accelerator hours lost")
        hours = f", {lost} accelerator hours lost" if lost else ""
        return f"job {job.name}{f' ({user})' if user else ''} {edge.facts['effect']}{hours}"

    # -- in a sentence

    def requeued_by(self, job: Key, since: float, until: float) -> str:
        """The run that queued a job again between these times; "" where none did."""
        edges = [
            edge
            for edge in self._graph.causes(job, Relation.ACTED_ON)
            if edge.facts.get("effect") == REQUEUED and since <= edge.start <= until + _EARLY_SECONDS
        ]
        return max(edges, key=lambda edge: edge.start).cause.id if edges else ""

    def between(self, since: float, until: float) -> list[Entity]:
        """The runs that were proposed then."""
        return [run for run in self._graph.of_kind(Kind.RUN) if since <= run.start < until]

    def summary(self, run: Entity) -> str:
        """`run r8d41f00c3e of fatal-xid, approved by anna, succeeded at 11:43: drain n2; queue job 4242 again`."""
        plans = [edge.cause for edge in self._graph.causes(run.key, Relation.PROPOSED_AS)]
        names = [name for plan in plans for name in self._approvers(plan)]
        by = f", approved by {', '.join(dict.fromkeys(names))}," if names else ""
        head = f"run {run.name} of {run.facts.get('playbook', '?')}{by}"
        stands = run.facts.get("stands", "")
        if self._begun(run.key) is None:
            how = f"was {stands}" if run.end is not None else _WORDS.get(stands, stands)
            return f"{head} {how}"
        when = f"{stands} at {self._times.at(run.end)}" if run.end is not None else "goes on"
        return f"{head} {when}{_listed(self._done(run.key))}"

    def _approvers(self, plan: Key) -> Iterator[str]:
        given = (self._graph.entities[edge.effect] for edge in self._graph.effects(plan, Relation.APPROVED_BY))
        return (one.name for one in given if not one.facts.get("counts not"))

    def _done(self, run: Key) -> list[str]:
        steps = (self._graph.entities[edge.effect] for edge in self._graph.effects(run, Relation.DID))
        return [_in_short(step) for step in sorted(steps, key=lambda step: (step.start, step.key))]


def _in_short(step: Entity) -> str:
    said = step.facts
    how = "" if said.get("state") == "verified" else f" ({said.get('state', '')})"
    return f"{said.get('summary', step.name)}{how}"


def _listed(done: list[str]) -> str:
    if not done:
        return ""
    left = len(done) - _MOST_SUMMED_UP
    more = f"; and {left} more step{'s' if left > 1 else ''}" if left > 0 else ""
    return f": {'; '.join(done[:_MOST_SUMMED_UP])}{more}"
