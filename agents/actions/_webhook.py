"""What the actions that tell somebody share: an endpoint of the configuration by its name, a body without secrets."""

from __future__ import annotations

import re

from agents.action import CannotPrepare, Parameter
from watchfloor.change import On, Place, Request, Value

_NAME = re.compile(r"[a-z][\w-]{0,63}")
LONGEST = 2000


def to(name: str, body: dict[str, Value]) -> Request:
    """Raises CannotPrepare. The address is the console's secret: only its name is in the plan."""
    if not _NAME.fullmatch(name):
        raise CannotPrepare(f"{name!r} names no endpoint", "those of the configuration have names of small letters")
    return Request(Place(On.HERE, name), "POST", "", dict(body))


def endpoint(default: str) -> Parameter:
    return Parameter("name of the endpoint in the configuration", default=default, longest=64)
