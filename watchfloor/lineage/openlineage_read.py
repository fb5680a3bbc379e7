"""OpenLineage run events, of whoever writes them, as lineage: runs, their parents, the datasets of both sides. Pure.

An event of our own comes back as the job or the attempt that it was made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from watchfloor.lineage.graph import Changes, Edge, Entity, Key, Kind, Relation, clipped, facts, mention, tidied
from watchfloor.lineage.openlineage import ATTEMPT_FACET, CHECKPOINT_TYPE, JOB_FACET, TYPE_FACET
from watchfloor.redact import redact

LONGEST_EVENT = 1_048_576  # bytes
_MOST_DATASETS = 1_000  # of one event, on each side
_MOST_NODES = 10_000
_LONGEST_NAME = 2_000  # characters
_TYPES = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
_ENDS = ("COMPLETE", "ABORT", "FAIL")

Json = Mapping[str, Any]


def read_lines(lines: Iterable[bytes]) -> Changes:
    """A file of events, one JSON object a line; all or nothing. Raises LineError."""
    told: list[Entity | Edge] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                told += read_event(line)
            except ValueError as error:
                raise LineError(number, str(error)) from error
    return changes(told)


class LineError(ValueError):
    """What is wrong in which line, counted from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


def changes(told: Iterable[Entity | Edge]) -> Changes:
    """For a store: of one thing what is known later comes later."""
    by_time = sorted(told, key=lambda one: one.seen or 0.0)
    entities = tuple(one for one in by_time if isinstance(one, Entity))
    return Changes(entities, tuple(one for one in by_time if isinstance(one, Edge)))


def read_event(text: bytes) -> list[Entity | Edge]:
    """One event. Raises ValueError, which says what is wrong with it."""
    if len(text) > LONGEST_EVENT:
        raise ValueError(f"longer than {LONGEST_EVENT} bytes")
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    return list(_Event(_object(event, "an event")).told())


class _Event:
    """One run event that is as the specification 2-0-2 wants it: what it demands must be there, what is there be so.

    Of facets the specification demands who says it and by which schema; of a parent, its run and its job besides.
    """

    def __init__(self, event: Json) -> None:
        if "run" not in event:
            raise ValueError("it has no run: events of datasets or jobs alone tell no lineage of runs")
        self.kind = event.get("eventType", "OTHER")
        if self.kind not in _TYPES:
            raise ValueError(f"eventType is {clipped(repr(self.kind))}, none of {', '.join(_TYPES)}")
        self.at = _time(event.get("eventTime"))
        _uri(event.get("producer"), "producer")
        _uri(event.get("schemaURL"), "schemaURL")
        self._run = _object(event["run"], "run")
        self._run_id = _uuid(self._run.get("runId"), "run.runId")
        self._facets = _facets(self._run, "facets", "run.facets")
        job = _object(event.get("job"), "job")
        _facets(job, "facets", "job.facets")
        self._namespace, self._name = _text(job.get("namespace"), "job.namespace"), _text(job.get("name"), "job.name")
        self._inputs = [_dataset(one, "inputFacets") for one in _list(event, "inputs", _MOST_DATASETS)]
        self._outputs = [_dataset(one, "outputFacets") for one in _list(event, "outputs", _MOST_DATASETS)]
        self._parent = _parent(self._facets)

    def told(self) -> Iterator[Entity | Edge]:
        run = yield from self._of_run()
        for key, named in self._inputs:
            yield Entity(key, self.at, None, "", named, seen=self.at)
            yield Edge(key, run, Relation.USED, self.at, self.at, seen=self.at)
        for key, named in self._outputs:
            yield Entity(key, self.at, None, "", named, seen=self.at)
            yield Edge(run, key, Relation.MADE, self.at, self.at, seen=self.at)

    def _of_run(self) -> Iterator[Entity | Edge]:
        ours = self._facets.get(ATTEMPT_FACET), self._facets.get(JOB_FACET)
        if isinstance(ours[0], dict) and isinstance(ours[0].get("job"), str):
            return (yield from self._attempt(ours[0]))
        if isinstance(ours[1], dict) and isinstance(ours[1].get("id"), str):
            return (yield from self._job(ours[1]))
        run = _tracked(self._run_id)
        said = facts(name=self._name, namespace=self._namespace, state=self.kind.lower())
        yield Entity(run, self.at, self._end(), _short(self._name), said, seen=self.at)
        if self._parent is not None:
            key, name = self._parent
            yield mention(key, self.at, name)
            yield Edge(key, run, Relation.STARTED, self.at, self.at, seen=self.at)
        return run

    def _job(self, told: Json) -> Iterator[Entity | Edge]:
        key = Key.of(Kind.JOB, redact(told["id"]))
        said = {name: value for name, value in _said(told).items() if name not in ("id", "number")}
        yield Entity(key, self.at, self._end(), _short(str(told.get("number", ""))), said, seen=self.at)
        if said.get("user"):
            user = Key.of(Kind.USER, said["user"])
            yield mention(user, self.at)
            yield Edge(user, key, Relation.SUBMITTED, self.at, self._end(), seen=self.at)
        return key

    def _attempt(self, told: Json) -> Iterator[Entity | Edge]:
        job = Key.of(Kind.JOB, redact(told["job"]))
        said = {name: value for name, value in _said(told).items() if name != "job"}
        key = Key.of(Kind.ATTEMPT, f"{job.id}#{said.get('number', '1')}")
        yield mention(job, self.at)
        yield Entity(key, self.at, self._end(), "", said, seen=self.at)
        yield Edge(job, key, Relation.TRIED_AS, self.at, self._end(), seen=self.at)
        for kind, field in ((Kind.NODE, "nodes"), (Kind.ACCELERATOR, "accelerators")):
            for name in _list(told, field, _MOST_NODES):
                end = Key.of(kind, _text(name, field))
                yield mention(end, self.at)
                yield Edge(key, end, Relation.RAN_ON, self.at, self._end(), seen=self.at)
        return key

    def _end(self) -> float | None:
        return self.at if self.kind in _ENDS else None


