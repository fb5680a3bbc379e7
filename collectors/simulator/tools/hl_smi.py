"""hl-smi and the habanalabs driver's files on simulated nodes with Gaudi cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from collectors.simulator import links as fabric
from collectors.simulator.board_physics import HARD_THERMAL
from collectors.simulator.hardware import MIB, Board, Shape
from collectors.simulator.machine import Machine
from collectors.simulator.topology import peer
from collectors.simulator.work import noise

PROGRAM = "hl-smi"
_RAIL_12V_WATTS = 31
_ACCEL, _PORTS = "/sys/class/accel", "/sys/class/infiniband"


def on(shape: Shape) -> bool:
    return shape.vendor == "habana"


def answer(machine: Machine, argv: list[str]) -> str:
    """`-Q COLUMNS -f csv[,noheader][,nounits]`, `-q`, or the ports of `-n link -i ADDRESS`."""
    match argv[1:]:
        case ["-Q", columns, "-f", form]:
            return _csv(machine, columns.split(","), form.split(","))
        case ["-q"]:
            return _log(machine)
        case ["-n", "link", "-i", address]:
            return _links(machine, address)
    raise OSError(f"hl-smi: unknown arguments {argv[1:]}")


def _csv(machine: Machine, columns: list[str], form: list[str]) -> str:
    unknown = [column for column in columns if column not in _COLUMNS]
    if unknown:
        raise OSError(f"Error: unknown query {unknown[0]}")
    heads = [f"{name} [{_COLUMNS[name][0]}]" if _COLUMNS[name][0] else name for name in columns]
    lines = [] if "noheader" in form else [", ".join(heads)]
    for index in range(machine.plan.shape.boards):
        cells = []
        for name in columns:
            unit, value = _COLUMNS[name][0], _COLUMNS[name][1](machine, index)
            cells.append(f"{value} {unit}" if unit and "nounits" not in form else str(value))
        lines.append(", ".join(cells))
    return "\n".join(lines) + "\n"


def _uuid(machine: Machine, index: int) -> str:
    lot = int(900 * noise(machine.plan.index, index, 21)) + 100
    return f"01P4-HL3090A0-18-UAN{lot}-{index + 1:02d}-{machine.plan.index % 20:02d}-03"


def _serial(machine: Machine, index: int) -> str:
    return f"AM{60_010_000 + machine.plan.index * 16 + index}"


def _mib(size: float) -> int:
    return int(size / MIB)


def _used(machine: Machine, index: int) -> int:
    return _mib(_board(machine).reserved_bytes + machine.boards[index].memory_used)


def _board(machine: Machine) -> Board:
    board = machine.plan.shape.board
    assert board is not None
    return board


def _draw_54v(machine: Machine, index: int) -> int:
    return round(machine.boards[index].power) - _RAIL_12V_WATTS


_COLUMNS: Mapping[str, tuple[str, Callable[[Machine, int], object]]] = {
    "index": ("", lambda machine, index: index),
    "name": ("", lambda machine, index: _board(machine).model),
    "uuid": ("", _uuid),
    "serial": ("", _serial),
    "bus_id": ("", lambda machine, index: machine.plan.shape.address(index)),
    "module_id": ("", lambda machine, index: index ^ 1),
    "driver_version": ("", lambda machine, index: machine.plan.shape.driver),
    "memory.total": ("MiB", lambda machine, index: _mib(_board(machine).memory_bytes)),
    "memory.used": ("MiB", _used),
    "power.draw": ("W", _draw_54v),
    "temperature.aip": ("C", lambda machine, index: round(machine.boards[index].temp)),
    "utilization.aip": ("%", lambda machine, index: round(machine.boards[index].util)),
    "ecc.mode.current": ("", lambda machine, index: "Enabled"),
    "ecc.errors.corrected.volatile.total": (
        "", lambda machine, index: int(machine.now(machine.boards[index].ecc_corrected))
    ),
    "ecc.errors.uncorrected.volatile.total": ("", lambda machine, index: 0),
    "ecc.errors.corrected.aggregate.total": (
        "", lambda machine, index: int(machine.now(machine.boards[index].ecc_corrected)) + index
    ),
    "ecc.errors.uncorrected.aggregate.total": ("", lambda machine, index: 0),
}  # fmt: skip


def _log(machine: Machine) -> str:
    shape = machine.plan.shape
    head = [
        "================ HL-SMI LOG ================", "",
        f"Driver Version                          : {shape.driver}",
        f"HL-SMI Version                          : hl-{shape.runtime}-fw-59.2.1.0 (Aug 11 2025 - 09:12:44)", "",
        f"Attached AIPs                           : {shape.boards}", "",
    ]  # fmt: skip
    return "\n".join([*head, *(_card(machine, index) for index in range(shape.boards))]) + "\n"


def _card(machine: Machine, index: int) -> str:
    board, state = _board(machine), machine.boards[index]
    hot = round(state.temp)
    slow = "Active" if state.throttle & HARD_THERMAL else "Not Active"
    return f"""[{index}] AIP (accel{index}) {machine.plan.shape.address(index)}
        Product Name                    : {board.model}
        Model Number                    : G08GL0AIG020A
        Serial Number                   : {_serial(machine, index)}
        Module status                   : Operational
        AIP UUID                        : {_uuid(machine, index)}
        Firmware [SPI] Version          : Preboot version {board.vbios} (Aug 10 2025 - 22:14:34)
        Clocks Throttle Reasons
                HW Slowdown             : {slow}
                        Thermal Slowdown
                                        : {slow}
                        Power Slowdown
                                        : Not Active
        Memory Usage
                Total                   : {_mib(board.memory_bytes)} MB
                Used                    : {_used(machine, index)} MB
        Temperature
                [ 1] On Chip 0          :  {hot} C
                [ 2] HBM 0 Temp         :  {hot + 4} C
                [ 3] HBM 1 Temp         :  {hot + 6} C
        Power Readings (54V PSU)
                Power Draw              : {_draw_54v(machine, index)} W
                Power Max               : {round(board.power_limit) - 50} W
                Power Limit             : {round(board.power_limit) - 50} W
        Power Readings (12V PSU)
                Power Draw              : {_RAIL_12V_WATTS} W
                Power Max               : 50 W
                Power Limit             : 50 W
        Clocks
                [1] soc                 : {round(state.clock_sm)} MHz
        Clocks Max
                [1] soc                 : {board.clock_sm} MHz
        Replaced Rows
                Single Bit ECC          : 0
                Double Bit ECC          : 0
                Pending                 : No
