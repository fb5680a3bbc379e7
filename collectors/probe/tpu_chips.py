"""Which TPU chips a host has, without any runtime: from the PCI bus and the device files of their drivers.

Three numberings meet here. PCI addresses order the chips; device files carry a number of the driver's (an IOMMU group
for VFIO); the runtime counts chips or cores by ids of the whole slice, as 8, 9, 12, 13 on its third host. Only the
order is common to them, so it is by order that they are matched; with chips that nobody holds left out where the
runtime tells of fewer.
"""

from .cells import FAILED_CODE, UNSUPPORTED, Missing
from .pci import ROOT

GOOGLE = 0x1AE0
# (device, subsystem or None) -> name, cores that the runtime counts apart. As tpu-info's device.py has them.
_KINDS = {
    (0x0027, 0x004E): ("v2", 2),
    (0x0027, 0x004F): ("v3", 2),
    (0x005E, None): ("v4", 1),
    (0x0063, None): ("v5e", 1),
    (0x0062, None): ("v5p", 1),
    (0x006F, None): ("v6e", 1),
    (0x0076, None): ("7x", 2),
}
_ACCEL = ("v2", "v3", "v4")  # generations with /dev/accel<n>; the later ones are handed out through VFIO


class Chip:
    """One chip; `address` is that of its first PCI function, `path` its device file."""

    __slots__ = ("address", "cores", "index", "key", "model", "name", "numa", "path")

    def __init__(self, index: int, address: str, kind: "tuple[str, int]", path: str, numa: "int | Missing") -> None:
        self.index = index
        self.address = address
        self.key = "tpu:" + address
        self.name = "tpu%d" % index
        self.model = "TPU7x" if kind[0] == "7x" else "TPU " + kind[0]
        self.cores = kind[1]
        self.path = path
        self.numa = numa


def _kind(device) -> "tuple[str, int] | None":
    return _KINDS.get((device.device, device.subsystem)) or _KINDS.get((device.device, None))


def chips(world) -> "list[Chip]":
    """All of them, in the order of their addresses; a 7x chip shows as two functions, one for each core."""
    found = {}
    for device in world.pci():
        kind = _kind(device) if device.vendor == GOOGLE else None
        if kind is not None:
            found.setdefault(device.address.partition(".")[0], (device.address, kind))
    return [
        Chip(index, address, kind, _path(world, address, kind[0], index), _numa(world, address))
        for index, (address, kind) in enumerate(found[slot] for slot in sorted(found))
    ]


def _path(world, address: str, kind: str, index: int) -> str:
    """The device file, as the kernel links it to the PCI device; by its place in the order where it doesn't."""
    if kind in _ACCEL:
        try:
            return "/dev/" + sorted(world.listdir(ROOT + address + "/accel"))[0]
        except (OSError, IndexError):
            return "/dev/accel%d" % index
    try:
        return "/dev/vfio/" + world.readlink(ROOT + address + "/iommu_group").rpartition("/")[2]
    except OSError:
        return "/dev/vfio/%d" % index


def _numa(world, address: str) -> "int | Missing":
    try:
        node = int(world.read(ROOT + address + "/numa_node"))
    except (OSError, ValueError):
        return UNSUPPORTED
    return node if node >= 0 else UNSUPPORTED


def matched(ids: list, found: "list[Chip]", held: "list[Chip]") -> "dict | Missing":
    """Runtime's id -> chip. `ids`, of any kind that has an order, are of chips or of cores; where they aren't of all
    chips, they are of those held."""
    order = sorted(set(ids))
    for group in (found, held):
        each = len(order) // max(1, len(group))
        if order and group and len(order) == each * len(group) and each in (1, group[0].cores):
            return {number: group[rank // each] for rank, number in enumerate(order)}
    note = "the runtime tells of %d devices, the host has %d chips of which %d are held"
    return Missing(FAILED_CODE, note % (len(order), len(found), len(held)))
