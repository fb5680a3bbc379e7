"""Which Neuron devices a node has and what they are: from neuron-ls, else from sysfs, else from the PCI bus."""

from .cells import NOT_YET_CODE, UNSUPPORTED, Missing
from .neuron_ls import COMMANDS, Device, parse
from .neuron_sysfs import Sysfs, numbers

_LS_SECONDS = 10.0
_UNUSED = Missing(NOT_YET_CODE, "no program uses it")


def devices(world, sysfs: Sysfs, addresses: "list[str]") -> "list[Device]":
    """By index. `addresses` are those of the Neuron devices on the PCI bus, all that is left without a driver."""
    found = _listed(world) or [Device(index, []) for index in sysfs.indexes()]
    if not found:
        found = [Device(index, []) for index in range(len(addresses))]
        for device, address in zip(found, addresses):
            device.address = address
    for device in found:
        device.connected = device.connected or numbers(sysfs.text(device.index, "connected_devices"))
    return found


def _listed(world) -> "list[Device]":
    """What neuron-ls tells; none where it isn't installed or says nothing that is understood."""
    if world.which(COMMANDS[0][0]) is None:
        return []
    for argv in COMMANDS:
        try:
            return parse(world.run(argv, _LS_SECONDS)[1])
        except (ValueError, TypeError, AttributeError):  # it has the other option, sees no device, or other types
            continue
        except OSError:
            break
    return []


def identity(sysfs: Sysfs, device: Device, model: str) -> dict:
    """The cells that stay; `model` is what the PCI bus says."""
    serial = sysfs.text(device.index, "info/serial_number")
    if isinstance(serial, str) and not serial.strip("0x"):
        serial = UNSUPPORTED
    told = sysfs.text(device.index, "info/architecture/device_name")
    return {
        "name": "neuron%d" % device.index,
        "vendor": "AWS",
        "model": model if isinstance(told, Missing) else told,
        "uuid": serial,
        "serial": serial,
        "bus_id": device.address,
        "driver": sysfs.version(),
        "runtime": "Neuron %s" % device.runtime if device.runtime else _UNUSED,
        "index": device.index,
        "numa": device.numa,
        "partition_of": "",
        "mem_total": device.memory,
        "links_max": len(device.connected) or UNSUPPORTED,
    }


def key_of(known: dict) -> str:
    """The key of a device: its serial number where the driver tells it."""
    return "neuron:%s" % (known["index"] if isinstance(known["serial"], Missing) else known["serial"])


def links(keys: "dict[int, str]", found: "list[Device]") -> dict:
    """Rows of the NeuronLinks: where each leads. Whether it is up and what goes over it is told nowhere."""
    return {
        "neuronlink:%s:%d" % (keys[device.index], number): {
            "name": "neuron%d/neuronlink%d" % (device.index, number),
            "kind": "neuronlink",
            "accelerator": keys[device.index],
            "peer": "neuron%d" % other,
        }
        for device in found
        for number, other in enumerate(device.connected)
    }
