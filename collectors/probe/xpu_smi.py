"""What xpu-smi prints, parsed: `discovery -j`, `topology -m` and the CSV of `dump`. Pure; compiled only where there are
Intel GPUs.

Traps: numbers come as texts; "unknown" serial numbers; the words for a unit drift ("Celsius Degree", "C"); with tiles
asked for, each is a row of its own.
"""

import csv
import json
import re
from collections import namedtuple

from . import tool_words
from .cells import UNSUPPORTED_CODE, Missing, rounded

# ids of `dump -m`: utilisation, power, frequency, temperatures, memory bandwidth and use, PCIe, memory errors
METRICS = "0,1,2,3,4,17,18,19,20,29,30"
LINKS = "21"  # of one device at a time
_MIB, _KILO = 1 << 20, 1000
# column of `dump` without its unit -> (metric, scale)
_COLUMNS = {
    "gpu utilization": ("util", 1),
    "gpu power": ("power", 1),
    "gpu frequency": ("clock_sm", 1),
    "gpu core temperature": ("temp", 1),
    "gpu memory temperature": ("temp_mem", 1),
    "gpu memory bandwidth utilization": ("dram_active", 1),
    "gpu memory used": ("mem_used", _MIB),
    "pcie read": ("pcie_rx", _KILO),
    "pcie write": ("pcie_tx", _KILO),
    "gpu memory errors correctable": ("ecc_corrected", 1),
    "gpu memory errors uncorrectable": ("ecc_uncorrected", 1),
}
_ABSENT = ("", "N/A", "UNKNOWN", "NULL", "NONE")
_TEXTS = (
    ("model", "device_name"), ("uuid", "uuid"), ("serial", "serial_number"), ("bus_id", "pci_bdf_address"),
    ("driver", "driver_version"), ("firmware", "gfx_firmware_version"),
)  # fmt: skip
_NUMBERS = (("index", "device_id"), ("mem_total", "memory_physical_size_byte"), ("clock_sm_max", "core_clock_rate_mhz"))


def parse_discovery(text: str) -> "list[dict]":
    """Cells of each device. Raises ValueError where it isn't such JSON."""
    try:
        told = json.loads(text)
    except ValueError:
        raise ValueError("no JSON of `xpu-smi discovery -j` in %r" % text[:80]) from None
    rows = told.get("device_list", [told]) if isinstance(told, dict) else told
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "device_id" in row for row in rows):
        raise ValueError("no devices of `xpu-smi discovery -j` in %r" % text[:80])
    return [_device(row) for row in rows if row.get("device_function_type", "physical") == "physical"]


def _device(row: dict) -> dict:
    cells = {}
    cells.update((metric, _text(row[key])) for metric, key in _TEXTS if key in row)
    cells.update((metric, number(str(row[key]))) for metric, key in _NUMBERS if key in row)
    return cells


def _text(word) -> "str | Missing":
    return tool_words.text(str(word), _ABSENT)


def number(word: str) -> "float | Missing":
    return tool_words.number(word, _ABSENT)


def parse_dump(text: str) -> "dict[int, dict]":
    """Device id -> cells of its newest row; of one that was cut off, a reason for the rest.

    Raises ValueError where there is no header of `xpu-smi dump`.
    """
    rows = list(csv.reader([line for line in text.splitlines() if line.strip()], skipinitialspace=True))
    heads = [_column(head) for head in rows[0]] if rows else []
    if "deviceid" not in heads:
        raise ValueError("no header of `xpu-smi dump` in %r" % text[:80])
    found = {}
    for row in rows[1:]:
        told = tool_words.whole(heads, row)
        device = number(told.get("deviceid", ""))
        if isinstance(device, int) and told.get("tileid", "").strip().upper() in _ABSENT:
            lacking = _measured({head: "" for head in heads if head not in told})
            found[device] = dict(dict.fromkeys(lacking, tool_words.CUT_OFF), **_measured(told))
    return found


