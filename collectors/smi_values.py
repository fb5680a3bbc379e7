"""How nvidia-smi writes values, in every form of its output: numbers with units, words for absence, words for flags.

Over drivers 418 to 595: units follow the number and may be left out; absence has many words, with or without brackets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from watchfloor.model import Missing

KIB, MIB, MEGABYTE = 1 << 10, 1 << 20, 10**6
NO_CLUSTER = "00000000-0000-0000-0000-000000000000"  # of boards that belong to no NVLink domain of several nodes


@dataclass(frozen=True, slots=True)
class Absence:
    """Why there is no value, with nvidia-smi's own words where they say more than the reason."""

    reason: Missing
    words: str = ""


Value = float | str | Absence
Convert = Callable[[str], float | str]

# what nvidia-smi writes instead of a value, without brackets, in lower case
_ABSENT: Mapping[str, Missing] = {
    "": Missing.UNSUPPORTED,
    "-": Missing.UNSUPPORTED,
    "n/a": Missing.UNSUPPORTED,
    "not supported": Missing.UNSUPPORTED,
    "not available": Missing.UNSUPPORTED,
    "requested functionality has been deprecated": Missing.UNSUPPORTED,
    "function not found": Missing.UNSUPPORTED,
    "insufficient permissions": Missing.NOT_PERMITTED,
    "gpu is lost": Missing.LOST,
    "unknown error": Missing.FAILED,
    "gpu requires reset": Missing.FAILED,
    "err!": Missing.FAILED,
    "timeout": Missing.TIMED_OUT,
}


def absence(text: str) -> Absence | None:
    """Why a cell holds no value; None where it does."""
    words = text.strip().strip("[]").strip()
    reason = _ABSENT.get(words.lower())
    if reason is None:
        return None
    return Absence(reason, "" if reason is Missing.UNSUPPORTED and len(words) < 4 else words)


def value(text: str, convert: Convert) -> Value:
    """What a cell says; a text that `convert` can't read is a failure, told in its words."""
    missing = absence(text)
    if missing is not None:
        return missing
    try:
        return convert(text.strip())
    except (ValueError, KeyError):
        return Absence(Missing.FAILED, f"nvidia-smi wrote {text.strip()!r}")


def first(values: Iterable[Value]) -> Value | None:
    """The first that is a value, or else the first reason: newer drivers leave some of several figures empty."""
    listed = list(values)
    return next((one for one in listed if not isinstance(one, Absence)), listed[0] if listed else None)


def total(values: Iterable[Value]) -> Value | None:
    """The sum of the parts that this board has; the reason where it has none of them."""
    listed = list(values)
    numbers = [one for one in listed if isinstance(one, float)]
    return sum(numbers) if numbers else next(iter(listed), None)


# -- what texts mean


def number(text: str) -> float:
    """A number, without the unit that may follow it."""
    return float(text.split(maxsplit=1)[0].rstrip("%x"))


def amount(text: str) -> float:
    """A number of something that there can't be less than nothing of. Raises ValueError: a faulty board tells such."""
    value = number(text)
    if not 0 <= value < math.inf:
        raise ValueError(f"less than nothing, or without end: {value}")
    return value


def mebibytes(text: str) -> float:
    return amount(text) * MIB


def kilobytes(text: str) -> float:
    """PCIe throughput: nvidia-smi's KB are NVML's, 1,024 bytes."""
    return amount(text) * KIB


def microseconds(text: str) -> float:
    """As seconds."""
    return amount(text) / 1e6


def flag(text: str) -> float:
    return float({"enabled": 1, "disabled": 0, "yes": 1, "no": 0, "active": 1, "not active": 0}[text.lower()])


def mask(text: str) -> float:
    return float(int(text, 16))


def pstate(text: str) -> float:
    return float(text.removeprefix("P"))


ACTIONS: Mapping[str, int] = {
    "none": 0,
    "reset": 1,
    "gpu reset": 1,
    "reboot": 2,
    "node reboot": 2,
    "drain p2p": 3,
    "drain and reset": 4,
    "recover imex": 5,
    "bus reset": 6,
    "system reboot": 7,
}


def action(text: str) -> float:
    return float(ACTIONS[text.lower()])


def fabric(cluster: str, clique: str) -> Value:
    """The NVLink domain as cluster/clique, "" for a board that belongs to none."""
    missing = absence(cluster)
    if missing is not None:
        return missing
    return "" if cluster == NO_CLUSTER else f"{cluster}/{clique}"


def lower(text: str) -> str:
    return text.lower()
