"""InfiniBand and RoCE ports as links, from /sys/class/infiniband.

Traps of these files: data counters count words of 4 bytes; a counter may read "N/A (no PMA)" or fail with EINVAL; the
error counters of old hardware stop at 65,535; a bonded device is management Ethernet and no part of the fabric.
"""

from .cells import UNSUPPORTED, Absent, Missing, Rates, Reading, rounded
from .sysfs import attribute

_ROOT = "/sys/class/infiniband/"
_GAUDI = ("hbl_", "hlib_")
_WORD_BYTES = 4
_SLOW_EVERY = 10  # samples; each counter read asks the firmware
_SLOW_COUNTERS = (
    ("rx_errors", "port_rcv_errors"),
    ("tx_discards", "port_xmit_discards"),
    ("ib.symbol_error", "symbol_error"),
    ("ib.link_downed", "link_downed"),
    ("ib.link_recovery", "link_error_recovery"),
)


class Sampler:
    period, deadline = 1.0, 8.0
    metrics = {
        "link": "name kind accelerator up phys speed rx tx".split() + [metric for metric, _ in _SLOW_COUNTERS],
    }
    owns = ("link",)
    lasting = ("name", "kind", "accelerator")
    awaited, follows_holders = True, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._rates = Rates()
        self._ports = []
        self._slow = {}  # port -> cells that are read every _SLOW_EVERY samples
        self._samples = 0

    def sample(self) -> Reading:
        if self._samples % _SLOW_EVERY == 0:
            self._ports = ports(self._world)
        if not self._ports:
            raise Absent("no ports in " + _ROOT)
        at = self._world.monotonic()
        links = {}
        for index, port in enumerate(self._ports):
            if port not in self._slow or (self._samples + index) % _SLOW_EVERY == 0:
                self._slow[port] = self._slow_cells(port)
            links["ib:%s/%s" % port] = dict(self._slow[port], **self._cells(port, at))
        self._samples += 1
        return Reading({"link": links})

    def _cells(self, port: tuple, at: float) -> dict:
        state = self._attribute(port, "state")
        return {
            "up": state if isinstance(state, Missing) else int(state.endswith("ACTIVE")),
            "rx": self._rate(port, "port_rcv_data", at),
            "tx": self._rate(port, "port_xmit_data", at),
        }

    def _rate(self, port: tuple, counter: str, at: float):
        words = self._counter(port, counter)
        if isinstance(words, Missing):
            return words
        return rounded(self._rates.rate((port, counter), words, at, _WORD_BYTES))

    def _slow_cells(self, port: tuple) -> dict:
        layer = self._attribute(port, "link_layer")
        rate = self._attribute(port, "rate")
        phys = self._attribute(port, "phys_state")
        cells = {
            "name": "%s/%s" % port,
            "kind": kind(port[0], layer),
            "accelerator": "",
            "phys": phys if isinstance(phys, Missing) else phys.partition(":")[2].strip() or phys,
            "speed": rate if isinstance(rate, Missing) else parse_rate(rate),
        }
        cells.update((metric, self._counter(port, file)) for metric, file in _SLOW_COUNTERS)
        return cells

    def _counter(self, port: tuple, name: str) -> "int | Missing":
        text = self._attribute(port, "counters/" + name)
        if isinstance(text, Missing):
            return text
        return int(text) if text.isdigit() else Missing(UNSUPPORTED.code, text)

    def _attribute(self, port: tuple, name: str) -> "str | Missing":
        return attribute(self._world, "%s%s/ports/%s/%s" % (_ROOT, port[0], port[1], name))


def ports(world) -> "list[tuple[str, str]]":
    """(device, port number) of every port."""
    try:
        devices = sorted(world.listdir(_ROOT))
    except OSError:
        return []
    found = []
    for device in devices:
        if device.startswith(_GAUDI):  # ports of accelerators, whose counters have other names: gaudi_ports has them
            continue
        try:
            found += [(device, port) for port in sorted(world.listdir(_ROOT + device + "/ports"))]
        except OSError:  # a device without ports, or one that just went away
            continue
    return found


def kind(device: str, layer: "str | Missing") -> str:
    """Which fabric a port belongs to."""
    if layer != "Ethernet":
        return "infiniband"
    return "ethernet" if "bond" in device else "roce"


def parse_rate(text: str) -> "float | Missing":
    """Bytes a second in one direction, of "400 Gb/sec (4X NDR)"."""
    words = text.split()
    try:
        return rounded(float(words[0]) * 1e9 / 8)
    except (IndexError, ValueError):
        return Missing(UNSUPPORTED.code, text)
