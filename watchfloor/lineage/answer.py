"""What happened, and why, in one sentence. Pure.

A reason is what was found on what an attempt held, shortly before its end: it says what and when, never "because".
"""

from __future__ import annotations

from collections import Counter

from watchfloor.lineage.acttree import Acts
from watchfloor.lineage.graph import Entity, Graph, Key, Kind, Relation
from watchfloor.lineage.jobwords import END_UNKNOWN
from watchfloor.lineage.times import Times
from watchfloor.lineage.words import Words

_MOST_ATTEMPTS = 3
_MOST_REASONS = 2
_MOST_RUNS = 2  # of one attempt
_EVER = float("inf")


def answer(graph: Graph, root: Key, times: Times) -> str:
    """The sentence for `root`, which must be in the graph."""
    words = Words(graph, times)
    entity = graph.entities[root]
    if root.kind is Kind.JOB:
        return _of_job(words, Acts(graph, times), entity, times)
    if root.kind is Kind.USER:
        return _of_user(graph, entity)
    if root.kind is Kind.FINDING:
        return _of_finding(graph, words, entity, times)
    if root.kind in (Kind.PLAN, Kind.RUN):
        return _of_acts(graph, entity, times)
    return _of_place(graph, words, entity)


def _of_job(words: Words, acts: Acts, job: Entity, times: Times) -> str:
    attempts = words.attempts(job.key)
    if not attempts:
        state = job.facts.get("state", "") or "not told of any more than by its name"
        stands = f"{state} since {times.at(job.start)}{': ' + reason if (reason := _reason(job)) else ''}"
        if why := job.facts.get(END_UNKNOWN, ""):
            stands = f"{state} when it was seen last, {times.at(job.seen or job.start)}; more is not known: {why}"
        return "; ".join((stands, *_done_about(acts, -_EVER, _EVER)))
    left_out = len(attempts) - _MOST_ATTEMPTS
    said: list[str] = []
    told = attempts[-_MOST_ATTEMPTS:]
    for attempt, until in zip(told, [*(after.start for after in told[1:]), _EVER], strict=True):
        said += (_of_attempt(words, attempt, times), *_done_about(acts, attempt.start, until))
    if left_out > 0:
        said.insert(0, f"{left_out} earlier attempt{'s' if left_out > 1 else ''}")
    if words.waits_again(job, attempts):
        said.append(f"{job.facts['state']} again{': ' + reason if (reason := _reason(job)) else ''}")
    return "; ".join(said)


def _done_about(acts: Acts, since: float, until: float) -> list[str]:
    """What watchfloor did meanwhile."""
    runs = acts.between(since, until)
    more = len(runs) - _MOST_RUNS
    told = [acts.summary(run) for run in runs[:_MOST_RUNS]]
    return told if more <= 0 else [*told, f"{more} more run{'s' if more > 1 else ''}"]


def _of_acts(graph: Graph, root: Entity, times: Times) -> str:
    """Of a plan or a run: what led to it, and what came of it."""
    acts = Acts(graph, times)
    plans = [root] if root.key.kind is Kind.PLAN else [
        graph.entities[edge.cause] for edge in graph.causes(root.key, Relation.PROPOSED_AS)
    ]  # fmt: skip
    whys = [f"asked by {plan.facts.get('asked by', '?')}: {plan.facts.get('reason', '')}" for plan in plans]
    runs = graph.of_kind(Kind.RUN) if root.key.kind is Kind.PLAN else [root]
    return "; ".join((*whys, *map(acts.summary, runs)))


def _reason(entity: Entity) -> str:
    reason = entity.facts.get("reason", "")
    return reason if reason != "None" else ""


