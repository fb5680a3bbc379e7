"""What lineage has of a window, as episodes of findings and attempts of jobs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from watchfloor.lineage.graph import Entity, Graph, Key, Kind, Relation
from watchfloor.lineage.times import Times
from watchfloor.lineage.words import Words, held
from watchfloor.reporting.kept import Attempt, Episode, Window

KINDS = (Kind.ATTEMPT, Kind.EPISODE, Kind.FINDING)
RELATIONS = (Relation.TRIED_AS, Relation.RAN_ON, Relation.DURING)


def episodes_of(graph: Graph, window: Window) -> list[Episode]:
    """By finding and time. One that nobody saw end, and that came again, goes on: a console was killed meanwhile."""
    of_finding: dict[tuple[str, ...], list[Episode]] = {}
    for entity in graph.of_kind(Kind.EPISODE):
        one = _episode(entity, window)
        of_finding.setdefault((one.node, one.scope, one.part, one.code), []).append(one)
    return [one for those in of_finding.values() for one in _joined(those)]


def _episode(entity: Entity, window: Window) -> Episode:
    said = entity.facts
    end = entity.end if entity.end is not None and entity.end < window.until else None
    return Episode(
        said.get("node", ""),
        said.get("code", ""),
        entity.start,
        None if end is None else max(end, entity.start),  # a clock that was set back
        said.get("part", ""),
        said.get("scope", "node"),
        said.get("was critical", "") == "yes",
        said.get("xid", ""),
        said.get("text", ""),
        entity.seen if entity.end is None else None,
    )


def _joined(those: Sequence[Episode]) -> Iterator[Episode]:
    before: Episode | None = None
    for one in those:
        if before is not None and before.end is None:
            before = replace(one, start=before.start, critical=before.critical or one.critical)
            continue
        if before is not None:
            yield before
        before = one
    if before is not None:
        yield before


def unparted(graph: Graph, window: Window) -> int:
    """Findings that came within the window and of which no single occurrence is kept: an older version told of them."""
    known = {entity.key.id.rpartition("@")[0] for entity in graph.of_kind(Kind.EPISODE)}
    found = graph.of_kind(Kind.FINDING)
    return sum(one.key.id not in known and not one.mentioned and bool(one.facts) for one in found)


def attempts_of(graph: Graph, window: Window) -> list[Attempt]:
    """Those that ran in the window; `saved` isn't known yet."""
    words = Words(graph, Times(window.until))
    return [_attempt(entity, graph, words, window) for entity in graph.of_kind(Kind.ATTEMPT) if not entity.mentioned]


def _attempt(entity: Entity, graph: Graph, words: Words, window: Window) -> Attempt:
    job = words.job_of(entity.key)
    facts: Mapping[str, str] = job.facts if job is not None else {}
    ran_on = [edge.effect for edge in graph.effects(entity.key, Relation.RAN_ON)]
    ended = entity.end is not None and entity.end < window.until
    last = entity.end if entity.end is not None else entity.seen or entity.start
    return Attempt(
        *_numbered(entity.key.id),
        facts.get("user", ""),
        facts.get("account", ""),
        entity.start,
        min(last, window.until),
        _nodes(ran_on),
        held(graph, entity.key),
        words.ended_as(entity) if ended else "",
        _cause(entity, graph, words) if ended else "",
    )


def _numbered(attempt: str) -> tuple[str, str]:
    """ "slurm:4242#1": its job, and its number."""
    job, _, number = attempt.rpartition("#")
    return job, number


def _nodes(held: Iterable[Key]) -> tuple[str, ...]:
    return tuple(sorted(key.id for key in held if key.kind is Kind.NODE))


def _cause(attempt: Entity, graph: Graph, words: Words) -> str:
    """What was critical shortly before it ended, and is of hardware: not the job's own findings."""
    for edge in words.reasons(attempt):
        if edge.facts.get("state") == "critical" and "@" in edge.cause.id and not _is_of_job(edge.cause, graph):
            return graph.entities[edge.cause].name
    return ""


def _is_of_job(finding: Key, graph: Graph) -> bool:
    return any(edge.cause.kind is Kind.JOB for edge in graph.causes(finding, Relation.FOUND_ON))
