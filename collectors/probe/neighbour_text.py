"""What lldpctl and the InfiniBand tools print of who is connected to whom. Pure."""

import json
import re

from .cells import UNSUPPORTED

# Gbit/s of a lane as tools print its signalling -> as /sys/class/infiniband counts its data
_LANES = {"2.5": 2.5, "5.0": 5, "10.0": 10, "14.0625": 14, "25.78125": 25, "53.125": 50, "106.25": 100, "212.5": 200}
# The same by the name of the generation
LANES_OF = {"SDR": 2.5, "DDR": 5, "QDR": 10, "FDR10": 10, "FDR": 14, "EDR": 25, "HDR": 50, "NDR": 100, "XDR": 200}
_DOTTED = re.compile(r"^([\w ]+):\.*(.*)$", re.MULTILINE)  # "LocalPort:.......................1"
_MANAGED = re.compile(r"^MF0;([^:]+):")  # "MF0;leaf-a1:MQM9700/U1": a managed switch tells its host name so


# -- LLDP


def lldp(text: str) -> dict:
    """Interface -> its cells peer and switch, of lldpctl -f json or json0. Raises ValueError where it is no JSON."""
    return {name: _neighbour(told) for name, told in _interfaces(json.loads(text))}


def _interfaces(answer: dict):
    """(name, what is told of it): json0 lists everything, json gives one thing as itself and several as a list."""
    for part in _objects(answer.get("lldp")):
        for interface in _objects(part.get("interface")):
            if "name" in interface:
                yield interface["name"], interface
            else:
                yield from ((name, told) for name, told in interface.items() if isinstance(told, dict))


def _neighbour(told: dict) -> dict:
    chassis, port = _first(told.get("chassis")), _first(told.get("port"))
    if len(chassis) == 1 and "id" not in chassis:  # json: {"leaf-a1": {…}}
        ((name, _),) = chassis.items()
    else:
        name = _value(chassis.get("name")) or _value(chassis.get("id"))
    where = _first(port.get("id"))
    label = _value(port.get("id"))
    if where.get("type") not in ("ifname", "local"):  # a MAC address tells a person little
        label = _value(port.get("descr")) or label
    return {"peer": ("%s %s" % (name, label)).strip() or UNSUPPORTED, "switch": name or UNSUPPORTED}


def _several(told) -> list:
    return told if isinstance(told, list) else [] if told is None else [told]


def _objects(told) -> "list[dict]":
    return [one for one in _several(told) if isinstance(one, dict)]


def _first(told) -> dict:
    return (_objects(told) or [{}])[0]


def _value(told) -> str:
    found = _several(told)
    if not found:
        return ""
    return str(found[0].get("value", "")) if isinstance(found[0], dict) else str(found[0])


# -- smpquery


def description(text: str) -> str:
    """The name of a node, of smpquery nodedesc."""
    return node_name(dict(_DOTTED.findall(text)).get("Node Description", ""))


def node(text: str) -> "tuple[str, str]":
    """("Switch", the port at which the question came in), of smpquery nodeinfo."""
    told = dict(_DOTTED.findall(text))
    return told.get("NodeType", ""), told.get("LocalPort", "")


def supported(text: str) -> "tuple[int, float]":
    """(lanes, Gbit/s of a lane) that a port can at most, of smpquery portinfo; 0 where it doesn't tell."""
    told = dict(_DOTTED.findall(text))
    lanes = [int(word[:-1]) for word in told.get("LinkWidthSupported", "").split(" or ") if word[:-1].isdigit()]
    names = ("LinkSpeedSupported", "LinkSpeedExtSupported", "LinkSpeedExtSupported2")
    rates = [lane_rate(word.partition(" ")[0]) for name in names for word in told.get(name, "").split(" or ")]
    return max(lanes, default=0), max(rates, default=0)


def lane_rate(figure: str) -> float:
    """Gbit/s of data of a lane, of its signalling rate as tools print it; 0 where that is none."""
    return _LANES.get(figure, 0)


def best(ends: "list[tuple[int, float]]") -> dict:
    """The cells speed_max (bytes a second) and width_max of what both ends can."""
    lanes, rate = min(end[0] for end in ends), min(end[1] for end in ends)
    return {
        "width_max": lanes or UNSUPPORTED,
        "speed_max": int(lanes * rate * 1e9 / 8) if lanes and rate else UNSUPPORTED,
    }


def node_name(description: str) -> str:
    """A node's own name, of its description."""
    found = _MANAGED.match(description)
    return found.group(1) if found else description.strip()
