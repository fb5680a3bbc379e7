"""The series of `watchfloor export`, read back: what watchfloor.snapshot.exposition wrote, in the catalogue's units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial

from msgspec.structs import replace

from collectors.sources._server import Series
from collectors.sources._told import NodeTold, Told
from watchfloor.derived import CONSOLE_OWNED, DERIVED
from watchfloor.metrics import CATALOGUE, THROTTLE_REASONS, Kind
from watchfloor.model import MISSING_LABELS, Missing, Scope
from watchfloor.report import SamplerStatus
from watchfloor.snapshot.exposition import OFTEN_EMPTY, base_factor, label_name, series_name

NODE_LABEL = "node"
ANCHOR = "watchfloor_node_up"  # of every node, whatever it is made of

_REASONS = {label: reason for reason, label in MISSING_LABELS.items() if label}
_BITS = {reason: bit for bit, reason in THROTTLE_REASONS.items()}

Read = Callable[[NodeTold, Mapping[str, str], float], None]


@cache
def readers() -> Mapping[str, Read]:
    """Name of a series -> what reads it."""
    found: dict[str, Read] = {
        ANCHOR: _up,
        "watchfloor_sampler_state": _sampler_state,
        "watchfloor_sampler_duration_seconds": partial(_sampler_number, "cost"),
        "watchfloor_sampler_answer_timestamp_seconds": partial(_sampler_number, "at"),
    }
    for scope, table in CATALOGUE.items():
        texts: dict[str, list[str]] = {}
        for name, metric in table.items():
            if metric.kind is Kind.TEXT and _is_told(scope, name):
                texts.setdefault(series_name(metric), []).append(name)
        found[f"watchfloor_{scope.value}_missing"] = partial(_missing, scope)
        for name, metric in table.items():
            series = series_name(metric)
            if metric.kind is Kind.TEXT and series:
                found[series] = partial(_info, scope, texts.get(series, []))
            elif metric.kind is Kind.BITS:
                found[series] = partial(_bits, scope, name)
            elif metric.kind is not Kind.TEXT and _is_told(scope, name):
                found[series] = partial(_number, scope, name, base_factor(metric))
    return found


def take(told: Told, name: str, series: Iterable[Series], label: str) -> None:
    """Add the series of one name; `label` names the node."""
    read = readers()[name]
    for one in series:
        node = node_of(one.metric, label)
        if node:
            read(told.setdefault(node, NodeTold()), one.metric, float(one.value[1]))


def node_of(labels: Mapping[str, str], label: str) -> str:
    return _label(labels, label or NODE_LABEL)


def _is_told(scope: Scope, name: str) -> bool:
    """Not what each console knows or reckons for itself."""
    return name not in CONSOLE_OWNED[scope] and name not in DERIVED[scope]


def _label(labels: Mapping[str, str], name: str) -> str:
    """As exported: where a target has a label of that name, the server has set ours aside."""
    return labels.get(f"exported_{name}") or labels.get(name, "")


def _key(scope: Scope, labels: Mapping[str, str]) -> str:
    return "" if scope is Scope.NODE else _label(labels, "key")


def _number(scope: Scope, name: str, factor: float, node: NodeTold, labels: Mapping[str, str], value: float) -> None:
    key = _key(scope, labels)
    node.put(scope, key, name, value / factor)
    if scope is not Scope.NODE:
        node.put_text(scope, key, "name", _label(labels, "device"))


def _bits(scope: Scope, name: str, node: NodeTold, labels: Mapping[str, str], value: float) -> None:
    row = node.row(scope, _key(scope, labels))
    known = row.get(name, 0.0)
    bit = _BITS.get(_label(labels, "reason"), 0) if value else 0
    row[name] = float(int(known) | bit) if isinstance(known, float) else float(bit)


def _info(scope: Scope, texts: list[str], node: NodeTold, labels: Mapping[str, str], value: float) -> None:
    key = _key(scope, labels)
    for name in texts:
        text = _label(labels, label_name(name))
        if text or name in OFTEN_EMPTY:
            node.put_text(scope, key, name, text)
    if scope is Scope.NODE:
        node.why = " ".join(word for word in (_label(labels, "phase"), _label(labels, "problem")) if word) or node.why
    else:
        node.put_text(scope, key, "name", _label(labels, "device"))


def _missing(scope: Scope, node: NodeTold, labels: Mapping[str, str], value: float) -> None:
    name, reason = _label(labels, "metric"), _REASONS.get(_label(labels, "reason"))
    if reason is not None and name in CATALOGUE[scope] and _is_told(scope, name):
        node.put_missing(scope, _key(scope, labels), name, Missing(reason))


def _up(node: NodeTold, labels: Mapping[str, str], value: float) -> None:
    node.up = value == 1


def _sampler_state(node: NodeTold, labels: Mapping[str, str], value: float) -> None:
    state = _label(labels, "state")
    text = "" if state in ("ok", "absent") else "it does not answer the exporter: the exporter's console says more"
    node.samplers[_label(labels, "sampler")] = replace(_status(node, labels), state=state, text=text)


def _sampler_number(field: str, node: NodeTold, labels: Mapping[str, str], value: float) -> None:
    node.samplers[_label(labels, "sampler")] = replace(_status(node, labels), **{field: value})


def _status(node: NodeTold, labels: Mapping[str, str]) -> SamplerStatus:
    """What is known already; its state, "" until it is told."""
    return node.samplers.get(_label(labels, "sampler"), SamplerStatus(""))
