"""What simulated nodes are built of: boards and node shapes, with the figures of their data sheets.

Idle draw, thermal resistance and slowdown points are typical of such machines; all else is as the vendor states it.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Board:
    """One accelerator product. Power in W, clocks in MHz, temperatures in °C, a link's speed in B/s one way."""

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
    vendor: str = "nvidia"  # as the metric `vendor` says it

    @property
    def pci(self) -> PciIdentity:
        return _CONSUMER_PCI if self.vendor == "nvidia" and not self.datacenter else _PCI[self.vendor]


@dataclass(frozen=True, slots=True)
class PciIdentity:
    """What the PCI bus says of a vendor's accelerators: vendor id, class with its interface, the driver bound."""

    vendor: int
    kind: int
    driver: str


_PCI = {
    "nvidia": PciIdentity(0x10DE, 0x030200, "nvidia"),
    "amd": PciIdentity(0x1002, 0x120000, "amdgpu"),
    "google": PciIdentity(0x1AE0, 0x088000, "vfio-pci"),
    "aws": PciIdentity(0x1D0F, 0x088000, "neuron"),
    "habana": PciIdentity(0x1DA3, 0x120000, "habanalabs"),
    "intel": PciIdentity(0x8086, 0x038000, "i915"),
}
_CONSUMER_PCI = PciIdentity(0x10DE, 0x030000, "nvidia")


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
    cuda: int  # as NVML gives it: 12080 is 12.8; 0 for other vendors
    nodes_per_rack: int
    power_budget_watts: float
    ib_ports: int = 0
    ib_speed: int = 400
    roce_ports: int = 0
    ethernet: tuple[tuple[str, int], ...] = (("eno1", 25),)
    machine: str = "x86_64"
    runtime: str = ""  # version of what the vendor's programs are built upon: ROCm, libtpu, Neuron runtime, SynapseAI

    @property
    def vendor(self) -> str:
        """That of its boards; "" without."""
        return self.board.vendor if self.board else ""

    @property
    def has_pcie_switches(self) -> bool:
        """One for each board and the port that serves it, as in servers that are built for eight of them."""
        return self.boards == _FEW_BOARDS == self.ib_ports + self.roce_ports

    def address(self, index: int) -> str:
        """PCI address of a board, as the kernel writes it."""
        bus = 0x18 + 0x11 * index if self.boards <= _FEW_BOARDS else 0x10 + 0x0D * index
        return f"0000:{bus:02x}:00.0"


_FEW_BOARDS = 8

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
MI300X = Board(
    "AMD Instinct MI300X", 196592 * MIB, 296 * MIB, 750, 100, 138, 2100, 1300, 0.056, 100, 5,
    "102-G30211-0C", "022.040.003.043.000001", 0x74A1, 7, 64e9, vendor="amd",
)  # fmt: skip
TPU_V5P = Board(  # what it draws is published nowhere, and no tool on its host tells
    "TPU v5p", 95 * GIB, 0, 450, 450, 120, 1750, 1370, 0.06, 95, 4, "", "", 0x0062, 6, 100e9, vendor="google",
)  # fmt: skip
TRAINIUM2 = Board(
    "Trainium2", 96 * GIB, 0, 500, 500, 130, 2800, 2900, 0.07, 95, 5, "", "", 0x7364, 4, 128e9, vendor="aws",
)  # fmt: skip
GAUDI3 = Board(
    "HL-325L", 131072 * MIB, 672 * MIB, 900, 900, 205, 1600, 3600, 0.046, 95, 5,
    "HL-325L", "hl-gaudi3-1.21.3-fw-59.2.1-sec-9", 0x1060, 24, 25e9, vendor="habana",
)  # fmt: skip
MAX1550 = Board(
    "Intel(R) Data Center GPU Max 1550", 131072 * MIB, 48 * MIB, 600, 300, 168, 1600, 3200, 0.058, 95, 5,
    "", "PVC2_1.23374", 0x0BD5, 16, 26.5e9, vendor="intel",
)  # fmt: skip

_SHAPES = (
    Shape("h100", H100, 8, "Intel(R) Xeon(R) Platinum 8480C", 224, 2016 * GIB, "570.124.06", 12080, 4, 10_200,
          ib_ports=8, ethernet=(("eno1", 25), ("ens6f0np0", 100))),
    Shape("b200", B200, 8, "INTEL(R) XEON(R) PLATINUM 8570", 224, 2016 * GIB, "580.82.07", 13000, 4, 14_300,
          ib_ports=8, ethernet=(("eno1", 25), ("ens6f0np0", 100))),
    Shape("gb200", GB200, 4, "ARM implementer 0x41 part 0xd4f", 144, 956 * GIB, "580.82.07", 13000, 18, 6_700,
          ib_ports=4, ethernet=(("enP5p9s0", 25),), machine="aarch64"),
    Shape("a100", A100, 8, "AMD EPYC 7742 64-Core Processor", 256, 1008 * GIB, "535.230.02", 12020, 4, 6_500,
          ib_ports=8, ib_speed=200, ethernet=(("eno1", 10), ("enp225s0f0", 100))),
    Shape("l40s", L40S, 4, "AMD EPYC 9354 32-Core Processor", 128, 755 * GIB, "550.144.03", 12040, 8, 2_200,
          roce_ports=1, ethernet=(("eno1", 25), ("ens3f0np0", 100))),
    Shape("rtx", RTX4090, 2, "AMD Ryzen Threadripper PRO 5975WX 32-Cores", 64, 252 * GIB, "550.144.03", 12040, 8,
          1_600, ethernet=(("enp68s0", 10),)),
    Shape("mi300x", MI300X, 8, "AMD EPYC 9654 96-Core Processor", 384, 2304 * GIB, "6.12.12", 0, 4, 11_600,
          roce_ports=8, ethernet=(("eno1", 25), ("ens14f0np0", 100)), runtime="6.4.1"),
    Shape("tpu", TPU_V5P, 4, "AMD EPYC 7B13", 208, 448 * GIB, "", 0, 8, 3_000, ethernet=(("ens8", 200),),
          runtime="0.0.17"),
    Shape("trn2", TRAINIUM2, 16, "Intel(R) Xeon(R) Platinum 8488C", 192, 2048 * GIB, "2.21.37.0", 0, 2, 11_500,
          ethernet=(("ens33", 100), ("ens64", 400)), runtime="2.26.42.0"),
    Shape("gaudi3", GAUDI3, 8, "INTEL(R) XEON(R) PLATINUM 8568Y+", 192, 2016 * GIB, "1.21.3-57ae8e2", 0, 4, 12_400,
          ethernet=(("eno1", 25), ("ens6f0np0", 200)), runtime="1.21.3"),
    Shape("max1550", MAX1550, 4, "Intel(R) Xeon(R) CPU Max 9470C", 208, 1008 * GIB, "1.25.2", 0, 4, 4_600,
          ib_ports=2, ib_speed=400, ethernet=(("eno1", 25),), runtime="25.18.33578"),
    Shape("login", None, 0, "AMD EPYC 7443P 24-Core Processor", 48, 252 * GIB, "", 0, 8, 500),
)  # fmt: skip

SHAPES = {shape.name: shape for shape in _SHAPES}
