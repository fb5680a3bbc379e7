"""Lineage as a tree that a person reads: from a job, a node or a user to causes and effects, by time; and its answer.

Must not do: claim a cause that nobody has told. A finding stands beside the attempt that held its subject, with times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from watchfloor.lineage.graph import Edge, Entity, Graph, Key, Kind, Relation
from watchfloor.lineage.reach import WHOLE_JOBS
from watchfloor.lineage.times import Times
from watchfloor.lineage.words import Words

_ONWARD = (
    Relation.PART_OF,
    Relation.LED_TO,
    Relation.APPROVED_BY,
    Relation.CARRIED_OUT_AS,
    Relation.ACTED_ON,
)
# of runs and datasets, read from the cause and from the effect
_FORWARD = {Relation.USED: "used by", Relation.MADE: "made", Relation.STARTED: "started"}
_BACKWARD = {Relation.USED: "used", Relation.MADE: "made by", Relation.STARTED: "started by"}
_DEEPEST = 8  # steps from a finding to what was done about it, and what that acted on


@dataclass(frozen=True, slots=True)
class Branch:
    """One line, and what hangs on it, from when until when; `until` is None where it goes on or nobody saw it end.

    `state` is that of a job, an attempt (watchfloor.jobs.model.JobState) or a finding (watchfloor.model.State, in
    words); "" of anything else.
    """

    key: Key
    at: float
    text: str
    children: tuple[Branch, ...] = ()
    state: str = ""
    until: float | None = None


def tree(graph: Graph, root: Key, times: Times) -> Branch:
    """Everything in the graph, as seen from `root`, which must be in it."""
    return _Grower(graph, root, times).branch()


def lines(branch: Branch) -> Iterator[str]:
    """The tree drawn with lines, the root first."""
    yield branch.text
    yield from _below(branch, "")


def _below(branch: Branch, indent: str) -> Iterator[str]:
    for number, child in enumerate(branch.children, 1):
        last = number == len(branch.children)
        yield f"{indent}{'└' if last else '├'} {child.text}"
        yield from _below(child, indent + ("  " if last else "│ "))


class _Grower:
    def __init__(self, graph: Graph, root: Key, times: Times) -> None:
        self._graph = graph
        self._root = root
        self._times = times
        self._words = Words(graph, times)

    def branch(self) -> Branch:
        root = self._graph.entities[self._root]
        if self._root.kind is Kind.JOB:
            return self._job(root)
        if self._root.kind is Kind.USER:
            return self._user(root)
        if self._root.kind is Kind.FINDING:
            return self._found(root)
        return self._place(root)

    def _user(self, user: Entity) -> Branch:
        jobs = (self._graph.entities[edge.effect] for edge in self._graph.effects(user.key, Relation.SUBMITTED))
        return Branch(user.key, user.start, f"user {user.name}", _by_time(self._job(job) for job in jobs))

    def _job(self, job: Entity) -> Branch:
        attempts = self._words.attempts(job.key)
        grown = [*self._awaited(job.key)]
        used_before: frozenset[Key] = frozenset()
        for attempt in attempts:
            grown.append(self._attempt(attempt, self._words.attempt(attempt), used_before))
            used_before = frozenset(edge.cause for edge in self._graph.causes(attempt.key, Relation.USED))
        text = self._words.job(job)
        if not attempts or self._words.waits_again(job, attempts):
            text += f": {job.facts.get('state', 'unknown')}"
        return Branch(job.key, job.start, text, _by_time(grown), job.facts.get("state", ""), job.end)

    def _awaited(self, job: Key) -> Iterator[Branch]:
        for edge in self._graph.causes(job, Relation.WAITED_FOR):
            awaited = self._graph.entities[edge.cause]
            state = awaited.facts.get("state", "")
            waits = edge.end is None and self._graph.entities[job].end is None
            said = f"{'waits' if waits else 'waited'} for {self._words.job(awaited)}"
            yield Branch(awaited.key, edge.start, said, (), state, edge.end)

    def _attempt(self, attempt: Entity, text: str, used_before: frozenset[Key] = frozenset()) -> Branch:
        grown = [self._finding(edge, edge.cause) for edge in self._words.meanwhile(attempt)]
        if self._root.kind in WHOLE_JOBS:
            grown += self._provenance(attempt.key, used_before)
        for edge in self._graph.effects(attempt.key, Relation.REQUEUED_AS):
            number = self._graph.entities[edge.effect].facts.get("number", "?")
            text_of = f"requeued as attempt {number} at {self._times.at(edge.start)}"
            grown.append(Branch(edge.effect, edge.start, text_of, until=edge.end))
        return Branch(attempt.key, attempt.start, text, _by_time(grown), attempt.facts.get("state", ""), attempt.end)

    def _provenance(self, attempt: Key, used_before: frozenset[Key]) -> Iterator[Branch]:
        """What it used that the attempt before it didn't, what it made, and where it is logged."""
        for edge in self._graph.causes(attempt, Relation.USED):
            if edge.cause not in used_before:
                used = self._graph.entities[edge.cause]
                yield Branch(used.key, edge.start, f"used {self._words.thing(used)}")
        for edge in self._graph.effects(attempt, Relation.MADE, Relation.LOGGED_AS):
            made = self._graph.entities[edge.effect]
            yield Branch(made.key, edge.start, f"{edge.relation.value} {self._words.thing(made)}")

    def _finding(self, edge: Edge, finding: Key) -> Branch:
        state = edge.facts.get("state") or self._graph.entities[finding].facts.get("state", "")
        text = f"finding {self._words.finding(edge)}"
        return Branch(finding, edge.start, text, self._onward(finding, frozenset()), state, edge.end)

    def _found(self, finding: Entity) -> Branch:
        """A finding: on what it was found, the attempts that held that meanwhile, and what came of it."""
        grown = [
            Branch(edge.cause, edge.start, f"found on {self._words.thing(self._graph.entities[edge.cause])}")
            for edge in self._graph.causes(finding.key, Relation.FOUND_ON)
        ]
        for edge in self._graph.effects(finding.key, Relation.DURING):
            grown.append(self._told_with_job(self._graph.entities[edge.effect]))
        text = f"finding {finding.name}: {finding.facts.get('text', '')}"
        onward = self._onward(finding.key, frozenset())
        return Branch(
            finding.key, finding.start, text, _by_time([*grown, *onward]), finding.facts.get("state", ""), finding.end
        )

    def _told_with_job(self, attempt: Entity) -> Branch:
        job = self._words.job_of(attempt.key)
        text = self._words.attempt(attempt)
        return self._attempt(attempt, f"{self._words.job(job)}, {text}" if job else text)

    def _onward(self, key: Key, passed: frozenset[Key]) -> tuple[Branch, ...]:
        """What came of a finding: incident, plan, approval, run, and what it acted on."""
        if key in passed or len(passed) >= _DEEPEST:
            return ()
        grown = (
            Branch(
                edge.effect,
                edge.start,
                f"{edge.relation.value} {self._words.thing(self._graph.entities[edge.effect])} "
                f"at {self._times.at(edge.start)}",
                self._onward(edge.effect, passed | {key}),
            )
            for edge in self._graph.effects(key, *_ONWARD)
        )
        return _by_time(grown)

    def _place(self, root: Entity) -> Branch:
        """A node, a part of one, or whatever else jobs have to do with: their attempts, and what was found."""
        grown: list[Branch] = []
        during: set[Key] = set()
        for attempt in self._graph.of_kind(Kind.ATTEMPT):
            if not self._is_beside(attempt.key):
                continue
            grown.append(self._told_with_job(attempt))
            during |= {edge.cause for edge in self._graph.causes(attempt.key, Relation.DURING)}
        grown += self._runs_beside(root.key)
        for edge in self._graph.edges:
            if edge.relation is Relation.FOUND_ON and edge.effect not in during:
                grown.append(self._finding(edge, edge.effect))
        return Branch(root.key, root.start, self._words.thing(root), _by_time(grown))

    def _runs_beside(self, root: Key) -> Iterator[Branch]:
        """The runs of other programs that used or made it; of such a run, all that it has to do with."""
        for edge in (*self._graph.causes(root), *self._graph.effects(root)):
            other = edge.cause if edge.effect == root else edge.effect
            if Kind.TRACKED_RUN not in (root.kind, other.kind) or edge.relation not in _FORWARD:
                continue
            thing = self._words.thing(self._graph.entities[other])
            said = _FORWARD[edge.relation] if edge.cause == root else _BACKWARD[edge.relation]
            yield Branch(other, edge.start, f"{said} {thing} at {self._times.at(edge.start)}")

    def _is_beside(self, attempt: Key) -> bool:
        """Not an attempt that is only told as the one before or after."""
        ends = (edge.effect for edge in self._graph.effects(attempt))
        causes = (edge.cause for edge in self._graph.causes(attempt))
        return self._root in (attempt, *ends, *causes)


def _by_time(branches: Iterator[Branch] | list[Branch]) -> tuple[Branch, ...]:
    return tuple(sorted(branches, key=lambda branch: (branch.at, branch.key)))
