"""Lineage as a tree that a person reads: from a job, a node or a user to causes and effects, by time; and its answer.

Must not do: claim a cause that nobody has told. A finding stands beside the attempt that held its subject, with times.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchfloor.lineage.acttree import Acts
from watchfloor.lineage.branch import Branch, by_time
from watchfloor.lineage.graph import Edge, Entity, Graph, Key, Kind, Relation
from watchfloor.lineage.reach import WHOLE_JOBS
from watchfloor.lineage.times import Times
from watchfloor.lineage.words import Words

# of runs and datasets, read from the cause and from the effect
_FORWARD = {Relation.USED: "used by", Relation.MADE: "made", Relation.STARTED: "started"}
_BACKWARD = {Relation.USED: "used", Relation.MADE: "made by", Relation.STARTED: "started by"}


def tree(graph: Graph, root: Key, times: Times) -> Branch:
    """Everything in the graph, as seen from `root`, which must be in it."""
    return _Grower(graph, root, times).branch()


class _Grower:
    def __init__(self, graph: Graph, root: Key, times: Times) -> None:
        self._graph = graph
        self._root = root
        self._times = times
        self._words = Words(graph, times)
        self._acts = Acts(graph, times)

    def branch(self) -> Branch:
        root = self._graph.entities[self._root]
        if self._root.kind is Kind.JOB:
            return self._job(root)
        if self._root.kind is Kind.USER:
            return self._user(root)
        if self._root.kind is Kind.FINDING:
            return self._found(root)
        if self._root.kind in (Kind.PLAN, Kind.RUN):
            return self._acts.root(root)
        return self._place(root)

    def _user(self, user: Entity) -> Branch:
        jobs = (self._graph.entities[edge.effect] for edge in self._graph.effects(user.key, Relation.SUBMITTED))
        return Branch(user.key, user.start, f"user {user.name}", by_time(self._job(job) for job in jobs))

    def _job(self, job: Entity) -> Branch:
        attempts = self._words.attempts(job.key)
        grown = [*self._awaited(job.key)]
        used_before: frozenset[Key] = frozenset()
        for attempt in attempts:
            grown.append(self._attempt(attempt, self._words.attempt(attempt), used_before))
            used_before = frozenset(edge.cause for edge in self._graph.causes(attempt.key, Relation.USED))
        grown += self._acts.of_target(job.key)
        text = self._words.job(job)
        if not attempts or self._words.waits_again(job, attempts):
            text += f": {job.facts.get('state', 'unknown')}"
        return Branch(job.key, job.start, text, by_time(grown), job.facts.get("state", ""), job.end)

    def _awaited(self, job: Key) -> Iterator[Branch]:
        for edge in self._graph.causes(job, Relation.WAITED_FOR):
            awaited = self._graph.entities[edge.cause]
            state = awaited.facts.get("state", "")
            waits = edge.end is None and self._graph.entities[job].end is None
            said = f"{'waits' if waits else 'waited'} for {self._words.job(awaited)}"
            yield Branch(awaited.key, edge.start, said, (), state, edge.end)

    def _attempt(self, attempt: Entity, text: str, used_before: frozenset[Key] = frozenset()) -> Branch:
        meanwhile = (edge for edge in self._words.meanwhile(attempt) if edge.cause != self._root)
        grown = [self._finding(edge, edge.cause) for edge in meanwhile]
        if self._root.kind in WHOLE_JOBS:
            grown += self._provenance(attempt.key, used_before)
        grown += self._acts.of_target(attempt.key)
        grown += self._requeued(attempt)
        return Branch(attempt.key, attempt.start, text, by_time(grown), attempt.facts.get("state", ""), attempt.end)

    def _requeued(self, attempt: Entity) -> Iterator[Branch]:
        job = self._words.job_of(attempt.key)
        for edge in self._graph.effects(attempt.key, Relation.REQUEUED_AS):
            number = self._graph.entities[edge.effect].facts.get("number", "?")
            run = self._acts.requeued_by(job.key, attempt.start, edge.start) if job is not None else ""
            text = f"requeued as attempt {number} at {self._times.at(edge.start)}{f' by run {run}' if run else ''}"
            yield Branch(edge.effect, edge.start, text, until=edge.end)

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
        entity = self._graph.entities[finding]
        said = {**entity.facts, **edge.facts}
        text, alike = f"finding {self._words.finding(edge)}", self._words.alike(entity, said)
        again = next((one.start for one in self._words.occurrences(finding) if one.start > edge.start), None)
        acts = by_time(self._acts.of_finding(finding, edge.start, edge.end, again))
        return Branch(finding, edge.start, text, acts, said.get("state", ""), edge.end, alike, said.get("on", ""))

    def _found(self, finding: Entity) -> Branch:
        """A finding: on what it was found, the attempts that held that meanwhile, and what came of it."""
        grown = [
            Branch(edge.cause, edge.start, f"found on {self._words.thing(self._graph.entities[edge.cause])}")
            for edge in self._graph.causes(finding.key, Relation.FOUND_ON)
        ]
        for one in self._words.occurrences(finding.key):
            when, text = self._words.when(one.start, one.end), one.facts.get("text", "")
            grown.append(Branch(one.key, one.start, f"came {when}{': ' if text else ''}{text}", until=one.end))
        for edge in self._graph.effects(finding.key, Relation.DURING):
            grown.append(self._told_with_job(self._graph.entities[edge.effect]))
        text = f"finding {finding.name}: {finding.facts.get('text', '')}"
        onward = self._acts.of_finding(finding.key, finding.start, None)
        return Branch(
            finding.key, finding.start, text, by_time([*grown, *onward]), finding.facts.get("state", ""), finding.end
        )

    def _told_with_job(self, attempt: Entity) -> Branch:
        job = self._words.job_of(attempt.key)
        text = self._words.attempt(attempt)
        return self._attempt(attempt, f"{self._words.job(job)}, {text}" if job else text)

    def _place(self, root: Entity) -> Branch:
        """A node, a part of one, or whatever else jobs have to do with: their attempts, and what was found."""
        grown: list[Branch] = []
        during: set[tuple[Key, float]] = set()
        for attempt in self._graph.of_kind(Kind.ATTEMPT):
            if not self._is_beside(attempt.key):
                continue
            grown.append(self._told_with_job(attempt))
            during |= {(edge.cause, edge.start) for edge in self._words.meanwhile(attempt)}
        grown += self._runs_beside(root.key)
        for edge in self._graph.edges:
            if edge.relation is Relation.FOUND_ON:
                each = self._words.each(edge, edge.effect)
                grown += [self._finding(one, one.effect) for one in each if (one.effect, one.start) not in during]
        grown += self._acts.of_target(root.key)
        return Branch(root.key, root.start, self._words.thing(root), by_time(grown))

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