def _said(facet: Json) -> dict[str, str]:
    """The plain texts of a facet of ours, by our names: toldState is "told state"."""
    plain = {name: value for name, value in facet.items() if isinstance(value, str) and not name.startswith("_")}
    return tidied(
        {"".join(f" {c.lower()}" if c.isupper() else c for c in name): value for name, value in plain.items()}
    )


def _tracked(run_id: str) -> Key:
    return Key.of(Kind.TRACKED_RUN, f"openlineage:{run_id}")


def _parent(facets: Json) -> tuple[Key, str] | None:
    """The run that started this one, and what its job is called."""
    if "parent" not in facets:
        return None
    what, facet = "run.facets.parent", _object(facets["parent"], "run.facets.parent")
    if "root" in facet:
        _run_and_job(_object(facet["root"], f"{what}.root"), f"{what}.root")
    return _run_and_job(facet, what)


def _run_and_job(told: Json, what: str) -> tuple[Key, str]:
    run, job = _object(told.get("run"), f"{what}.run"), _object(told.get("job"), f"{what}.job")
    _text(job.get("namespace"), f"{what}.job.namespace")
    return _tracked(_uuid(run.get("runId"), f"{what}.run.runId")), _short(_text(job.get("name"), f"{what}.job.name"))


def _facets(told: Json, name: str, what: str) -> dict[str, Any]:
    found = _object(told[name], what) if name in told else {}
    for facet, said in found.items():
        of = f"{what}.{clipped(facet)}"
        base = _object(said, of)
        _uri(base.get("_producer"), f"{of}._producer")
        _uri(base.get("_schemaURL"), f"{of}._schemaURL")
    return found


def _dataset(told: object, own_facets: str) -> tuple[Key, dict[str, str]]:
    dataset = _object(told, "a dataset")
    _facets(dataset, own_facets, f"a dataset's {own_facets}")
    said = _facets(dataset, "facets", "a dataset's facets").get(TYPE_FACET, {})
    kind = Kind.CHECKPOINT if CHECKPOINT_TYPE.items() <= said.items() else Kind.DATASET
    namespace = redact(_text(dataset.get("namespace"), "a dataset's namespace"))
    name = redact(_text(dataset.get("name"), "a dataset's name"))
    whole = name if namespace == "file" else f"{namespace}/{name}"  # as jobs name them: a path, s3://bucket/key
    return Key.of(kind, whole), tidied({"namespace": namespace, "name": name})


def _object(told: object, what: str) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise ValueError(f"{what} is no JSON object")
    return told


def _list(of: Json, what: str, most: int) -> list[object]:
    told = of.get(what, [])
    if not isinstance(told, list) or len(told) > most:
        raise ValueError(f"{what} is no list of {most} at most")
    return told


def _text(told: object, what: str) -> str:
    if not isinstance(told, str) or not told or len(told) > _LONGEST_NAME:
        raise ValueError(f"{what} is no text of 1 to {_LONGEST_NAME} characters")
    return told


def _short(text: str) -> str:
    return clipped(redact(text))


def _uri(told: object, what: str) -> None:
    text = _text(told, what)
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        scheme = ""
    if not scheme or any(character.isspace() for character in text):
        raise ValueError(f"{what} is no URI, such as https://…")


def _uuid(told: object, what: str) -> str:
    try:
        return str(UUID(_text(told, what)))
    except ValueError as error:
        raise ValueError(f"{what} is no UUID") from error


def _time(told: object) -> float:
    """RFC 3339, with its offset. Raises ValueError."""
    try:
        date = datetime.fromisoformat(_text(told, "eventTime"))
    except ValueError as error:
        raise ValueError("eventTime is no date and time of RFC 3339") from error
    if date.tzinfo is None:
        raise ValueError("eventTime has no offset from UTC, such as Z")
    return date.timestamp()
