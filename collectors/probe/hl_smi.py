"""What hl-smi prints, parsed: the CSV of `-Q`, the log of `-q`, the link states of `-n link`. Pure; compiled only where
there are Gaudi cards.

Traps: `nounits` takes the units from the values and leaves them in the header; some releases give memory in bytes under
a header that says MiB; `power.draw` is that of the 54 V rail alone, the log has the other rails as well; boards are not
in the order of their PCI addresses.
"""

import csv
import re

from . import tool_words
from .cells import UNSUPPORTED, Missing

COLUMNS = (
    "index", "name", "uuid", "serial", "bus_id", "module_id", "driver_version", "memory.total", "memory.used",
    "power.draw", "temperature.aip", "utilization.aip",
)  # fmt: skip
ECC_COLUMNS = (
    "ecc.mode.current", "ecc.errors.corrected.volatile.total", "ecc.errors.uncorrected.volatile.total",
    "ecc.errors.corrected.aggregate.total", "ecc.errors.uncorrected.aggregate.total",
)  # fmt: skip
_MIB = 1 << 20
_MOST_MIB = 1 << 30  # more than that are bytes: no card has a pebibyte
_ABSENT = ("", "N/A", "[N/A]", "[NOT SUPPORTED]", "NOT SUPPORTED", "UNKNOWN")
_TEXTS = (("model", "name"), ("uuid", "uuid"), ("serial", "serial"), ("bus_id", "bus_id"), ("driver", "driver_version"))
_NUMBERS = (
    ("index", "index"), ("power", "power.draw"), ("temp", "temperature.aip"), ("util", "utilization.aip"),
    ("ecc_corrected", "ecc.errors.corrected.volatile.total"),
    ("ecc_uncorrected", "ecc.errors.uncorrected.volatile.total"),
    ("ecc_corrected_total", "ecc.errors.corrected.aggregate.total"),
    ("ecc_uncorrected_total", "ecc.errors.uncorrected.aggregate.total"),
)  # fmt: skip
_MEMORY = (("mem_total", "memory.total"), ("mem_used", "memory.used"))
_ON = ("ENABLED", "ON", "1", "TRUE", "YES", "ACTIVE")
_OFF = ("DISABLED", "OFF", "0", "FALSE", "NO", "NOT ACTIVE")
# what the log says of throttling -> bits of the metric `throttle`
_THROTTLE = (("HW Slowdown", 0x8), ("Thermal Slowdown", 0x40), ("Power Slowdown", 0x4))
_BOARD = re.compile(r"^\s*\[(\d+)\] AIP(?: \((\w+)\))?\s+([0-9a-fA-F:.]+)\s*$")
_PORT = re.compile(r"^\s*port\s+(\d+)\s*:\s*(\w+)\s*$", re.IGNORECASE)
_RELEASE = re.compile(r"hl-[\w.]*?-?[\d.]+-fw-[\w.-]+")


def parse_csv(text: str) -> "list[dict]":
    """Cells of each card, from CSV with a header; of a row that was cut off, a reason for the rest.

    Raises ValueError where there is no header of hl-smi's.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    rows = list(csv.reader(lines, skipinitialspace=True))
    heads = [_column(head) for head in rows[0]] if rows else []
    if not set(heads) & {"name", "uuid", "bus_id", "index"} or "N/A" in heads:
        raise ValueError("no header of hl-smi in %r" % text[:80])
    told = [tool_words.whole(heads, row) for row in rows[1:]]
    return [dict(_cut_off(heads, row), **cells(row)) for row in told if row]


def _cut_off(heads: "list[str]", row: "dict[str, str]") -> dict:
    """The cells of the columns that a row lacks."""
    return dict.fromkeys(cells({head: "" for head in heads if head not in row}), tool_words.CUT_OFF)


def _column(head: str) -> str:
    """ "power.draw [W]" -> "power.draw"."""
    return head.partition("[")[0].strip().lower()


def cells(row: "dict[str, str]") -> dict:
    """The catalogue's cells of one card; only those that were asked for."""
    found = {}
    found.update((metric, _text(row[column])) for metric, column in _TEXTS if column in row)
    found.update((metric, number(row[column])) for metric, column in _NUMBERS if column in row)
    found.update((metric, _memory(row[column])) for metric, column in _MEMORY if column in row)
    if "ecc.mode.current" in row:
        found["ecc_mode"] = flag(row["ecc.mode.current"])
    return found


def _text(word: str) -> "str | Missing":
    return tool_words.text(word, _ABSENT)


def number(word: str) -> "float | Missing":
    return tool_words.number(word, _ABSENT)


def flag(word: str) -> "int | Missing":
    upper = word.strip().upper()
    return 1 if upper in _ON else 0 if upper in _OFF else Missing(UNSUPPORTED.code, "" if upper in _ABSENT else word)


