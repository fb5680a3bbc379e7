"""JSON Schemas of the files that people write, for their editors; `schema_text` gives one."""

from __future__ import annotations

from importlib.resources import files

from watchfloor.errors import WatchfloorError


def schema_names() -> list[str]:
    """The schemas that there are."""
    found = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(".schema.json") for name in found if name.endswith(".schema.json"))


def schema_text(name: str) -> str:
    """The JSON Schema of one kind of file, as text. Raises WatchfloorError for a name that isn't there."""
    if name not in schema_names():
        raise WatchfloorError(f"there is no schema {name!r}", f"known are {', '.join(schema_names())}")
    return (files(__name__) / f"{name}.schema.json").read_text("utf-8")
