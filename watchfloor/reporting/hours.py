"""Accelerator hours: what jobs had, what they lost to faults and to acts, what was down, what acts saved. Pure.

docs/report.md has the formulas. An attempt whose accelerators nobody told of is in no sum, and is counted as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import mean

from watchfloor.model import Scope
from watchfloor.records.ledgerwords import JobImpact
from watchfloor.reporting.downtime import NodeTime
from watchfloor.reporting.figures import Cell, Figure, Named, Section, Table, Unit, columns, counted, known, missing
from watchfloor.reporting.kept import Attempt, Episode, Kept
from watchfloor.reporting.spans import Spans, common, total, united, without
from watchfloor.runs import RunRecord

HOUR = 3600.0
NEAR_SECONDS = 900.0  # an attempt that ends so near to an act that hit its job ended by that
ALIKE = 3  # so many faults of a code that nobody acted upon, and there is something to compare with
_NODE_FAILED = "node failed"
_FAILED = frozenset({"failed", _NODE_FAILED, "out of memory", "timed out", "unknown"})
_ACCOUNTS = columns("account ACCOUNT, attempts ATTEMPTS, delivered HOURS, lost LOST, cost COST")
_LOSSES = columns("job JOB, user USER, ended ENDED, lost LOST, cause CAUSE")
_MOST_LOSSES = 20
HOURS = Unit.ACCELERATOR_HOURS


def section(kept: Kept, times: Sequence[NodeTime]) -> Section:
    figures = [*_of_jobs(kept), *_of_acts(kept), _down(kept, times), _saved(kept)]
    tables = () if kept.lack("lineage") else (_losses(kept), _by_account(kept))
    return Section("hours", "Accelerator hours", figures, tables, tuple(_remarks(kept)))


# -- attempts


def delivered(one: Attempt, kept: Kept) -> float | None:
    """Accelerator hours within the window; None: nobody told of its accelerators."""
    if one.accelerators is None:
        return None
    return one.accelerators * total(common(((one.start, max(one.start, one.last)),), kept.window.span)) / HOUR


def lost(one: Attempt) -> float | None:
    """Accelerator hours since its last checkpoint, else since its start, whenever that was."""
    if one.accelerators is None:
        return None
    return one.accelerators * max(0.0, one.last - max(one.start, one.saved or one.start)) / HOUR


def hit_by_faults(kept: Kept) -> list[Attempt]:
    """Those that ended in the window with their node, or with something critical on what they held."""
    hit = _hit_by_acts(kept)
    return [one for one in _failed(kept) if (one.ended_as == _NODE_FAILED or one.cause) and not _is_of_act(one, hit)]


def _failed(kept: Kept) -> Iterator[Attempt]:
    return (one for one in kept.attempts if one.ended_as in _FAILED and kept.window.has(one.last))


def _hit_by_acts(kept: Kept) -> list[tuple[str, float]]:
    return [(body.job, entry.seconds) for entry, body in kept.told(JobImpact)]


def _is_of_act(one: Attempt, hit: Sequence[tuple[str, float]]) -> bool:
    return any(job == one.job and abs(at - one.last) <= NEAR_SECONDS for job, at in hit)


def _of_jobs(kept: Kept) -> Iterator[Named]:
    names = ("delivered", "held by jobs"), ("lost_to_faults", "lost to faults"), ("lost_otherwise", "in other failures")
    if lack := kept.lack("lineage"):
        yield from (Named(key, title, missing(lack, HOURS)) for key, title in names)
        return
    hit, by_acts = hit_by_faults(kept), _hit_by_acts(kept)
    others = [one for one in _failed(kept) if one not in hit and not _is_of_act(one, by_acts)]
    parts = ([delivered(one, kept) for one in kept.attempts], [*map(lost, hit)], [*map(lost, others)])
    for (key, title), hours in zip(names, parts, strict=True):
        yield Named(key, title, _sum(hours), _basis(hours, "attempt", "accelerators"))


def _sum(hours: Sequence[float | None]) -> Figure:
    told = [one for one in hours if one is not None]
    if hours and not told:
        return missing("nobody told how many accelerators", HOURS)
    return known(sum(told), HOURS)


def _basis(hours: Sequence[float | None], word: str, lacking: str) -> str:
    unknown = sum(one is None for one in hours)
    basis = counted(len(hours) - unknown, word)
    return basis + (f"; {unknown} more of unknown {lacking}" if unknown else "")


def _losses(kept: Kept) -> Table:
    worst = sorted(hit_by_faults(kept), key=lambda one: -(lost(one) or 0.0))
    rows = [
        (one.name, one.user, known(one.last, Unit.TIME), _hours(lost(one)), one.cause or one.ended_as) for one in worst
    ]
    basis = f"attempts that ended with a fault of what they held; the {_MOST_LOSSES} that lost most"
    return Table("losses", "lost to faults", _LOSSES, rows[:_MOST_LOSSES], basis)


def _hours(hours: float | None) -> Figure:
    return missing("nobody told how many accelerators", HOURS) if hours is None else known(hours, HOURS)


# -- acts


def _of_acts(kept: Kept) -> Iterator[Named]:
    if lack := kept.lack("ledger"):
        yield Named("lost_to_acts", "lost to acts", missing(lack, HOURS))
        return
    hours = [body.gpu_hours_lost for _, body in kept.told(JobImpact)]
    figure = known(sum(one for one in hours if one is not None), HOURS)
    if hours and all(one is None for one in hours):
        figure = missing("the ledger doesn't know how much the jobs lost", HOURS)
    yield Named("lost_to_acts", "lost to acts", figure, _basis(hours, "job", "loss") + ", as the ledger tells")


# -- what was down


def _down(kept: Kept, times: Sequence[NodeTime]) -> Named:
    title = "of accelerators that were down"
    if lack := kept.lack("lineage"):
        return Named("down", title, missing(lack, HOURS))
    sizes = {node.name: node.accelerators for node in kept.nodes}
    of_node: dict[str, list[Episode]] = {}
    for one in kept.episodes:
        if one.critical:
            of_node.setdefault(one.node, []).append(one)
    found = [_down_on(of_node.get(one.name, ()), one.observed, sizes[one.name], kept) for one in times]
    if not any(one.observed for one in times):
        return Named("down", title, missing("nobody watched", HOURS))
    unknown = sum(one is None for one in found)
    basis = "critical findings on accelerators, or on their node, while it was watched"
    basis += f"; of {counted(unknown, 'node')} that were down nobody knows how many it has" if unknown else ""
    return Named("down", title, known(sum(one or 0.0 for one in found) / HOUR, HOURS), basis)


def _down_on(episodes: Iterable[Episode], observed: Spans, size: int | None, kept: Kept) -> float | None:
    """Accelerator seconds. A fault of the node takes all of them, one of a link none."""
    whole, parts = [], {}
    for one in episodes:
        span = (one.start, one.until(kept.window.until))
        if one.scope == Scope.NODE:
            whole.append(span)
        elif one.scope == Scope.ACCELERATOR:
            parts.setdefault(one.part, []).append(span)
    of_node = common(united(whole), observed)
    single = sum(total(without(common(united(spans), observed), of_node)) for spans in parts.values())
    if of_node and size is None:
        return None
    return single + total(of_node) * (size or 0)


# -- what acts saved


def _saved(kept: Kept) -> Named:
    """Faults that ended with an act, beside those of the same code that ended without: an estimate, and no proof."""
    title = "saved by acts (estimate)"
    if lack := kept.lack("lineage", "ledger"):
        return Named("saved", title, missing(lack, HOURS))
    sizes = {node.name: node.accelerators for node in kept.nodes}
    with_act, without_act = _parted(kept)
    if not any(with_act.values()):
        return Named("saved", title, missing("no fault ended with an act that succeeded", HOURS))
    compared = {code: those for code, those in with_act.items() if len(without_act.get(code, ())) >= ALIKE}
    hours, count = 0.0, 0
    for code, those in compared.items():
        usual = mean(_length(one) for one in without_act[code])
        for one in those:
            size = 1 if one.scope == Scope.ACCELERATOR else sizes.get(one.node)
            if size is not None:
                hours, count = hours + size * (usual - _length(one)) / HOUR, count + 1
    if not count:
        why = f"no code of theirs came {ALIKE} times without an act, to compare with"
        return Named("saved", title, missing(why, HOURS))
    every = sum(map(len, with_act.values()))
    basis = f"{count} of {every} faults that ended with an act, beside the mean of those of their code without one"
    return Named("saved", title, known(hours, HOURS), basis)


def _parted(kept: Kept) -> tuple[dict[str, list[Episode]], dict[str, list[Episode]]]:
    """By code: critical episodes that ended in the window, with an act on their node meanwhile that succeeded, or
    with none at all."""
    acts: dict[str, list[RunRecord]] = {}
    for record in kept.runs.values():
        for node in {step.target.node for step in record.plan.steps} if record.plan and record.begun else ():
            acts.setdefault(node, []).append(record)
    with_act: dict[str, list[Episode]] = {}
    without_act: dict[str, list[Episode]] = {}
    for one in kept.episodes:
        if not one.critical or one.end is None or not kept.window.has(one.end):
            continue
        meanwhile = [record for record in acts.get(one.node, ()) if one.start <= record.begun <= one.end]
        if any(record.outcome == "succeeded" for record in meanwhile):
            with_act.setdefault(one.code, []).append(one)
        elif not meanwhile:
            without_act.setdefault(one.code, []).append(one)
    return with_act, without_act


def _length(one: Episode) -> float:
    return (one.end or one.start) - one.start


# -- by account


def _by_account(kept: Kept) -> Table:
    of: dict[str, list[Attempt]] = {}
    for one in kept.attempts:
        of.setdefault(one.account or one.user, []).append(one)
    hit = frozenset(hit_by_faults(kept))
    rows = [_account(name, those, hit, kept) for name, those in of.items()]
    rows.sort(key=lambda row: -(row[2].value or 0.0) if isinstance(row[2], Figure) else 0.0)
    basis = (
        "accounts as the scheduler tells, users where it tells none; cost is hours times the price of the fleet file"
    )
    return Table("by_account", "by account", _ACCOUNTS, rows, basis)


def _account(name: str, those: Sequence[Attempt], hit: frozenset[Attempt], kept: Kept) -> Sequence[Cell]:
    hours = _sum([delivered(one, kept) for one in those])
    gone = _sum([lost(one) for one in those if one in hit])
    return (name or "(nobody)", known(len(those)), hours, gone, cost(those, kept))


def cost(those: Sequence[Attempt], kept: Kept) -> Figure:
    """Accelerator hours times their price; missing where any of these has no price."""
    spent = 0.0
    for one in those:
        hours, price = delivered(one, kept), kept.prices.hour(one.nodes)
        if hours is None:
            continue
        if price is None:
            return missing("no price of an accelerator hour is known: prices in the fleet file", Unit.MONEY)
        spent += hours * price
    return known(spent, Unit.MONEY)


def _remarks(kept: Kept) -> Iterator[str]:
    if not kept.lack("lineage"):
        yield "jobs' hours are the schedulers' word, also while nobody watched; a loss counts when its attempt ends"