def _column(head: str) -> str:
    """ "GPU Power (W)" -> "gpu power"."""
    return head.partition("(")[0].strip().lower()


def _measured(told: "dict[str, str]") -> dict:
    cells = {}
    for head, word in told.items():
        metric, scale = _COLUMNS.get(head, ("", 1))
        if metric:
            value = number(word)
            cells[metric] = value if scale == 1 or isinstance(value, Missing) else rounded(value * scale)
    return cells


class Joint(namedtuple("Joint", "device tile peer peer_tile")):
    """Two tiles that Xe Links join, seen from the first; devices by their ids."""

    __slots__ = ()

    def back(self) -> "Joint":
        return Joint(self.peer, self.peer_tile, self.device, self.tile)


NO_LANES = Missing(UNSUPPORTED_CODE, "this release of xpu-smi doesn't count lanes")
_XELINK = "XL"
_WAY = re.compile(r"^XL (\d+)/(\d+)->(\d+)/(\d+)", re.IGNORECASE)
_TILE = re.compile(r"GPU (\d+)/(\d+)")
_JOINED = re.compile(r"XL\*|XL ?\d+(?:,\d+)*|XL|MDF|SYS|NODE|Unknown|S\b")  # "XL8" counts lanes, "XL 1,2" names ports


def parse_topology(text: str) -> "dict[Joint, int | Missing]":
    """Lanes that work between each two tiles of different devices, of `topology -m` with or without `-j`.

    Two tiles without a working Xe Link are not among them. Raises ValueError where it is neither.
    """
    try:
        told = json.loads(text)
    except ValueError:
        return _matrix(text)
    rows = told.get("topo_list") if isinstance(told, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no list of `xpu-smi topology -m -j` in %r" % text[:80])
    found = {}
    for row in rows:
        if row.get("link_type") == _XELINK:
            names = ("local_device_id", "local_subdevice_id", "remote_device_id", "remote_subdevice_id")
            found[Joint(*(int(row.get(name) or 0) for name in names))] = _lanes(row.get("port_list"))
    return found


def _lanes(ports) -> "int | Missing":
    """Of "port_list", the lanes of each port; older releases only mark those in use."""
    lanes = [port for port in ports or () if isinstance(port, int)]
    return sum(lanes) if max(lanes, default=0) > 1 else NO_LANES


def _matrix(text: str) -> "dict[Joint, int | Missing]":
    lines = [line for line in text.splitlines() if line.strip()]
    heads = [tuple(map(int, found)) for found in _TILE.findall(lines[0])] if lines else []
    if not heads:
        raise ValueError("no matrix of `xpu-smi topology -m` in %r" % text[:80])
    found = {}
    for line in lines[1:]:
        tile = _TILE.match(line)
        if tile is None:
            continue
        for (device, number), word in zip(heads, _JOINED.findall(line[tile.end() :])):
            if word.startswith(_XELINK) and word != "XL*":
                joint = Joint(int(tile.group(1)), int(tile.group(2)), device, number)
                found[joint] = int(word[2:]) if word[2:].isdigit() else NO_LANES
    return found


def parse_links(text: str) -> "dict[Joint, int | Missing]":
    """Bytes a second from one tile to another, of the links of one device: a `dump` of metric 21.

    Raises ValueError where it is none.
    """
    rows = list(csv.reader([line for line in text.splitlines() if line.strip()], skipinitialspace=True))
    ways = [_WAY.match(head.strip()) for head in rows[0]] if rows else []
    if len(rows) < 2 or len(rows[-1]) != len(ways):
        raise ValueError("no Xe Link throughput of `xpu-smi dump` in %r" % text[:80])
    found = {}
    for way, word in zip(ways, rows[-1]):
        if way:
            value = number(word)
            found[Joint(*map(int, way.groups()))] = value if isinstance(value, Missing) else rounded(value * _KILO)
    return found
