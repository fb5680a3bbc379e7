"""The Xe Links of a node's Intel cards: a row for each pair of tiles that is joined, at either end.

The tool names the lanes that work between two tiles, and the traffic of the links of one card at a time: a question of
a second, so one card is asked a sample, and the others keep what they were told. Each answer tells of both ends. What
a lane carries at most is left open: the tool's figure for it fits both directions together, its words say one.
Joints are kept by PCI addresses, for the tool gives out its ids anew.
"""

from . import xpu_smi
from .cells import LOST_CODE, NOT_YET, UNSUPPORTED, Absent, Missing, Reading, trouble
from .xpu_links import BOARD
from .xpu_tool import RENUMBERED, Dumps, Listing, told

_TOPOLOGY_EVERY = 6  # samples
_GONE = Missing(LOST_CODE, "xpu-smi tells of no lane between the two that works")


class Fabric:
    """The links of one node, from one sample to the next."""

    def __init__(self, world) -> None:
        self._world = world
        self._listing = Listing(world)
        self._ends = []  # every xpu_smi.Joint that was ever told of, in order; its devices are PCI addresses
        self._lanes = {}  # Joint -> lanes now, or why that isn't known; without those that are down
        self._most = {}  # Joint -> the most lanes
        self._rates = {}  # Joint -> bytes a second that way, or Missing
        self._dumps = Dumps(world)
        self._samples = 0

    def sample(self) -> Reading:
        failed = self._renewed()
        cards = sorted({joint.device for joint in self._ends})
        listed = [card for card in cards if card in self._listing.cards]
        if failed is None and listed:
            failed = self._measured(listed[self._samples % len(listed)])
        if failed is None:  # else the same is asked again
            self._samples += 1
        rows = {"xelink:intel:%s:%d:%s:%d" % joint: self._row(joint) for joint in self._ends}
        boards = {"intel:" + card: self._board(card) for card in cards}
        return Reading({"accelerator": boards, "link": rows}, trouble=trouble(failed))

    # -- the tool

    def _renewed(self) -> "Missing | None":
        """Ask what is due of cards and links; why it wasn't told. Raises Absent where there are no links."""
        steady = set() if self._listing.cards else self._listing.renewed()
        if isinstance(steady, Missing):
            return self._unknown(steady)
        if self._samples % _TOPOLOGY_EVERY and self._ends:
            return None
        found = self._by_address(told(self._world, ["topology", "--matrix", "-j"], xpu_smi.parse_topology))
        if isinstance(found, Missing):
            return self._unknown(found)
        self._lanes = found
        for joint, lanes in found.items():
            known = self._most.get(joint, UNSUPPORTED)
            if isinstance(known, Missing) or (not isinstance(lanes, Missing) and lanes > known):
                self._most[joint] = lanes
        self._ends = sorted(self._most)
        if not self._ends:
            raise Absent("no Xe Link between the cards, says xpu-smi topology")
        return None

    def _by_address(self, found: "dict | Missing") -> "dict | Missing":
        """The same with PCI addresses in its joints, if the cards still have the ids by which it was told."""
        if isinstance(found, Missing):
            return found
        steady = self._listing.renewed()
        if isinstance(steady, Missing):
            return steady
        if steady != set(self._listing.cards):
            return RENUMBERED
        addresses = {row["index"]: address for address, row in self._listing.cards.items()}
        return {
            joint._replace(device=addresses[joint.device], peer=addresses[joint.peer]): value
            for joint, value in found.items()
            if joint.device in addresses and joint.peer in addresses
        }

    def _unknown(self, reason: Missing) -> Missing:
        """Nobody tells of the links just now."""
        if not self._ends:
            raise OSError(reason.note)
        self._lanes = dict.fromkeys(self._ends, reason)
        self._rates = {}
        return reason

    def _measured(self, card: str) -> "Missing | None":
        """Ask for the traffic of the links of one card; why it wasn't told."""
        number = self._listing.cards[card]["index"]
        rates = self._by_address(self._dumps.told(number, xpu_smi.LINKS, xpu_smi.parse_links))
        if isinstance(rates, Missing):
            self._rates = dict.fromkeys(self._ends, rates)
            return rates
        self._rates.update(rates)
        return None

    # -- rows

    def _row(self, joint: "xpu_smi.Joint") -> dict:
        own = [end for end in self._ends if end.device == joint.device]
        tiled = any(end.tile or end.peer_tile for end in own)
        return {
            "name": "%s/xelink%d" % (self._listing.name(joint.device), own.index(joint)),
            "kind": "xelink",
            "medium": "Xe Link",
            "accelerator": "intel:" + joint.device,
            "peer": self._listing.name(joint.peer),
            "phys": "tile %d to tile %d" % (joint.tile, joint.peer_tile) if tiled else UNSUPPORTED,
            "up": self._up(joint),
            "width": self._lanes.get(joint, _GONE),
            "width_max": self._most[joint],
            "rx": self._rate(joint, joint.back()),
            "tx": self._rate(joint, joint),
        }

    def _up(self, joint: "xpu_smi.Joint") -> "int | Missing":
        lanes = self._lanes.get(joint, 0)
        if lanes is xpu_smi.NO_LANES:
            return 1
        return lanes if isinstance(lanes, Missing) else int(lanes > 0)

    def _rate(self, joint: "xpu_smi.Joint", way: "xpu_smi.Joint") -> "int | Missing":
        up = self._up(joint)
        if isinstance(up, Missing):
            return up
        return self._rates.get(way, NOT_YET) if up else _GONE

    def _board(self, card: str) -> dict:
        rows = [self._row(joint) for joint in self._ends if joint.device == card]
        ups = [row["up"] for row in rows]
        cells = {"links_up": _sum(ups), "links_max": len(rows)}
        for name in ("rx", "tx"):
            cells["link_" + name] = _sum([row[name] for row, up in zip(rows, ups) if up != 0])
        return {name: cells[name] for name in BOARD}


def _sum(values: list) -> "int | Missing":
    """Of all of them: a part would look like the whole."""
    return next((value for value in values if isinstance(value, Missing)), None) or sum(values)