"""


def _links(machine: Machine, address: str) -> str:
    addresses = [machine.plan.shape.address(index) for index in range(machine.plan.shape.boards)]
    if address not in addresses:
        raise OSError(f"Error: no device {address}")
    index = addresses.index(address)
    states = [(link, "UP" if fabric.is_up(machine, index, link) else "DOWN") for link in range(_board(machine).links)]
    return "".join(f"port {link:2d}:\t{state}\n" for link, state in states)


# -- the driver's files


def files(machine: Machine) -> Mapping[str, Callable[[], str]]:
    made: dict[str, Callable[[], str]] = {}
    for index in range(machine.plan.shape.boards):
        made.update(_accel(machine, index))
        made.update(_nic(machine, index))
    return made


def links(machine: Machine) -> Mapping[str, str]:
    shape = machine.plan.shape
    return {f"{_PORTS}/hbl_{index}/device": f"../../../{shape.address(index)}" for index in range(shape.boards)}


def _accel(machine: Machine, index: int) -> dict[str, Callable[[], str]]:
    shape, board, root = machine.plan.shape, _board(machine), f"{_ACCEL}/accel{index}/device"
    return {
        f"{root}/pci_addr": lambda: f"{shape.address(index)}\n",
        f"{root}/status": lambda: "Operational\n",
        f"{root}/driver_ver": lambda: f"{shape.driver}\n",
        f"{root}/clk_cur_freq_mhz": lambda: f"{round(machine.boards[index].clock_sm)}\n",
        f"{root}/clk_max_freq_mhz": lambda: f"{board.clock_sm}\n",
        f"{root}/max_power": lambda: f"{round(board.power_limit - 50) * 1000}\n",
    }


def _nic(machine: Machine, index: int) -> dict[str, Callable[[], str]]:
    board, root = _board(machine), f"{_PORTS}/hbl_{index}"
    outside = sum(1 << link for link in range(board.links) if peer(machine.plan.shape, index, link) is None)
    made: dict[str, Callable[[], str]] = {f"{root}/ext_ports_mask": lambda: f"0x{outside:x}\n"}
    for link in range(board.links):
        for name, make in _port(machine, index, link).items():
            made[f"{root}/ports/{link + 1}/{name}"] = make
    return made


def _port(machine: Machine, index: int, link: int) -> dict[str, Callable[[], str]]:
    def octets() -> str:
        return f"{int(fabric.transferred(machine, index, link))}\n"

    def errors() -> str:
        return f"{int(fabric.errors(machine, index, link))}\n"

    return {
        "state": lambda: "4: ACTIVE\n" if fabric.is_up(machine, index, link) else "1: DOWN\n",
        "phys_state": lambda: "5: LinkUp\n" if fabric.is_up(machine, index, link) else "3: Disabled\n",
        "rate": lambda: f"{round(_board(machine).link_speed * 8e-9)} Gb/sec (2X NDR)\n",
        "hw_counters/rx_Octets": octets,
        "hw_counters/tx_Octets": octets,
        "hw_counters/rx_ifInErrors": errors,
        "hw_counters/uncorrectable_errors": errors,
        "hw_counters/pcs_link_toggles": lambda: f"{int(not fabric.is_up(machine, index, link))}\n",
    }
