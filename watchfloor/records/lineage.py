"""Lineage on disk: one SQLite file (WAL) beside the findings, or a PostgreSQL database that several operators share.

Everything is an upsert under a key that is the same in every console, so that what two of them saw is there once. What
is known later counts; a beginning is the earliest that anybody saw. A kill at any moment loses at most what came since
the last save.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from watchfloor.errors import StoreError
from watchfloor.lineage.graph import NOTHING, Changes, Edge, Entity, Graph, Key, Kind, Relation
from watchfloor.lineage.reach import Asked, reach
from watchfloor.records.databases import Database, Row, Statement, Value, database

VERSION = 1
KEPT_DAYS = 90.0
KEPT_ROWS = 2_000_000  # of edges, and as many of entities
MOST_TOLD = 300_000  # entities, and edges, of one stretch of time
_BATCH = 200  # keys in one question
_ENDLESS = 1e18  # seconds: later than any time

Opened = Callable[[str, Sequence[str]], Database]

_TABLES = (
    "CREATE TABLE IF NOT EXISTS lineage_version (version INTEGER NOT NULL PRIMARY KEY)",
    """CREATE TABLE IF NOT EXISTS lineage_entity (
        kind TEXT NOT NULL, id TEXT NOT NULL, label TEXT NOT NULL,
        began DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, seen DOUBLE PRECISION NOT NULL, facts TEXT NOT NULL,
        PRIMARY KEY (kind, id))""",
    """CREATE TABLE IF NOT EXISTS lineage_edge (
        cause_kind TEXT NOT NULL, cause_id TEXT NOT NULL, effect_kind TEXT NOT NULL, effect_id TEXT NOT NULL,
        relation TEXT NOT NULL,
        began DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, seen DOUBLE PRECISION NOT NULL, facts TEXT NOT NULL,
        PRIMARY KEY (cause_kind, cause_id, effect_kind, effect_id, relation))""",
    "CREATE INDEX IF NOT EXISTS lineage_edge_effect ON lineage_edge (effect_kind, effect_id)",
    "CREATE INDEX IF NOT EXISTS lineage_entity_label ON lineage_entity (label)",
    "CREATE INDEX IF NOT EXISTS lineage_entity_last ON lineage_entity (COALESCE(ended, seen))",
    "CREATE INDEX IF NOT EXISTS lineage_edge_last ON lineage_edge (COALESCE(ended, seen))",
    f"INSERT INTO lineage_version (version) VALUES ({VERSION}) ON CONFLICT DO NOTHING",
)
# what goes on as long as an attempt does
_WITH_ATTEMPTS = (Relation.TRIED_AS, Relation.RAN_ON, Relation.USED, Relation.LOGGED_AS)
_ENTITY = "kind, id, label, began, ended, seen, facts"
_EDGE = "cause_kind, cause_id, effect_kind, effect_id, relation, began, ended, seen, facts"


class LineageStore:
    """Not thread-safe: one thread at a time. Raises StoreError from every method but `close`."""

    def __init__(self, place: str, opened: Opened = database) -> None:
        """`place`: a file, or postgresql://…; it is opened when it is used first: to be read only, where `opened` is
        `readable`. Raises ConfigError."""
        self._base = opened(place, _TABLES)
        self._checked = False
        self._put_entity = _upsert("lineage_entity", _ENTITY, "kind, id", self._base.merged, label=True)
        self._put_edge = _upsert("lineage_edge", _EDGE, _EDGE.partition(", began")[0], self._base.merged, label=False)
        self._mention = _mention()

    # -- writing

    def save(self, changes: Changes, at: float) -> None:
        """Write these, all or nothing, as known at `at` unless they say of when they are.

        Rows come in an order that is the same for everybody, so that two consoles don't wait for one another for ever.
        """
        self._check()
        entities = sorted(changes.entities, key=lambda entity: entity.key)
        told = [_entity_row(entity, at) for entity in entities if not entity.mentioned]
        mentioned = [_entity_row(entity, at) for entity in entities if entity.mentioned]
        edges = [_edge_row(edge, at) for edge in sorted(changes.edges, key=lambda edge: edge.key)]
        writes: list[Statement] = [(self._put_entity, told), (self._mention, mentioned), (self._put_edge, edges)]
        self._base.write([write for write in writes if write[1]])

    def prune(self, now: float, days: float = KEPT_DAYS, rows: int = KEPT_ROWS) -> int:
        """Forget what was over, or seen last, so many days ago, and the oldest above so many rows; how many went."""
        self._check()
        gone = self._forget("lineage_edge", now - days * 86_400) + self._forget("lineage_entity", now - days * 86_400)
        for table in ("lineage_edge", "lineage_entity"):
            oldest_kept = self._base.read(
                f"SELECT COALESCE(ended, seen) FROM {table} ORDER BY COALESCE(ended, seen) DESC LIMIT 1 OFFSET ?",
                (rows,),
            )
            if oldest_kept:
                gone += self._base.write([(f"DELETE FROM {table} WHERE COALESCE(ended, seen) <= ?", [oldest_kept[0]])])
        return gone + self._forget_loose_edges() if gone else 0

    def _forget(self, table: str, before: float) -> int:
        return self._base.write([(f"DELETE FROM {table} WHERE COALESCE(ended, seen) < ?", [(before,)])])

    def _forget_loose_edges(self) -> int:
        """Edges of which one end is gone."""
        ends = (
            f"NOT EXISTS (SELECT 1 FROM lineage_entity WHERE kind = {end}_kind AND id = {end}_id)"
            for end in ("cause", "effect")
        )
        return self._base.write([(f"DELETE FROM lineage_edge WHERE {' OR '.join(ends)}", [()])])

    def close_edges(self, ends: Mapping[Key, float]) -> None:
        """What went on with these attempts has ended with them."""
        self._check()
        rows = [(end, *_key(key), *_key(key), end) for key, end in sorted(ends.items())]
        with_it = ", ".join(f"'{relation.value}'" for relation in _WITH_ATTEMPTS)
        sql = (
            "UPDATE lineage_edge SET ended = ? WHERE ((cause_kind = ? AND cause_id = ?) OR (effect_kind = ? AND "
            f"effect_id = ?)) AND relation IN ({with_it}) AND (ended IS NULL OR ended > ?)"
        )
        if rows:
            self._base.write([(sql, rows)])

    # -- asking

    def unended(self, since: float, most: int) -> list[str]:
        """The ids of jobs of which it isn't known how they ended, or an attempt of theirs; those seen last first."""
        self._check()
        sql = (
            "SELECT id FROM lineage_entity WHERE kind IN (?, ?) AND COALESCE(ended, seen) >= ? AND facts <> '{}' AND "
            f"(ended IS NULL OR {self._base.fact.format('facts', 'state')} = 'unknown') "
            "ORDER BY COALESCE(ended, seen) DESC LIMIT ?"
        )
        rows = self._base.read(sql, (Kind.JOB.value, Kind.ATTEMPT.value, since, most))
        return list(dict.fromkeys(key.partition("#")[0] for (key,) in rows))

    def job(self, job_id: str) -> tuple[Entity | None, list[Entity]]:
        """A job and all of its attempts."""
        self._check()
        key = Key.of(Kind.JOB, job_id)
        sql = f"SELECT {_EDGE} FROM lineage_edge WHERE cause_kind = ? AND cause_id = ? AND relation = ?"
        edges = map(_edge, self._base.read(sql, (*_key(key), Relation.TRIED_AS.value)))
        attempts = list(self._entities([edge.effect for edge in edges]))
        return next(self._entities([key]), None), attempts

    def find(self, word: str, kinds: Sequence[Kind], most: int = 10) -> list[Entity]:
        """Entities of these kinds whose id or label is `word`, the one that was seen last first."""
        self._check()
        of_kinds = ", ".join("?" * len(kinds))
        sql = (
            f"SELECT {_ENTITY} FROM lineage_entity WHERE kind IN ({of_kinds}) AND (id = ? OR label = ?) "
            "ORDER BY COALESCE(ended, seen) DESC, id LIMIT ?"
        )
        word = _clean(word)
        return [_entity(row) for row in self._base.read(sql, (*(kind.value for kind in kinds), word, word, most))]

    def jobs_named(self, name: str, most: int) -> list[Entity]:
        """The jobs that their users call so, the one that was seen last first. Every job is looked at."""
        return self._jobs("name", name, most)

    def jobs_of_array(self, number: str, most: int) -> list[Entity]:
        """The tasks of an array, likewise."""
        return self._jobs("array", number, most)

    def _jobs(self, fact: str, value: str, most: int) -> list[Entity]:
        self._check()
        sql = (
            f"SELECT {_ENTITY} FROM lineage_entity WHERE kind = ? AND {self._base.fact.format('facts', fact)} = ? "
            "ORDER BY COALESCE(ended, seen) DESC, id LIMIT ?"
        )
        return [_entity(row) for row in self._base.read(sql, (Kind.JOB.value, _clean(value), most))]

    def _episodes(self, findings: Sequence[Key], asked: Asked) -> Iterator[Entity]:
        """Each occurrence of these findings that is asked for."""
        for batch in _batches(findings):
            sql = (
                f"SELECT {_ENTITY} FROM lineage_entity WHERE label IN ({', '.join('?' * len(batch))}) AND kind = ? "
                "AND began <= ? AND (ended IS NULL OR ended >= ?) ORDER BY began DESC LIMIT ?"
            )
            values = (*(_clean(key.id) for key in batch), Kind.EPISODE.value, *_span(asked), asked.most)
            yield from map(_entity, self._base.read(sql, values))

    def names(self, kinds: Sequence[Kind], most: int) -> list[str]:
        """What entities of these kinds are called, those seen last first."""
        self._check()
        of_kinds = ", ".join("?" * len(kinds))
        sql = (
            f"SELECT label, id FROM lineage_entity WHERE kind IN ({of_kinds}) "
            "ORDER BY COALESCE(ended, seen) DESC LIMIT ?"
        )
        rows = self._base.read(sql, (*(kind.value for kind in kinds), most))
        return [name for label, key in rows for name in ((label, key) if label else (key,))]

    def around(self, asked: Asked, beside: Graph = NOTHING) -> Graph:
        """What concerns one thing: the causes and effects that `reach` goes to, here and in `beside`, which is believed
        where both tell of something."""
        self._check()
        edges, cut = reach(
            asked, lambda keys: (*self._edges_of(keys, asked), *beside.touching(keys, asked.since, asked.until))
        )
        keys = sorted({asked.root, *(end for edge in edges for end in (edge.cause, edge.effect))})
        kept = {entity.key: entity for entity in self._entities(keys)}
        for told in (beside.entities[key] for key in keys if key in beside.entities):
            kept[told.key] = told if not told.mentioned else kept.get(told.key, told)
        several = [key for key, one in kept.items() if key.kind is Kind.FINDING and one.facts.get("times", "1") != "1"]
        return Graph((*kept.values(), *self._episodes(several, asked)), edges, cut)

    def between(self, since: float, until: float, kinds: Sequence[Kind], relations: Sequence[Relation]) -> Graph:
        """The entities of these kinds and the edges of these relations (with their ends) that went on then.

        What has no end yet counts as far as it was told of last. At most MOST_TOLD of either; `cut` says so.
        """
        self._check()
        went_on = "began <= ? AND COALESCE(ended, seen) >= ? ORDER BY COALESCE(ended, seen) DESC LIMIT ?"
        span = (until, since, MOST_TOLD + 1)
        those = f"SELECT {_ENTITY} FROM lineage_entity WHERE kind IN ({', '.join('?' * len(kinds))}) AND {went_on}"
        entities = [_entity(row) for row in self._base.read(those, (*(kind.value for kind in kinds), *span))]
        those = f"SELECT {_EDGE} FROM lineage_edge WHERE relation IN ({', '.join('?' * len(relations))}) AND {went_on}"
        edges = [_edge(row) for row in self._base.read(those, (*(one.value for one in relations), *span))]
        cut = max(len(entities), len(edges)) > MOST_TOLD
        known = {entity.key for entity in entities}
        others = sorted({end for edge in edges for end in (edge.cause, edge.effect)} - known)
        return Graph((*entities, *self._entities(others)), edges, cut)

    def _edges_of(self, keys: Sequence[Key], asked: Asked) -> Iterator[Edge]:
        for batch in _batches(keys):
            pairs, values = _pairs(batch)
            for end in ("cause", "effect"):
                sql = (
                    f"SELECT {_EDGE} FROM lineage_edge WHERE ({end}_kind, {end}_id) IN (VALUES {pairs}) "
                    "AND began <= ? AND (ended IS NULL OR ended >= ?) ORDER BY began DESC LIMIT ?"
                )
                yield from map(_edge, self._base.read(sql, (*values, *_span(asked), asked.most + 1)))

    def _entities(self, keys: Sequence[Key]) -> Iterator[Entity]:
        for batch in _batches(keys):
            pairs, values = _pairs(batch)
            sql = f"SELECT {_ENTITY} FROM lineage_entity WHERE (kind, id) IN (VALUES {pairs})"
            yield from map(_entity, self._base.read(sql, values))

    # --

    def _check(self) -> None:
        if self._checked:
            return
        versions = self._base.read("SELECT version FROM lineage_version WHERE version > ?", (VERSION,))
        if versions:
            raise StoreError("what is kept of lineage is of a newer watchfloor", "use that one, or another file")
        self._checked = True

    def close(self) -> None:
        self._base.close()


