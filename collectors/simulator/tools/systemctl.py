"""systemd of simulated nodes: the cgroups of services that run, what systemctl says of those that don't, and does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.order import Ended, Order
from collectors.simulator.record import Kind

PROGRAM = "systemctl"
_SLICE = "/sys/fs/cgroup/system.slice"
_POPULATED = "populated 1\nfrozen 0\n"
_STARTS_SECONDS = 9.0  # after the boot
_NO_ROOT = Ended(1, err="Interactive authentication required.\n")


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
    """Of `systemctl show --property=… UNIT …`, in whatever order."""
    units = [word for word in argv[2:] if not word.startswith("-")]
    wanted = next((word.partition("=")[2].split(",") for word in argv[2:] if word.startswith("--property=")), [])
    return "\n".join(_block(machine, unit, wanted) for unit in units)


def act(order: Order) -> Ended:
    machine = order.machine
    match list(order.argv[1:]):
        case ["show", *_]:
            return Ended(out=answer(machine, list(order.argv)))
        case ["is-system-running"]:
            return Ended(1, "degraded\n") if machine.faults.services else Ended(out="running\n")
        case ["--failed", *_]:
            return Ended(
                out="".join(f"{name}.service loaded failed failed\n" for name in sorted(machine.faults.services))
            )
        case [("restart" | "reboot") as verb, *units]:
            return _changed(order, verb, units) if order.root else _NO_ROOT
    return Ended(1, err="Unknown command verb.\n")


def _changed(order: Order, verb: str, units: list[str]) -> Ended:
    if verb == "reboot":
        order.note(Kind.REBOOT)
        return Ended()
    return _restarted(order, units[0].removesuffix(".service")) if units else Ended(1, err="Too few arguments.\n")


def _restarted(order: Order, name: str) -> Ended:
    if name not in services(order.machine.plan.shape):
        return Ended(5, err=f"Failed to restart {name}.service: Unit {name}.service not found.\n")
    order.note(Kind.RESTART, name)
    return Ended()


def _block(machine: Machine, unit: str, wanted: list[str]) -> str:
    name = unit.removesuffix(".service")
    result = machine.faults.services.get(name, "")
    active, sub, why = ("failed", "failed", result) if result else ("active", "running", "success")
    since = max([machine.booted_at + _STARTS_SECONDS, *machine.condition.restarts.get(name, ())])
    began = int(1e6 * (since - machine.booted_at))  # from boot
    facts = {
        "Id": unit,
        "ActiveState": active,
        "SubState": sub,
        "Result": why,
        "UnitFileState": "enabled",
        "ActiveEnterTimestampMonotonic": began,
        "InactiveEnterTimestampMonotonic": began if result else 0,
    }
    return "".join(f"{fact}={facts[fact]}\n" for fact in wanted if fact in facts)
