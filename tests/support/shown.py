"""What a sampler or a capture tells, as text for golden files: one line a cell, the reason where there is no value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collectors.probe.cells import Missing, joined
from watchfloor.model import Missing as Reason


def shown(cells: Mapping[str, Mapping[str, Any]]) -> str:
    """`cells` as in collectors.probe.cells.Reading: a block a subject, in the order in which they are told."""
    blocks = [
        "\n".join([f"{scope} {key}".rstrip(), *(f"  {name:<22} {_value(row[name])}" for name in sorted(row))])
        for scope, rows in cells.items()
        for key, row in ((key, joined(row)) for key, row in rows.items())
    ]
    return "\n\n".join(blocks) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Missing):
        reason = Reason(value.code).label
        return f"({reason}: {value.note})" if value.note else f"({reason})"
    return repr(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
