"""What a bundle is evidence of: a run, a job or an incident, with its window, its nodes and the runs that belong to it.

An incident is a finding of one subject, named as lineage names findings: `xid-fatal on n2/gpu3`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from watchfloor.errors import ConfigError
from watchfloor.lineage.graph import Graph, Key, Kind, Relation
from watchfloor.model import NODE_SCOPES, Scope
from watchfloor.records.ledgerentry import Entry, subjects_of
from watchfloor.runs import RunRecord
from watchfloor.snapshot.runs import standing_text

RUN, JOB, INCIDENT = "run", "job", "incident"
BEFORE_SECONDS, AFTER_SECONDS = 300.0, 120.0
MOST_SECONDS = 7 * 86_400.0
MOST_NODES = 32  # of which telemetry is told
_PREFIXES = (RUN, JOB, INCIDENT)


@dataclass(frozen=True, slots=True)
class Matter:
    """Times are seconds since the epoch. `concerned`: names of what was acted on or found, as screens have them."""

    kind: str
    name: str
    title: str
    begin: float
    end: float
    nodes: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    runs: tuple[RunRecord, ...] = ()
    notes: tuple[str, ...] = ()  # what was left out of it, and why
    tale: str = ""  # what led to it, and what came of it, as lineage and ledger tell: times are UTC

    def within(self, begin: float | None, end: float | None) -> Matter:
        """With another window. Raises ConfigError where that has no end after its beginning."""
        moved = replace(self, begin=self.begin if begin is None else begin, end=self.end if end is None else end)
        if moved.end <= moved.begin:
            raise ConfigError("the window ends before it begins", "a later --until, an earlier --since", file="--until")
        return moved

    def bounded(self) -> Matter:
        """No longer and no wider than what is bundled."""
        found, notes = self, list(self.notes)
        if self.end - self.begin > MOST_SECONDS:
            found = replace(found, begin=self.end - MOST_SECONDS)
            notes.append("it went on for longer than 7 days: telemetry and cast are of the last 7; --until, --since")
        if len(self.nodes) > MOST_NODES:
            found = replace(found, nodes=self.nodes[:MOST_NODES])
            notes.append(f"telemetry is of {MOST_NODES} of its {len(self.nodes)} nodes: {', '.join(found.nodes)}")
        return replace(found, notes=tuple(notes))


def parted(word: str) -> tuple[str, str]:
    """What kind it says it is ("": any), and its name."""
    prefix, colon, name = word.partition(":")
    return (prefix, name) if colon and prefix in _PREFIXES else ("", word)


def finding_of(name: str) -> tuple[str, str]:
    """Code and subject of an incident's name: `xid-fatal on n2/gpu3`, `xid-fatal@n2/GPU-5f1c`. Raises ValueError."""
    for between in (" on ", "@"):
        code, found, subject = name.partition(between)
        if found and code and subject:
            return code, subject
    raise ValueError(f"{name!r} names no finding")


def of_run(run: RunRecord, entries: Sequence[Entry]) -> Matter:
    """`entries`: those of this run."""
    plan = run.plan
    title = f"run {run.run} of {plan.playbook}: {standing_text(run)}" if plan else f"run {run.run}"
    return _of_runs(Matter(RUN, run.run, title, 0.0, 0.0), [run], entries)


def of_job(job: str, graph: Graph | None, runs: Sequence[RunRecord], entries: Sequence[Entry], now: float) -> Matter:
    """`graph`: its lineage, None where nothing is kept of it; `runs` and `entries`: those that concern it."""
    matter = _of_runs(Matter(JOB, job, f"job {job}", 0.0, 0.0, (), (job,)), runs, entries)
    key = Key.of(Kind.JOB, job)
    if graph is None or key not in graph.entities:
        return matter
    attempts = [edge.effect for edge in graph.effects(key, Relation.TRIED_AS)]
    nodes = [edge.effect.id for attempt in attempts for edge in graph.effects(attempt, Relation.RAN_ON)]
    whole = [graph.entities[each] for each in (key, *attempts)]
    begin, end = min(each.start for each in whole), max(now if each.end is None else each.end for each in whole)
    title = f"job {graph.entities[key].name}" + ("" if graph.entities[key].name == job else f" ({job})")
    return _joined(replace(matter, title=title), begin, end, [name.partition("/")[0] for name in nodes])


def of_incident(
    name: str,
    times: tuple[float, float] | None,
    jobs: Iterable[str],
    runs: Sequence[RunRecord],
    entries: Sequence[Entry],
) -> Matter:
    """`times`: since and until when it held, None where nobody knows. Raises ValueError."""
    code, subject = finding_of(name)
    held = tuple(dict.fromkeys(jobs))
    matter = _of_runs(Matter(INCIDENT, name, f"{code} on {subject}", 0.0, 0.0, (), held), runs, entries)
    begin, end = times or (matter.begin + BEFORE_SECONDS, matter.end - AFTER_SECONDS)
    return _joined(matter, begin, end, [subject.partition("/")[0]])


def answers(run: RunRecord, code: str, nodes: Iterable[str], begin: float | None) -> bool:
    """Whether this run was proposed for a finding of this code on one of these nodes, once it was there."""
    plan = run.plan
    if plan is None or plan.origin.finding != code or (begin is not None and run.proposed < begin):
        return False
    return bool({_node_of(plan.origin.subject), *(step.target.node for step in plan.steps)} & set(nodes))


def _of_runs(matter: Matter, runs: Sequence[RunRecord], entries: Sequence[Entry]) -> Matter:
    """With what these runs and entries tell of its time, nodes and jobs."""
    times = [entry.seconds for entry in entries]
    times += [run.plan.origin.seen_at for run in runs if run.plan is not None and run.plan.origin.seen_at]
    steps = [step.target for run in runs if run.plan is not None for step in run.plan.steps]
    nodes = [target.node for target in steps]
    nodes += [_node_of(run.plan.origin.subject) for run in runs if run.plan is not None]
    for entry in entries:
        nodes += subjects_of(entry.subjects, "node")
        nodes += [name.partition("/")[0] for name in subjects_of(entry.subjects, "accelerator")]
    jobs = [target.key for target in steps if target.key and not target.node]
    jobs += [hit.job for run in runs if run.plan is not None for hit in run.plan.impact.jobs]
    known = replace(matter, jobs=tuple(dict.fromkeys((*matter.jobs, *jobs))), runs=tuple(runs))
    return _joined(known, min(times, default=0.0), max(times, default=0.0), nodes)


def _node_of(subject: str) -> str:
    """Of what a plan is about, as people name it ("n2/gpu3") or triggers do ("accelerator:n2/gpu3"); "" of a job."""
    scope, _, name = subject.partition(":")
    if scope == Scope.JOB:
        return ""
    return (name if scope in NODE_SCOPES else subject).partition("/")[0]


def _joined(matter: Matter, begin: float, end: float, nodes: Iterable[str]) -> Matter:
    """The window holds this time as well, with what came before and after it."""
    names = tuple(dict.fromkeys(name for name in (*matter.nodes, *nodes) if name))
    begin, end = begin - BEFORE_SECONDS, end + AFTER_SECONDS
    if matter.begin > 0:
        begin, end = min(begin, matter.begin), max(end, matter.end)
    return replace(matter, begin=begin, end=end, nodes=names)
