"""Energy and cost: what boards drew while they were recorded, and what the hours of jobs cost. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from watchfloor.reporting.figures import Cell, Figure, Named, Section, Table, Unit, columns, known, missing, ratio
from watchfloor.reporting.hours import cost
from watchfloor.reporting.kept import PLACES, Energy, Kept, Node

JOULES_PER_KWH = 3.6e6
_PLACES = columns("place PLACE, energy ENERGY, mean EACH, known KNOWN, cost COST")
_NO_PRICE = "no price of a kWh was given: --kwh-price"


def section(kept: Kept) -> Section:
    whole = summed(kept.energy.values())
    lack = kept.lack("recordings") or ("" if _known(whole) else "no recording tells of the draw of any accelerator")
    figures = (
        Named("energy", "drawn by accelerators", _kwh(whole, lack), "" if lack else _basis(whole)),
        Named("energy_cost", "cost of that", _money(whole, kept, lack), "kWh times --kwh-price"),
        Named("hours_cost", "cost of the hours held by jobs", _hours_cost(kept), "hours times the fleet file's prices"),
    )
    tables = () if lack else tuple(table for table in _tables(kept) if table.rows)
    return Section("energy", "Energy and cost", figures, tables, () if lack else tuple(_remarks(whole)))


def summed(several: Iterable[Energy]) -> Energy:
    every = list(several)
    return Energy(
        sum(one.joules for one in every),
        sum(one.counted_seconds for one in every),
        sum(one.sampled_seconds for one in every),
        sum(one.unknown_seconds for one in every),
    )


def _known(of: Energy) -> float:
    """Accelerator seconds."""
    return of.counted_seconds + of.sampled_seconds


def _kwh(of: Energy, lack: str) -> Figure:
    return missing(lack, Unit.KWH) if lack else known(of.joules / JOULES_PER_KWH, Unit.KWH)


def _money(of: Energy, kept: Kept, lack: str) -> Figure:
    if lack or kept.prices.kwh is None:
        return missing(lack or _NO_PRICE, Unit.MONEY)
    return known(of.joules / JOULES_PER_KWH * kept.prices.kwh, Unit.MONEY)


def _hours_cost(kept: Kept) -> Figure:
    if lack := kept.lack("lineage"):
        return missing(lack, Unit.MONEY)
    return cost(kept.attempts, kept)


def _basis(of: Energy) -> str:
    counted = 100 * of.counted_seconds / _known(of)
    return f"{_known(of) / 3600:,.1f} accelerator hours that were recorded; {counted:.0f} % by the boards' own counters"


def _remarks(of: Energy) -> Iterator[str]:
    yield "energy is of recorded time alone: what wasn't recorded is not made up, hosts and cooling are not in it"
    if of.sampled_seconds:
        yield "boards without a counter: power read once an hour or more often, taken for all of it"
    if of.unknown_seconds:
        yield f"{of.unknown_seconds / 3600:,.1f} recorded accelerator hours tell neither energy nor power"


# -- by place


def _tables(kept: Kept) -> Iterator[Table]:
    for title, place in PLACES.items():
        yield _by(kept, title, place)


def _by(kept: Kept, title: str, place: Callable[[Node], str]) -> Table:
    of_place: dict[str, list[Energy]] = {}
    for node in kept.nodes:
        if place(node) and node.name in kept.energy:
            of_place.setdefault(place(node), []).append(kept.energy[node.name])
    rows = [_row(name, summed(those), kept) for name, those in sorted(of_place.items())]
    return Table(f"by_{title}", f"by {title}", _PLACES, rows, "as the whole", plotted="energy")


def _row(name: str, of: Energy, kept: Kept) -> Sequence[Cell]:
    seconds, silent = _known(of), "its accelerators tell neither energy nor power"
    lack = "" if seconds else silent
    mean = ratio(of.joules, seconds, Unit.WATTS, silent)
    share = ratio(seconds, seconds + of.unknown_seconds, Unit.SHARE, silent)
    return (name, _kwh(of, lack), mean, share, _money(of, kept, lack))
