"""The ports of Gaudi cards in /sys/class/infiniband/hbl_N (older drivers: hlib_N): state, traffic, errors. Without the
driver's part for it, hl-smi tells which ports are up, one card a sample.

Port numbers in sysfs are the card's plus one. A counter costs the firmware a tenth of a second and its thread the wait:
ports take turns, for at most _BUDGET_SECONDS a sample. Trap: now and then the firmware gives an octet counter that is
off by a multiple of 2**32; read as traffic that would be terabytes a second. Jumps beyond the line speed are dropped.
"""

from . import ib_text
from .cells import NOT_YET, UNSUPPORTED, Absent, Missing, Reading, rounded
from .gaudi import addresses, key_of
from .gaudi_ports import IDENTITY, LIVE
from .hl_smi import parse_links
from .sysfs import attribute

ROOT = "/sys/class/infiniband/"
PREFIXES = ("hbl_", "hlib_")
_NO_DRIVER = Missing(UNSUPPORTED.code, "habanalabs_ib is not loaded: no counters in %shbl_*" % ROOT)
_SECONDS = 20.0  # for an answer of hl-smi
_BUDGET_SECONDS = 3.0
_ENUMERATE_EVERY = 12  # samples
_ERRORS_EVERY = 4  # of a port's turns
_TRIES = 3  # readings that make no sense, before the counter is taken to have begun anew
_SLACK = 1.5  # of the line speed: frames carry more than their payload, and clocks are not exact
# metric -> names of the driver's counters, of which a card has one
_ERRORS = (
    ("rx_errors", ("rx_ifInErrors", "ifInErrors")),
    ("fec_errors", ("uncorrectable_errors", "mac_fec_uncorrectable_errors")),
    ("resets", ("pcs_link_toggles", "pcs_link_restores")),
)
_OCTETS = (("rx", ("rx_Octets", "rx_etherStatsOctets")), ("tx", ("tx_Octets", "tx_etherStatsOctets")))


class Port:
    """One port. `counters`: metric -> file of its counter; `rates`: metric -> Octets."""

    def __init__(self, folder: str, accelerator: str, identity: dict, counters: "dict[str, str]") -> None:
        self.folder = folder
        self.accelerator = accelerator
        self.counters = counters
        self.cells: dict = dict(identity, **{name: UNSUPPORTED for name, _ in _ERRORS + _OCTETS})
        self.rates = {name: Octets() for name, _ in _OCTETS if name in counters}
        self.cells.update((name, NOT_YET) for name in counters)
        self.turns = 0


class Octets:
    """One counter of bytes as a rate, without the leaps that no wire can make."""

    def __init__(self) -> None:
        self._last = None  # (counter, at)
        self._shown = NOT_YET
        self._refused = 0

    def rate(self, counter: int, at: float, line_speed: float) -> "int | Missing":
        """Bytes a second. `at` in seconds of the monotonic clock; `line_speed` in bytes a second, 0 where unknown."""
        before, self._last = self._last, (counter, at)
        if before is None or at <= before[1]:
            return self._shown
        speed = (counter - before[0]) / (at - before[1])
        if 0 <= speed <= _SLACK * (line_speed or speed):
            self._refused, self._shown = 0, rounded(speed)
            return self._shown
        self._refused += 1
        if self._refused < _TRIES:
            self._last = before
            return self._shown
        self._refused, self._shown = 0, NOT_YET
        return NOT_YET


class Nics:
    """All ports of all cards."""

    def __init__(self, world) -> None:
        self._world = world
        self._ports = []
        self._told = {}  # PCI address -> port -> cells, where only hl-smi tells
        self._next = 0  # whose turn it is
        self._samples = 0

    def sample(self) -> Reading:
        if self._samples % _ENUMERATE_EVERY == 0:
            known = {port.folder: port for port in self._ports}
            self._ports = [known.get(port.folder, port) for port in ports(self._world)]
        self._samples += 1
        if not self._ports:
            return self._from_tool()
        for port in self._ports:
            port.cells = dict(port.cells, **_state(self._world, port.folder))
        self._take_turns()
        cells = {"%s:%s" % (port.cells["kind"], _key(port)): port.cells for port in self._ports}
        return Reading({"link": cells, "accelerator": _totals(list(cells.values()))})

    def _from_tool(self) -> Reading:
        """What `hl-smi -n link` says of all cards so far."""
        cards = addresses(self._world)
        address = cards[self._next % len(cards)]
        self._next += 1
        try:
            status, out, error = self._world.run(["hl-smi", "-n", "link", "-i", address], _SECONDS)
        except FileNotFoundError:
            raise Absent("no ports in %shbl_* (habanalabs_ib is not loaded), and no hl-smi" % ROOT) from None
        if status:
            raise OSError("hl-smi -n link: %s" % (error or out).strip())
        name = "hpu%d/port%%d" % cards.index(address)
        states = parse_links(out)
        if not states:
            raise OSError("hl-smi -n link: no port in %r" % out[:80])
        self._told[address] = {port: _told(name % port, address, up) for port, up in states.items()}
        found = [(address, port, cells) for address in cards for port, cells in self._told.get(address, {}).items()]
        links = {"gaudi:%s:%d" % (key_of(address), port): cells for address, port, cells in found}
        return Reading({"link": links, "accelerator": _totals([cells for _, _, cells in found])})

    def _take_turns(self) -> None:
        until = self._world.monotonic() + _BUDGET_SECONDS
        for _ in self._ports:
            port = self._ports[self._next % len(self._ports)]
            self._next = (self._next + 1) % len(self._ports)
            self._count(port)
            if self._world.monotonic() > until:
                return

    def _count(self, port: Port) -> None:
        """Ask for its counters: the errors now and then."""
        speed = port.cells["speed"]
        for name, file in port.counters.items():
            if name not in port.rates and port.turns % _ERRORS_EVERY:
                continue
            value = _counter(self._world, port.folder + file)
            if name in port.rates and not isinstance(value, Missing):
                line_speed = 0 if isinstance(speed, Missing) else speed
                value = port.rates[name].rate(value, self._world.monotonic(), line_speed)
            port.cells[name] = value
        port.turns += 1


