"""The files of the drivers amdgpu and kfd on nodes with AMD boards. Formats: see collectors/probe/amd_board.py."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from collectors.simulator import links as xgmi
from collectors.simulator.hardware import Board, Shape
from collectors.simulator.machine import Machine
from collectors.simulator.topology import peer
from collectors.simulator.work import noise

Make = Callable[[], str]
_ROOT = "/sys/bus/pci/devices/"
_TOPOLOGY = "/sys/class/kfd/kfd/topology/nodes/"
_PROCESSES = "/sys/class/kfd/kfd/proc/"
_CPU_NODES = 2
_MEGABIT = 125_000  # bytes
_JOULES = 2.0**-16
_KIB = 1024
_MEMORY_COOLER = 6  # °C that the hot spot is above the memory
_LANES, _GIGABITS_A_LANE = 16, 32
_NONE16, _NONE64 = 0xFFFF, 2**64 - 1


def on(shape: Shape) -> bool:
    return shape.vendor == "amd"


def files(machine: Machine) -> dict[str, Make]:
    shape = machine.plan.shape
    made = {
        "/sys/module/amdgpu/version": _text(shape.driver),
        "/opt/rocm/.info/version": _text(f"{shape.runtime}-83"),
    }
    for index in range(shape.boards):
        for name, make in {**_identity(machine, index), **_sensors(machine, index)}.items():
            made[f"{_ROOT}{shape.address(index)}/{name}"] = make
    for number in range(_CPU_NODES + shape.boards):
        made.update(_topology_node(machine, number))
    return made


def links(machine: Machine) -> dict[str, str]:
    """The members of the hive, which each board lists."""
    shape = machine.plan.shape
    return {
        f"{_ROOT}{shape.address(index)}/xgmi_hive_info/node{member + 1}": f"../../{shape.address(member)}"
        for index in range(shape.boards)
        for member in range(shape.boards)
    }


def passing(machine: Machine) -> dict[str, str]:
    """The processes that kfd knows; each has a file for every board."""
    plan, found = machine.plan, {_PROCESSES: ""}
    for index, board in enumerate(machine.boards):
        if board.job is not None:
            pid = board.job.pid(plan.index, index)
            for other in range(plan.shape.boards):
                used = int(board.memory_used) if other == index else 0
                found[f"{_PROCESSES}{pid}/vram_{gpu_id(machine, other)}"] = f"{used}\n"
    return found


def gpu_id(machine: Machine, index: int) -> int:
    return 1000 + int(60_000 * noise(machine.plan.index, index, 8))


def unique_id(machine: Machine, index: int) -> int:
    high, low = (int(2**32 * noise(machine.plan.index, index, salt)) for salt in (7, 17))
    return high << 32 | low


def _text(text: object) -> Make:
    return lambda: f"{text}\n"


def _board(machine: Machine) -> Board:
    board = machine.plan.shape.board
    assert board is not None
    return board


def _identity(machine: Machine, index: int) -> dict[str, Make]:
    board, unique = _board(machine), unique_id(machine, index)
    return {
        "unique_id": _text(f"{unique:016x}"),
        "product_name": _text(board.model),
        "product_number": _text(board.part),
        "serial_number": _text(f"6923{unique % 10**8:08d}"),
        "vbios_version": _text(board.vbios),
        "revision": _text("0x00"),
        "current_compute_partition": _text("SPX"),
        "current_memory_partition": _text("NPS1"),
        "mem_info_vram_total": _text(board.memory_bytes),
        "pp_dpm_sclk": _text(f"0: 132Mhz *\n1: {board.clock_sm}Mhz"),
        "pp_dpm_mclk": _text(f"0: 900Mhz *\n1: {board.clock_mem}Mhz"),
        "xgmi_port_num": lambda: "".join(_ports(machine, index)),
        "ras/features": _text("feature mask: 0x13fffff"),
        "ras/gpu_vram_bad_pages": _text(""),
    }


def _ports(machine: Machine, index: int) -> Iterator[str]:
    shape = machine.plan.shape
    for port in range(_board(machine).links):
        other = peer(shape, index, port)
        if other is not None:
            back = next(link for link in range(_board(machine).links) if peer(shape, other, link) == index)
            yield f"{index + 1:02x}:{port:02x} ->  {other + 1:02x}:{back:02x}\n"


def _sensors(machine: Machine, index: int) -> dict[str, Make]:
    board, state = _board(machine), machine.boards
    made = {
        "name": _text("amdgpu"),
        "temp2_label": _text("junction"),
        "temp2_crit": _text(int(1000 * board.slowdown_at)),
        "temp3_label": _text("mem"),
        "power1_cap": _text(int(1e6 * board.power_limit)),
        "power1_cap_min": _text(0),
        "power1_cap_max": _text(int(1e6 * board.power_limit)),
    }
    found = {f"hwmon/hwmon{4 + index}/{name}": make for name, make in made.items()}
    found["mem_info_vram_used"] = lambda: f"{board.reserved_bytes + int(machine.boards[index].memory_used)}\n"
    found["ras/umc_err_count"] = lambda: f"ue: 0\nce: {int(machine.now(state[index].ecc_corrected))}\n"
    found["gpu_metrics"] = lambda: gpu_metrics(machine, index).decode("latin-1")
    return found


def gpu_metrics(machine: Machine, index: int) -> bytes:
    """Revision 1.7: see collectors/probe/gpu_metrics.py."""
    board, state = _board(machine), machine.boards[index]
    table = bytearray(b"\xff" * 2208)
    struct.pack_into("<HBB", table, 0, len(table), 1, 7)
    temp = round(state.temp)
    struct.pack_into(
        "<6H", table, 4, temp, temp - _MEMORY_COOLER, _NONE16, round(state.power), round(state.util),
        round(state.mem_util),
    )  # fmt: skip
    struct.pack_into("<Q", table, 24, int(machine.now(state.energy) / _JOULES))
    struct.pack_into("<6I", table, 40, *_residencies(machine, index))
    struct.pack_into("<2H", table, 72, _LANES, _GIGABITS_A_LANE)
    struct.pack_into("<Q", table, 96, int((state.pcie_rx.rate + state.pcie_tx.rate) / _MEGABIT))
    struct.pack_into("<Q", table, 112, 0)
    data = [int(xgmi.transferred(machine, index, link)) // _KIB for link in range(board.links)] + [_NONE64]
    struct.pack_into("<8Q8Q", table, 136, *data, *data)
    up = [int(xgmi.is_up(machine, index, link)) for link in range(board.links)] + [_NONE16]
    struct.pack_into("<8H", table, 264, *up)
    struct.pack_into("<8H", table, 296, *[round(state.clock_sm)] * 8)
    struct.pack_into("<H", table, 336, board.clock_mem if state.job else 900)
    return bytes(table)


def _residencies(machine: Machine, index: int) -> tuple[int, ...]:
    """Milliseconds: of the clock, then under the limits of prochot, power, heat of socket, regulators and memory."""
    state = machine.boards[index]
    clock = int(1000 * (machine.time - machine.booted_at))
    return clock, 0, int(1000 * machine.now(state.short_of_power)), int(1000 * machine.now(state.too_hot)), 0, 0


def _topology_node(machine: Machine, number: int) -> dict[str, Make]:
    """Two processors, then the boards: each with each, and half of them with either processor."""
    shape, folder, index = machine.plan.shape, f"{_TOPOLOGY}{number}/", number - _CPU_NODES
    if index < 0:
        return {f"{folder}gpu_id": _text(0), f"{folder}properties": _text("cpu_cores_count 96\nsimd_count 0")}
    bus = int(shape.address(index).split(":")[1], 16)
    made = {
        f"{folder}gpu_id": _text(gpu_id(machine, index)),
        f"{folder}properties": _text(
            f"cpu_cores_count 0\nsimd_count 1216\nvendor_id 4098\ndevice_id {_board(machine).pci_device}\n"
            f"location_id {bus << 8}\ndomain 0\nhive_id {1 + int(2**62 * noise(machine.plan.index, 9))}"
        ),
    }
    processor = index * _CPU_NODES // shape.boards
    made[f"{folder}io_links/0/properties"] = _link(number, processor, 2, 20, 64_000)
    others = [other for other in range(shape.boards) if other != index]
    for link, other in enumerate(others, 1):
        speed = int(_board(machine).link_speed / 1e6)
        made[f"{folder}io_links/{link}/properties"] = _link(number, other + _CPU_NODES, 11, 15, speed)
    return made


def _link(number: int, to: int, kind: int, weight: int, speed: int) -> Make:
    return _text(
        f"type {kind}\nnode_from {number}\nnode_to {to}\nweight {weight}\nmin_bandwidth {speed}\n"
        f"max_bandwidth {speed}\nflags 1"
    )
