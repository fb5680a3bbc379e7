"""What hl-smi printed of Gaudi cards: the CSV of `-Q`, the log of `-q`, the table, the links of `-n link`."""

from __future__ import annotations

import re
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe import hl_smi
from collectors.probe.cells import UNSUPPORTED, Missing
from watchfloor.report import Software

MATCHES = "hl-smi: -Q as CSV with its header, -q, the table, or -n link"

_MIB = 1 << 20
_CSV_WORDS = {"temperature.aip", "utilization.aip", "module_id"}
_PORT_LINE = re.compile(r"port\s+\d+:\s+(UP|DOWN)")
_RELEASE = re.compile(r"HL-SMI Version\s*:\s*(\S+)")
_DRIVER = re.compile(r"Driver Version\s*:\s*([\d.]+\S*)")
# |   0  HL-225              N/A  | 0000:43:00.0     N/A |                   0  |
_FIRST = re.compile(r"^\|\s*(\d+)\s+(\S+)\s.*\|\s*([0-9a-f:.]{7,})\s.*\|\s*(\S+)\s*\|$", re.IGNORECASE)
# | N/A   30C   N/A    84W / 600W |    768MiB / 98304MiB |     0%           N/A |; wide numbers push the bars aside
_SECOND = re.compile(
    r"^\|\s*\S+\s+(\S+)C\s+\S+\s+(\S+)W\s*/\s*(\S+?)W\s*\|\s*(\S+?)MiB\s*/\s*(\S+?)MiB\s*\|\s*(\S+?)%", re.IGNORECASE
)

Row = dict[str, Any]


def matches(name: str, head: str) -> bool:
    lines = head.strip().splitlines()
    if "HL-SMI" in head:
        return True
    header = {word.partition("[")[0].strip() for word in lines[0].split(",")} if lines else set()
    return bool(header & _CSV_WORDS) or (bool(lines) and _PORT_LINE.fullmatch(lines[0].strip()) is not None)


def read(name: str, text: str) -> Capture:
    if _PORT_LINE.match(text.strip()):
        return Capture("hl-smi -n link", {"link": _ports(text)})
    if "HL-SMI" not in text:
        return Capture("hl-smi -Q", {"accelerator": _named(_csv(text))})
    rows, tool = (hl_smi.parse_log(text), "hl-smi -q") if "HL-SMI LOG" in text else (table(text), "hl-smi")
    if not rows:
        raise Refused(f"{tool}: no card is in it")
    return Capture(f"{tool} {_found(_RELEASE, text)}".strip(), {"accelerator": _named(rows)}, stack=_stack(text))


def _csv(text: str) -> list[Row]:
    try:
        rows = hl_smi.parse_csv(text)
    except ValueError as error:
        raise Refused(str(error)) from error
    if not rows:
        raise Refused("hl-smi -Q: a header, and no card below it")
    return rows


def table(text: str) -> list[Row]:
    """Two lines a card."""
    rows: list[Row] = []
    for line in text.splitlines():
        first, second = _FIRST.match(line.strip()), _SECOND.match(line.strip())
        if first:
            index, model, bus_id, errors = first.groups()
            rows.append({"index": int(index), "model": model, "bus_id": bus_id, "ecc_uncorrected": _number(errors)})
        elif second and rows:
            temp, power, limit, used, total, util = (_number(word) for word in second.groups())
            rows[-1].update(temp=temp, power=power, power_limit=limit, util=util, mem_used=_bytes(used),
                            mem_total=_bytes(total))  # fmt: skip
    return rows


def _number(word: str) -> float | Missing:
    return hl_smi.number(word)


def _bytes(mib: float | Missing) -> float | Missing:
    return mib if isinstance(mib, Missing) else mib * _MIB


def _named(rows: list[Row]) -> dict[str, Row]:
    """By key; what is known of a card only to other tools, and to add up, is left out."""
    named: dict[str, Row] = {}
    for place, row in enumerate(rows):
        index = row.get("index", place)
        told = [row[name] for name in ("uuid", "bus_id") if isinstance(row.get(name), str)]
        known = {name: value for name, value in row.items() if name not in ("device", "power_other_rails")}
        key = told[0] if told else f"habana:{place}"
        named[key] = {"name": f"hpu{place if isinstance(index, Missing) else index}", "vendor": "Habana", **known}
    return named


def _ports(text: str) -> dict[str, Row]:
    return {
        f"gaudi::{port}": {"name": f"port{port}", "kind": "gaudi", "accelerator": UNSUPPORTED, "up": up}
        for port, up in hl_smi.parse_links(text).items()
    }


def _stack(text: str) -> tuple[Software, ...]:
    driver = _found(_DRIVER, text)
    return (Software("driver", "habanalabs", driver, where="hl-smi"),) if driver else ()


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match.group(1) if match else ""
