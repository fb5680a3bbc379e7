"""One scale-up link of a simulated board: whether it is up, what went over it, its errors. Pure: of a machine."""

from __future__ import annotations

from collectors.simulator.machine import Machine


def is_up(machine: Machine, board: int, link: int) -> bool:
    return (board, link) not in machine.faults.links_down


def transferred(machine: Machine, board: int, link: int) -> float:
    """Bytes in, and as many out, since the node started."""
    kind, state = machine.plan.shape.board, machine.boards[board]
    assert kind is not None
    struck = state.struck.get(link)
    return machine.now(state.link_bytes) / kind.links - (machine.now(struck.silence) if struck else 0.0)


def rate(machine: Machine, board: int, link: int) -> float:
    """Bytes a second in, and as many out, just now."""
    kind = machine.plan.shape.board
    assert kind is not None
    return machine.boards[board].link_bytes.rate / kind.links if is_up(machine, board, link) else 0.0


def errors(machine: Machine, board: int, link: int) -> float:
    """Errors since the node started."""
    struck = machine.boards[board].struck.get(link)
    return machine.now(struck.errors) if struck else 0.0
