"""Units as people write them (10GB, 1.5GHz, 2m, 400Gb/s, 120kW), turned into the unit of the metric catalogue.

Letter case counts: B is a byte, b is a bit, M is mega, m is minute or milli.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from watchfloor.metrics import Unit

# suffix -> (unit of the catalogue, how many of it one of these is)
UNITS: Mapping[str, tuple[Unit, float]] = {
    "%": (Unit.PERCENT, 1),
    "C": (Unit.CELSIUS, 1),
    "°C": (Unit.CELSIUS, 1),
    "mW": (Unit.WATTS, 1e-3),
    "W": (Unit.WATTS, 1),
    "kW": (Unit.WATTS, 1e3),
    "MW": (Unit.WATTS, 1e6),
    "J": (Unit.JOULES, 1),
    "kJ": (Unit.JOULES, 1e3),
    "MJ": (Unit.JOULES, 1e6),
    "Wh": (Unit.JOULES, 3600),
    "kWh": (Unit.JOULES, 3.6e6),
    "B": (Unit.BYTES, 1),
    "kB": (Unit.BYTES, 1e3),
    "KB": (Unit.BYTES, 1e3),
    "MB": (Unit.BYTES, 1e6),
    "GB": (Unit.BYTES, 1e9),
    "TB": (Unit.BYTES, 1e12),
    "KiB": (Unit.BYTES, 2.0**10),
    "MiB": (Unit.BYTES, 2.0**20),
    "GiB": (Unit.BYTES, 2.0**30),
    "TiB": (Unit.BYTES, 2.0**40),
    "B/s": (Unit.BYTES_PER_SECOND, 1),
    "kB/s": (Unit.BYTES_PER_SECOND, 1e3),
    "KB/s": (Unit.BYTES_PER_SECOND, 1e3),
    "MB/s": (Unit.BYTES_PER_SECOND, 1e6),
    "GB/s": (Unit.BYTES_PER_SECOND, 1e9),
    "TB/s": (Unit.BYTES_PER_SECOND, 1e12),
    "KiB/s": (Unit.BYTES_PER_SECOND, 2.0**10),
    "MiB/s": (Unit.BYTES_PER_SECOND, 2.0**20),
    "GiB/s": (Unit.BYTES_PER_SECOND, 2.0**30),
    "Mb/s": (Unit.BYTES_PER_SECOND, 1e6 / 8),
    "Gb/s": (Unit.BYTES_PER_SECOND, 1e9 / 8),
    "Tb/s": (Unit.BYTES_PER_SECOND, 1e12 / 8),
    "Hz": (Unit.MEGAHERTZ, 1e-6),
    "kHz": (Unit.MEGAHERTZ, 1e-3),
    "MHz": (Unit.MEGAHERTZ, 1),
    "GHz": (Unit.MEGAHERTZ, 1e3),
    "us": (Unit.SECONDS, 1e-6),
    "ms": (Unit.SECONDS, 1e-3),
    "s": (Unit.SECONDS, 1),
    "m": (Unit.SECONDS, 60),
    "min": (Unit.SECONDS, 60),
    "h": (Unit.SECONDS, 3600),
    "d": (Unit.SECONDS, 86400),
    # multipliers of a plain number, which takes the unit of what it is compared with
    "k": (Unit.NONE, 1e3),
    "M": (Unit.NONE, 1e6),
    "G": (Unit.NONE, 1e9),
}

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(\S*)\s*")


def quantity(text: str, unit: Unit) -> float:
    """A number with its unit ("120kW"), in `unit`. Raises ValueError, which says what is wrong or lacking."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit")
    suffix = match[2]
    if suffix not in UNITS or UNITS[suffix][0] is not unit:
        fitting = ", ".join(name for name, (of, _) in UNITS.items() if of is unit)
        raise ValueError(f"{text!r} needs one of the units {fitting}")
    return float(match[1]) * UNITS[suffix][1]


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word most like this one, "" where none is."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where something was mistyped

    found = get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else ""
