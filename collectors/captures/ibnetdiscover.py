"""ibnetdiscover: the whole InfiniBand fabric, of which each adapter's neighbour is read."""

from __future__ import annotations

import re
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe.neighbour_text import LANES_OF, node_name

MATCHES = "ibnetdiscover, and ibnetdiscover -p"

# [1](100007)  "S-0000000000200002"[1]    # lid 0 lmc 0 "leaf-b1" lid 0 4xSDR
_ADAPTER = re.compile(r'^Ca\t\d+ "(?P<id>[^"]+)"\s*# "(?P<name>[^"]*)"$')
_END = re.compile(
    r'^\[(?P<port>\d+)\]\(\w+\)\s+"(?P<id>[HSR]-\w+)"\[(?P<at>\d+)\](?:\(\w+\))?\s+# lid \d+ lmc \d+ "(?P<name>[^"]*)" '
    r"lid \d+ (?P<width>\d+)x(?P<medium>\w+)"
)
# CA     0  1 0x0000000000100007 4x SDR - SW     0  1 0x0000000000200002 ( 'gpu-002 mlx5_1' - 'leaf-b1' )
_PORT = re.compile(
    r"^CA +\d+ +(?P<port>\d+) 0x\w+ (?P<width>\d+)x (?P<medium>\w+) - (?P<kind>\w+) +\d+ +(?P<at>\d+) 0x\w+ "
    r"\( '(?P<own>[^']*)' - '(?P<name>[^']*)' \)"
)


def matches(name: str, head: str) -> bool:
    return "# Topology file: generated on" in head or any(_PORT.match(line) for line in head.splitlines())


def read(name: str, text: str) -> Capture:
    links, own = {}, ""
    for line in text.splitlines():
        begins = _ADAPTER.match(line)
        own = begins["name"] if begins else own if line.strip() else ""
        told = _END.match(line) if own else None
        found = told or _PORT.match(line)
        if found:
            port = f"{own if told else found['own']}/{found['port']}"
            switch = found["id"].startswith("S-") if told else found["kind"] == "SW"
            links[f"ib:{port}"] = _link(port, found, switch)
    if not links:
        raise Refused("ibnetdiscover: no adapter in it is connected")
    return Capture("ibnetdiscover", {"link": links})


def _link(port: str, found: re.Match[str], to_switch: bool) -> dict[str, Any]:
    name, width, medium = node_name(found["name"]), int(found["width"]), found["medium"]
    row = {"name": port, "kind": "infiniband", "peer": f"{name} port {found['at']}", "width": width, "medium": medium}
    if to_switch:
        row["switch"] = name
    if medium in LANES_OF:
        row["speed"] = int(width * LANES_OF[medium] * 1e9 / 8)
    return row
