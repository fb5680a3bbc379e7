"""JSON in its one canonical form (RFC 8785), so that the same entry always has the same bytes and the same hash. Pure.

Keys in the order of their UTF-16 units, no blanks, the shortest escapes, numbers as ECMAScript writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring as _quoted
from typing import Any

LARGEST = 2**53 - 1  # of the integers of which a double has every one


def canonical(value: Any) -> bytes:
    """Raises ValueError for what JSON can't say alike everywhere: NaN, larger integers, half of a surrogate pair."""
    return text(value).encode()


def text(value: Any) -> str:
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    for kind, write in _WRITERS.items():  # an enumeration, a named tuple …
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON knows")


def number(value: float) -> str:
    """As ECMAScript's Number::toString writes it: the shortest digits that mean this number."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # the value is 0.DIGITS times ten to the `point`
    point = int(exponent or 0) + len(whole) - (len(whole + fraction) - len(digits))
    return sign + _placed(digits.rstrip("0"), point)


def _placed(digits: str, point: int) -> str:
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    power = f"e{point - 1:+d}"
    return f"{digits[0]}.{digits[1:]}{power}" if len(digits) > 1 else digits + power


def exact(value: int) -> bool:
    """Whether its digits are those that ECMAScript writes for the double that it reads from them."""
    try:
        return abs(value) <= LARGEST or number(float(value)) == str(value)
    except OverflowError:
        return False


def _integer(value: int) -> str:
    if abs(value) <= LARGEST:
        return str(int(value))
    if not exact(value):
        raise ValueError(f"{value} has more digits than readers of JSON keep")
    return number(float(value))


def _object(value: Mapping[str, Any]) -> str:
    return "{" + ",".join([f"{_quoted(name)}:{text(value[name])}" for name in _ordered(value)]) + "}"


def _array(value: Sequence[Any]) -> str:
    return "[" + ",".join([text(part) for part in value]) + "]"


def _ordered(names: Mapping[str, Any]) -> list[str]:
    if "".join(names).isascii():
        return sorted(names)
    return sorted(names, key=lambda name: name.encode("utf-16-be", "surrogatepass"))


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    bool: {True: "true", False: "false"}.__getitem__,
    int: _integer,
    float: number,
    dict: _object,
    list: _array,
    tuple: _array,
    type(None): lambda _: "null",
}
