"""What watchfloor did, as lineage: finding -> plan -> approvals, plan -> run -> steps, run -> what it acted on. Pure.

It is made of what the ledger tells of runs, and every console makes the same of the same entries. Must not do: claim a
cause that no plan names. A plan that somebody asked for hangs on what it is for, and on no finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from watchfloor.change import Plan, Step
from watchfloor.lineage.graph import Edge, Entity, Graph, Key, Kind, Relation, facts, mention
from watchfloor.lineage.jobwords import subject_key
from watchfloor.records.ledgerentry import Entry, Who
from watchfloor.records.ledgerwords import Decided, JobImpact
from watchfloor.runs import Heard, RunRecord, Standing, StepRecord, StepState

MOST_STEPS = 1_000  # of one run; a run says how many it has
MOST_VERDICTS = 4  # of one run, the first and the newest
FINDINGS = "findings"  # the sample of a plan's origin that names what led to it, as lineage names findings
SHORT = 12  # letters of a digest, as people see it
_UNSEEN_SECONDS = 7_200.0  # for so long an attempt that nobody told of is taken to go on

Mark = tuple[int, Mapping[int, Heard] | None]  # the last entry of a run, and whose word its approvals are
Told = tuple[Entity | Edge, ...]

_SAID = {
    "approval": Relation.APPROVED_BY,
    "rejection": Relation.REJECTED_BY,
    "withdrawal": Relation.WITHDRAWN_BY,
}


def graph_of(runs: Iterable[RunRecord]) -> Graph:
    """All that these did, to be asked beside a store."""
    return _together(of_run(run) for run in runs)


class Acts:
    """`graph_of` for who asks again and again: a run is made anew once more is on record of it, or whose word it is."""

    def __init__(self) -> None:
        self.graph = Graph((), ())
        self._runs: Sequence[RunRecord] = ()
        self._told: dict[str, tuple[Mark, Told]] = {}

    def take(self, runs: Sequence[RunRecord]) -> Graph:
        if runs is self._runs:
            return self.graph
        found: dict[str, tuple[Mark, Told]] = {}
        for run in runs:
            mark = run.entries[1], run.heard
            before = self._told.get(run.run)
            found[run.run] = before if before and before[0] == mark else (mark, tuple(of_run(run)))
        self._runs, self._told = runs, found
        self.graph = _together(told for _, told in found.values())
        return self.graph


def _together(every: Iterable[Iterable[Entity | Edge]]) -> Graph:
    entities: dict[Key, Entity] = {}
    edges: list[Edge] = []
    for told in (told for one in every for told in one):
        if isinstance(told, Edge):
            edges.append(told)
        elif not told.mentioned or told.key not in entities:
            entities[told.key] = told
    return Graph(entities.values(), edges)


def of_run(run: RunRecord) -> Iterator[Entity | Edge]:
    """Times are those of the ledger; it is known as of what was told of the run last."""
    seen = max(run.told_last, *(entry.seconds for entry in run.given), 0.0)
    return (replace(told, seen=seen) for told in _of_run(run))


def _of_run(run: RunRecord) -> Iterator[Entity | Edge]:
    key, plan = Key.of(Kind.RUN, run.run), run.plan
    yield Entity(key, run.proposed, run.ended or None, facts=_run_facts(run))
    if plan is None:
        return
    planned = Key.of(Kind.PLAN, run.digest)
    yield Entity(planned, plan.created, None, run.digest[:SHORT], _plan_facts(plan))
    yield Edge(planned, key, Relation.PROPOSED_AS, run.proposed, run.ended or None)
    if run.begun:
        yield Edge(planned, key, Relation.CARRIED_OUT_AS, run.begun, run.ended or None)
    for finding in findings_of(plan):
        cause = Key.of(Kind.FINDING, finding)
        yield mention(cause, plan.created)
        yield Edge(cause, planned, Relation.LED_TO, plan.created, plan.created)
    yield from _approvals(run, planned)
    yield from _targets(run, plan, planned)
    yield from _steps(run, key)
    yield from _acted(run, key)


def _run_facts(run: RunRecord) -> dict[str, str]:
    plan = run.plan
    refused = next((f"{one.why}: {one.text}" for one in reversed(run.refusals) if not run.outcome), "")
    said = facts(
        playbook=plan.playbook if plan else "",
        stands=run.outcome or _stands(run),
        text=run.text or run.held_back or refused or ("" if plan else "its plan can't be read"),
        steps=len(plan.steps) if plan else "",
    )
    return said | _verdicts(run.decisions)


def _stands(run: RunRecord) -> str:
    if run.standing is Standing.WAITING and not run.lacks and not run.rejected_by:
        return Standing.READY.value  # as far as its approvals say; all is looked at again when it begins
    return run.ruling if run.standing is Standing.PROPOSED and run.ruling else run.standing.value


def _verdicts(decisions: Iterable[Entry]) -> dict[str, str]:
    """`verdict 1`: what policy and interlocks said, with their reasons, and `verdict 1 at`."""
    told = [(entry.seconds, body) for entry in decisions if isinstance(body := entry.told(), Decided)]
    told = [one for one, before in zip(told, [None, *told], strict=False) if not before or _differ(one[1], before[1])]
    kept = told if len(told) <= MOST_VERDICTS else [*told[:1], *told[1 - MOST_VERDICTS :]]
    found: dict[str, str] = {}
    for number, (at, body) in enumerate(kept, 1):
        needs = f" ({body.approvals} needed)" if body.verdict == "needs-approval" else ""
        more = [f"{len(body.reasons) - 1} more reasons"] if len(body.reasons) > 2 else body.reasons[1:]
        why = "; ".join((*body.reasons[:1], *more, *(f"policy {name}" for name in body.policies)))
        found |= facts(**{f"verdict_{number}": f"{body.verdict}{needs}{': ' if why else ''}{why}"})
        found[f"verdict {number} at"] = f"{at:.3f}"
    return found


def _differ(body: Decided, before: Decided) -> bool:
    """Whether a verdict says anything new: that it still stands when a run begins, doesn't."""
    return (body.verdict, body.interlocks) != (before.verdict, before.interlocks)


