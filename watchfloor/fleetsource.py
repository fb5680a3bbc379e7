"""`source:` of a fleet file: nodes whose values a Prometheus-compatible server has, instead of SSH.

The keys are those of `schemas/fleet.schema.json`. A secret is named by a file or a variable, never written down here.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from watchfloor.config import Item, Section
from watchfloor.metrics import Unit
from watchfloor.model import MetricsSource

SOURCE_KEYS = (
    "prometheus",
    "selector",
    "label",
    "match",
    "period",
    "timeout",
    "stale_after",
    "token_file",
    "token_env",
    "user",
    "password_file",
    "password_env",
    "ca_file",
)
REACHED_BY_SSH = "ssh"  # what takes a part of the fleet out of a source that the whole has
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_FIELDS = re.compile(r"\{(.*?)\}")
_SHORTEST = {"period": 1.0, "timeout": 0.1, "stale_after": 1.0}  # seconds


def read_source(item: Item, folder: Path) -> MetricsSource | None:
    """A source, None for `ssh`; relative file names count from `folder`. Raises ConfigError."""
    if not item.is_mapping:
        if item.text() != REACHED_BY_SSH:
            item.fail(
                f"{item.named} is neither {REACHED_BY_SSH} nor keys and values", "as in prometheus: http://host:9090"
            )
        return None
    section = item.section(SOURCE_KEYS)
    _one_of(section, "token_file", "token_env")
    _one_of(section, "password_file", "password_env")
    said = {
        "url": section.require("prometheus", _url),
        "selector": section.get("selector", _selector),
        "label": section.get("label", _label),
        "match": section.get("match", _match),
        "token_env": section.get("token_env", Item.text),
        "user": section.get("user", Item.text),
        "password_env": section.get("password_env", Item.text),
        **{
            name: section.get(name, lambda of: _path(of, folder)) for name in ("token_file", "password_file", "ca_file")
        },
        **{f"{name}_seconds": section.get(name, _seconds(name)) for name in _SHORTEST},
    }
    return MetricsSource(**{name: value for name, value in said.items() if value is not None})  # pyright: ignore[reportArgumentType] -- by the keys' own readers


def _one_of(section: Section, first: str, second: str) -> None:
    if first in section.entries and second in section.entries:
        section.entries[second].fail(f"{second} beside {first}", "one of the two is enough")


def _url(item: Item) -> str:
    text = item.text()
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
        parts = urlsplit("")
    if not sound or parts.query or parts.fragment:
        item.fail(f"{item.named}: {text!r} is no address of a server", "as in https://prometheus.lab:9090")
    if parts.username or parts.password:
        item.fail(f"{item.named} has a password in it", "user: and password_file: keep it out of this file")
    return text.rstrip("/")


def _selector(item: Item) -> str:
    """What stands between the braces of a PromQL selector; whether it is sound, the server tells."""
    text = item.text().strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    if "{" in text or "}" in text:
        item.fail(f"{item.named}: {text!r} is no list of matchers", """as in 'job="dcgm", cluster="a"'""")
    return text.strip().rstrip(",")


def _label(item: Item) -> str:
    text = item.text()
    if not _LABEL.fullmatch(text):
        item.fail(f"{item.named}: {text!r} is no name of a label", "as in Hostname, node, instance")
    return text


def _match(item: Item) -> str:
    text = item.text()
    fields = _FIELDS.findall(text)
    if not fields or set(fields) - {"name", "host"} or _FIELDS.sub("", text).strip("{}") != _FIELDS.sub("", text):
        item.fail(
            f"{item.named}: {text!r} doesn't tell nodes apart", "as in {name}.lab:9400; {name} and {host} are known"
        )
    return text


def _path(item: Item, folder: Path) -> str:
    return str(folder / Path(item.text()).expanduser())


def _seconds(name: str):
    def read(item: Item) -> float:
        seconds = item.quantity(Unit.SECONDS)
        if seconds < _SHORTEST[name]:
            item.fail(f"{item.named} is shorter than {_SHORTEST[name]:g} s")
        return seconds

    return read
