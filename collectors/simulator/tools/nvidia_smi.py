"""nvidia-smi of simulated nodes: what actions ask it, and what they have it set. Options as of nvidia-smi(1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from collectors.simulator import nvml_device
from collectors.simulator.hardware import Board, Shape
from collectors.simulator.machine import Machine
from collectors.simulator.order import Ended, Order
from collectors.simulator.record import Kind

PROGRAM = "nvidia-smi"
_NO_ROOT = Ended(
    4, err="Unable to change it for GPU: Insufficient Permissions\nTerminating early due to previous errors.\n"
)
_USED = Ended(19, err="GPU is currently being used by one or more other processes. Terminating early.\n")
_HUNG = Ended(15, err="Unable to talk to the driver: it does not answer.\n")
_HEAD = "==============NVSMI LOG=============="


def on(shape: Shape) -> bool:
    return shape.vendor == "nvidia"


def act(order: Order) -> Ended:
    """Settings need root, as they do on a real node."""
    words, machine = list(order.argv[1:]), order.machine
    if machine.faults.driver_hung:
        return _HUNG
    match words:
        case ["-L"]:
            return Ended(out="".join(_listed(machine, index) for index in _boards(machine)))
        case ["-q"]:
            return Ended(out=_log(machine))
        case ["mig", *_]:
            return Ended(6, err="MIG mode is not enabled on this GPU: a simulated board is never divided.\n")
        case ["-i", uuids, option, *values]:
            return _of_boards(order, uuids, option, values)
    return Ended(2, err=f"Invalid combination of input arguments: {' '.join(words)}\n")


def _of_boards(order: Order, uuids: str, option: str, values: Sequence[str]) -> Ended:
    found = {uuid: _index(order.machine, uuid) for uuid in uuids.split(",")}
    boards = [index for index in found.values() if index is not None]
    if len(boards) < len(found):
        return Ended(6, err=f"No devices were found: {uuids}\n")
    query = _queried(order.machine, boards, option)
    return query if query is not None else _set(order, boards, option, values)


def _boards(machine: Machine) -> range:
    return range(machine.plan.shape.boards)


def _index(machine: Machine, uuid: str) -> int | None:
    return next((index for index in _boards(machine) if nvml_device.nvmlDeviceGetUUID(machine, index) == uuid), None)


def _board(machine: Machine) -> Board:
    board = machine.plan.shape.board
    assert board is not None
    return board


def _listed(machine: Machine, index: int) -> str:
    return f"GPU {index}: {_board(machine).model} (UUID: {nvml_device.nvmlDeviceGetUUID(machine, index)})\n"


# -- questions


def _queried(machine: Machine, boards: Sequence[int], option: str) -> Ended | None:
    """None where it is no question."""
    name, _, fields = option.partition("=")
    if name == "--query-compute-apps":
        return Ended(out="".join(_processes(machine, index) for index in boards))
    if name != "--query-gpu":
        return None
    lost = [index for index in boards if index in machine.faults.lost]
    if lost:
        return Ended(15, err=f"Unable to determine the device handle for GPU{lost[0]}: GPU is lost.\n")
    unknown = [field for field in fields.split(",") if field not in _FIELDS]
    if unknown:
        return Ended(2, err=f'Field "{unknown[0]}" is not a valid field to query.\n')
    rows = (", ".join(_FIELDS[field](machine, index) for field in fields.split(",")) for index in boards)
    return Ended(out="".join(f"{row}\n" for row in rows))


def _processes(machine: Machine, index: int) -> str:
    job = machine.boards[index].job
    return "" if job is None else f"{job.pid(machine.plan.index, index)}, {job.kind.command.split()[0]}\n"


def _uncorrected(machine: Machine, index: int) -> str:
    return str(machine.faults.uncorrected.get(index, 0)) if _board(machine).datacenter else "[N/A]"


_FIELDS: Mapping[str, Callable[[Machine, int], str]] = {
    "power.limit": lambda machine, index: f"{machine.power_limit(index):.2f}",
    "power.draw": lambda machine, index: f"{machine.boards[index].power:.2f}",
    "clocks.sm": lambda machine, index: f"{machine.boards[index].clock_sm:.0f}",
    "temperature.gpu": lambda machine, index: f"{machine.boards[index].temp:.0f}",
    "persistence_mode": lambda machine, index: _ENABLED[nvml_device.nvmlDeviceGetPersistenceMode(machine, index)],
    "ecc.errors.uncorrected.volatile.total": _uncorrected,
    "uuid": nvml_device.nvmlDeviceGetUUID,
    "name": lambda machine, index: _board(machine).model,
}
_ENABLED = ("Disabled", "Enabled")


def _log(machine: Machine) -> str:
    """What matters of -q."""
    parts = [f"{_HEAD}\n\nDriver Version : {machine.plan.shape.driver}\nAttached GPUs : {len(_boards(machine))}\n"]
    for index in _boards(machine):
        lost = index in machine.faults.lost
        facts = {name: "GPU is lost" if lost else read(machine, index) for name, read in _FIELDS.items()}
        lines = "".join(f"    {name:<40}: {value}\n" for name, value in facts.items())
        parts.append(f"GPU {machine.plan.shape.address(index)}\n{lines}")
    return "\n".join(parts)


# -- settings


def _set(order: Order, boards: Sequence[int], option: str, values: Sequence[str]) -> Ended:
    if option not in _SETTINGS:
        return Ended(2, err=f"Invalid combination of input arguments: {option}\n")
    if not order.root:
        return _NO_ROOT
    if lost := [index for index in boards if index in order.machine.faults.lost]:
        return Ended(15, err=f"Unable to determine the device handle for GPU{lost[0]}: GPU is lost.\n")
    for index in boards:
        ended = _SETTINGS[option](order, index, values[0] if values else "")
        if ended.exit:
            return ended
    return Ended(out="All done.\n")


def _limited(order: Order, index: int, value: str) -> Ended:
    board = _board(order.machine)
    if not value.isdecimal() or not board.power_min <= int(value) <= board.power_limit:
        span = f"{board.power_min:.2f} W and {board.power_limit:.2f} W"
        return Ended(
            2, err=f"Provided power limit {value} W is not a valid power limit which should be between {span}\n"
        )
    order.note(Kind.POWER_LIMIT, index, value)
    return Ended()


def _locked(order: Order, index: int, value: str) -> Ended:
    _, _, most = value.partition(",")
    if not most.isdecimal():
        return Ended(2, err=f"{value} is not a range of clocks.\n")
    order.note(Kind.CLOCK, index, most)
    return Ended()


def _freed(order: Order, index: int, value: str) -> Ended:
    order.note(Kind.CLOCK, index)
    return Ended()


def _persistent(order: Order, index: int, value: str) -> Ended:
    if value not in ("0", "1"):
        return Ended(2, err=f"{value} is not a mode: 0 or 1.\n")
    order.note(Kind.PERSISTENCE, index, value)
    return Ended()


def _reset(order: Order, index: int, value: str) -> Ended:
    """The probes of a demo hold the driver unless they are asked not to."""
    machine = order.machine
    if machine.boards[index].job is not None or not machine.condition.lets_go(machine.time):
        return _USED
    order.note(Kind.RESET, index)
    return Ended()


_SETTINGS: Mapping[str, Callable[[Order, int, str], Ended]] = {
    "-pl": _limited,
    "-lgc": _locked,
    "-rgc": _freed,
    "-pm": _persistent,
    "--gpu-reset": _reset,
}
