"""iblinkinfo: the ports of every adapter of an InfiniBand fabric, their neighbours, and what they could be."""

from __future__ import annotations

import re
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe.neighbour_text import best, lane_rate, node_name

MATCHES = "iblinkinfo"

_NODE = re.compile(r"^(?P<kind>CA|Switch|Router): (?:0x\w+ )?(?P<name>.*):$")
# 0x…07  0  1[  ] ==( 4X  2.5 Gbps Initialize/  LinkUp)==>  0  1[  ] "leaf-b1" (Could be 12X Could be 10.0 Gbps)
_PORT = re.compile(
    r"^\s+(?:0x\w+\s+)?\d+\s+(?P<port>\d+)\[\s*\] ==\(\s*(?:(?P<width>\d+)X\s+(?P<rate>[\d.]+) Gbps\s+)?"
    r"(?P<state>\w+)/\s*(?P<phys>\w+)\)==>\s+(?:\d+\s+(?P<at>\d+))?\[\s*\] \"(?P<peer>[^\"]*)\""
    r"(?:.*?Could be (?P<lanes>\d+)X)?(?:.*?Could be (?P<better>[\d.]+) Gbps)?"
)


def matches(name: str, head: str) -> bool:
    return any(_PORT.match(line) for line in head.splitlines())


def read(name: str, text: str) -> Capture:
    links, node = {}, None
    for line in text.splitlines():
        node = _NODE.match(line) or node
        found = _PORT.match(line) if node and node["kind"] == "CA" else None
        if node and found:
            port = f"{node['name']}/{found['port']}"
            links[f"ib:{port}"] = _link(port, found)
    if not links:
        raise Refused("iblinkinfo: no adapter in it")
    return Capture("iblinkinfo", {"link": links})


def _link(name: str, found: re.Match[str]) -> dict[str, Any]:
    up = found["state"] == "Active"
    row = {"name": name, "kind": "infiniband", "up": int(up), "phys": found["phys"]}
    if found["width"]:
        width, rate = int(found["width"]), lane_rate(found["rate"])
        could = (int(found["lanes"] or width), lane_rate(found["better"] or found["rate"]))
        row.update(width=width, speed=best([(width, rate)])["speed_max"], **best([could]))
    if found["peer"]:
        peer = node_name(found["peer"])
        row.update(peer=f"{peer} port {found['at']}", switch=peer)
    return row
