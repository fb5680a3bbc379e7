"""A saved output that was read, as a record for JSON and as text for people. Pure."""

from __future__ import annotations

from watchfloor.metrics import CATALOGUE
from watchfloor.model import MISSING_LABELS, NODE_SCOPES, Missing, Scope
from watchfloor.ports import Reading
from watchfloor.snapshot.words import of_value

Json = dict[str, object]


def as_record(reading: Reading) -> Json:
    """`values` in the catalogue's units; `missing` has the reason of each metric that has none."""
    if reading.refusal:
        return {"file": reading.file, "refused": reading.refusal}
    return {
        "file": reading.file,
        "tool": reading.tool,
        "subjects": [_subject(scope, key, row) for scope, rows in reading.cells.items() for key, row in rows.items()],
        "events": [
            {name: getattr(event, name) for name in event.__struct_fields__ if name != "id"} for event in reading.events
        ],
        "stack": [{name: getattr(row, name) for name in row.__struct_fields__} for row in reading.stack],
        "notes": list(reading.notes),
    }


def _subject(scope: Scope, key: str, row: dict[str, float | str | Missing]) -> Json:
    return {
        "scope": scope.value,
        "key": key,
        "values": {name: value for name, value in row.items() if not isinstance(value, Missing)},
        "missing": {name: value.label for name, value in row.items() if isinstance(value, Missing)},
    }


def summary_line(reading: Reading) -> str:
    """`gpus.xml: nvidia-smi -q -x 570.124.06: 8 accelerators, 144 links`, or why the file can't be read."""
    if reading.refusal:
        return f"{reading.file}: refused: {reading.refusal}"
    counts = [(len(reading.cells.get(scope, {})), scope.value) for scope in NODE_SCOPES]
    counts += [(len(reading.events), "event"), (len(reading.stack), "version")]
    told = ", ".join(f"{count} {word}{'s' if count != 1 else ''}" for count, word in counts if count)
    return f"{reading.file}: {reading.tool}: {told}"


def as_text(reading: Reading) -> str:
    """Every subject with its metrics, then events, versions and notes."""
    lines: list[str] = []
    for scope, rows in reading.cells.items():
        for key, row in rows.items():
            lines += [f"  {scope.value} {key}".rstrip(), *(_line(scope, name, value) for name, value in row.items())]
    for event in reading.events:
        code = f" {event.code}" if event.code >= 0 else ""
        lines.append(f"  event {event.kind}{code} {event.device}: {event.text}")
    lines += [f"  {row.layer} {row.name} {row.version}" for row in reading.stack]
    lines += [f"  note: {note}" for note in reading.notes]
    return "\n".join(lines)


def _line(scope: Scope, name: str, value: float | str | Missing) -> str:
    metric = CATALOGUE[scope][name]
    shown = f"({MISSING_LABELS[value]})" if isinstance(value, Missing) else of_value(metric, value)
    return f"    {name:<22} {shown}"
