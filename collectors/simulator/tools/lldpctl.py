"""lldpctl: the switches next to the Ethernet interfaces, as lldpd 1.0 tells them in JSON."""

from __future__ import annotations

import json

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.wiring_plan import ethernet

PROGRAM = "lldpctl"


def on(shape: Shape) -> bool:
    return bool(shape.ethernet)


def answer(machine: Machine, argv: list[str]) -> str:
    interfaces = [
        _interface(name, *ethernet(machine, number)) for number, (name, _) in enumerate(machine.plan.shape.ethernet)
    ]
    return json.dumps({"lldp": [{"interface": interfaces}]})


def _interface(name: str, switch: str, port: str) -> dict[str, object]:
    return {
        "name": name,
        "via": "LLDP",
        "rid": "1",
        "age": "12 days, 03:04:05",
        "chassis": [{"id": [{"type": "mac", "value": "44:38:39:00:00:01"}], "name": [{"value": switch}]}],
        "port": [{"id": [{"type": "ifname", "value": port}], "descr": [{"value": port}], "ttl": [{"value": "120"}]}],
    }
