"""InfiniBand and RoCE ports of a simulated node in /sys: counters, the adapters and their slots. Pure: of a machine."""

from __future__ import annotations

from collections.abc import Callable

from collectors.simulator import pci_files
from collectors.simulator.machine import Machine

IB = "/sys/class/infiniband"
_WORD_BYTES = 4  # what a port's data counters count
MEDIUMS = {200: "HDR", 400: "NDR"}  # Gbit/s of four lanes
_ADAPTER = "15B3:1021"  # ConnectX-7
_CLASS = {"InfiniBand": 0x020700, "Ethernet": 0x020000}
_STILL = ("local_link_integrity_errors", "excessive_buffer_overrun_errors")


def ports(machine: Machine) -> range:
    return range(machine.plan.shape.ib_ports + machine.plan.shape.roce_ports)


def address(machine: Machine, port: int) -> str:
    """PCI address of the adapter behind a port: near the board that it serves."""
    bus = int(machine.plan.shape.address(port).split(":")[1], 16)
    return f"0000:{bus + 3:02x}:00.0"


def files(machine: Machine) -> dict[str, Callable[[], str]]:
    """Path -> what makes its text."""
    shape, made = machine.plan.shape, {}
    layer = "InfiniBand" if shape.ib_ports else "Ethernet"
    for port in ports(machine):
        root = f"{IB}/mlx5_{port}/ports/1"
        texts = {
            "link_layer": _constant(layer),
            "rate": _constant(f"{shape.ib_speed} Gb/sec (4X {MEDIUMS[shape.ib_speed]})"),
            "state": _either(machine, port, "1: DOWN", "4: ACTIVE"),
            "phys_state": _either(machine, port, "2: Polling", "5: LinkUp"),
            **_counters(machine, port),
        }
        made.update({f"{root}/{name}": text for name, text in texts.items()})
        slot = f"{pci_files.ROOT}/{address(machine, port)}"
        made.update({f"{slot}/{name}": text for name, text in _slot(machine, port, layer).items()})
    return made


def links(machine: Machine) -> dict[str, str]:
    """Symbolic links: which device a port is, and where that is."""
    found = {}
    for port in ports(machine):
        found[f"{IB}/mlx5_{port}/device"] = f"../../../{address(machine, port)}"
        found[f"{pci_files.ROOT}/{address(machine, port)}"] = f"{_above(machine, port)}/{address(machine, port)}"
    return found


def _above(machine: Machine, port: int) -> str:
    """The folder of the port above an adapter."""
    board = machine.plan.shape.address(port)
    if machine.plan.shape.has_pcie_switches:
        return f"{pci_files.tree(machine, board)}/{pci_files.port(board)[:8]}02.0"
    upper = pci_files.port(address(machine, port))
    return f"../../../devices/pci{upper[:7]}/{upper}"


def _either(machine: Machine, port: int, down: str, up: str) -> Callable[[], str]:
    return lambda: f"{down if port in machine.faults.ports_down else up}\n"


def _counters(machine: Machine, port: int) -> dict[str, Callable[[], str]]:
    def counted(name: str, share: float) -> Callable[[], str]:
        return lambda: f"{int(machine.now(getattr(machine.ports[port], name)) * share)}\n"

    return {
        "counters/port_rcv_data": counted("data", 1 / _WORD_BYTES),
        "counters/port_xmit_data": counted("data", 1 / _WORD_BYTES),
        "counters/port_xmit_wait": counted("data", 2e-7),
        "counters/symbol_error": counted("symbol_errors", 1.0),
        "counters/link_downed": counted("downs", 1.0),
        "counters/link_error_recovery": counted("downs", 1.0),
        "counters/port_rcv_errors": counted("symbol_errors", 0.05),
        "counters/port_xmit_discards": counted("downs", 12.0),
        **{f"counters/{name}": _constant("0") for name in _STILL},
        "hw_counters/rnr_nak_retry_err": _constant("0"),
        "hw_counters/local_ack_timeout_err": counted("downs", 3.0),
        "hw_counters/out_of_sequence": counted("symbol_errors", 0.02),
        "hw_counters/roce_slow_restart": _constant("0"),
        "hw_counters/np_cnp_sent": counted("data", 1e-9 if machine.plan.shape.roce_ports else 0.0),
    }


def _slot(machine: Machine, port: int, layer: str) -> dict[str, Callable[[], str]]:
    where = address(machine, port)
    return {
        "numa_node": _constant(str(pci_files.numa_node(machine, port))),
        "uevent": _constant(
            f"DRIVER=mlx5_core\nPCI_CLASS={_CLASS[layer]:X}\nPCI_ID={_ADAPTER}\nPCI_SUBSYS_ID={_ADAPTER}\n"
            f"PCI_SLOT_NAME={where}"
        ),
        "current_link_speed": _constant("32.0 GT/s PCIe"),
        "max_link_speed": _constant("32.0 GT/s PCIe"),
        "current_link_width": _constant("16"),
        "max_link_width": _constant("16"),
        "aer_dev_correctable": _constant("RxErr 0\nBadTLP 0\nBadDLLP 0\nRollover 0\nTimeout 0\nTOTAL_ERR_COR 0"),
    }


def _constant(text: str) -> Callable[[], str]:
    return lambda: f"{text}\n"
