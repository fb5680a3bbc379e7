"""The words of lineage: entities, and edges that lead from a cause to its effect, both over an interval. Frozen.

Times are console time, in seconds since the epoch; an end that is None is open: it goes on, or nobody saw it end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, TypeVar

from watchfloor.redact import redact

LONGEST_ID = 300  # characters; a database's index wants short ones
LONGEST_FACT = 500
MOST_FACTS = 40

Facts = Mapping[str, str]


class Kind(StrEnum):
    """What an entity is."""

    JOB = "job"
    ATTEMPT = "attempt"  # "slurm:4242#1"
    NODE = "node"
    ACCELERATOR = "accelerator"  # "n2/GPU-5f1c…"
    LINK = "link"  # "n2/mlx5_0:1"
    SERVICE = "service"
    FINDING = "finding"  # "xid-fatal@n2/GPU-5f1c…"
    EPISODE = "episode"  # one stretch of time in which a finding held: "xid-fatal@n2/GPU-5f1c…@1764361234"
    PLAN = "plan"  # by its digest
    APPROVAL = "approval"  # or a rejection, or a withdrawal: one statement, by the hash of its entry in the ledger
    RUN = "run"  # of a plan
    STEP = "step"  # of a run, once it was begun: "r8d41f00c3e/drain"
    DATASET = "dataset"
    CHECKPOINT = "checkpoint"
    IMAGE = "image"
    COMMIT = "commit"
    USER = "user"
    TRACKED_RUN = (
        "tracked run"  # of an experiment tracker or of OpenLineage: "mlflow:0123…", "wandb:…", "openlineage:…"
    )


class Relation(StrEnum):
    """In which way a cause led to its effect: "CAUSE was/has … EFFECT" reads on from left to right."""

    SUBMITTED = "submitted"  # user -> job
    TRIED_AS = "tried as"  # job -> attempt
    RAN_ON = "ran on"  # attempt -> node, accelerator
    HAS = "has"  # node -> accelerator, link
    FOUND_ON = "found on"  # node, accelerator, link -> what was found on it
    DURING = "during"  # finding -> the attempt that held its subject then
    REQUEUED_AS = "requeued as"  # attempt -> attempt
    WAITED_FOR = "waited for by"  # job -> the job that depends on it
    USED = "used by"  # image, commit, dataset, checkpoint -> attempt
    MADE = "made"  # attempt, tracked run -> checkpoint, dataset
    LOGGED_AS = "logged as"  # attempt -> tracked run
    STARTED = "started"  # tracked run -> tracked run
    LED_TO = "led to"  # finding -> plan
    PLANNED_FOR = "planned for"  # plan -> job, node, accelerator, link, service
    APPROVED_BY = "approved by"  # plan -> approval
    REJECTED_BY = "rejected by"  # plan -> approval
    WITHDRAWN_BY = "withdrawn by"  # plan -> approval
    PROPOSED_AS = "proposed as"  # plan -> run
    CARRIED_OUT_AS = "carried out as"  # plan -> run that has begun
    DID = "did"  # run -> step
    ACTED_ON = "acted on"  # run -> job, attempt, node, accelerator, link, service


class Key(NamedTuple):
    """Which entity: the same in every console."""

    kind: Kind
    id: str

    @classmethod
    def of(cls, kind: Kind, text: str) -> Key:
        """A key of any text, however long: what is cut off is told by its digest."""
        if len(text) <= LONGEST_ID:
            return cls(kind, text)
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
        return cls(kind, f"{text[: LONGEST_ID - 33]}~{digest}")

    def __str__(self) -> str:
        return f"{self.kind.value} {self.id}"


class EdgeKey(NamedTuple):
    cause: Key
    effect: Key
    relation: Relation


@dataclass(frozen=True, slots=True)
class Entity:
    """`label` is what people call it: "4242", "n2/gpu3"; "" where that is its id.

    One that is only mentioned says that it was there at `start`, and takes nothing back that is known of it. `seen` is
    the time as of which it is known: of a store's last save, of an event; None: now.
    """

    key: Key
    start: float
    end: float | None = None
    label: str = ""
    facts: Facts = field(default_factory=dict)
    mentioned: bool = False
    seen: float | None = None

    @property
    def name(self) -> str:
        return self.label or self.key.id


def mention(key: Key, at: float, label: str = "") -> Entity:
    return Entity(key, at, None, label, mentioned=True)


def joined(before: Entity | None, told: Entity) -> Entity:
    """What is known of an entity once this is told of it, too."""
    if before is None:
        return told
    known, other = (before, told) if told.mentioned else (told, before)
    label = known.label or other.label
    start = min(before.start, told.start)
    seen = None if before.seen is None or told.seen is None else max(before.seen, told.seen)
    return Entity(known.key, start, known.end, label, {**before.facts, **told.facts}, known.mentioned, seen)


@dataclass(frozen=True, slots=True)
class Edge:
    cause: Key
    effect: Key
    relation: Relation
    start: float
    end: float | None = None
    facts: Facts = field(default_factory=dict)
    seen: float | None = None

    @property
    def key(self) -> EdgeKey:
        return EdgeKey(self.cause, self.effect, self.relation)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a store is to be told."""

    entities: tuple[Entity, ...] = ()
    edges: tuple[Edge, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entities or self.edges)


