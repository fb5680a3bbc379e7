"""What Slurm's outputs of every form are made of: times, durations, host lists, generic resources. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from watchfloor.hosts import names
from watchfloor.redact import redact

# names of generic resources that are whole accelerators; shards and MPS are parts of one, and don't count
_ACCELERATORS = frozenset(("gpu", "tpu", "npu", "hpu", "xpu", "gaudi", "neuron"))
_NOTHING = frozenset(("", "(null)", "N/A", "n/a", "None", "None assigned", "Unknown", "NONE"))
_RESOURCE = re.compile(r"(?:gres[:/])?(\w+)(?::([^:=(,]*[^:=(,\d][^:=(,]*))?(?:[:=](\d+))?(?:\(([^)]*)\))?")
_INDICES = re.compile(r"IDX:([\d,-]*)")
_DURATION = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)|(\d+)")
_LONGEST_TEXT = 256
_LONGEST_LIST = 20_000  # nodes of one job


@dataclass(frozen=True, slots=True)
class Resource:
    """Accelerators of one name and type; `indices` are None where they aren't told."""

    count: int
    kind: str = ""
    indices: tuple[int, ...] | None = None


def told(text: str | None) -> str:
    """A text, "" for each of Slurm's words for none."""
    text = (text or "").strip()
    return "" if text in _NOTHING else text


def redacted(text: str | None) -> str:
    """A user's text for people: one line, short, without secrets."""
    line = shown(told(text))
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"


def shown(text: str) -> str:
    """A name or a path that a user chose, whole: one line, which no terminal takes for an order, without secrets."""
    return "".join(char if char.isprintable() else " " for char in redact(text))


def moment(text: str | None) -> float | None:
    """A time as seconds since the epoch, told so or as UTC; None where there is none."""
    text = told(text)
    if text.isdecimal():
        return float(text) or None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def duration(text: str | None) -> float | None:
    """`[days-][hours:]minutes:seconds`, or plain minutes, as seconds; None for UNLIMITED and the like."""
    match = _DURATION.fullmatch(told(text))
    if match is None:
        return None
    days, hours, minutes, seconds, alone = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes + alone) * 60 + seconds)


@lru_cache(maxsize=4096)
def hosts(text: str) -> tuple[str, ...]:
    """The names of a host list such as `gpu[001-004,7],login`. () where there are none, or where it can't be read."""
    if not told(text):
        return ()
    try:
        return tuple(names(text, _LONGEST_LIST))
    except ValueError:
        return ()


def resources(text: str | None) -> list[Resource]:
    """The accelerators of a text such as `gpu:h100:2(IDX:0-1),gres/gpu:h200=4`; what is none of them is left out."""
    found = []
    for match in _RESOURCE.finditer(told(text)):
        name, kind, count, more = match.groups()
        if name in _ACCELERATORS:
            found.append(Resource(1 if count is None else int(count), kind or "", _indices(more)))
    return found


@lru_cache(maxsize=4096)
def accelerators(text: str | None) -> Resource | None:
    """All of a text's accelerators as one; None where it names none. Of `gpu=8,gpu:h100=8` each counts once."""
    found = resources(text)
    whole = [one for one in found if not one.kind]
    counted = whole if whole and "=" in (text or "") else found
    if not counted:
        return None
    kinds = dict.fromkeys(one.kind for one in found if one.kind)
    every = [one.indices for one in counted]
    known = [index for indices in every if indices is not None for index in indices]
    indices = None if any(one is None for one in every) else tuple(known)
    return Resource(sum(one.count for one in counted), ",".join(kinds), indices)


def numbers(text: str) -> tuple[int, ...]:
    """`0-2,5` as numbers; empty where it isn't that."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal() and (not dash or last.isdecimal()):
            found += range(int(first), min(int(last or first), int(first) + 1024) + 1)
    return tuple(found)


def _indices(more: str | None) -> tuple[int, ...] | None:
    """Of what stands in the brackets: `IDX:0-3`, `IDX:N/A` (none of them), `S:0-1` (sockets: says nothing)."""
    match = _INDICES.search(more or "")
    return None if match is None else numbers(match[1])


def first(texts: Iterable[str | None]) -> str:
    return next((told(text) for text in texts if told(text)), "")
