"""`snapshot --prometheus`: the text exposition format 0.0.4, in base units, for a textfile collector or a scrape.

A missing value has no sample; `watchfloor_<scope>_missing` says why, except for what a device doesn't support. Texts
are labels of `_info` series; the ones that change with the work on a device stand apart in `_status_info`. Command
lines are never exposed.
Names follow prometheus.io/docs/practices/naming and pass `promtool check metrics`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from watchfloor import __version__
from watchfloor.frame import Frame, View
from watchfloor.metrics import CATALOGUE, THROTTLE_REASONS, Kind, Metric, Unit
from watchfloor.model import NODE_SCOPES, Missing, Scope, State
from watchfloor.report import SamplerStatus
from watchfloor.snapshot.selection import Selection, is_read

# the catalogue's short words, where a scrape should say the long one
_LONG = {
    "util": "utilization",
    "mem_util": "memory_utilization",
    "mem": "memory_used",
    "mem_used": "memory_used",
    "mem_total": "memory_size",
    "mem_reserved": "memory_reserved",
    "temp": "temperature",
    "temp_mem": "memory_temperature",
    "temp_margin": "temperature_margin",
    "clock_mem": "clock_memory",
    "clock_mem_max": "clock_memory_max",
    "pressure_mem": "pressure_memory",
    "swap_total": "swap_size",
    "fs_used": "filesystem_used",
    "ecc_corrected": "ecc_corrected_volatile",
    "ecc_uncorrected": "ecc_uncorrected_volatile",
    "ecc_corrected_total": "ecc_corrected_aggregate",
    "ecc_uncorrected_total": "ecc_uncorrected_aggregate",
    "state": "health",
}

# unit -> (suffix, factor to the base unit)
_BASE: dict[Unit, tuple[str, float]] = {
    Unit.PERCENT: ("_ratio", 0.01),
    Unit.CELSIUS: ("_celsius", 1.0),
    Unit.WATTS: ("_watts", 1.0),
    Unit.JOULES: ("_joules", 1.0),
    Unit.BYTES: ("_bytes", 1.0),
    Unit.BYTES_PER_SECOND: ("_bytes_per_second", 1.0),
    Unit.MEGAHERTZ: ("_hertz", 1e6),
    Unit.SECONDS: ("_seconds", 1.0),
    Unit.COUNT: ("", 1.0),
    Unit.NONE: ("", 1.0),
    Unit.PER_SECOND: ("_per_second", 1.0),
}

# labels that a scrape would overwrite with its own
_LABELS = {"job": "scheduler_job"}

_CHANGING = {"user", "job", "rank", "run", "phase", "problem"}
_NEVER = {"command"}
# texts of which "" says something: nobody, no job, no board above it, no part of a fabric. A label can't say that, so
# of these every reason is told, and where there is neither label nor reason the text is ""
OFTEN_EMPTY = frozenset({"user", "job", "rank", "run", "partition_of", "profile", "fabric", "accelerator"})
_IDENTITY = {"name"}

RECENT_SECONDS = 3600.0

Labels = str  # as they stand between the braces: written once a row, and used by each of its metrics
Sample = tuple[Labels, float]


def series_name(metric: Metric) -> str:
    """The series that shows this metric; "" for one that is never exposed."""
    stem = f"watchfloor_{metric.scope.value}"
    if metric.name in _NEVER:
        return ""
    if metric.kind is Kind.TEXT:
        return f"{stem}_status_info" if metric.name in _CHANGING else f"{stem}_info"
    words = _LONG.get(metric.name, metric.name).replace(".", "_")
    total = "_total" if metric.kind is Kind.COUNTER else ""
    return f"{stem}_{words}{_BASE[metric.unit][0]}{total}"


def label_name(name: str) -> str:
    """The label that shows a text metric."""
    return _LABELS.get(name, name)


def base_factor(metric: Metric) -> float:
    """What a value of the catalogue is multiplied with in its series."""
    return _BASE[metric.unit][1]


def exposition(selection: Selection) -> str:
    """The rows of the selection in every scope."""
    frame = selection.frame
    families = [
        _family("watchfloor_build_info", "gauge", "version of watchfloor", [(_written({"version": __version__}), 1.0)]),
        _family("watchfloor_node_up", "gauge", "1 where the node's values are current", _up(frame)),
        _family("watchfloor_sampler_up", "gauge", "1 where the sampler answers", _samplers_up(frame)),
        _family("watchfloor_sampler_state", "gauge", "1 for the state that the sampler is in", _sampler_states(frame)),
        _family("watchfloor_sampler_duration_seconds", "gauge", "time its last answer took", _sampler_costs(frame)),
        _family("watchfloor_sampler_answer_timestamp_seconds", "gauge", "when it answered last", _sampler_times(frame)),
        *(family for scope in NODE_SCOPES for family in _scope_families(selection, scope)),
        _family("watchfloor_recent_events", "gauge", "events of the last hour, with their repeats", _events(frame)),
        _family("watchfloor_finding", "gauge", "a finding of the checks that holds now", _findings(frame)),
    ]
    return "".join(families)


def _scope_families(selection: Selection, scope: Scope) -> Iterator[str]:
    view, rows = selection.frame.view(scope), selection.indices(scope)
    labels = _labels(selection.frame, scope, rows)
    texts = [metric for metric in CATALOGUE[scope].values() if metric.kind is Kind.TEXT]
    changing = [metric.name for metric in texts if metric.name in _CHANGING]
    for suffix, names in (("info", _steady(texts)), ("status_info", changing)):
        samples = ((text, 1.0) for text in _with_texts(view, rows, labels, names)) if names else ()
        yield _family(f"watchfloor_{scope.value}_{suffix}", "gauge", f"{scope.value}: {', '.join(names)}", samples)
    for metric in CATALOGUE[scope].values():
        if metric.kind is not Kind.TEXT:
            yield _metric_family(view, metric, rows, labels)
    missing = _missing(view, rows, labels)
    yield _family(f"watchfloor_{scope.value}_missing", "gauge", "1 for a metric without a value, and why", missing)


def _steady(texts: Iterable[Metric]) -> list[str]:
    apart = _CHANGING | _NEVER | _IDENTITY
    return [metric.name for metric in texts if metric.name not in apart]


def _labels(frame: Frame, scope: Scope, rows: list[int]) -> list[Labels]:
    """Who each row is."""
    view = frame.view(scope)
    named = [_written({"node": spec.name}) for spec in frame.specs]
    nodes = [named[node] for node in view.node[rows].tolist()]
    if scope is Scope.NODE:
        return nodes
    keys = [_written({"key": view.keys[row]}) for row in rows]
    names = _written_texts(view, rows, "name", "device")
    devices = [name or key.replace("key", "device", 1) for name, key in zip(names, keys, strict=True)]
    return list(map(",".join, zip(nodes, devices, keys, strict=True)))


def _with_texts(view: View, rows: list[int], labels: list[Labels], names: Iterable[str]) -> Iterator[Labels]:
    """The labels of each row, and those of its texts that are known."""
    columns = [_written_texts(view, rows, name, label_name(name)) for name in names]
    for parts in zip(labels, *columns, strict=True):
        yield ",".join(filter(None, parts))


def _written_texts(view: View, rows: list[int], name: str, label: str) -> list[Labels]:
    """One text of each row as a label, "" where it is not known: each different text is written once."""
    written: dict[float, Labels] = {}
    found = []
    for code in view.last(name)[rows].tolist():
        one = written.get(code)
        if one is None:
            text = view.texts[int(code)] if code >= 0 else ""
            one = written[code] = _written({label: text}) if text else ""
        found.append(one)
    return found


def _metric_family(view: View, metric: Metric, rows: list[int], labels: list[Labels]) -> str:
    numbers = (view.known(metric.name)[rows] * _BASE[metric.unit][1]).tolist()
    present = ((label, number) for label, number in zip(labels, numbers, strict=True) if number == number)
    if metric.kind is Kind.BITS:
        present = (sample for label, number in present for sample in _bits(label, int(number)))
    kind = "counter" if metric.kind is Kind.COUNTER else "gauge"
    text = f"{metric.help}: 0 ok, 1 unknown, 2 warning, 3 critical" if metric.kind is Kind.STATE else metric.help
    return _family(series_name(metric), kind, text, present)


def _bits(labels: Labels, mask: int) -> Iterator[Sample]:
    for bit, reason in THROTTLE_REASONS.items():
        yield _joined(labels, {"reason": reason}), float(bool(mask & bit))


def _missing(view: View, rows: list[int], labels: list[Labels]) -> Iterator[Sample]:
    names = [name for name in CATALOGUE[view.scope] if name not in _NEVER]
    codes = np.stack([view.reasons(name)[rows] for name in names], axis=1)
    unsaid = np.array([name not in OFTEN_EMPTY for name in names])
    told = np.argwhere((codes != Missing.NO) & ~((codes == Missing.UNSUPPORTED) & unsaid))
    for at, column in told.tolist():
        reason = Missing(int(codes[at, column])).label
        yield f'{labels[at]},metric="{names[column]}",reason="{reason}"', 1.0


def _up(frame: Frame) -> Iterator[Sample]:
    for node, spec in enumerate(frame.specs):
        yield _written({"node": spec.name}), float(is_read(frame, node))


def _samplers_up(frame: Frame) -> Iterator[Sample]:
    for spec, detail in zip(frame.specs, frame.detail, strict=True):
        for name, sampler in detail.samplers.items():
            if sampler.state != "absent":
                yield _written({"node": spec.name, "sampler": name}), float(sampler.state == "ok")


def _sampler_states(frame: Frame) -> Iterator[Sample]:
    for spec, detail in zip(frame.specs, frame.detail, strict=True):
        for name, sampler in detail.samplers.items():
            yield _written({"node": spec.name, "sampler": name, "state": sampler.state}), 1.0


def _sampler_costs(frame: Frame) -> Iterator[Sample]:
    return ((labels, sampler.cost) for labels, sampler in _answered(frame))


def _sampler_times(frame: Frame) -> Iterator[Sample]:
    """By the node's clock."""
    return ((labels, sampler.at) for labels, sampler in _answered(frame))


