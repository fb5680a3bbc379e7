"""The metric catalogue as text: for `watchfloor metrics`, and for docs/metrics.md."""

from __future__ import annotations

from watchfloor.metrics import CATALOGUE, Metric
from watchfloor.model import Scope
from watchfloor.snapshot.exposition import series_name
from watchfloor.vendors import sources


def as_records() -> list[dict[str, object]]:
    """One record a metric, in catalogue order."""
    return [_record(metric) for table in CATALOGUE.values() for metric in table.values()]


def _record(metric: Metric) -> dict[str, object]:
    return {
        "scope": metric.scope.value,
        "name": metric.name,
        "unit": metric.unit.value,
        "kind": metric.kind.value,
        "good": metric.good.value,
        "help": metric.help,
        "sources": sources(metric),
        "prometheus": series_name(metric),
        "trend": metric.trend,
    }


def as_text() -> str:
    """Aligned, a block a scope."""
    blocks = []
    for scope, table in CATALOGUE.items():
        widest = max(len(name) for name in table)
        lines = [f"  {name:<{widest}}  {m.unit.value:<5}  {m.kind.value:<7}  {m.help}" for name, m in table.items()]
        blocks.append("\n".join([scope.value, *lines]))
    return "\n\n".join(blocks)


def as_markdown() -> str:
    """docs/metrics.md, whole."""
    parts = [_HEAD]
    for scope in Scope:
        rows = [_row(metric) for metric in CATALOGUE[scope].values()]
        parts.append("\n".join([f"\n## {scope.value.capitalize()}\n", *_COLUMNS, *rows]))
    return "\n".join(parts) + "\n"


_HEAD = """# Metrics

Written from `watchfloor/metrics.py` and `watchfloor/vendors` by `make golden`; not to be edited by hand. A name
is what queries, `--columns`, `--json` and the wire say. The last column is the name in
`snapshot --prometheus`, in base units.
Metrics from `console` are the console's own; every other one is a value or a reason why it is missing."""

_COLUMNS = ["| name | unit | kind | better | what it is | source | Prometheus |", "|---|---|---|---|---|---|---|"]


def _row(metric: Metric) -> str:
    told = "; ".join(f"{vendor}: `{where}`" for vendor, where in sources(metric).items())
    cells = [f"`{metric.name}`", metric.unit.value, metric.kind.value, metric.good.value, metric.help, told]
    return "| " + " | ".join([*cells, f"`{series_name(metric)}`"]) + " |"
