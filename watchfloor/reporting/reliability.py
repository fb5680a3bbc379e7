"""Availability, mean time to failure and to repair: of the fleet, its sites, racks and groups, and day by day. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from watchfloor.reporting.downtime import NodeTime, episodes_by_node, node_time
from watchfloor.reporting.figures import (
    Cell,
    Figure,
    Named,
    Section,
    Table,
    Unit,
    columns,
    counted,
    known,
    missing,
    ratio,
)
from watchfloor.reporting.kept import PLACES, Kept, Node, Window

_COLUMNS = columns(
    "place PLACE, nodes NODES, watched WATCHED, availability AVAIL, failures FAILED, mttf MTTF, repairs FIXED, "
    "mttr MTTR, open OPEN"
)
_DAY_COLUMNS = columns("day DAY, watched WATCHED, availability AVAIL, failures FAILED, repairs FIXED")
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Summed:
    """Several nodes together. Seconds are node seconds."""

    nodes: int
    seconds: float  # of the window, times the nodes
    observed: float
    up: float
    failures: int
    found: int
    repairs: tuple[float, ...]
    open: int

    @property
    def watched(self) -> Figure:
        return ratio(self.observed, self.seconds, Unit.SHARE, "no node is known")

    @property
    def availability(self) -> Figure:
        return ratio(self.up, self.observed, Unit.SHARE, "nobody watched")

    @property
    def mttf(self) -> Figure:
        if not self.observed:
            return missing("nobody watched", Unit.SECONDS)
        return ratio(self.up, self.failures, Unit.SECONDS, "no failure was seen to begin")

    @property
    def mttr(self) -> Figure:
        if not self.observed:
            return missing("nobody watched", Unit.SECONDS)
        return ratio(sum(self.repairs), len(self.repairs), Unit.SECONDS, "no fault was seen from beginning to end")


def summed(times: Iterable[NodeTime]) -> Summed:
    every = list(times)
    return Summed(
        len(every),
        sum(one.window.seconds for one in every),
        sum(one.observed_seconds for one in every),
        sum(one.up_seconds for one in every),
        sum(one.failures for one in every),
        sum(one.found for one in every),
        tuple(seconds for one in every for seconds in one.repairs),
        sum(one.open for one in every),
    )


def section(kept: Kept, times: Sequence[NodeTime], zone: tzinfo) -> Section:
    lack = kept.lack("lineage")
    if lack:
        return Section("availability", "Availability", remarks=(f"not known: {lack}",))
    fleet = summed(times)
    tables = [_by(kept.nodes, times, title, place) for title, place in PLACES.items()]
    return Section(
        "availability",
        "Availability",
        tuple(_figures(fleet)),
        (*(table for table in tables if table.rows), _by_day(kept, zone)),
        tuple(_remarks(fleet)),
    )


def _figures(fleet: Summed) -> Iterator[Named]:
    observed = f"{fleet.observed / _HOUR:,.1f} node hours watched of {fleet.seconds / _HOUR:,.1f}, {fleet.nodes} nodes"
    yield Named("availability", "availability", fleet.availability, observed)
    yield Named("mttf", "mean time to failure of a node", fleet.mttf, f"{counted(fleet.failures, 'failure')} in them")
    yield Named("mttr", "mean time to repair", fleet.mttr, f"{counted(len(fleet.repairs), 'fault')} seen whole")
    if fleet.observed:
        yield Named("failures", "failures", known(fleet.failures), "faults of nodes that were seen to begin")
        yield Named("open", "faults still open", known(fleet.open), "at the end; they are in no mean time to repair")


def _remarks(fleet: Summed) -> Iterator[str]:
    if fleet.observed < fleet.seconds:
        gap = (fleet.seconds - fleet.observed) / _HOUR
        yield f"{gap:,.1f} node hours, in which nobody watched or a node couldn't be read, are neither up nor down"
    if fleet.found:
        yield f"{counted(fleet.found, 'fault')} there already when watching began: since when, nobody knows; no failure"
    if fleet.observed and not fleet.failures and not fleet.found:
        yield f"no failure in {fleet.up / _HOUR:,.1f} node hours: the mean time to failure is likely longer than that"


# -- by place


def _by(nodes: Sequence[Node], times: Sequence[NodeTime], title: str, place: Callable[[Node], str]) -> Table:
    """Those that no place is known of are a row of their own, where others have one."""
    places = {node.name: place(node) for node in nodes}
    names = sorted({name for name in places.values() if name})
    of_place: dict[str, list[NodeTime]] = {name: [] for name in [*names, ""]}
    for one in times:
        of_place[places[one.name]].append(one)
    rows = [_row(name or f"(no {title})", summed(those)) for name, those in of_place.items() if those and names]
    return Table(f"by_{title}", f"by {title}", _COLUMNS, rows, "as the whole", plotted="failures")


def _row(name: str, of: Summed) -> Sequence[Cell]:
    counts = [known(number) if of.observed else missing("nobody watched", Unit.COUNT) for number in _numbers(of)]
    failures, repairs, still = counts
    return (name, known(of.nodes), of.watched, of.availability, failures, of.mttf, repairs, of.mttr, still)


def _numbers(of: Summed) -> tuple[int, int, int]:
    return of.failures, len(of.repairs), of.open


# -- day by day


def _by_day(kept: Kept, zone: tzinfo) -> Table:
    of_node = episodes_by_node(kept.episodes)
    watched = {node.name: kept.watched(node.name) for node in kept.nodes}
    rows = []
    for day in days(kept.window, zone):
        of_day = summed(node_time(name, spans, of_node.get(name, ()), day) for name, spans in watched.items())
        date = datetime.fromtimestamp(day.since, zone).strftime("%Y-%m-%d")
        row = _row(date, of_day)
        rows.append((date, row[2], row[3], row[4], row[6]))
    return Table("by_day", "by day", _DAY_COLUMNS, rows, "days of the zone of who asks", plotted="failures")


def days(window: Window, zone: tzinfo) -> Iterator[Window]:
    """The window cut at every midnight."""
    start = window.since
    while start < window.until:
        here = datetime.fromtimestamp(start, zone)
        midnight = (here + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        end = min(window.until, max(midnight.timestamp(), start + 1.0))
        yield Window(start, end)
        start = end
