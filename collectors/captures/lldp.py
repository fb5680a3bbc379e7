"""lldpctl -f json and json0: which switches the Ethernet interfaces are plugged into."""

from __future__ import annotations

import re

from collectors.captures import Capture, Refused
from collectors.probe.neighbour_text import lldp

MATCHES = "lldpctl -f json, lldpctl -f json0"


def matches(name: str, head: str) -> bool:
    return bool(re.match(r'\s*\{\s*"lldp"\s*:', head))


def read(name: str, text: str) -> Capture:
    try:
        found = lldp(text)
    except ValueError as error:
        raise Refused(f"an output of lldpctl, torn: {error}") from error
    if not found:
        raise Refused("lldpctl: no neighbour in it")
    return Capture("lldpctl", {"link": {f"eth:{name}": {"name": name, **cells} for name, cells in found.items()}})
