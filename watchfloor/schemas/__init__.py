"""JSON Schemas of the files that people write, for their editors; `schema_text` gives one."""

from __future__ import annotations

from pathlib import Path

from watchfloor.errors import WatchfloorError


def schema_names() -> list[str]:
    """The schemas that there are."""
    found = (entry.name for entry in Path(__file__).parent.iterdir())
    return sorted(name.removesuffix(".schema.json") for name in found if name.endswith(".schema.json"))


def schema_text(name: str) -> str:
    """The JSON Schema of one kind of file, as text. Raises WatchfloorError for a name that isn't there."""
    if name not in schema_names():
        raise WatchfloorError(f"there is no schema {name!r}", f"known are {', '.join(schema_names())}")
    return Path(__file__).with_name(f"{name}.schema.json").read_text("utf-8")
