"""Ethernet interfaces as links, and the host's network totals, from /proc/net/dev and /sys/class/net.

What RDMA moves past the kernel isn't counted here but by the ports of infiniband.py.
"""

from .cells import NOT_YET, UNSUPPORTED, Absent, Missing, Rates, Reading, rounded
from .sysfs import attribute, ethernet_medium

_NET = "/sys/class/net/"
_ETHERNET_TYPE = "1"  # ARPHRD_ETHER; InfiniBand interfaces are 32 and are told of by their ports
_IFF_UP = 1  # of the flags: switched on by the administrator
_SLOW_EVERY = 5  # samples between two looks at what interfaces there are, and their speeds


class Sampler:
    period, deadline = 2.0, 5.0
    metrics = {
        "link": "name kind medium accelerator up phys speed rx tx rx_errors tx_discards carrier_changes".split(),
        "node": ("net_rx", "net_tx"),
    }
    owns = ("link",)
    lasting = ("name", "kind", "accelerator")
    awaited, follows_holders = True, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._rates = Rates()
        self._slow = {}  # interface -> cells that are read every _SLOW_EVERY samples
        self._places = {}  # interface -> its place in a bond
        self._samples = 0

    def sample(self) -> Reading:
        if self._samples % _SLOW_EVERY == 0:
            self._slow = {name: self._slow_cells(name) for name in interfaces(self._world)}
            self._places = bonded(self._world)
        self._samples += 1
        try:
            counters = parse_net_dev(self._world.read("/proc/net/dev", keep=True))
        except OSError as error:
            raise Absent("no /proc/net/dev: %s" % error) from error
        at = self._world.monotonic()
        cells = {name: self._cells(name, counters[name], at) for name in self._slow if name in counters}
        totals = {"net_rx": _total(cells, "rx"), "net_tx": _total(cells, "tx")}
        links = {"eth:" + name: (self._slow[name], row) for name, row in cells.items()}
        return Reading({"link": links, "node": {"": totals}})

    def _slow_cells(self, name: str) -> dict:
        speed = self._speed(name)
        changes = self._attribute(name, "carrier_changes")
        return {
            "name": name,
            "kind": "ethernet",
            "accelerator": "",
            "speed": speed,
            "medium": ethernet_medium(speed),
            "carrier_changes": changes if isinstance(changes, Missing) else int(changes),
        }

    def _cells(self, name: str, counters: dict, at: float) -> dict:
        operstate = self._attribute(name, "operstate")
        up = self._up(name, operstate)
        return {
            "up": up,
            "phys": self._words(name, up, operstate),
            "rx": rounded(self._rates.rate((name, "rx"), counters["rx"], at)),
            "tx": rounded(self._rates.rate((name, "tx"), counters["tx"], at)),
            "rx_errors": counters["rx_errors"],
            "tx_discards": counters["tx_discards"],
        }

    def _up(self, name: str, operstate) -> "int | Missing":
        if isinstance(operstate, Missing):
            return operstate
        if operstate != "unknown":  # drivers that don't keep a state still have a carrier
            return int(operstate == "up")
        carrier = self._attribute(name, "carrier")
        return carrier if isinstance(carrier, Missing) else int(carrier)

    def _words(self, name: str, up, operstate) -> "str | Missing":
        """The kernel's word, its place in a bond, and whether one that is down was switched off or has no signal."""
        if isinstance(operstate, Missing):
            return operstate
        if up == 1:
            return operstate + self._places.get(name, "")
        flags = self._attribute(name, "flags")
        if not isinstance(flags, Missing) and not int(flags, 16) & _IFF_UP:
            return "disabled"
        return "no carrier" if operstate == "down" else operstate

    def _speed(self, name: str) -> "int | Missing":
        megabits = self._attribute(name, "speed")  # EINVAL, or -1, while there is no carrier
        if isinstance(megabits, Missing):
            return megabits
        return int(megabits) * 125000 if int(megabits) > 0 else UNSUPPORTED

    def _attribute(self, name: str, file: str) -> "str | Missing":
        return attribute(self._world, _NET + name + "/" + file)


def interfaces(world) -> "list[str]":
    """Physical Ethernet interfaces. In a container, which has none: its ends of virtual cables."""
    try:
        names = sorted(world.listdir(_NET))
    except OSError:
        return []
    ethernet = [name for name in names if name != "lo" and _seen(world, name, "type") == _ETHERNET_TYPE]
    physical = [
        name
        for name in ethernet
        if world.exists(_NET + name + "/device") and not world.exists(_NET + name + "/device/physfn")
    ]  # a virtual function's bytes are counted by its physical one too
    return physical or [name for name in ethernet if _is_cable_end(world, name)]


def bonded(world) -> "dict[str, str]":
    """Member of a bond -> ", in bond0" or ", standby in bond0"."""
    found = {}
    masters = attribute(world, _NET + "bonding_masters", keep=False)
    for bond in [] if isinstance(masters, Missing) else masters.split():
        members = attribute(world, _NET + bond + "/bonding/slaves", keep=False)
        active = attribute(world, _NET + bond + "/bonding/active_slave", keep=False)
        for name in [] if isinstance(members, Missing) else members.split():
            idle = not isinstance(active, Missing) and active not in ("", name)
            found[name] = (", standby in " if idle else ", in ") + bond
    return found


def _is_cable_end(world, name: str) -> bool:
    """Whether its other end is another interface."""
    other = _seen(world, name, "iflink")
    return not isinstance(other, Missing) and other != _seen(world, name, "ifindex")


def _seen(world, name: str, file: str) -> "str | Missing":
    return attribute(world, _NET + name + "/" + file, keep=False)


def parse_net_dev(text: str) -> dict:
    """Interface -> counters: rx and tx in bytes, rx_errors and tx_discards in packets."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        found[name.strip()] = {
            "rx": int(words[0]),
            "rx_errors": int(words[2]),
            "tx": int(words[8]),
            "tx_discards": int(words[11]),
        }
    return found


def _total(cells: dict, name: str):
    rates = [row[name] for row in cells.values()]
    if not rates:
        return UNSUPPORTED
    return NOT_YET if any(isinstance(rate, Missing) for rate in rates) else sum(rates)
