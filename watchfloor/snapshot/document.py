"""The document of `snapshot --json`: stable, described by schemas/snapshot.schema.json, never NaN, units as catalogued.

A metric is either in `values` or in `missing` with its reason; the last value of a missing one stands there as `last`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from watchfloor import __version__
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Kind, Metric
from watchfloor.model import NODE_SCOPES, Missing, Scope, State
from watchfloor.partitions import is_partition
from watchfloor.report import SamplerStatus
from watchfloor.snapshot.findings import head
from watchfloor.snapshot.selection import Selection, is_read, why_not_read

FORMAT = "watchfloor.snapshot/1"

Json = dict[str, object]
Value = float | int | bool | str

_INNER = {"accelerators": Scope.ACCELERATOR, "links": Scope.LINK, "services": Scope.SERVICE}
_LARGEST_EXACT = 2.0**53


def document(selection: Selection) -> Json:
    """The whole selection as JSON-ready data. Nodes that could not be read are always in it."""
    frame, query = selection.frame, selection.query
    return {
        "format": FORMAT,
        "watchfloor": __version__,
        "at": frame.at,
        "time": datetime.fromtimestamp(frame.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "query": {"text": query.text, "scope": query.scope.value} if query else None,
        "summary": _summary(selection),
        "units": {scope.value: _units(scope) for scope in NODE_SCOPES},
        "nodes": _nodes(selection),
        "findings": [{**head(finding), "evidence": dict(finding.evidence)} for finding in frame.findings],
    }


def _summary(selection: Selection) -> Json:
    frame = selection.frame
    read = sum(is_read(frame, node) for node in range(len(frame.specs)))
    inner = {
        name: {"total": frame.view(scope).count, "shown": int(selection.rows[scope].sum())}
        for name, scope in _INNER.items()
    }
    parts, shown = is_partition(frame.accelerators), selection.rows[Scope.ACCELERATOR]
    inner["accelerators"] = {"total": int((~parts).sum()), "shown": int((shown & ~parts).sum())}
    states = [finding.state for finding in frame.findings]
    return {
        "nodes": {"total": len(frame.specs), "read": read, "failed": len(frame.specs) - read},
        **inner,
        "partitions": {"total": int(parts.sum()), "shown": int((shown & parts).sum())},
        "findings": {state.label: states.count(state) for state in (State.CRITICAL, State.WARNING, State.UNKNOWN)},
    }


def _units(scope: Scope) -> dict[str, str]:
    return {name: metric.unit.value for name, metric in CATALOGUE[scope].items() if metric.unit.value}


def _nodes(selection: Selection) -> list[Json]:
    frame = selection.frame
    rows = {name: _rows_by_node(selection, scope) for name, scope in _INNER.items()}
    shown = selection.rows[Scope.NODE]
    return [
        {
            **_node(frame, node),
            **{name: _subjects(frame, scope, rows[name].get(node, [])) for name, scope in _INNER.items()},
        }
        for node in range(len(frame.specs))
        if shown[node] or not is_read(frame, node)
    ]


def _rows_by_node(selection: Selection, scope: Scope) -> Mapping[int, list[int]]:
    node, found = selection.frame.view(scope).node, {}
    for row in selection.indices(scope):
        found.setdefault(int(node[row]), []).append(row)
    return found


def _node(frame: Frame, node: int) -> Json:
    spec = frame.specs[node]
    return {
        "name": spec.name,
        "host": spec.host,
        "site": spec.site,
        "rack": spec.rack,
        "group": spec.group,
        "labels": dict(spec.labels),
        "status": _status(frame, node),
        "age_seconds": _seconds(frame, node, "age"),
        "skew_seconds": _seconds(frame, node, "skew"),
        "samplers": {name: _sampler(sampler) for name, sampler in frame.detail[node].samplers.items()},
        **_cells(frame, Scope.NODE, node),
    }


def _seconds(frame: Frame, node: int, name: str) -> float | None:
    value = frame.nodes.cell(node, name).value
    return round(value, 6) if isinstance(value, float) else None


def _status(frame: Frame, node: int) -> Json:
    status = frame.statuses[node]
    return {
        "phase": status.phase.value,
        "problem": status.problem.value,
        "text": status.text if is_read(frame, node) else why_not_read(status),
        "advice": status.advice,
        "since": status.since or None,
        "retry_at": status.retry_at or None,
        "attempts": status.attempts,
        "via": status.via,
    }


def _sampler(sampler: SamplerStatus) -> Json:
    return {
        "state": sampler.state,
        "text": sampler.text,
        "at": sampler.at or None,
        "cost_seconds": sampler.cost,
        "cpu_seconds": sampler.cpu,
        "period_seconds": sampler.period,
    }


def _subjects(frame: Frame, scope: Scope, rows: list[int]) -> list[Json]:
    keys = frame.view(scope).keys
    return [{"key": keys[row], **_cells(frame, scope, row)} for row in rows]


def _cells(frame: Frame, scope: Scope, row: int) -> Json:
    """State, values and missing values of one row."""
    view = frame.view(scope)
    words = partial(frame.detail[int(view.node[row])].note, subject=view.keys[row])
    values: dict[str, Value] = {}
    missing: dict[str, Json] = {}
    for metric in CATALOGUE[scope].values():
        cell = view.cell(row, metric.name)
        known = None if cell.value is None else _value(metric, cell.value)
        if cell.missing is Missing.NO and known is not None:
            values[metric.name] = known
        else:
            missing[metric.name] = _missing(metric, cell.missing, known, words)
    state = State(int(view.states[row])).label
    return {"state": state, "values": values, "missing": missing}


def _value(metric: Metric, number: float | str) -> Value:
    if isinstance(number, str):
        return number
    match metric.kind:
        case Kind.FLAG:
            return bool(number)
        case Kind.STATE:
            return State(int(number)).label
    exact = float(number).is_integer() and abs(number) < _LARGEST_EXACT
    return int(number) if exact else _rounded(number)


def _rounded(number: float) -> float:
    """Twelve figures: more than any sensor has, without the tail that binary fractions grow."""
    return float(f"{number:.12g}")


def _missing(metric: Metric, reason: Missing, last: Value | None, words: Callable[[str, Missing], str]) -> Json:
    note = words(f"{metric.scope.value}.{metric.name}", reason)
    found: Json = {"reason": reason.label}
    if note:
        found["note"] = note
    if last is not None and last == last:
        found["last"] = last
    return found
