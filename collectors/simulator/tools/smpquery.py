"""smpquery of the InfiniBand tools: the switch next to a port. Layout of infiniband-diags 44."""

from __future__ import annotations

import errno

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.wiring_plan import leaf

PROGRAM = "smpquery"
_PORT_INFO = {
    200: "2.5 Gbps or 5.0 Gbps or 10.0 Gbps|14.0625 Gbps or 25.78125 Gbps or 53.125 Gbps|0",
    400: "2.5 Gbps or 5.0 Gbps or 10.0 Gbps|14.0625 Gbps or 25.78125 Gbps or 53.125 Gbps|106.25 Gbps",
}


def on(shape: Shape) -> bool:
    return shape.ib_ports > 0


def answer(machine: Machine, argv: list[str]) -> str:
    """Raises OSError where it can't be asked."""
    port = int(argv[argv.index("-C") + 1].removeprefix("mlx5_"))
    question, path = argv[argv.index("-D") + 1 :][:2]
    if port in machine.faults.ports_down and path != "0":
        raise OSError(errno.ETIMEDOUT, "smpquery: iberror: failed: operation failed: timed out")
    name, arrived_at = leaf(machine, port)
    if question == "nodedesc":
        return _dotted("Node Description", f"MF0;{name}:MQM9700/U1")
    if question == "nodeinfo":
        return "# Node info: DR path\n" + _dotted("NodeType", "Switch") + _dotted("LocalPort", str(arrived_at))
    return "# Port info: DR path\n" + _port_info(machine.plan.shape.ib_speed)


def _port_info(gigabits: int) -> str:
    speeds = zip(("", "Ext", "Ext2"), _PORT_INFO[gigabits].split("|"), strict=True)
    lines = [_dotted("LinkWidthSupported", "1X or 4X or 2X")]
    lines += [_dotted(f"LinkSpeed{name.removesuffix('2')}Supported{name[3:]}", speed) for name, speed in speeds]
    return "".join(lines)


def _dotted(name: str, value: str) -> str:
    return f"{name}:".ljust(33, ".") + f"{value}\n"
