"""What answers on simulated nodes besides the kernel's files: the vendors' programs and services, one a module.

Each module here is found by itself and has

    on(shape) -> bool                  whether nodes of a shape have it

and of the rest what it needs:

    PROGRAM = "amd-smi"                name of the program, for `World.which`, `run` and `start`
    answer(machine, argv) -> str       its standard output; raises OSError for what it doesn't know
    act(order) -> Ended                instead of `answer`, for what the probe never runs: what it does for hands and
                                       people, with an exit code; see collectors/simulator/order.py
    lines(machine) -> str              what it prints every PERIOD seconds when it is left to run
    PERIOD = 5.0
    PORT = 8431                        a port on which it listens, for `World.connect`
    serve(present, connection)         speaks there until the other end closes; `present()` gives the machine as it is
    listens(machine) -> bool           whether it listens just now; without it, always
    at(machine, host) -> serve         instead of `serve`: what listens at an address of the node, None for nothing
    files(machine) -> {path: make}     files of its driver; `make() -> str` when one is read
    links(machine) -> {path: target}   symbolic links of its driver
    passing(machine) -> {path: text}   files that come and go, as they are now; a folder without any: {"/sys/…/": ""}

Outputs are those of the real tools, in their own units: the probe's parsers read them.
"""

from __future__ import annotations

import pkgutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.order import Ended, Order

Make = Callable[[], str]
Serve = Callable[[Callable[[], Machine], socket.socket], None]
LOOPBACK = "127.0.0.1"


def _nothing(machine: Machine) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Tool:
    """One module of this folder. See above."""

    on: Callable[[Shape], bool]
    program: str
    answer: Callable[[Machine, list[str]], str] | None
    lines: Callable[[Machine], str] | None
    period: float
    port: int
    at: Callable[[Machine, str], Serve | None]
    files: Callable[[Machine], Mapping[str, Make]]
    links: Callable[[Machine], Mapping[str, str]]
    passing: Callable[[Machine], Mapping[str, str]] = _nothing
    act: Callable[[Order], Ended] | None = None


def tools(shape: Shape) -> list[Tool]:
    """Those that nodes of a shape have."""
    return [tool for tool in found() if tool.on(shape)]


@cache
def found() -> tuple[Tool, ...]:
    """All of them, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(_tool(f"{__name__}.{name}") for name in names)


def _tool(name: str) -> Tool:
    has = vars(import_module(name))
    # not a module that is imported under such a name
    functions: dict[str, Any] = {part: value for part, value in has.items() if callable(value)}
    return Tool(
        functions["on"],
        has.get("PROGRAM", ""),
        functions.get("answer"),
        functions.get("lines"),
        has.get("PERIOD", 1.0),
        has.get("PORT", 0),
        functions.get("at") or _here(functions.get("serve"), functions.get("listens", lambda machine: True)),
        functions.get("files", lambda machine: {}),
        functions.get("links", lambda machine: {}),
        functions.get("passing", _nothing),
        functions.get("act"),
    )


def _here(serve: Serve | None, listens: Callable[[Machine], bool]) -> Callable[[Machine, str], Serve | None]:
    """A service on the node's own loopback."""
    return lambda machine, host: serve if host == LOOPBACK and listens(machine) else None