def _answered(frame: Frame) -> Iterator[tuple[Labels, SamplerStatus]]:
    for spec, detail in zip(frame.specs, frame.detail, strict=True):
        for name, sampler in detail.samplers.items():
            if sampler.at:
                yield _written({"node": spec.name, "sampler": name}), sampler


def _events(frame: Frame) -> Iterator[Sample]:
    found: Counter[tuple[int, str, str]] = Counter()
    for entry in frame.events.since(frame.at - RECENT_SECONDS):
        found[entry.node, entry.event.kind, entry.event.severity] += entry.count
    for (node, kind, severity), count in sorted(found.items()):
        yield _written({"node": frame.specs[node].name, "kind": kind, "severity": severity}), float(count)


def _findings(frame: Frame) -> Iterator[Sample]:
    for finding in frame.findings:
        subject = finding.subject
        labels = {"node": subject.node, "scope": subject.scope.value, "key": subject.key}
        yield _written({**labels, "code": finding.code, "state": State(finding.state).label}), 1.0


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    """One family with its samples; nothing where it has none."""
    lines = [f"{name}{{{labels}}} {_number(value)}\n" for labels, value in samples]
    if not lines:
        return ""
    return f"# HELP {name} {_escaped(text)}\n# TYPE {name} {kind}\n{''.join(lines)}"


def _written(labels: Mapping[str, str]) -> Labels:
    return ",".join(f'{name}="{_escaped(text, quote=True)}"' for name, text in labels.items())


def _joined(labels: Labels, more: Mapping[str, str]) -> Labels:
    return f"{labels},{_written(more)}" if more else labels


def _escaped(text: str, quote: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else f"{value:.12g}"