def _upsert(table: str, columns: str, key: str, merged: str, label: bool) -> str:
    """What is known later counts, and adds to the facts; the earliest beginning counts."""
    newer = f"excluded.seen >= {table}.seen"
    of_label = (
        f"label = CASE WHEN excluded.label <> '' AND ({newer} OR {table}.label = '') THEN excluded.label "
        f"ELSE {table}.label END,"
    )
    return f"""INSERT INTO {table} ({columns}) VALUES ({_marks(columns)}) ON CONFLICT ({key}) DO UPDATE SET
        began = CASE WHEN excluded.began < {table}.began THEN excluded.began ELSE {table}.began END,
        ended = CASE WHEN {newer} THEN excluded.ended ELSE {table}.ended END,
        {of_label if label else ""}
        facts = CASE WHEN {newer} THEN {merged.format(f"{table}.facts", "excluded.facts")}
                     ELSE {merged.format("excluded.facts", f"{table}.facts")} END,
        seen = CASE WHEN {newer} THEN excluded.seen ELSE {table}.seen END"""


def _mention() -> str:
    table = "lineage_entity"
    return f"""INSERT INTO {table} ({_ENTITY}) VALUES ({_marks(_ENTITY)}) ON CONFLICT (kind, id) DO UPDATE SET
        began = CASE WHEN excluded.began < {table}.began THEN excluded.began ELSE {table}.began END,
        label = CASE WHEN {table}.label = '' THEN excluded.label ELSE {table}.label END,
        seen = CASE WHEN excluded.seen > {table}.seen THEN excluded.seen ELSE {table}.seen END"""


