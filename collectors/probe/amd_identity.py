"""Who an AMD board is: names and numbers that stay, from the files of its PCI function."""

from .cells import UNSUPPORTED, Missing
from .pci import ROOT
from .sysfs import attribute

IDENTITY = "name vendor model uuid serial bus_id board driver runtime firmware partition_of index numa".split()
_UUID = "GPU-"
_NVIDIA, _DISPLAY = 0x10DE, 0x03
_LISTS = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")


def identity(world, device, index: int) -> dict:
    """The cells of IDENTITY but for driver and runtime, which are the node's."""

    def told(name: str) -> "str | Missing":
        text = attribute(world, ROOT + device.address + "/" + name, keep=False)
        return UNSUPPORTED if text in ("", "0", "N/A") else text

    product, key = told("product_name"), key_of(world, device)
    return {
        "name": "%s%d" % ("amd" if _others(world) else "gpu", index),
        "vendor": "AMD",
        "model": model(world, device, told("revision")) if isinstance(product, Missing) else product,
        "uuid": key if key.startswith(_UUID) else UNSUPPORTED,
        "serial": told("serial_number"),
        "bus_id": device.address,
        "board": told("product_number"),
        "firmware": told("vbios_version"),
        "partition_of": "",
        "index": index,
        "numa": _numa(attribute(world, ROOT + device.address + "/numa_node", keep=False)),
    }


def _others(world) -> bool:
    """Whether the node has boards that are called gpu0 and so on by another vendor's tool."""
    return any(device.vendor == _NVIDIA and device.kind >> 8 == _DISPLAY for device in world.pci())


def _numa(text: "str | Missing") -> "int | Missing":
    """-1 stands for a machine whose firmware doesn't tell."""
    if isinstance(text, Missing):
        return text
    return int(text) if text.isdigit() else UNSUPPORTED


def key_of(world, device) -> str:
    """What names a board in the cells: its uuid; older ones have none, and are named by their place."""
    unique = attribute(world, ROOT + device.address + "/unique_id", keep=False)
    return "amd:" + device.address if isinstance(unique, Missing) or not unique.strip("0") else uuid_of(unique)


def uuid_of(unique_id: str) -> str:
    """The identity that ROCr and HIP_VISIBLE_DEVICES use, of the hexadecimal number in the file unique_id."""
    return "%s%016x" % (_UUID, int(unique_id, 16))


def model(world, device, revision: "str | Missing") -> str:
    """From the list that libdrm brings; the PCI id where that is not installed or doesn't have it."""
    wanted = "%04X" % device.device, revision if isinstance(revision, Missing) else "%02X" % int(revision, 16)
    for path in _LISTS:
        try:
            text = world.read(path)
        except OSError:
            continue
        for line in text.splitlines():
            words = [word.strip() for word in line.split(",", 2)]
            if len(words) == 3 and (words[0].upper(), words[1].upper()) == wanted:
                return words[2]
    return "AMD GPU %04x" % device.device
