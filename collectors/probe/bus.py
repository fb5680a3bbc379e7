"""Which accelerators the PCI bus lists, whoever reads them: what is there and is told by nobody has lost its driver.

Left out are functions that a virtual machine has (vfio), virtual functions, and displays that no driver of an
accelerator is bound to.
"""

from .cells import Absent, Reading
from .neuron import MODELS
from .pci import ROOT

# vendor -> the classes that its accelerators have: 0x03 display, 0x08 system, 0x12 processing accelerator
_CLASSES = {
    0x10DE: (0x03,),
    0x1002: (0x03, 0x12),
    0x8086: (0x03,),
    0x1AE0: (0x08, 0x12),
    0x1D0F: (0x08, 0x12),
    0x1DA3: (0x12,),
}
_AMAZON = 0x1D0F  # makes more than accelerators
_GOOGLE = 0x1AE0  # hands its chips out through VFIO
_VGA = 0x0300  # with a screen: an accelerator only where its driver is bound
_VGA_DRIVERS = ("nvidia", "amdgpu", "i915", "xe")
_INTEGRATED = "0000:00:"  # graphics of the processor itself
_MOST = 64


class Sampler:
    period, deadline = 30.0, 10.0
    metrics = {"node": ("pci_accelerators", "pci_addresses")}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._devices = []
        self._found = []

    def sample(self) -> Reading:
        devices = self._world.pci()
        if not devices:
            raise Absent("no PCI bus")
        if devices != self._devices:
            self._devices, self._found = devices, addresses(self._world, devices)
        cells = {"pci_accelerators": len(self._found), "pci_addresses": " ".join(self._found[:_MOST])}
        return Reading({"node": {"": cells}})


def addresses(world, devices: list) -> "list[str]":
    """Of the accelerators, the first function of each, in order."""
    found = {}
    for device in devices:
        if _is_accelerator(device) and not world.exists(ROOT + device.address + "/physfn"):
            found.setdefault(device.address.partition(".")[0], device.address)
    return [found[slot] for slot in sorted(found)]


def _is_accelerator(device) -> bool:
    if device.kind >> 8 not in _CLASSES.get(device.vendor, ()) or device.address.startswith(_INTEGRATED):
        return False
    if device.vendor == _AMAZON and device.device not in MODELS:
        return False
    if device.driver == "vfio-pci" and device.vendor != _GOOGLE:
        return False
    return device.kind != _VGA or device.driver in _VGA_DRIVERS
