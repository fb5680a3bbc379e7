"""One thing of lineage in words: an attempt, where it ran and how it ended, a finding and when it held. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from watchfloor.hosts import folded
from watchfloor.jobs.model import ended_as
from watchfloor.lineage.graph import Edge, Entity, Facts, Graph, Key, Kind, Relation
from watchfloor.lineage.jobwords import END_UNKNOWN, TOLD_BY
from watchfloor.lineage.times import Times
from watchfloor.lineage.watch import AFTER_SECONDS, NOTED_SECONDS

_EVER = float("inf")
_LONGEST_NODES = 60  # characters
_BEFORE_SECONDS = 900.0  # what began so long before an attempt's end, or later, may be why it ended
FAILURES = frozenset({"failed", "node failed", "out of memory", "timed out"})
_WAITING = ("pending", "held")
_GRAVE = ("critical", "warning")


class Words:
    """How the things of one graph are told at one time."""

    def __init__(self, graph: Graph, times: Times) -> None:
        self._graph = graph
        self._times = times
        self._occurrences: dict[str, list[Entity]] = {}
        for one in graph.of_kind(Kind.EPISODE):
            self._occurrences.setdefault(one.label, []).append(one)

    # -- jobs

    def job(self, entity: Entity) -> str:
        """`job slurm:4242 train-llm (alice)`."""
        name, user = entity.facts.get("name", ""), entity.facts.get("user", "")
        known = entity.label if entity.label not in ("", entity.key.id.partition(":")[2]) else ""
        return " ".join(part for part in (f"job {entity.key.id}", known, name, f"({user})" if user else "") if part)

    def attempts(self, job: Key) -> list[Entity]:
        """A job's attempts that the graph has, the first first."""
        found = [self._graph.entities[edge.effect] for edge in self._graph.effects(job, Relation.TRIED_AS)]
        return sorted(found, key=lambda attempt: (attempt.start, attempt.key.id))

    def job_of(self, attempt: Key) -> Entity | None:
        found = (self._graph.entities[edge.cause] for edge in self._graph.causes(attempt, Relation.TRIED_AS))
        return next(found, None)

    def attempt(self, entity: Entity) -> str:
        """`attempt 1 ran 10:02–11:40 on n[2-3] (2 accelerators): node failed (NODE_FAIL)`."""
        where = self.place(entity.key)
        number, on = entity.facts.get("number", "?"), f" on {where}" if where else ""
        if entity.end is not None:
            return f"attempt {number} ran {self._times.between(entity.start, entity.end)}{on}: {self.ending(entity)}"
        if self.is_forgotten(entity):
            seen, why = self._times.at(entity.seen or entity.start), entity.facts.get(END_UNKNOWN, "")
            return (
                f"attempt {number} ran from {self._times.at(entity.start)}{on}; last seen {seen}, its end is not known"
                f"{': ' + why if why else ''}"
            )
        state = entity.facts.get("state", "")
        if state == "unknown":
            return f"attempt {number} ran from {self._times.at(entity.start)}{on}; how it stands is not known"
        runs = "runs" if state in ("running", "") else f"is {state}"
        return f"attempt {number} {runs}{on} since {self._times.at(entity.start)}"

    def ending(self, attempt: Entity) -> str:
        """`node failed (NODE_FAIL), exit code 1`."""
        said = attempt.facts
        state = self.ended_as(attempt) if said.get("state") != "unknown" else "how it ended is not known"
        told = said.get("told state", "")
        own = f" ({told})" if told and told.replace("_", " ").lower() != state else ""
        codes = [f"{name} {said[name]}" for name in ("exit code", "signal") if said.get(name, "0") != "0"]
        reason = said.get("reason", "")
        return ", ".join(
            part
            for part in (f"{state}{own}", *codes, reason if reason not in ("None", told) else "", _told_by(attempt))
            if part
        )

    @staticmethod
    def ended_as(attempt: Entity) -> str:
        return ended_as(attempt.facts.get("state", ""), attempt.facts.get("told state", ""))

    @staticmethod
    def waits_again(job: Entity, attempts: list[Entity]) -> bool:
        """None of its attempts runs, and there is to be another."""
        over = bool(attempts) and all(attempt.end is not None for attempt in attempts)
        return over and job.end is None and job.facts.get("state") in _WAITING

    def place(self, attempt: Key) -> str:
        """The nodes that an attempt ran on, folded, and how many accelerators where that is known."""
        ends = [edge.effect for edge in self._graph.effects(attempt, Relation.RAN_ON)]
        nodes = sorted(end.id for end in ends if end.kind is Kind.NODE)
        boards = held(self._graph, attempt) or 0
        text = folded(nodes)
        shown = text if len(text) <= _LONGEST_NODES else f"{len(nodes)} nodes"
        return shown + (f" ({boards} accelerator{'s' if boards > 1 else ''})" if boards else "")

    def is_forgotten(self, entity: Entity) -> bool:
        """Nobody saw it end, and nobody has told of it for long; or it is known that it isn't there any more."""
        if entity.end is not None or entity.seen is None:
            return False
        return END_UNKNOWN in entity.facts or self._times.now - entity.seen > 2 * NOTED_SECONDS

    # -- findings

    def finding(self, edge: Edge) -> str:
        """`xid-fatal on n2/gpu3 11:39–11:52: gpu3 of n2 had …`; the edge is to an attempt, or from its subject."""
        finding = self._graph.entities[edge.cause if edge.relation is Relation.DURING else edge.effect]
        said = {**finding.facts, **edge.facts}
        text = said.get("text", "")
        return f"{finding_name(finding)} {self.when(edge.start, edge.end)}{': ' if text else ''}{text}"

    def when(self, start: float, end: float | None) -> str:
        if end is None:
            return f"since {self._times.at(start)}"
        return f"at {self._times.at(start)}" if end - start < 1 else self._times.between(start, end)

    def occurrences(self, finding: Key) -> list[Entity]:
        """Each of them that the graph has, the first first: none where it came but once."""
        found = self._occurrences.get(finding.id, [])
        return found if len(found) > 1 else []

    def each(self, edge: Edge, finding: Key, since: float = -_EVER, until: float = _EVER) -> Iterator[Edge]:
        """An edge that joins the first occurrence of a finding to its last as one for each that held meanwhile."""
        last = min(_EVER if edge.end is None else edge.end, until)
        held = [
            one
            for one in self._occurrences.get(finding.id, [])
            if one.start <= last and (one.end is None or one.end >= max(edge.start, since))
        ]
        for one in held:
            said = {name: one.facts[name] for name in ("text", "state") if name in one.facts}
            yield replace(edge, start=one.start, end=one.end, facts={**edge.facts, **said})
        if not held:
            yield edge

    @staticmethod
    def alike(finding: Entity, said: Facts) -> str:
        """What findings of several things have in common that say the same of each: code, state, and text without
        names; "" where nothing is known of it but its id."""
        code, on, text = said.get("code", ""), said.get("on", ""), said.get("text", "")
        if not (code and on):
            return ""
        names = {on, *on.split("/"), finding.key.id.partition("@")[2]}
        for name in sorted(names, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text)
        return f"finding {code}\n{said.get('state', '')}\n{text}"

    @staticmethod
    def has_failed(attempt: Entity) -> bool:
        """It ended, and not because it was done or because somebody wanted it to."""
        return attempt.end is not None and attempt.facts.get("state", "") in FAILURES

    def meanwhile(self, attempt: Entity) -> Iterator[Edge]:
        """What was found during an attempt, each time; not what turned out to have been over before it began."""
        until = _EVER if attempt.end is None else attempt.end + AFTER_SECONDS
        return (
            each
            for edge in self._graph.causes(attempt.key, Relation.DURING)
            if edge.end is None or edge.end >= attempt.start
            for each in self.each(edge, edge.cause, attempt.start, until)
        )

    def reasons(self, attempt: Entity) -> list[Edge]:
        """The findings that may be why a failed attempt ended: grave ones that came shortly before, the worst first."""
        if attempt.end is None or not (self.has_failed(attempt) or attempt.facts.get("state") == "unknown"):
            return []
        end = attempt.end
        near = [
            edge
            for edge in self.meanwhile(attempt)
            if end - _BEFORE_SECONDS <= edge.start <= end + AFTER_SECONDS and edge.facts.get("state") in _GRAVE
        ]
        return sorted(near, key=lambda edge: (_GRAVE.index(edge.facts["state"]), abs(end - edge.start), edge.cause))

    def reason(self, edge: Edge) -> str:
        """`gpu3 of n2 had XID 79 … at 11:39`."""
        text = edge.facts.get("text") or self._graph.entities[edge.cause].name
        return f"{text} ({self._times.at(edge.start)})"

    def thing(self, entity: Entity) -> str:
        """`image nvcr.io/…`, `mlflow 0123…`."""
        if entity.key.kind is Kind.TRACKED_RUN:
            tracker, _, run = entity.key.id.partition(":")
            return f"{tracker} run {entity.label or run}"
        return f"{entity.key.kind.value} {entity.name}"


def held(graph: Graph, attempt: Key) -> int | None:
    """How many accelerators an attempt held: those that are known one by one, else as its scheduler counted them."""
    boards = sum(edge.effect.kind is Kind.ACCELERATOR for edge in graph.effects(attempt, Relation.RAN_ON))
    told = graph.entities[attempt].facts.get("accelerators", "")
    return boards or (int(told) if told.isdecimal() else None)


def _told_by(attempt: Entity) -> str:
    who = attempt.facts.get(TOLD_BY, "")
    return f"as {who} has it" if who else ""


def finding_name(finding: Entity) -> str:
    """`xid-fatal on n2/gpu3`; by its id, where nobody ever knew what people call the board."""
    return finding.label or finding.key.id.replace("@", " on ", 1)