def _plan_facts(plan: Plan) -> dict[str, str]:
    origin, impact = plan.origin, plan.impact
    return facts(
        playbook=plan.playbook,
        risk=plan.risk.label,
        asked_by=asked_by(plan.who),
        reason=origin.reason,
        trigger=origin.trigger,
        nodes_taken_out=", ".join(impact.nodes),
        jobs_harmed=", ".join(f"{hit.job} {hit.effect}" for hit in impact.jobs),
        harms_users=", ".join(impact.users),
    )


def asked_by(who: Who) -> str:
    """`anna`, `service watch for ops`."""
    name = who.name if who.kind == "person" else f"{who.kind} {who.name}"
    return f"{name} for {who.on_behalf_of}" if who.on_behalf_of else name


def findings_of(plan: Plan) -> list[str]:
    """The ids of the findings that led to it, as lineage has them; none where somebody asked, or a query came true."""
    told = plan.origin.samples.get(FINDINGS)
    if isinstance(told, list | tuple):
        return [one for one in told if isinstance(one, str)]
    if not (plan.origin.finding and plan.origin.subject):
        return []
    kind, _, name = plan.origin.subject.partition(":")
    known = kind in (Kind.NODE, Kind.ACCELERATOR, Kind.LINK, Kind.SERVICE, Kind.JOB)
    return [f"{plan.origin.finding}@{name if known else plan.origin.subject}"]


# -- what was said of it


def _approvals(run: RunRecord, plan: Key) -> Iterator[Entity | Edge]:
    for entry in run.given:
        heard = run.whose(entry)
        key = Key.of(Kind.APPROVAL, entry.digest)
        yield Entity(key, entry.seconds, entry.seconds, heard.principal or entry.who.name, _given_facts(entry, heard))
        yield Edge(plan, key, _SAID[entry.kind], entry.seconds, entry.seconds)


