"""How a command is carried out on a simulated node: by the tools of the simulation, and by nothing else.

Must not do: start a program. What the simulation doesn't have is not found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from collectors.simulator.machine import Machine
from collectors.simulator.order import Ended, Order
from collectors.simulator.tools import Tool, tools

NOT_FOUND = 127
_FOLDERS = ("", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/")


def run(machine: Machine, argv: Sequence[str], root: bool = False, wall: Callable[[], float] = time.time) -> Ended:
    """`machine` is brought to the present by whoever asks."""
    tool = named(tools(machine.plan.shape), argv[0]) if argv else None
    if tool is not None and tool.act is not None:
        return tool.act(Order(machine, argv, root, wall(), lambda words, as_root: run(machine, words, as_root, wall)))
    if tool is None or tool.answer is None:
        return Ended(NOT_FOUND, err=f"{argv[0] if argv else ''}: not found (a simulated node knows few commands)\n")
    try:
        return Ended(out=tool.answer(machine, list(argv)))
    except OSError as error:
        return Ended(1, err=f"{error}\n")


def named(known: Sequence[Tool], program: str) -> Tool | None:
    """By its name, or its place in one of the usual folders."""
    return next((tool for tool in known if tool.program and program in {f + tool.program for f in _FOLDERS}), None)