def _memory(word: str) -> "float | Missing":
    """Bytes."""
    size = number(word)
    if isinstance(size, Missing):
        return size
    return size if size > _MOST_MIB else size * _MIB


def parse_links(text: str) -> "dict[int, int]":
    """Port -> 1 where its link is up, of `hl-smi -n link -i ADDRESS`."""
    found = (_PORT.match(line) for line in text.splitlines())
    return {int(port.group(1)): int(port.group(2).upper() == "UP") for port in found if port is not None}


# -- the log


def parse_log(text: str) -> "list[dict]":
    """Cells of each card in the log of `hl-smi -q`, besides "device" ("accel0")."""
    return [_board(values) for values in _boards(text)]


def _boards(text: str) -> "list[dict[str, str]]":
    """What the log says of each card: "Temperature/HBM 0 Temp" -> "29 C"; what it says of all is in each."""
    common, boards, headings = {}, [], []
    for line in text.splitlines():
        board = _BOARD.match(line)
        if board:
            boards.append(dict(common, **{"[index]": board.group(1), "[device]": board.group(2) or "",
                                          "[bus]": board.group(3)}))  # fmt: skip
            headings = []
        elif line.strip():
            _take(line, headings, boards[-1] if boards else common)
    return boards


def _take(line: str, headings: "list[tuple[int, str]]", values: "dict[str, str]") -> None:
    """One line: a heading, or a key and its value, or the value of the heading above it."""
    indent, (key, colon, value) = len(line) - len(line.lstrip()), line.partition(":")
    key = re.sub(r"^\[ *\d+\] ", "", key.strip())
    if colon and not key:
        values["/".join(name for _, name in headings)] = value.strip()
        return
    while headings and headings[-1][0] >= indent:
        headings.pop()
    if colon:
        values["/".join([*(name for _, name in headings), key])] = value.strip()
    else:
        headings.append((indent, key))


def _board(values: "dict[str, str]") -> dict:
    rails = sorted({path.partition("/")[0] for path in values if path.startswith("Power Readings")}, reverse=True)
    release = _RELEASE.search(values.get("Firmware [SPI] Version", "") or values.get("Firmware [FIT] Version", ""))
    return {
        "device": values["[device]"],
        "index": int(values["[index]"]),
        "bus_id": values["[bus]"].lower(),
        "model": _text(values.get("Product Name", "")),
        "board": _text(values.get("Model Number", "")),
        "serial": _text(values.get("Serial Number", "")),
        "uuid": _text(values.get("AIP UUID", "")),
        "driver": _text(values.get("Driver Version", "")),
        "firmware": release.group() if release else UNSUPPORTED,
        "mem_total": _memory(values.get("Memory Usage/Total", "")),
        "mem_used": _memory(values.get("Memory Usage/Used", "")),
        "temp": _hottest(values, "On Chip"),
        "temp_mem": _hottest(values, "HBM"),
        "power": _summed(values, rails, "Power Draw"),
        "power_other_rails": _summed(values, rails[1:], "Power Draw"),
        "power_limit": _summed(values, rails, "Power Limit"),
        "power_max": _summed(values, rails, "Power Max"),
        "clock_sm": number(values.get("Clocks/soc", "")),
        "clock_sm_max": number(values.get("Clocks Max/soc", "")),
        "throttle": _throttle(values),
        "rows_corrected": number(values.get("Replaced Rows/Single Bit ECC", "")),
        "rows_uncorrected": number(values.get("Replaced Rows/Double Bit ECC", "")),
        "rows_pending": flag(values.get("Replaced Rows/Pending", "")),
    }


def _hottest(values: "dict[str, str]", sensor: str) -> "float | Missing":
    """Of all sensors whose name begins so."""
    start = "Temperature/" + sensor
    read = [number(value) for path, value in values.items() if path.startswith(start)]
    known = [value for value in read if not isinstance(value, Missing)]
    return max(known) if known else UNSUPPORTED


def _summed(values: "dict[str, str]", rails: "list[str]", key: str) -> "float | Missing":
    """Over the rails, the 54 V one first; a rail that doesn't tell is left out, the first one may not be."""
    read = [number(values.get("%s/%s" % (rail, key), "")) for rail in rails]
    if not read or isinstance(read[0], Missing):
        return UNSUPPORTED
    return sum(value for value in read if not isinstance(value, Missing))


def _throttle(values: "dict[str, str]") -> "int | Missing":
    states = [(flag(values.get("Clocks Throttle Reasons/" + name, "")), bit) for name, bit in _THROTTLE]
    known = [(state, bit) for state, bit in states if not isinstance(state, Missing)]
    return sum(bit for state, bit in known if state) if known else UNSUPPORTED
