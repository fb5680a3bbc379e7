"""Data that comes with the program: TOML, which Python reads itself. PyYAML is loaded for what people write."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from watchfloor.config import Item


def shipped(path: Path) -> Mapping[str, Item]:
    """The tables of a file beside the modules, by their names."""
    return items(tomllib.loads(path.read_text("utf-8")), path.name).entries()


def items(value: Any, file: str, path: str = "") -> Item:
    """What TOML holds, as `config` gives what YAML holds; it doesn't know where in the file it stands."""
    if isinstance(value, dict):
        inner = {name: items(one, file, f"{path}.{name}" if path else name) for name, one in value.items()}
        return Item(inner, file, 0, 0, path=path)
    if isinstance(value, list):
        return Item([items(one, file, f"{path}[{at}]") for at, one in enumerate(value)], file, 0, 0, path=path)
    if isinstance(value, bool):
        return Item(str(value).lower(), file, 0, 0, "bool", path)
    return Item(str(value), file, 0, 0, "" if isinstance(value, str) else type(value).__name__, path)
