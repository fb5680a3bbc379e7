"""Which switch the ports of a simulated node are plugged into. Pure: of a machine."""

from __future__ import annotations

from collectors.simulator.machine import Machine

_RAILS = 4  # ports of a node on one leaf; a rack has as many leaves as its nodes need
_PORTS_A_NODE = 4


def leaf(machine: Machine, port: int) -> tuple[str, int]:
    """(name of the InfiniBand leaf, its port)."""
    plan = machine.plan
    return f"leaf-{plan.rack.lower()}-{1 + port // _RAILS}", 1 + plan.index % 16 * _PORTS_A_NODE + port % _RAILS


def ethernet(machine: Machine, interface: int) -> tuple[str, str]:
    """(name of the top-of-rack switch, its interface)."""
    plan = machine.plan
    return f"tor-{plan.rack.lower()}-{1 + interface}", f"Ethernet1/{1 + plan.index % 32}"