def _key(port: Port) -> str:
    return "%s:%d" % (port.accelerator, _number(port.folder))


def _number(folder: str) -> int:
    """The card's number of a port."""
    return int(folder.split("/")[6]) - 1


def ports(world) -> "list[Port]":
    """Every port of every card."""
    try:
        names = sorted(name for name in world.listdir(ROOT) if name.startswith(PREFIXES))
    except OSError:
        return []
    found = []
    for name in names:
        try:
            address = world.readlink(ROOT + name + "/device").rpartition("/")[2]
            numbers = sorted(int(number) for number in world.listdir(ROOT + name + "/ports"))
        except (OSError, ValueError):  # it has just gone
            continue
        found += [_port(world, name, address, number) for number in numbers]
    return found


def _port(world, device: str, address: str, number: int) -> Port:
    folder = "%s%s/ports/%d/" % (ROOT, device, number)
    try:
        files = set(world.listdir(folder + "hw_counters"))
    except OSError:
        files = set()
    counters = {metric: "hw_counters/" + name for metric, names in _OCTETS + _ERRORS for name in names if name in files}
    identity = {
        "name": "hpu%s/port%d" % (device.partition("_")[2], number - 1),
        "kind": "gaudi",
        "accelerator": key_of(address),
        "peer": _side(world, device, number - 1),
    }
    return Port(folder, identity["accelerator"], identity, counters)


def _side(world, device: str, port: int) -> "str | Missing":
    """Whether a port leads out of the node: which card is at its other end, nothing on the node tells."""
    mask = attribute(world, ROOT + device + "/ext_ports_mask", keep=False)
    if isinstance(mask, Missing):
        return mask
    try:
        return "outside" if int(mask, 16) >> port & 1 else "a card of this node"
    except ValueError:
        return Missing(UNSUPPORTED.code, mask)


def _state(world, folder: str) -> dict:
    state, phys, rate = (attribute(world, folder + name, keep=False) for name in ("state", "phys_state", "rate"))
    return {
        "up": state if isinstance(state, Missing) else int(state.endswith("ACTIVE")),
        "phys": phys if isinstance(phys, Missing) else ib_text.phase(phys),
        "speed": rate if isinstance(rate, Missing) else ib_text.rate(rate)["speed"],
    }


def _counter(world, path: str) -> "int | Missing":
    text = attribute(world, path, keep=False)
    if isinstance(text, Missing):
        return text
    return int(text) if text.isdigit() else Missing(UNSUPPORTED.code, text)


def _told(name: str, address: str, up: int) -> dict:
    """The cells of a port of which only its state is known."""
    row: dict = dict.fromkeys(IDENTITY + LIVE, _NO_DRIVER)
    row.update(name=name, kind="gaudi", accelerator=key_of(address), up=up)
    return row


def _totals(found: "list[dict]") -> dict:
    """By accelerator: how many ports are up, and what goes over all of them."""
    of = {}
    for cells in found:
        of.setdefault(cells["accelerator"], []).append(cells)
    return {
        accelerator: {
            "links_up": _sum([cells["up"] for cells in rows]),
            "links_max": len(rows),
            "link_rx": _sum([cells["rx"] for cells in rows]),
            "link_tx": _sum([cells["tx"] for cells in rows]),
        }
        for accelerator, rows in of.items()
    }


def _sum(values: list):
    """The reason where one of them has one: a sum with a gap is no sum."""
    gaps = [value for value in values if isinstance(value, Missing)]
    return gaps[0] if gaps else sum(values)
