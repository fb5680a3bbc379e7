"""Which PCI devices the node has, from /sys/bus/pci/devices/*/uevent. Pure but for `devices`, which reads them once."""

ROOT = "/sys/bus/pci/devices/"


class PciDevice:
    """One function of a device; identities as the numbers of the PCI ID database."""

    __slots__ = ("address", "device", "driver", "kind", "subsystem", "vendor")

    def __init__(self, address: str, kind: int, vendor: int, device: int, subsystem: int, driver: str) -> None:
        self.address = address  # "0000:05:00.0"
        self.kind = kind  # class and subclass: 0x0302 is a 3D controller, 0x1200 a processing accelerator
        self.vendor = vendor
        self.device = device
        self.subsystem = subsystem  # subsystem device id
        self.driver = driver  # "" where none is bound


def devices(world, known: "list[PciDevice]") -> "list[PciDevice]":
    """All of them in the order of their addresses; those of `known` that are still there aren't read again."""
    try:
        names = sorted(world.listdir(ROOT))
    except OSError:
        return []
    before = {device.address: device for device in known}
    found = [before.get(name) or _read(world, name) for name in names]
    return [device for device in found if device is not None]


def _read(world, address: str) -> "PciDevice | None":
    try:
        return parse(address, world.read(ROOT + address + "/uevent"))
    except (OSError, ValueError):  # it has just gone, or is no ordinary device
        return None


def parse(address: str, uevent: str) -> PciDevice:
    """One uevent file. Raises ValueError where it holds no PCI_ID."""
    facts = dict(line.split("=", 1) for line in uevent.splitlines() if "=" in line)
    vendor, _, device = facts.get("PCI_ID", "").partition(":")
    subsystem = facts.get("PCI_SUBSYS_ID", "").partition(":")[2]
    return PciDevice(
        address,
        int(facts.get("PCI_CLASS", "0"), 16) >> 8,
        int(vendor, 16),
        int(device, 16),
        int(subsystem or "0", 16),
        facts.get("DRIVER", ""),
    )