def _marks(columns: str) -> str:
    return ", ".join("?" for _ in columns.split(", "))


def _span(asked: Asked) -> tuple[float, float]:
    """Until when it began, and since when it went on."""
    return (
        _ENDLESS if asked.until is None else asked.until,
        -_ENDLESS if asked.since is None else asked.since,
    )


def _batches(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    return (keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH))


def _pairs(keys: Sequence[Key]) -> tuple[str, list[Value]]:
    return ", ".join("(?, ?)" for _ in keys), [part for key in keys for part in _key(key)]


def _clean(text: str) -> str:
    """What every database takes: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _key(key: Key) -> tuple[str, str]:
    return key.kind.value, _clean(key.id)


def _json(facts: Iterable[tuple[str, str]]) -> str:
    return json.dumps({_clean(name): _clean(value) for name, value in facts}, ensure_ascii=False)


def _entity_row(entity: Entity, at: float) -> tuple[Value, ...]:
    seen = at if entity.seen is None else entity.seen
    return (*_key(entity.key), _clean(entity.label), entity.start, entity.end, seen, _json(entity.facts.items()))


def _edge_row(edge: Edge, at: float) -> tuple[Value, ...]:
    ends = (*_key(edge.cause), *_key(edge.effect))
    seen = at if edge.seen is None else edge.seen
    return (*ends, edge.relation.value, edge.start, edge.end, seen, _json(edge.facts.items()))


def _entity(row: Row) -> Entity:
    kind, key, label, began, ended, seen, facts = row
    known = {name: value for name, value in json.loads(facts).items() if value}  # one that is "" is over
    return Entity(Key(Kind(kind), key), began, ended, label, known, seen=seen)


def _edge(row: Row) -> Edge:
    cause_kind, cause, effect_kind, effect, relation, began, ended, seen, facts = row
    ends = Key(Kind(cause_kind), cause), Key(Kind(effect_kind), effect)
    return Edge(*ends, Relation(relation), began, ended, json.loads(facts), seen)
