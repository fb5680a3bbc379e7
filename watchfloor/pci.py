"""PCI addresses as sources write them: `0000:05:00.0`, `00000000:05:00.0` (NVML), `0000:05:00` (the driver's log)."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})(?:\.[0-7])?")


def slot(text: str) -> tuple[int, int, int] | None:
    """Domain, bus and device, which every way of writing has in common; None where it is no address."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    domain, bus, device = found.groups()
    return int(domain or "0", 16), int(bus, 16), int(device, 16)
