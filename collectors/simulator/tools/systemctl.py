"""systemd of simulated nodes: the cgroups of services that run, and what systemctl says of those that don't."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine

PROGRAM = "systemctl"
_SLICE = "/sys/fs/cgroup/system.slice"
_POPULATED = "populated 1\nfrozen 0\n"


def on(shape: Shape) -> bool:
    return True


def services(shape: Shape) -> list[str]:
    """Those that are installed and enabled."""
    found = ["munge", "slurmd"]
    if shape.vendor != "nvidia":
        return found
    found += ["nvidia-persistenced", "nvidia-dcgm"]
    if shape.board and shape.board.links and shape.nodes_per_rack < _RACK_SCALE:
        found.append("nvidia-fabricmanager")
    return [*found, "nvidia-imex"] if shape.nodes_per_rack >= _RACK_SCALE else found


_RACK_SCALE = 18  # nodes of one NVLink domain: its fabric manager runs in the switches, and each node has IMEX


def files(machine: Machine) -> Mapping[str, Callable[[], str]]:
    found = {"/run/systemd/system/default.target": ""}
    found |= {f"/usr/lib/systemd/system/{name}.service": "" for name in services(machine.plan.shape)}
    return {path: lambda: "" for path in found}


def passing(machine: Machine) -> Mapping[str, str]:
    running = [name for name in services(machine.plan.shape) if name not in machine.faults.services]
    return {f"{_SLICE}/{name}.service/cgroup.events": _POPULATED for name in running}


def answer(machine: Machine, argv: list[str]) -> str:
    """Of `systemctl show --property=… UNIT …`."""
    return "\n".join(_block(machine, unit) for unit in argv[3:])


def _block(machine: Machine, unit: str) -> str:
    result = machine.faults.services.get(unit.removesuffix(".service"), "")
    state = ("failed", "failed", result) if result else ("active", "running", "success")
    facts = ("Id", "ActiveState", "SubState", "Result", "UnitFileState")
    return "".join(f"{name}={value}\n" for name, value in zip(facts, (unit, *state, "enabled"), strict=True))
