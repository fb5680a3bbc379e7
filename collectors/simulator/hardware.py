"""What simulated nodes are built of: boards and node shapes, with the figures of their data sheets.

Idle draw, thermal resistance and slowdown points are typical of such machines; all else is as the vendor states it.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Board:
    """One accelerator product. Power in W, clocks in MHz, temperatures in °C, NVLink speed in B/s one way a link."""

    model: str
    memory_bytes: int
    reserved_bytes: int
    power_limit: float
    power_min: float
    idle_watts: float
    clock_sm: int
    clock_mem: int
    degrees_per_watt: float  # core above inlet, in steady state
    slowdown_at: float  # core temperature at which the margin is used up
    pcie_gen: int
    part: str
    vbios: str
    pci_device: int
    links: int = 0
    link_speed: float = 0.0
    datacenter: bool = True  # ECC, row remapping, serial number, no fan of its own
    memory_sensor: bool = True
    byte_counters: bool = False  # PCIe bytes as counters (Hopper and newer)


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of node. Speeds of ports in Gbit/s."""

    name: str
    board: Board | None
    boards: int
    cpu_model: str
    cpus: int
    memory_bytes: int
    driver: str
    cuda: int  # as NVML gives it: 12080 is 12.8
    nodes_per_rack: int
    power_budget_watts: float
    ib_ports: int = 0
    ib_speed: int = 400
    roce_ports: int = 0
    ethernet: tuple[tuple[str, int], ...] = (("eno1", 25),)
    machine: str = "x86_64"


H100 = Board(
    "NVIDIA H100 80GB HBM3", 81559 * MIB, 551 * MIB, 700, 200, 71, 1980, 2619, 0.052, 87, 5,
    "692-2G520-0200-000", "96.00.89.00.01", 0x2330, 18, 26.562e9, byte_counters=True,
)  # fmt: skip
B200 = Board(
    "NVIDIA B200", 183359 * MIB, 720 * MIB, 1000, 200, 142, 1965, 3996, 0.036, 85, 5,
    "692-2G525-0225-000", "97.00.88.00.0F", 0x2901, 18, 53.125e9, byte_counters=True,
)  # fmt: skip
GB200 = Board(
    "NVIDIA GB200", 189471 * MIB, 740 * MIB, 1200, 200, 161, 2062, 3996, 0.024, 84, 6,
    "699-2G548-0200-900", "97.00.B9.00.59", 0x2941, 18, 53.125e9, byte_counters=True,
)  # fmt: skip
A100 = Board(
    "NVIDIA A100-SXM4-80GB", 81920 * MIB, 570 * MIB, 400, 100, 56, 1410, 1593, 0.088, 85, 4,
    "692-2G506-0212-002", "92.00.36.00.01", 0x20B2, 12, 25.781e9,
)  # fmt: skip
L40S = Board(
    "NVIDIA L40S", 46068 * MIB, 596 * MIB, 350, 100, 34, 2520, 9001, 0.11, 88, 4,
    "900-2G133-0080-000", "95.02.66.00.02", 0x26B9, memory_sensor=False,
)  # fmt: skip
RTX4090 = Board(
    "NVIDIA GeForce RTX 4090", 24564 * MIB, 463 * MIB, 450, 150, 19, 3105, 10501, 0.1, 90, 4,
    "", "95.02.3C.00.8C", 0x2684, datacenter=False, memory_sensor=False,
)  # fmt: skip

_SHAPES = (
    Shape("h100", H100, 8, "Intel(R) Xeon(R) Platinum 8480C", 224, 2016 * GIB, "570.124.06", 12080, 4, 10_200,
          ib_ports=8, ethernet=(("eno1", 25), ("ens6f0np0", 100))),
    Shape("b200", B200, 8, "INTEL(R) XEON(R) PLATINUM 8570", 224, 2016 * GIB, "580.82.07", 13000, 4, 14_300,
          ib_ports=8, ethernet=(("eno1", 25), ("ens6f0np0", 100))),
    Shape("gb200", GB200, 4, "ARM implementer 0x41 part 0xd4f", 144, 956 * GIB, "580.82.07", 13000, 18, 5_600,
          ib_ports=4, ethernet=(("enP5p9s0", 25),), machine="aarch64"),
    Shape("a100", A100, 8, "AMD EPYC 7742 64-Core Processor", 256, 1008 * GIB, "535.230.02", 12020, 4, 6_500,
          ib_ports=8, ib_speed=200, ethernet=(("eno1", 10), ("enp225s0f0", 100))),
    Shape("l40s", L40S, 4, "AMD EPYC 9354 32-Core Processor", 128, 755 * GIB, "550.144.03", 12040, 8, 2_200,
          roce_ports=1, ethernet=(("eno1", 25), ("ens3f0np0", 100))),
    Shape("rtx", RTX4090, 2, "AMD Ryzen Threadripper PRO 5975WX 32-Cores", 64, 252 * GIB, "550.144.03", 12040, 8,
          1_600, ethernet=(("enp68s0", 10),)),
    Shape("login", None, 0, "AMD EPYC 7443P 24-Core Processor", 48, 252 * GIB, "", 0, 8, 500),
)  # fmt: skip

SHAPES = {shape.name: shape for shape in _SHAPES}
