"""Everything that is kept of a window, read. A source that isn't there, or can't be read, is told, never raised."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from watchfloor.errors import StoreError
from watchfloor.jobs.config import Pricing
from watchfloor.lineage.checkpoints import checkpoints
from watchfloor.lineage.graph import Key, Kind
from watchfloor.lineage.reach import Asked
from watchfloor.model import NodeSpec
from watchfloor.records.databases import SCHEMES
from watchfloor.records.lineage import LineageStore
from watchfloor.reporting.figures import counted
from watchfloor.reporting.fromledger import FromLedger, from_ledger
from watchfloor.reporting.fromlineage import KINDS, RELATIONS, attempts_of, episodes_of, unparted
from watchfloor.reporting.fromsessions import FromSessions, from_sessions
from watchfloor.reporting.hours import hit_by_faults
from watchfloor.reporting.kept import Attempt, Episode, Kept, Node, Prices, Watching, Window
from watchfloor.reporting.spans import united, without

MOST_LOST = 1_000  # attempts whose checkpoints are looked for


@dataclass(frozen=True, slots=True)
class Places:
    """`fleet`: the nodes that are meant; None: nobody has said, and those of recordings and lineage are."""

    ledger: Path
    lineage: str
    sessions: Path
    fleet: Sequence[NodeSpec] | None = None
    pricing: Pricing = field(default_factory=Pricing)
    kwh_price: float | None = None


def kept(places: Places, window: Window) -> Kept:
    """Raises StoreError where there is nothing at all."""
    lacks: dict[str, str] = {}
    ledger = _ledger(places.ledger, window, lacks)
    recordings = from_sessions(places.sessions, window)
    if not recordings.watching:
        lacks["recordings"] = f"nothing of this time is recorded in {places.sessions}"
    if not recordings.watching and "ledger" in lacks and not _is_there(places.lineage):
        raise StoreError("nothing is kept of this time", "`watchfloor watch` keeps ledger, lineage and recordings")
    return _with_lineage(places, window, lacks, ledger, recordings)


def _ledger(path: Path, window: Window, lacks: dict[str, str]) -> FromLedger | None:
    try:
        return from_ledger(path, window)
    except StoreError as error:
        lacks["ledger"] = error.message
        return None


def _with_lineage(
    places: Places, window: Window, lacks: dict[str, str], ledger: FromLedger | None, recordings: FromSessions
) -> Kept:
    told = _Lineage((), (), ())
    try:
        with _opened(places.lineage) as store:
            told = _of_lineage(store, window)
            nodes = _nodes(places, recordings, told)
            made = _made(places, window, lacks, ledger, recordings, told, nodes)
            return replace(made, attempts=list(_with_checkpoints(store, made)))
    except StoreError as error:
        lacks["lineage"] = error.message
        return _made(places, window, lacks, ledger, recordings, told, _nodes(places, recordings, told))


@contextmanager
def _opened(place: str) -> Iterator[LineageStore]:
    """A store that is there: asking makes none."""
    if not _is_there(place):
        raise StoreError(f"no lineage is kept in {place}", "a console that watches keeps it")
    store = LineageStore(place)
    try:
        yield store
    finally:
        store.close()


def _is_there(place: str) -> bool:
    return place.startswith(SCHEMES) or Path(place).is_file()


# -- lineage


@dataclass(frozen=True, slots=True)
class _Lineage:
    episodes: Sequence[Episode]
    attempts: Sequence[Attempt]
    remarks: Sequence[str]


def _of_lineage(store: LineageStore, window: Window) -> _Lineage:
    graph = store.between(window.since, window.until, KINDS, RELATIONS)
    remarks = []
    if graph.cut:
        remarks.append("lineage has more of this time than is read at once: the oldest of it is left out")
    if older := unparted(graph, window):
        remarks.append(f"{counted(older, 'finding')} left out: an older version kept no single occurrences")
    return _Lineage(episodes_of(graph, window), attempts_of(graph, window), remarks)


def _with_checkpoints(store: LineageStore, found: Kept) -> Iterator[Attempt]:
    """Attempts that were lost say when their last checkpoint was made."""
    hit = frozenset(hit_by_faults(found)[:MOST_LOST])
    for one in found.attempts:
        if one not in hit:
            yield one
            continue
        job = Key.of(Kind.JOB, one.job)
        made = (each.at for each in checkpoints(store.around(Asked(job)), job) if one.start <= each.at <= one.last)
        yield replace(one, saved=max(made, default=None))


# -- the fleet


def _nodes(places: Places, recordings: FromSessions, told: _Lineage) -> list[Node]:
    """Those of the fleet file; else all that were recorded; else all that lineage has met."""
    specs = {spec.name: spec for spec in places.fleet} if places.fleet is not None else recordings.specs
    if specs:
        return [_node(spec, recordings) for spec in specs.values()]
    met = {one.node for one in told.episodes if one.node} | {node for one in told.attempts for node in one.nodes}
    return [Node(name) for name in sorted(met) if not name.startswith("(")]


def _node(spec: NodeSpec, recordings: FromSessions) -> Node:
    recorded = recordings.specs.get(spec.name, spec)
    count = spec.accelerators if spec.accelerators is not None else recordings.accelerators.get(spec.name)
    return Node(
        spec.name,
        spec.site or recorded.site,
        spec.rack or recorded.rack,
        spec.group or recorded.group,
        count,
        recordings.models.get(spec.name, ""),
    )


def _made(
    places: Places,
    window: Window,
    lacks: Mapping[str, str],
    ledger: FromLedger | None,
    recordings: FromSessions,
    told: _Lineage,
    nodes: Sequence[Node],
) -> Kept:
    names = {node.name for node in nodes}
    remarks = [*told.remarks, *recordings.troubles, *_strangers(told.episodes, names)]
    if places.fleet is None and not recordings.specs:
        remarks.append("no fleet file or recording tells the nodes: those that never had a job or finding are unknown")
    return Kept(
        window,
        nodes,
        [*recordings.watching, *_beyond(ledger.watching if ledger else (), recordings.watching)],
        [one for one in told.episodes if one.node in names],
        told.attempts,
        {name: energy for name, energy in recordings.energy.items() if name in names},
        _prices(places, nodes),
        ledger.entries if ledger else (),
        ledger.runs if ledger else {},
        ledger.sealed if ledger else None,
        dict(lacks),
        remarks,
    )


def _strangers(episodes: Iterable[Episode], names: set[str]) -> Iterator[str]:
    others = {one.node for one in episodes if one.node and not one.node.startswith("(")} - names
    if others:
        yield f"findings on {counted(len(others), 'node')} not of this fleet are left out"


def _beyond(beats: Sequence[Watching], recorded: Sequence[Watching]) -> list[Watching]:
    """A daemon says that it watched and not whom: where there is a recording, that says it better."""
    known = united(one.span for one in recorded)
    return [replace(one, span=span) for one in beats for span in without((one.span,), known)]


def _prices(places: Places, nodes: Sequence[Node]) -> Prices:
    pricing = places.pricing
    told = {node.name: pricing.of(node.model) for node in nodes if node.model or not pricing.by_model}
    hours = {name: price for name, price in told.items() if not math.isnan(price)}
    return Prices(hours, None if pricing.by_model else pricing.accelerator_hour, places.kwh_price)
