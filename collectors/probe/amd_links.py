"""The XGMI links of an AMD board: where they lead, how fast they are, how much goes over them.

Where the driver tells which port leads where (the file xgmi_port_num, from MI300 on), each link has its own counters;
else the links are those of the compute driver's topology, and only the board knows what goes over all of them.
"""

from .amd_kfd import Link, Node
from .cells import UNSUPPORTED, UNSUPPORTED_CODE, Missing, rounded
from .pci import ROOT
from .sysfs import attribute

METRICS = "name kind medium accelerator peer up speed speed_max width rx tx".split()
LASTING = "name kind medium accelerator peer".split()
BOARD_METRICS = "links_up links_max link_rx link_tx fabric".split()
_KIB = 1024
_GIGABIT = 125_000_000  # bytes
_UNTOLD = Missing(UNSUPPORTED_CODE, "neither the board nor the topology tells")
_UNCOUNTED = Missing(UNSUPPORTED_CODE, "the board counts no bytes by link")


class XgmiLinks:
    """The links of one board. `names` gives the short name of each board by its PCI address."""

    def __init__(self, world, board, nodes: "dict[int, Node]", names: "dict[str, str]") -> None:
        self._board = board
        node = next((node for node in nodes.values() if node.address == board.address), None)
        self._hive = node.hive if node else 0
        self._ends = _ends(world, board.address, node, nodes, names)
        self._keys = ["xgmi:%s:%d" % (board.key, link) for link in range(len(self._ends))]
        self._rows = {}  # as told last
        self._lasting = [
            {
                "name": "%s/xgmi%d" % (board.known["name"], link),
                "kind": "xgmi",
                "medium": "XGMI",
                "accelerator": board.key,
                "peer": end[1],
            }
            for link, end in enumerate(self._ends)
        ]

    def cells(self, table: dict, at: float) -> "tuple[dict, dict]":
        """Rows by link key, and the cells of BOARD_METRICS; of a parsed gpu_metrics. `at`: monotonic seconds."""
        rows = {}
        for key, lasting, (port, _, wired) in zip(self._keys, self._lasting, self._ends):
            row, known = self._link(port, wired, table, at), self._rows.get(key)
            rows[key] = known if known and known[1] == row else (lasting, row)
        self._rows = rows
        return rows, self._totals(table, at)

    def _totals(self, table: dict, at: float) -> dict:
        if not self._keys:
            return dict.fromkeys(BOARD_METRICS, UNSUPPORTED)
        return {
            "links_max": len(self._rows),
            "links_up": _sum([row["up"] for _, row in self._rows.values()]),
            "link_rx": self._total("xgmi_read_data_acc", table, at),
            "link_tx": self._total("xgmi_write_data_acc", table, at),
            "fabric": "hive %016x" % self._hive if self._hive else UNSUPPORTED,
        }

    def _link(self, port: "int | None", wired: "Link | None", table: dict, at: float) -> dict:
        width, rate = table.get("xgmi_link_width", 0), table.get("xgmi_link_speed", 0)  # lanes, Gbit/s and lane
        best = wired.speed if wired and wired.speed else UNSUPPORTED
        status = _instance(table, "xgmi_link_status", port)
        if status is None and wired:
            status = wired.enabled
        return {
            "up": _UNTOLD if status is None else int(bool(status)),
            "speed": rate * width * _GIGABIT or best,
            "speed_max": best,
            "width": width or UNSUPPORTED,
            "rx": self._rate("xgmi_read_data_acc", port, table, at),
            "tx": self._rate("xgmi_write_data_acc", port, table, at),
        }

    def _rate(self, name: str, port: "int | None", table: dict, at: float) -> "int | Missing":
        count = _instance(table, name, port)
        return _UNCOUNTED if count is None else rounded(self._board.rates.rate((name, port), count, at, _KIB))

    def _total(self, name: str, table: dict, at: float) -> "int | Missing":
        counts = [count for count in table.get(name, ()) if count is not None]
        if not counts:
            return UNSUPPORTED
        return rounded(self._board.rates.rate(name, sum(counts), at, _KIB))


def _sum(ups: list) -> "int | Missing":
    return _UNTOLD if _UNTOLD in ups else sum(ups)


def _ends(world, address: str, node: "Node | None", nodes: "dict[int, Node]", names: "dict[str, str]") -> list:
    """(port or None, name of the other end, its Link or None) of each link of the board at an address."""
    by_peer, ports = _by_peer(node, nodes, names), _ports(world, address, names)
    if ports:
        leads = list(ports.values())  # the topology has one link for all that lead to the same board
        return [(port, peer, _share(by_peer.get(peer), leads.count(peer))) for port, peer in sorted(ports.items())]
    return [(None, peer, link) for peer, link in sorted(by_peer.items())]


def _share(link: "Link | None", count: int) -> "Link | None":
    return link if link is None or count == 1 else Link(link.to, link.is_xgmi, link.speed // count, link.enabled)


def _by_peer(node: "Node | None", nodes: "dict[int, Node]", names: "dict[str, str]") -> dict:
    """Name of the other end -> Link, of the compute driver's topology. Processors are cpuN, N the node's number."""
    found = {}
    for link in node.links if node else ():
        if link.is_xgmi:
            end = nodes.get(link.to)
            found[names.get(end.address, end.address) if end and end.address else "cpu%d" % link.to] = link
    return found


def _ports(world, address: str, names: "dict[str, str]") -> "dict[int, str]":
    """Number of the port -> name of the board at its other end; empty where the driver doesn't tell."""
    text = attribute(world, ROOT + address + "/xgmi_port_num", keep=False)
    if isinstance(text, Missing):
        return {}
    told, found = parse_ports(text), {}
    if len({port for port, _ in told}) < len(told):  # boards before MI300 number none of them
        return {}
    for port, member in told:
        try:
            peer = world.readlink("%s%s/xgmi_hive_info/node%d" % (ROOT, address, member)).rpartition("/")[2]
        except OSError:
            return {}
        found[port] = names.get(peer, peer)
    return found


def parse_ports(text: str) -> "list[tuple[int, int]]":
    """(own port, member of the hive that it leads to) of lines "01:02 ->  02:03", in hexadecimal: member:port."""
    found = []
    for line in text.splitlines():
        here, arrow, there = line.partition("->")
        if arrow:
            found.append((int(here.split(":")[1], 16), int(there.split(":")[0], 16)))
    return found


def _instance(table: dict, name: str, port: "int | None") -> "int | None":
    values = table.get(name, ())
    return values[port] if port is not None and port < len(values) else None
