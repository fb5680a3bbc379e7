"""lspci -nn (and -Dnn, -nnk): which accelerators and adapters a node has."""

from __future__ import annotations

import re

from collectors.captures import Capture, Refused
from collectors.probe.pcie import normal

MATCHES = "lspci -nn"

_DEVICE = re.compile(
    r"^(?P<address>(?:[0-9a-f]{4,5}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (?P<what>[^\[]+) \[(?P<kind>[0-9a-f]{4})\]: "
    r"(?P<name>.+) \[(?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4})\]",
    re.MULTILINE,
)
_VENDORS = {"10de": "nvidia", "1002": "amd", "1ae0": "google", "1d0f": "aws", "1da3": "habana", "8086": "intel"}
_ACCELERATORS = ("0300", "0302", "0380", "0880", "1200")  # VGA, 3D, display, system peripheral, accelerator
_ONLY_IF_ACCELERATOR = {"0880": ("google", "aws"), "0300": ("nvidia", "amd")}
_ADAPTERS = ("0200", "0207")


def matches(name: str, head: str) -> bool:
    return bool(_DEVICE.search(head))


def read(name: str, text: str) -> Capture:
    found = list(_DEVICE.finditer(text))
    boards = {normal(device["address"]): _board(device) for device in found if _is_accelerator(device)}
    adapters = [device["name"] for device in found if device["kind"] in _ADAPTERS]
    if not boards:
        raise Refused(f"lspci: {len(found)} devices, none of which is an accelerator")
    return Capture("lspci", {"accelerator": boards}, notes=tuple(f"adapter: {name}" for name in adapters))


def _is_accelerator(device: re.Match[str]) -> bool:
    vendor = _VENDORS.get(device["vendor"])
    return (
        device["kind"] in _ACCELERATORS
        and vendor in _ONLY_IF_ACCELERATOR.get(device["kind"], (vendor,))
        and bool(vendor)
    )


def _board(device: re.Match[str]) -> dict[str, str]:
    return {"vendor": _VENDORS[device["vendor"]], "model": device["name"], "bus_id": normal(device["address"])}