def _of_attempt(words: Words, attempt: Entity, times: Times) -> str:
    if attempt.end is None:
        return words.attempt(attempt)
    number = attempt.facts.get("number", "?")
    state, told = attempt.facts.get("state", ""), attempt.facts.get("told state", "")
    if state in ("done", "cancelled", "preempted"):
        return f"attempt {number} was {words.ended_as(attempt)} at {times.at(attempt.end)}"
    how = f"ended with {told or state}" if state != "unknown" else "ended, nobody saw how,"
    reasons = words.reasons(attempt)
    found = ", ".join(words.reason(edge) for edge in reasons[:_MOST_REASONS])
    more = f", and {len(reasons) - _MOST_REASONS} more findings" if len(reasons) > _MOST_REASONS else ""
    reason = attempt.facts.get("reason", "")
    told_why = reason if reason not in ("", "None", told) else "no finding on what it held tells why"
    return f"attempt {number} {how} at {times.at(attempt.end)}: {found + more if found else told_why}"


def _of_user(graph: Graph, user: Entity) -> str:
    jobs = [graph.entities[edge.effect] for edge in graph.effects(user.key, Relation.SUBMITTED)]
    states = Counter(job.facts.get("state", "unknown") for job in jobs)
    said = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return f"{_count(len(jobs), 'job')} of {user.name}{': ' + said if said else ''}"


def _of_finding(graph: Graph, words: Words, finding: Entity, times: Times) -> str:
    """`gpu3 of n2 had XID 79 … since 11:39; meanwhile 1 attempt of 1 job held it then and failed`."""
    attempts = [graph.entities[edge.effect] for edge in graph.effects(finding.key, Relation.DURING)]
    failed = sum(words.has_failed(attempt) for attempt in attempts)
    text = finding.facts.get("text") or finding.name
    came = words.occurrences(finding.key)
    last = came[-1] if came else finding
    when = f"since {times.at(last.start)}" if last.end is None else times.between(last.start, last.end)
    when = f"{len(came)} times, last {when}" if came else when
    done = _done_about(Acts(graph, times), -_EVER, _EVER)
    if not attempts:
        return "; ".join((f"{text} ({when})", "no job is known to have held it then", *done))
    jobs = {job.key for attempt in attempts if (job := words.job_of(attempt.key)) is not None}
    held = f"{_count(len(attempts), 'attempt')} of {_count(len(jobs), 'job')} held it then"
    return "; ".join((f"{text} ({when})", f"{held}{_how_many_failed(failed, len(attempts))}", *done))


def _how_many_failed(failed: int, attempts: int) -> str:
    if not failed:
        return ""
    return " and failed" if attempts == 1 else f", {failed} of them failed"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"


def _of_place(graph: Graph, words: Words, place: Entity) -> str:
    beside = {edge.cause for edge in graph.causes(place.key)} | {edge.effect for edge in graph.effects(place.key)}
    attempts = [attempt for attempt in graph.of_kind(Kind.ATTEMPT) if attempt.key in beside | {place.key}]
    runs = [attempt for attempt in attempts if attempt.end is None and not words.is_forgotten(attempt)]
    jobs = {job.key for attempt in attempts if (job := words.job_of(attempt.key)) is not None}
    parts = [place.key, *(edge.effect for edge in graph.effects(place.key, Relation.HAS))]
    found = {edge.effect for part in parts for edge in graph.effects(part, Relation.FOUND_ON)}
    hold = sum(graph.entities[key].end is None for key in found)
    others = sum(key.kind is Kind.TRACKED_RUN and key != place.key for key in beside)
    said = f"{_count(len(attempts), 'attempt')} of {_count(len(jobs), 'job')}"
    done = f"; {_count(len(acted), 'run')}" if (acted := graph.of_kind(Kind.RUN)) else ""
    if others and not attempts:
        return f"{_count(others, 'run')} of other programs; no job that was seen has to do with it"
    now = f", {len(runs)} of them now" if runs else ""
    holding = f" ({hold} hold{'s' if hold == 1 else ''})" if hold else ""
    return f"{said}{now}; {_count(len(found), 'finding')}{holding}{done}"
