"""Lineage as OpenLineage events (https://openlineage.io, spec 2-0-2): a run of each job and of each attempt. Pure.

A job is a run, and each of its attempts is a run whose parent that is. What OpenLineage has no words for (nodes,
accelerators, findings, how an attempt ended) stands in facets of our own. Ids are made of ours, so that a run has the
same id whoever exports it. The addresses under watchfloor.invalid are names: nothing is there to be fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from watchfloor import __version__
from watchfloor.lineage.graph import Edge, Entity, Facts, Graph, Key, Kind, Relation
from watchfloor.lineage.times import Times
from watchfloor.lineage.watch import AFTER_SECONDS
from watchfloor.lineage.words import Words

Json = dict[str, object]

_HOME = "https://watchfloor.invalid"
PRODUCER = f"{_HOME}/{__version__}"
SCHEMA_URL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
JOB_FACET, ATTEMPT_FACET, FINDINGS_FACET = "watchfloor_job", "watchfloor_attempt", "watchfloor_findings"
ACTS_FACET = "watchfloor_acts"
_OURS = {
    JOB_FACET: "JobRunFacet",
    ATTEMPT_FACET: "AttemptRunFacet",
    FINDINGS_FACET: "FindingsRunFacet",
    ACTS_FACET: "ActsRunFacet",
}
# what a dataset is where it is a checkpoint: OpenLineage has types of datasets, and the kind within a type
TYPE_FACET = "datasetType"
CHECKPOINT_TYPE = {"datasetType": "MODEL", "subType": "CHECKPOINT"}

_IDS = uuid5(NAMESPACE_URL, _HOME)
_ENDS = {
    "done": "COMPLETE",
    "failed": "FAIL",
    "node failed": "FAIL",
    "out of memory": "FAIL",
    "timed out": "FAIL",
    "cancelled": "ABORT",
    "preempted": "ABORT",
}
_ORDER = ("START", "RUNNING", "OTHER", "ABORT", "FAIL", "COMPLETE")


def run_id(key: Key) -> str:
    """The id of a job's or an attempt's run."""
    return str(uuid5(_IDS, f"{key.kind.value}:{key.id}"))


def events(graph: Graph, times: Times) -> list[Json]:
    """The events of every job in the graph and of its attempts, the earliest first."""
    words = Words(graph, times)
    found = [event for job in graph.of_kind(Kind.JOB) for event in _of_job(graph, words, job, times)]
    return sorted(found, key=lambda event: (str(event["eventTime"]), _ORDER.index(str(event["eventType"]))))


def _of_job(graph: Graph, words: Words, job: Entity, times: Times) -> Iterator[Json]:
    attempts = words.attempts(job.key)
    if not attempts:
        return  # it waits, or is only mentioned
    named = _job(job, job.facts.get("name") or job.name, "JOB")
    facets: Json = {JOB_FACET: _ours(JOB_FACET, {"id": job.key.id, "number": job.label, **_camel(job.facts)})}
    for kind, at in _moments(job, attempts[0].start, words, times):
        yield _event(kind, at, {"runId": run_id(job.key), "facets": facets}, named)
    for attempt in attempts:
        yield from _of_attempt(graph, words, job, attempt, times)


def _of_attempt(graph: Graph, words: Words, job: Entity, attempt: Entity, times: Times) -> Iterator[Json]:
    name = job.facts.get("name") or job.name
    parent = {"run": {"runId": run_id(job.key)}, "job": {"namespace": _namespace(job), "name": name}}
    facets: Json = {
        "parent": {**_base(f"{_FACETS}/1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet"), **parent, "root": parent},
        ATTEMPT_FACET: _ours(ATTEMPT_FACET, _attempt(graph, job, attempt)),
    }
    findings = [_finding(graph, edge) for edge in words.meanwhile(attempt)]
    if findings:
        facets[FINDINGS_FACET] = _ours(FINDINGS_FACET, {"findings": findings})
    if acts := list(_acts(graph, job, attempt)):
        facets[ACTS_FACET] = _ours(ACTS_FACET, {"runs": acts})
    inputs = [
        _dataset(graph.entities[edge.cause])
        for edge in graph.causes(attempt.key, Relation.USED)
        if edge.cause.kind in (Kind.DATASET, Kind.CHECKPOINT)
    ]
    outputs = [_dataset(graph.entities[edge.effect]) for edge in graph.effects(attempt.key, Relation.MADE)]
    for kind, at in _moments(attempt, attempt.start, words, times):
        run: Json = {"runId": run_id(attempt.key), "facets": facets}
        yield _event(kind, at, run, _job(job, f"{name}.attempt", "ATTEMPT"), inputs, outputs)


def _moments(entity: Entity, start: float, words: Words, times: Times) -> Iterator[tuple[str, float]]:
    yield "START", start
    if entity.end is not None:
        yield _ENDS.get(entity.facts.get("state", ""), "OTHER"), max(start, entity.end)
    elif not words.is_forgotten(entity):
        yield "RUNNING", max(start, times.now)


def _event(
    kind: str, at: float, run: Json, job: Json, inputs: list[Json] | None = None, outputs: list[Json] | None = None
) -> Json:
    return {
        "eventType": kind,
        "eventTime": _time(at),
        "producer": PRODUCER,
        "schemaURL": SCHEMA_URL,
        "run": run,
        "job": job,
        "inputs": inputs or [],
        "outputs": outputs or [],
    }


def _job(job: Entity, name: str, kind: str) -> Json:
    scheduler = job.facts.get("scheduler", "unknown").upper()
    of_type = {"processingType": "BATCH", "integration": scheduler, "jobType": kind}
    facets: Json = {"jobType": {**_base(f"{_FACETS}/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"), **of_type}}
    if job.facts.get("user"):
        owners = [{"name": f"user:{job.facts['user']}"}]
        base = _base(f"{_FACETS}/1-0-1/OwnershipJobFacet.json#/$defs/OwnershipJobFacet")
        facets["ownership"] = {**base, "owners": owners}
    return {"namespace": _namespace(job), "name": name, "facets": facets}


def _namespace(job: Entity) -> str:
    """`slurm://cluster`."""
    scheduler = job.facts.get("scheduler") or job.key.id.partition(":")[0]
    return f"{scheduler}://{quote(job.facts.get('source', ''))}"


def _attempt(graph: Graph, job: Entity, attempt: Entity) -> Json:
    ends = [edge.effect for edge in graph.effects(attempt.key, Relation.RAN_ON)]
    of_kind = {kind: sorted(end.id for end in ends if end.kind is kind) for kind in (Kind.NODE, Kind.ACCELERATOR)}
    used = [edge.cause for edge in graph.causes(attempt.key, Relation.USED)]
    return {
        "job": job.key.id,
        **_camel(attempt.facts),
        "nodes": of_kind[Kind.NODE],
        "accelerators": of_kind[Kind.ACCELERATOR],
        "images": sorted(key.id for key in used if key.kind is Kind.IMAGE),
        "commits": sorted(key.id for key in used if key.kind is Kind.COMMIT),
        "loggedAs": sorted(edge.effect.id for edge in graph.effects(attempt.key, Relation.LOGGED_AS)),
    }


def _finding(graph: Graph, edge: Edge) -> Json:
    finding = edge.cause
    said = {**graph.entities[finding].facts, **edge.facts}
    names = ("code", "on", "state", "text")
    span = {"start": _time(edge.start), "end": None if edge.end is None else _time(edge.end)}
    return {"id": finding.id, **{name: said.get(name, "") for name in names}, **span}


def _acts(graph: Graph, job: Entity, attempt: Entity) -> Iterator[Json]:
    """What acted on the job, or on where it ran, while this was its attempt."""
    last = float("inf") if attempt.end is None else attempt.end + AFTER_SECONDS
    edges = (*graph.causes(job.key, Relation.ACTED_ON), *graph.causes(attempt.key, Relation.ACTED_ON))
    acts = {edge.cause: edge for edge in reversed(edges) if attempt.start <= edge.start <= last}
    for run, edge in sorted(acts.items()):
        said = {name: edge.facts.get(name, "") for name in ("actions", "effect")}
        known = graph.entities[run].facts
        yield {"run": run.id, "playbook": known.get("playbook", ""), "stands": known.get("stands", ""),
               "at": _time(edge.start), **said}  # fmt: skip


def _dataset(entity: Entity) -> Json:
    if entity.key.kind is not Kind.CHECKPOINT:
        return _named(entity)
    base = _base(f"{_FACETS}/1-0-1/DatasetTypeDatasetFacet.json#/$defs/DatasetTypeDatasetFacet")
    return {**_named(entity), "facets": {TYPE_FACET: {**base, **CHECKPOINT_TYPE}}}


def _named(entity: Entity) -> Json:
    """By OpenLineage's naming: s3://bucket/key is `key` of `s3://bucket`, a path is one of `file`."""
    if "namespace" in entity.facts:
        return {"namespace": entity.facts["namespace"], "name": entity.facts.get("name", entity.key.id)}
    scheme, found, rest = entity.key.id.partition("://")
    if not found:
        return {"namespace": "file", "name": entity.key.id}
    host, _, path = rest.partition("/")
    return {"namespace": f"{scheme}://{host}", "name": path or "/"}


def _camel(facts: Facts) -> Json:
    """Names as OpenLineage writes them: "told state" becomes toldState. They may not begin with an underscore."""
    return {_camel_name(name): value for name, value in facts.items()}


def _camel_name(name: str) -> str:
    first, *rest = name.lstrip("_").split(" ") or ["x"]
    return "".join((first, *(word.capitalize() for word in rest)))


def _ours(facet: str, told: Json) -> Json:
    name = _OURS[facet]
    return {**told, **_base(f"{_HOME}/spec/1-0-0/{name}.json#/$defs/{name}")}


def _base(schema: str) -> Json:
    return {"_producer": PRODUCER, "_schemaURL": schema}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
