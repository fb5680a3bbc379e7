"""The PCIe link of one device, from sysfs: generation, width and speed now, and the best that both ends can.

Must not do: judge. Idle devices step down to save power, so a slow link is a fault only under load.
Formats: "16.0 GT/s PCIe" (older kernels "16 GT/s"), "Unknown", widths "16", and "0", "63" or "255" where the device
doesn't answer. Error counters: Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats; an error is counted by the
end that sees it, so a link's errors are those of both.
"""

from .cells import UNSUPPORTED, Missing
from .pci import ROOT
from .sysfs import attribute

METRICS = (
    "kind", "medium", "peer", "up", "speed", "speed_max", "width", "width_max", "gen", "gen_max", "rx_errors",
    "replay_errors", "pci_path",
)  # fmt: skip
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6, 128.0: 7}  # GT/s -> generation
_NO_WIDTH = (0, 63, 255)  # what a link that is down, or a device that has gone, reads as
_BROKEN = ("RxErr", "BadTLP", "BadDLLP", "Receiver Error", "Bad TLP", "Bad DLLP")  # new words, then old ones
_REPLAYED = ("Rollover", "Timeout", "RELAY_NUM Rollover", "Replay Timer Timeout")


def link_cells(world, address: str) -> dict:
    """The cells of METRICS for the device at a PCI address ("0000:05:00.0"). The caller adds name and accelerator."""
    path = bridges(world, address)
    port = path[-1] if path and path[-1].count(":") == 2 else ""  # "pci0000:00" is the root complex itself
    ends = (address, port) if port else (address,)
    rate, width = _rate(world, address, "current_link_speed"), _width(world, address, "current_link_width")
    best_rate = _least([_rate(world, end, "max_link_speed") for end in ends])
    best_width = _least([_width(world, end, "max_link_width") for end in ends])
    now, best = speed(rate, width), generation(best_rate)
    cells = {
        "kind": "pcie",
        "medium": best if isinstance(best, Missing) else "PCIe %d.0" % best,
        "peer": port or UNSUPPORTED,
        "up": now if isinstance(now, Missing) else 1,
        "speed": now,
        "speed_max": speed(best_rate, best_width),
        "width": width,
        "width_max": best_width,
        "gen": generation(rate),
        "gen_max": best,
        "pci_path": "/".join(path) or UNSUPPORTED,
    }
    cells.update(_errors(world, ends))
    return cells


def bridges(world, address: str) -> "list[str]":
    """What is above a device, from its root complex ("pci0000:15") down to the port at the other end of its link.

    Without a port where there is none to be seen, as in a virtual machine.
    """
    try:
        folders = world.readlink(ROOT + address).split("/")[:-1]
    except OSError:
        return []
    return [name for name in folders if name.startswith("pci") or name.count(":") == 2]


def numa_node(world, address: str) -> "int | Missing":
    """Of the device at a PCI address; the kernel writes -1 where the firmware doesn't tell."""
    text = attribute(world, ROOT + address + "/numa_node", keep=False)
    if isinstance(text, Missing):
        return text
    return int(text) if text.isdigit() else UNSUPPORTED


def normal(address: str) -> str:
    """A PCI address as sysfs writes it: "0000:86:00.0" of "00000000:86:00.0", "86:00.0", "0000:86:00" or "PCI:…"."""
    words = address.strip().upper().replace("PCI:", "").split(":")
    domain, bus, rest = ["0", *words][-3:]
    device, _, function = rest.partition(".")
    return "%04x:%02x:%02x.%x" % (int(domain, 16), int(bus, 16), int(device, 16), int(function or "0", 16))


def parse_rate(text: str) -> "float | Missing":
    """Transfers a second and lane, in units of 10⁹, of "32.0 GT/s PCIe"."""
    word = text.partition(" ")[0]
    try:
        return float(word)
    except ValueError:
        return Missing(UNSUPPORTED.code, text or "empty")


def generation(rate: "float | Missing") -> "int | Missing":
    """Of a rate in GT/s."""
    return rate if isinstance(rate, Missing) else _GENERATIONS.get(rate, UNSUPPORTED)


def speed(rate: "float | Missing", width: "int | Missing") -> "int | Missing":
    """Bytes a second in one direction, after the line code: 8b/10b, from 8 GT/s on 128b/130b, from 64 GT/s on none."""
    if isinstance(rate, Missing):
        return rate
    if isinstance(width, Missing):
        return width
    share = 0.8 if rate < 8 else 1.0 if rate >= 64 else 128 / 130
    return int(rate * 1e9 * width * share / 8)


def speed_of(generation: "int | Missing", width: "int | Missing") -> "int | Missing":
    """As `speed`, where the generation is known instead of the rate."""
    if isinstance(generation, Missing):
        return generation
    rates = {known: rate for rate, known in _GENERATIONS.items()}
    return speed(rates.get(generation, UNSUPPORTED), width)


def parse_errors(text: str) -> dict:
    """rx_errors (packets that arrived broken) and replay_errors of a file aer_dev_correctable."""
    counts = {}
    for line in text.splitlines():
        name, _, count = line.strip().rpartition(" ")
        if count.isdigit():
            counts[name] = int(count)
    return {
        "rx_errors": sum(counts.get(name, 0) for name in _BROKEN),
        "replay_errors": sum(counts.get(name, 0) for name in _REPLAYED),
    }


def _rate(world, address: str, file: str) -> "float | Missing":
    text = attribute(world, ROOT + address + "/" + file, keep=False)
    return text if isinstance(text, Missing) else parse_rate(text)


def _width(world, address: str, file: str) -> "int | Missing":
    text = attribute(world, ROOT + address + "/" + file, keep=False)
    if isinstance(text, Missing):
        return text
    if not text.isdigit() or int(text) in _NO_WIDTH:
        return Missing(UNSUPPORTED.code, "%s lanes" % text)
    return int(text)


def _least(found: list):
    """What both ends can: of those that tell. The device's own reason where none does."""
    known = [value for value in found if not isinstance(value, Missing)]
    return min(known) if known else found[0]


def _errors(world, ends: tuple) -> dict:
    """Of both ends together; a reason where the device doesn't report them (no AER, or it is the firmware's)."""
    texts = [attribute(world, ROOT + end + "/aer_dev_correctable", keep=False) for end in ends]
    known = [parse_errors(text) for text in texts if not isinstance(text, Missing)]
    if not known:
        return {"rx_errors": texts[0], "replay_errors": texts[0]}
    return {name: sum(counts[name] for counts in known) for name in ("rx_errors", "replay_errors")}
