"""The Xe Links of a node's Intel cards: a row for each pair of tiles that is joined, at either end.

The tool names the lanes that work between two tiles, and the traffic of the links of one card at a time: a question of
a second, so one card is asked a sample, and the others keep what they were told. Each answer tells of both ends. What
a lane carries at most is left open: the tool's figure for it fits both directions together, its words say one.
"""

from . import xpu_smi
from .cells import LOST_CODE, NOT_YET, UNSUPPORTED, Absent, Missing, Reading, trouble
from .xpu_links import BOARD
from .xpu_tool import Dumps, told

_TOPOLOGY_EVERY, _DISCOVERY_EVERY = 6, 60  # samples
_GONE = Missing(LOST_CODE, "xpu-smi tells of no lane between the two that works")


class Fabric:
    """The links of one node, from one sample to the next."""

    def __init__(self, world) -> None:
        self._world = world
        self._addresses = {}  # device id -> PCI address
        self._ends = []  # every xpu_smi.Joint that was ever told of, in order
        self._lanes = {}  # Joint -> lanes now, or why that isn't known; without those that are down
        self._most = {}  # Joint -> the most lanes
        self._rates = {}  # Joint -> bytes a second that way, or Missing
        self._dumps = Dumps(world)
        self._samples = 0

    def sample(self) -> Reading:
        failed = self._renewed()
        cards = sorted({joint.device for joint in self._ends})
        if failed is None:
            failed = self._measured(cards[self._samples % len(cards)])
        if failed is None:  # else the same is asked again
            self._samples += 1
        rows = {self._key(joint): self._row(joint) for joint in self._ends if joint.device in self._addresses}
        boards = {"intel:" + self._addresses[card]: self._board(card) for card in cards if card in self._addresses}
        return Reading({"accelerator": boards, "link": rows}, trouble=trouble(failed))

    # -- the tool

    def _renewed(self) -> "Missing | None":
        """Ask what is due of cards and links; why it wasn't told. Raises Absent where there are no links."""
        if self._samples % _DISCOVERY_EVERY == 0 or not self._addresses:
            listed = told(self._world, ["discovery", "-j"], xpu_smi.parse_discovery)
            if isinstance(listed, Missing):
                return self._unknown(listed)
            known = [row for row in listed if isinstance(row.get("bus_id"), str) and isinstance(row["index"], int)]
            self._addresses = {row["index"]: row["bus_id"].lower() for row in known}
        if self._samples % _TOPOLOGY_EVERY and self._ends:
            return None
        found = told(self._world, ["topology", "--matrix", "-j"], xpu_smi.parse_topology)
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

    def _unknown(self, reason: Missing) -> Missing:
        """Nobody tells of the links just now."""
        if not self._ends:
            raise OSError(reason.note)
        self._lanes = dict.fromkeys(self._ends, reason)
        self._rates = {}
        return reason

    def _measured(self, card: int) -> "Missing | None":
        """Ask for the traffic of the links of one card; why it wasn't told."""
        rates = self._dumps.told(card, xpu_smi.LINKS, xpu_smi.parse_links)
        if isinstance(rates, Missing):
            return rates
        self._rates.update(rates)
        return None

    # -- rows

    def _key(self, joint: "xpu_smi.Joint") -> str:
        peer = self._addresses.get(joint.peer, joint.peer)
        return "xelink:intel:%s:%d:%s:%d" % (self._addresses[joint.device], joint.tile, peer, joint.peer_tile)

    def _row(self, joint: "xpu_smi.Joint") -> dict:
        own = [end for end in self._ends if end.device == joint.device]
        tiled = any(end.tile or end.peer_tile for end in own)
        return {
            "name": "xpu%d/xelink%d" % (joint.device, own.index(joint)),
            "kind": "xelink",
            "medium": "Xe Link",
            "accelerator": "intel:" + self._addresses[joint.device],
            "peer": "xpu%d" % joint.peer,
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

    def _board(self, card: int) -> dict:
        rows = [self._row(joint) for joint in self._ends if joint.device == card]
        ups = [row["up"] for row in rows]
        cells = {"links_up": _sum(ups), "links_max": len(rows)}
        for name in ("rx", "tx"):
            cells["link_" + name] = _sum([row[name] for row, up in zip(rows, ups) if up != 0])
        return {name: cells[name] for name in BOARD}


def _sum(values: list) -> "int | Missing":
    """Of all of them: a part would look like the whole."""
    return next((value for value in values if isinstance(value, Missing)), None) or sum(values)
