"""What checks share: thresholds, and the making of findings from rows. No check of its own (its name begins with _)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import is_not
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watchfloor import config, pci
from watchfloor.columns import Floats
from watchfloor.distinct import among, distinct
from watchfloor.frame import Cell, Frame, RowSubjects, View
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Finding, Missing, Scope, State, Subject
from watchfloor.shippeddata import shipped
from watchfloor.snapshot.words import in_prose

Evidence = tuple[tuple[str, str], ...]
_Kept = tuple[tuple[Floats, ...], NDArray[np.intp]]

MOST_FINDINGS = 250  # of one code in one frame: beyond that, nobody reads them one by one

Rows = NDArray[np.intp]


@cache
def thresholds() -> Mapping[str, Mapping[str, config.Item]]:
    """Code -> its limits, from thresholds.toml. Raises ConfigError."""
    return {code: item.entries() for code, item in shipped(Path(__file__).with_name("thresholds.toml")).items()}


@cache
def limit(code: str, key: str, unit: Unit = Unit.NONE) -> float:
    """One limit, in `unit`; a plain number where the unit is NONE."""
    item = thresholds()[code][key]
    return item.number() if unit is Unit.NONE else item.quantity(unit)


def named(frame: Frame, scope: Scope, row: int) -> str:
    """A subject in a sentence: "gpu3 of dgx-07"."""
    view = frame.view(scope)
    node = frame.specs[int(view.node[row])].name
    return node if scope is Scope.NODE else f"{view.text(row, 'name') or view.keys[row]} of {node}"


def called(frame: Frame, subject: Subject) -> str:
    """The same of a subject; its own words where this frame doesn't have it."""
    row = frame.row(subject)
    return str(subject) if row is None else named(frame, subject.scope, row)


def report(
    frame: Frame,
    scope: Scope,
    rows: Rows,
    code: str,
    state: State,
    text: Callable[[int], str],
    metrics: tuple[str, ...] = (),
    facts: Callable[[int], Evidence] = lambda row: (),
) -> Iterator[Finding]:
    """A finding per row, with these metrics as evidence; beyond MOST_FINDINGS, one that tells how many more."""
    for row in rows[:MOST_FINDINGS].tolist():
        told = (*evidence(frame, scope, row, metrics), *facts(row))
        yield Finding(frame.subject(scope, row), code, state, text(row), told)
    if len(rows) > MOST_FINDINGS:
        more = len(rows) - MOST_FINDINGS
        others = RowSubjects(frame, scope, rows[MOST_FINDINGS:])
        text_of_all = f"{more:,} more {scope.value}s are as this one: {text(int(others.rows[0]))}"
        yield Finding(others[0], code, state, text_of_all, others=others[1:])


def evidence(frame: Frame, scope: Scope, row: int, metrics: tuple[str, ...]) -> Evidence:
    return tuple((name, _shown(name, scope, frame.view(scope).cell(row, name))) for name in metrics)


def _shown(name: str, scope: Scope, cell: Cell) -> str:
    """With its unit; in words, why there is no value."""
    if cell.missing is not Missing.NO:
        return cell.missing.label
    return in_prose(CATALOGUE[scope][name], cell.value) if cell.value is not None else ""


def current(view: View, name: str, suspect: NDArray[np.bool_]) -> Rows:
    """The suspect rows whose value of this metric is current.

    Suspicion is cast on last known values, because in a healthy fleet hardly any row is suspect, and to look at the
    reasons of every row costs as much again as looking at its values.
    """
    rows = np.flatnonzero(suspect)
    return rows[view.reasons(name)[rows] == Missing.NO] if rows.size else rows


_kept: dict[tuple[Scope, str], _Kept] = {}


def suspects(view: View, code: str, names: Sequence[str], test: Callable[..., NDArray[np.bool_]]) -> Rows:
    """The rows of which `test` is true, given the last known values of these metrics, where the first one is current.

    Asked anew only where one of the columns has changed: as long as nothing was told of it, a column is the same object
    from one frame to the next, and there may be a million links. `code` is a name for the question. Not for derived
    metrics.
    """
    columns = tuple(view.told(name).last for name in names)
    before = _kept.get((view.scope, code))
    if before is None or len(before[0]) != len(columns) or any(map(is_not, before[0], columns)):
        with np.errstate(invalid="ignore"):
            before = columns, np.flatnonzero(test(*columns))
        _kept[view.scope, code] = before
    rows = before[1]
    return rows[view.reasons(names[0])[rows] == Missing.NO] if rows.size else rows


def models(frame: Frame) -> Mapping[str, int]:
    """The models of accelerators that are here, and the code of each one's name."""
    column = frame.accelerators.told("model").last
    if not _models or _models[0][0] is not column:
        codes: list[int] = distinct(column[column > 0]).astype(np.intp).tolist()
        named_so: Mapping[str, int] = {frame.accelerators.texts[code]: code for code in codes}
        _models[:] = [(column, named_so)]
    return _models[0][1]


_models: list[tuple[Floats, Mapping[str, int]]] = []


def text_is(view: View, name: str, rows: Rows, fits: Callable[[str], bool]) -> NDArray[np.bool_]:
    """Of which of these rows the last known text fits."""
    codes = view.last(name)[rows]
    present = distinct(codes[~np.isnan(codes)])
    return among(codes, [code for code in present if fits(view.texts[int(code)])])


def subject_of(frame: Frame, node: int, device: str) -> Subject:
    """Whom an event is about: the accelerator of this key, the link of this key or name, else the node."""
    name = frame.specs[node].name
    if device and frame.accelerators.roster.row(node, device) is not None:
        return Subject(Scope.ACCELERATOR, name, device)
    rows = frame.rows_of(Scope.LINK, node).tolist() if device else ()
    found = [row for row in rows if device in (frame.links.keys[row], frame.links.text(row, "name"))]
    return frame.subject(Scope.LINK, found[0]) if found else Subject(Scope.NODE, name)


def may_be_of_board(frame: Frame, node: int, device: str) -> bool:
    """Whether an event of this address may yet turn out to be a board's: they are still telling where they are.

    Until then it is nobody's, not the node's: else it would be found twice.
    """
    if not frame.live[node] or pci.slot(device) is None:
        return False
    if frame.nodes.reasons("accelerators")[node] == Missing.NOT_YET:
        return True
    rows = frame.rows_of(Scope.ACCELERATOR, node)
    return bool((frame.accelerators.reasons("bus_id")[rows] == Missing.NOT_YET).any())


def shown_time(at: float) -> str:
    """Console time for evidence: in UTC, as all logs of a fleet can be compared in."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
