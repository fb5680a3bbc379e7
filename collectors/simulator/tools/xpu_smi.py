"""xpu-smi and the files of the i915 driver on simulated nodes with GPUs of Intel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from collectors.simulator import links, pci_files
from collectors.simulator.board_physics import HARD_THERMAL, POWER_CAP, SOFT_THERMAL
from collectors.simulator.hardware import MIB, Board, Shape
from collectors.simulator.machine import Machine
from collectors.simulator.topology import peer

PROGRAM = "xpu-smi"
_MICRO = 1_000_000
_TILES, _LANES = 2, 4  # of a card, of a link


def on(shape: Shape) -> bool:
    return shape.vendor == "intel"


def answer(machine: Machine, argv: list[str]) -> str:
    """`discovery -j`, `discovery -d N -j`, `topology --matrix -j`, and one round of `dump -d N -m IDS -i 1 -n 1`."""
    boards = range(machine.plan.shape.boards)
    match argv[1:]:
        case ["discovery", "-j"]:
            return json.dumps({"device_list": [_listed(machine, index) for index in boards]}, indent=4)
        case ["discovery", "-d", device, "-j"] if device.isdigit() and int(device) in boards:
            return json.dumps(_detailed(machine, int(device)), indent=4)
        case ["dump", "-d", "-1", "-m", metrics, "-i", "1", "-n", "1"]:
            return _dump(machine, [int(metric) for metric in metrics.split(",")])
        case ["topology", "--matrix", "-j"]:
            return json.dumps({"topo_list": list(_topology(machine))}, indent=4)
        case ["dump", "-d", device, "-m", "21", "-i", "1", "-n", "1"] if device.isdigit() and int(device) in boards:
            return _link_dump(machine, int(device))
    raise OSError(f"Error: unknown arguments {argv[1:]}")


def _board(machine: Machine) -> Board:
    board = machine.plan.shape.board
    assert board is not None
    return board


def _listed(machine: Machine, index: int) -> dict[str, object]:
    board, address = _board(machine), machine.plan.shape.address(index)
    return {
        "device_function_type": "physical",
        "device_id": index,
        "device_name": board.model,
        "device_type": "GPU",
        "drm_device": f"/dev/dri/card{index + 1}",
        "pci_bdf_address": address,
        "pci_device_id": f"0x{board.pci_device:x}",
        "uuid": f"00000000-0000-00{address[5:7]}-{machine.plan.index:04x}-002f{board.pci_device:04x}8086",
        "vendor_name": "Intel(R) Corporation",
    }


def _detailed(machine: Machine, index: int) -> dict[str, object]:
    board = _board(machine)
    return {
        **_listed(machine, index),
        "core_clock_rate_mhz": str(board.clock_sm),
        "driver_version": machine.plan.shape.driver,
        "gfx_firmware_version": board.vbios,
        "memory_physical_size_byte": str(board.memory_bytes),
        "number_of_fabric_ports": str(board.links),
        "serial_number": f"BQFB{24_100_000 + machine.plan.index * 16 + index}",
    }


def _dump(machine: Machine, metrics: list[int]) -> str:
    heads = ["Timestamp", "DeviceId", *(_COLUMNS[metric][0] for metric in metrics)]
    lines = [", ".join(heads)]
    for index in range(machine.plan.shape.boards):
        cells = [_COLUMNS[metric][1](machine, index) for metric in metrics]
        lines.append(", ".join([_clock(machine), f"{index:4d}", *cells]))
    return "\n".join(lines) + "\n"


def _clock(machine: Machine) -> str:
    at = int(machine.time) % 86_400
    return f"{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}.{int(machine.time * 1000) % 1000:03d}"


# -- Xe Links: those of a tile lead to the tile of the same number on another card


def _between(machine: Machine, board: int, tile: int, other: int) -> list[int]:
    """The links of a tile to another card."""
    shape = machine.plan.shape
    return [link for link in range(tile, _board(machine).links, _TILES) if peer(shape, board, link) == other]


def _topology(machine: Machine) -> Iterator[dict[str, object]]:
    tiles = [(board, tile) for board in range(machine.plan.shape.boards) for tile in range(_TILES)]
    for board, tile in tiles:
        for other, far in tiles:
            ports = [0] * _board(machine).links
            for link in _between(machine, board, tile, other) if tile == far else ():
                ports[link] = _LANES if links.is_up(machine, board, link) else 0
            row = {
                "link_type": "XL" if any(ports) else _near((board, tile), (other, far)),
                "local_cpu_affinity": "0-51",
                "local_device_id": board,
                "local_numa_index": board // 2,
                "local_on_subdevice": True,
                "local_subdevice_id": tile,
                "remote_device_id": other,
                "remote_subdevice_id": far,
            }
            yield {**row, "port_list": ports} if any(ports) else row


def _near(tile: tuple[int, int], other: tuple[int, int]) -> str:
    """How tiles are joined without Xe Links."""
    if tile == other:
        return "S"
    return "MDF" if tile[0] == other[0] else "SYS"


def _link_dump(machine: Machine, board: int) -> str:
    heads, cells = ["Timestamp", "DeviceId"], [_clock(machine), f"{board:4d}"]
    for tile in range(_TILES):
        for other in range(machine.plan.shape.boards):
            between = _between(machine, board, tile, other)
            rate = f"{sum(links.rate(machine, board, link) for link in between) / 1000:.0f}"
            if any(links.is_up(machine, board, link) for link in between):
                heads += [f"XL {board}/{tile}->{other}/{tile} (kB/s)", f"XL {other}/{tile}->{board}/{tile} (kB/s)"]
                cells += [rate, rate]
    return ", ".join(heads) + "\n" + ", ".join(cells) + "\n"


def _used(machine: Machine, index: int) -> str:
    return f"{(_board(machine).reserved_bytes + machine.boards[index].memory_used) / MIB:.2f}"


_COLUMNS: Mapping[int, tuple[str, Callable[[Machine, int], str]]] = {
    0: ("GPU Utilization (%)", lambda machine, index: f"{machine.boards[index].util:.2f}"),
    1: ("GPU Power (W)", lambda machine, index: f"{machine.boards[index].power:.2f}"),
    2: ("GPU Frequency (MHz)", lambda machine, index: f"{machine.boards[index].clock_sm:4.0f}"),
    3: ("GPU Core Temperature (Celsius Degree)", lambda machine, index: f"{machine.boards[index].temp:.2f}"),
    4: ("GPU Memory Temperature (Celsius Degree)", lambda machine, index: f"{machine.boards[index].temp + 5:.2f}"),
    17: ("GPU Memory Bandwidth Utilization (%)", lambda machine, index: f"{machine.boards[index].mem_util:.0f}"),
    18: ("GPU Memory Used (MiB)", _used),
    19: ("PCIe Read (kB/s)", lambda machine, index: f"{machine.boards[index].pcie_rx.rate / 1000:.0f}"),
    20: ("PCIe Write (kB/s)", lambda machine, index: f"{machine.boards[index].pcie_tx.rate / 1000:.0f}"),
    29: ("GPU Memory Errors Correctable", lambda machine, index: f"{machine.boards[index].ecc_corrected.value:.0f}"),
    30: ("GPU Memory Errors Uncorrectable", lambda machine, index: "0"),
}


# -- the driver's files


def files(machine: Machine) -> Mapping[str, Callable[[], str]]:
    made: dict[str, Callable[[], str]] = {}
    for index in range(machine.plan.shape.boards):
        made.update(_card(machine, index))
    return made


def _card(machine: Machine, index: int) -> dict[str, Callable[[], str]]:
    board, root = _board(machine), f"{pci_files.ROOT}/{machine.plan.shape.address(index)}"
    sensors, card = f"{root}/hwmon/hwmon{index + 4}", f"{root}/drm/card{index + 1}"

    def slowed(bits: int) -> Callable[[], str]:
        return lambda: f"{int(bool(machine.boards[index].throttle & bits))}\n"

    return {
        f"{sensors}/name": lambda: "i915\n",
        f"{sensors}/energy1_input": lambda: f"{int(machine.now(machine.boards[index].energy) * _MICRO)}\n",
        f"{sensors}/power1_max": lambda: f"{round(board.power_limit) * _MICRO}\n",
        f"{sensors}/power1_rated_max": lambda: f"{round(board.power_limit) * _MICRO}\n",
        f"{card}/lmem_total_bytes": lambda: f"{board.memory_bytes}\n",
        f"{card}/gt/gt0/rps_act_freq_mhz": lambda: f"{machine.boards[index].clock_sm:.0f}\n",
        f"{card}/gt/gt0/rps_RP0_freq_mhz": lambda: f"{board.clock_sm}\n",
        f"{card}/gt/gt0/throttle_reason_pl1": slowed(POWER_CAP),
        f"{card}/gt/gt0/throttle_reason_thermal": slowed(SOFT_THERMAL | HARD_THERMAL),
        f"{root}/drm/renderD{128 + index}/dev": lambda: f"226:{128 + index}\n",
    }
