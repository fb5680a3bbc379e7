"""The accelerators of a simulated node in /sys/bus/pci: identity, link, and the port above each. Pure: of a machine."""

from __future__ import annotations

from collections.abc import Callable

from collectors.simulator.machine import Machine
from collectors.simulator.work import noise

ROOT = "/sys/bus/pci/devices"
_RATES = {3: "8.0 GT/s PCIe", 4: "16.0 GT/s PCIe", 5: "32.0 GT/s PCIe", 6: "64.0 GT/s PCIe"}
_IDLE_RATE = "2.5 GT/s PCIe"
_PORT_ID, _PORT_CLASS = "8086:352A", 0x060400
_LANES = 16


def files(machine: Machine) -> dict[str, Callable[[], str]]:
    """Path -> what makes its text."""
    made: dict[str, Callable[[], str]] = {}
    for index in range(machine.plan.shape.boards):
        address = machine.plan.shape.address(index)
        for folder, texts in ((address, _board(machine, index)), (port(address), _port(machine))):
            made.update({f"{ROOT}/{folder}/{name}": make for name, make in texts.items()})
    return made


def links(machine: Machine) -> dict[str, str]:
    """Symbolic links: where in the tree of devices each one is."""
    found = {}
    for index in range(machine.plan.shape.boards):
        address = machine.plan.shape.address(index)
        above = f"{tree(machine, address)}/{port(address)}"
        found[f"{ROOT}/{port(address)}"] = above
        found[f"{ROOT}/{address}"] = f"{above}/{address}"
    return found


def tree(machine: Machine, address: str) -> str:
    """The folder of the port above a board: of a root complex, or of the switch that it shares with its adapter."""
    upper = port(address)
    if not machine.plan.shape.has_pcie_switches:
        return f"../../../devices/pci{upper[:7]}"
    root, switch = (f"0000:{int(upper[5:7], 16) - above:02x}" for above in (2, 1))
    return f"../../../devices/pci{root}/{root}:01.0/{switch}:00.0"


def port(address: str) -> str:
    """The address of the port above a board."""
    domain, bus, _ = address.split(":")
    return f"{domain}:{int(bus, 16) - 1:02x}:01.0"


def numa_node(machine: Machine, index: int) -> int:
    """Of a board, and of the adapter that serves it."""
    return index * 2 // machine.plan.shape.boards


def _board(machine: Machine, index: int) -> dict[str, Callable[[], str]]:
    board = machine.plan.shape.board
    assert board is not None
    pci, address = board.pci, machine.plan.shape.address(index)
    rate = _RATES[board.pcie_gen]
    corrected = int(3 * noise(machine.plan.index, index, 5) ** 6)

    def now() -> str:
        awake = board.datacenter or machine.boards[index].job is not None
        return f"{rate if awake else _IDLE_RATE}\n"

    return {
        "uevent": _constant(
            f"DRIVER={pci.driver}\nPCI_CLASS={pci.kind:X}\nPCI_ID={pci.vendor:04X}:{board.pci_device:04X}\n"
            f"PCI_SUBSYS_ID={pci.vendor:04X}:{board.pci_device:04X}\nPCI_SLOT_NAME={address}"
        ),
        "vendor": _constant(f"0x{pci.vendor:04x}"),
        "device": _constant(f"0x{board.pci_device:04x}"),
        "class": _constant(f"0x{pci.kind:06x}"),
        "numa_node": _constant(str(numa_node(machine, index))),
        "current_link_speed": now,
        "current_link_width": _constant(str(_LANES)),
        "max_link_speed": _constant(rate),
        "max_link_width": _constant(str(_LANES)),
        "aer_dev_correctable": _constant(
            f"RxErr 0\nBadTLP 0\nBadDLLP 0\nRollover 0\nTimeout {corrected}\nNonFatalErr 0\nCorrIntErr 0\n"
            f"HeaderOF 0\nTOTAL_ERR_COR {corrected}"
        ),
    }


def _port(machine: Machine) -> dict[str, Callable[[], str]]:
    board = machine.plan.shape.board
    assert board is not None
    return {
        "uevent": _constant(f"DRIVER=pcieport\nPCI_CLASS={_PORT_CLASS:X}\nPCI_ID={_PORT_ID}"),
        "max_link_speed": _constant(_RATES[board.pcie_gen]),
        "max_link_width": _constant(str(_LANES)),
    }


def _constant(text: str) -> Callable[[], str]:
    return lambda: f"{text}\n"