class Graph:
    """Entities and the edges between them; an edge whose ends aren't both there is left out. Never changed."""

    def __init__(self, entities: Iterable[Entity], edges: Iterable[Edge], cut: bool = False) -> None:
        self.entities = {entity.key: entity for entity in entities}
        self.edges = tuple(edge for edge in edges if edge.cause in self.entities and edge.effect in self.entities)
        self.cut = cut  # there is more than was asked for at most
        self._from: dict[Key, list[Edge]] = {}
        self._to: dict[Key, list[Edge]] = {}
        for edge in self.edges:
            self._from.setdefault(edge.cause, []).append(edge)
            self._to.setdefault(edge.effect, []).append(edge)

    def effects(self, key: Key, *relations: Relation) -> Iterator[Edge]:
        """The edges that lead on from it; of these relations only, where some are named."""
        return (edge for edge in self._from.get(key, ()) if not relations or edge.relation in relations)

    def causes(self, key: Key, *relations: Relation) -> Iterator[Edge]:
        """The edges that lead to it."""
        return (edge for edge in self._to.get(key, ()) if not relations or edge.relation in relations)

    def touching(self, keys: Iterable[Key], since: float | None, until: float | None) -> Iterator[Edge]:
        """The edges from and to any of these that went on after `since` and had begun by `until`."""
        for edge in (edge for key in keys for edge in (*self._from.get(key, ()), *self._to.get(key, ()))):
            over = since is not None and edge.end is not None and edge.end < since
            if not over and (until is None or edge.start <= until):
                yield edge

    def as_of(self, at: float) -> Graph:
        """Without what began later; what ended later goes on. Facts are those that are known by now."""
        entities = [_open_at(one, at) for one in self.entities.values() if one.start <= at]
        return Graph(entities, [_open_at(edge, at) for edge in self.edges if edge.start <= at], self.cut)

    def of_kind(self, kind: Kind) -> list[Entity]:
        """The entities of a kind, the earliest first."""
        found = (entity for entity in self.entities.values() if entity.key.kind is kind)
        return sorted(found, key=lambda entity: (entity.start, entity.key.id))


Lasting = TypeVar("Lasting", Entity, Edge)


def _open_at(one: Lasting, at: float) -> Lasting:
    return one if one.end is None or one.end <= at else replace(one, end=None)


def facts(**told: object) -> dict[str, str]:
    """Facts of what is known ("" and None are not), short and without secrets; `exit_code` becomes "exit code"."""
    known = ((name, value) for name, value in told.items() if value not in ("", None))
    return tidied({name.replace("_", " "): str(value) for name, value in known})


def tidied(told: Mapping[str, str]) -> dict[str, str]:
    """Facts within bounds and without secrets."""
    kept = list(told.items())[:MOST_FACTS]
    return {name[:LONGEST_ID]: _safe(value[: 4 * LONGEST_FACT]) for name, value in kept}


@lru_cache(maxsize=4096)  # thousands of jobs say the same few things
def _safe(text: str) -> str:
    return clipped(redact(text))


def clipped(text: str) -> str:
    return text if len(text) <= LONGEST_FACT else text[: LONGEST_FACT - 1] + "…"


NOTHING = Graph((), ())