def _given_facts(entry: Entry, heard: Heard) -> dict[str, str]:
    nobody = "" if heard.principal else f"signed by nobody who is known, put on record by {entry.who.name}"
    return facts(
        kind=entry.kind,
        by=heard.principal or entry.who.name,
        reason=entry.body.get("reason", ""),
        counts_not=heard.lost or nobody,
    )


# -- what it is for, and what was done


def _targets(run: RunRecord, plan: Plan, planned: Key) -> Iterator[Entity | Edge]:
    """What its steps are for; of a part its node besides."""
    wanted: dict[Key, None] = {}
    for step in islice(plan.steps, MOST_STEPS):
        wanted[subject_key(step.target.subject)] = None
        if step.target.node:
            wanted[Key.of(Kind.NODE, step.target.node)] = None
    wanted.update((Key.of(Kind.JOB, hit.job), None) for hit in plan.impact.jobs)
    for key in wanted:
        if key.id:
            yield mention(key, plan.created)
            yield Edge(planned, key, Relation.PLANNED_FOR, plan.created, run.ended or None)


def _steps(run: RunRecord, key: Key) -> Iterator[Entity | Edge]:
    for step, record in islice(_begun(run), MOST_STEPS):
        done = Key.of(Kind.STEP, f"{run.run}/{step.key}")
        began = record.attempts[0].at if record.attempts else record.at
        said = facts(action=step.action, on=step.target, state=record.state, summary=step.summary, seen=record.text)
        yield Entity(done, began, record.at, facts=said)
        yield Edge(key, done, Relation.DID, began, record.at)


def _begun(run: RunRecord) -> Iterator[tuple[Step, StepRecord]]:
    return ((step, record) for step, record in run.of_plan() if record.state is not StepState.WAITING)


def _acted(run: RunRecord, key: Key) -> Iterator[Entity | Edge]:
    """Each thing that it has acted on once: by which actions, and what became of a job."""
    hits = {Key.of(Kind.JOB, hit.job): hit for hit in run.impacts}
    acts: dict[Key, list[tuple[Step, StepRecord]]] = {}
    for step, record in islice(_begun(run), MOST_STEPS):
        target = subject_key(step.target.subject)
        if record.attempts and target.id:
            acts.setdefault(target, []).append((step, record))
    for target in {**acts, **hits}:
        done = acts.get(target, [])
        times = [time for _, record in done for time in (record.attempts[0].at, record.at)] or [run.ended or run.begun]
        said = facts(actions=", ".join(dict.fromkeys(step.action for step, _ in done)))
        yield mention(target, min(times))
        yield Edge(key, target, Relation.ACTED_ON, min(times), max(times), {**said, **_effect(done, hits.get(target))})


def _effect(done: list[tuple[Step, StepRecord]], hit: JobImpact | None) -> Mapping[str, str]:
    """What became of a job: as it is on record, else what its own steps were seen to do to it."""
    if hit is not None:
        lost = f"{hit.gpu_hours_lost:.1f}" if hit.gpu_hours_lost is not None else ""
        return facts(effect=hit.effect, user=hit.user, accelerator_hours_lost=lost)
    return facts(effect=next((step.harms for step, record in done if record.state is StepState.VERIFIED), ""))


def meanwhile(graph: Graph, acts: Graph) -> Graph:
    """`acts`, and which of them acted on a node or an accelerator while an attempt in `graph` held it."""
    found: list[Edge] = []
    attempts = graph.of_kind(Kind.ATTEMPT)
    for attempt in attempts:
        last = attempt.end if attempt.end is not None else (attempt.seen or attempt.start)
        for held in graph.effects(attempt.key, Relation.RAN_ON):
            for edge in acts.causes(held.effect, Relation.ACTED_ON):
                began_later = edge.start > last and (attempt.end is not None or edge.start > last + _UNSEEN_SECONDS)
                if not began_later and (edge.end is None or edge.end >= attempt.start):
                    found.append(Edge(edge.cause, attempt.key, Relation.ACTED_ON, edge.start, edge.end, seen=edge.seen))
    if not found:
        return acts
    ends = [replace(attempt, mentioned=True) for attempt in attempts]
    return Graph([*acts.entities.values(), *ends], [*acts.edges, *found], acts.cut)
