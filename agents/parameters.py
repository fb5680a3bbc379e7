"""Parameters of an action: what was given, against what it declares. Pure.

Texts end up in argument lists and in fields of schedulers: what would be an option there, or a second line, is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from agents.action import CannotPrepare, Kind, Parameter
from watchfloor.change import Value

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


def checked(given: Mapping[str, Value], declared: Mapping[str, Parameter]) -> dict[str, Value]:
    """Every declared parameter, given or by default. Raises CannotPrepare."""
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        known = ", ".join(sorted(declared)) or "it takes none"
        raise CannotPrepare(f"no parameter is called {', '.join(unknown)}", f"known are: {known}")
    found: dict[str, Value] = {}
    for name, parameter in declared.items():
        value = given.get(name, parameter.default)
        if value is None:
            raise CannotPrepare(f"{name} must be given", parameter.summary)
        found[name] = _checked(name, value, parameter)
    return found


def _checked(name: str, value: Value, parameter: Parameter) -> Value:
    match parameter.kind:
        case Kind.FLAG:
            if not isinstance(value, bool):
                raise CannotPrepare(f"{name} is {value!r}", "true or false")
            return value
        case Kind.NUMBER:
            return _number(name, value, parameter)
        case Kind.TEXT:
            return _text(name, value, parameter)


def _number(name: str, value: Value, parameter: Parameter) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CannotPrepare(f"{name} is {value!r}", "a number")
    if parameter.least is not None and value < parameter.least:
        raise CannotPrepare(f"{name} is {value:g}, and {parameter.least:g} is the least", parameter.summary)
    if parameter.most is not None and value > parameter.most:
        raise CannotPrepare(f"{name} is {value:g}, and {parameter.most:g} is the most", parameter.summary)
    return value


def _text(name: str, value: Value, parameter: Parameter) -> Value:
    if not isinstance(value, str):
        raise CannotPrepare(f"{name} is {value!r}", "a text")
    if parameter.choices and value not in parameter.choices:
        raise CannotPrepare(f"{name} is {value!r}", f"one of {', '.join(parameter.choices)}")
    return plain_text(value, name, parameter.longest)


def plain_text(value: str, what: str, longest: int = 200) -> str:
    """A text that is one argument and stays one. Raises CannotPrepare."""
    if value.startswith("-"):
        raise CannotPrepare(f"{what} begins with a dash: {value[:40]!r}", "a program would take it for an option")
    if not value.isprintable():
        raise CannotPrepare(f"{what} holds a line end or another control character", "one line of plain text")
    if len(value) > longest:
        raise CannotPrepare(f"{what} has {len(value)} characters, and {longest} are the most", "say it shorter")
    return value


def whole(value: Value, name: str) -> int:
    """A number that was checked, as an integer. Raises CannotPrepare where it isn't one."""
    if not isinstance(value, int | float) or value != int(value):
        raise CannotPrepare(f"{name} is {value!r}", "a whole number")
    return int(value)


def host_name(value: str, what: str) -> str:
    """The name of one node: never a list or a range of them, which schedulers would expand. Raises CannotPrepare."""
    if not _HOST.fullmatch(value):
        raise CannotPrepare(f"{what} {value[:80]!r} is not the name of one node", "letters, digits, dots and dashes")
    return value
