"""`nvidia-smi --query-gpu --format=csv` as cells of the metric catalogue. Pure: a header and a row in, cells out.

Names and shapes over drivers 418 to 595: units stand in the header ("[MiB]") and may be repeated in the cells; absence
has many words; `temperature.gpu.tlimit` is a margin, never a temperature.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from watchfloor.model import Missing

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Absence:
    """Why there is no value, with nvidia-smi's own words where they say more than the reason."""

    reason: Missing
    words: str = ""


Value = float | str | Absence

# what nvidia-smi writes instead of a value, without brackets, in lower case
_ABSENT: Mapping[str, Missing] = {
    "": Missing.UNSUPPORTED,
    "-": Missing.UNSUPPORTED,
    "n/a": Missing.UNSUPPORTED,
    "not supported": Missing.UNSUPPORTED,
    "not available": Missing.UNSUPPORTED,
    "requested functionality has been deprecated": Missing.UNSUPPORTED,
    "function not found": Missing.UNSUPPORTED,
    "insufficient permissions": Missing.NOT_PERMITTED,
    "gpu is lost": Missing.LOST,
    "unknown error": Missing.FAILED,
    "gpu requires reset": Missing.FAILED,
    "err!": Missing.FAILED,
    "timeout": Missing.TIMED_OUT,
}


def cells_of(header: Sequence[str], row: Sequence[str]) -> dict[str, Value]:
    """Metric -> value, in the catalogue's units. Columns that the catalogue doesn't have are left out."""
    fields = dict(zip((column_name(column) for column in header), row, strict=False))
    cells: dict[str, Value] = {}
    for metric, (names, convert) in _METRICS.items():
        text = next((fields[name] for name in names if name in fields), None)
        if text is not None:
            cells[metric] = _value(text, convert)
    pages = [_value(fields[name], float) for name in _RETIRED if name in fields]
    if pages:
        cells["pages_retired"] = _sum(pages)
    return cells


def split(line: str) -> list[str]:
    """The cells of a line; a process or product name may be quoted."""
    return next(csv.reader([line], skipinitialspace=True), [])


def column_name(column: str) -> str:
    """ "power.draw [W]" -> "power.draw"."""
    return column.partition(" [")[0].strip()


def absence(text: str) -> Absence | None:
    """Why a cell holds no value; None where it does."""
    words = text.strip().strip("[]").strip()
    reason = _ABSENT.get(words.lower())
    if reason is None:
        return None
    return Absence(reason, "" if reason is Missing.UNSUPPORTED and len(words) < 4 else words)


def _value(text: str, convert: Callable[[str], float | str]) -> Value:
    missing = absence(text)
    if missing is not None:
        return missing
    try:
        return convert(text.strip())
    except (ValueError, KeyError):
        return Absence(Missing.FAILED, f"nvidia-smi wrote {text.strip()!r}")


def _sum(parts: list[Value]) -> Value:
    absent = next((part for part in parts if isinstance(part, Absence)), None)
    return absent or sum(part for part in parts if isinstance(part, float))


def _number(text: str) -> float:
    """A number, without the unit that may follow it."""
    return float(text.split(maxsplit=1)[0])


def _mebibytes(text: str) -> float:
    return _number(text) * MIB


def _flag(text: str) -> float:
    return float({"enabled": 1, "disabled": 0, "yes": 1, "no": 0, "active": 1, "not active": 0}[text.lower()])


def _mask(text: str) -> float:
    return float(int(text, 16))


def _pstate(text: str) -> float:
    return float(text.removeprefix("P"))


_ACTIONS = {
    "none": 0,
    "reset": 1,
    "gpu reset": 1,
    "reboot": 2,
    "node reboot": 2,
    "drain p2p": 3,
    "drain and reset": 4,
    "recover imex": 5,
    "bus reset": 6,
    "system reboot": 7,
}


def _action(text: str) -> float:
    return float(_ACTIONS[text.lower()])


_RETIRED = ("retired_pages.single_bit_ecc.count", "retired_pages.double_bit.count")

# metric -> (names of the column, newest first; how to read it)
_METRICS: Mapping[str, tuple[tuple[str, ...], Callable[[str], float | str]]] = {
    "uuid": (("uuid", "gpu_uuid"), str),
    "index": (("index",), _number),
    "model": (("name", "gpu_name"), str),
    "serial": (("serial", "gpu_serial"), str),
    "bus_id": (("pci.bus_id", "gpu_bus_id"), str),
    "driver": (("driver_version",), str),
    "firmware": (("vbios_version",), str),
    "util": (("utilization.gpu",), _number),
    "mem_util": (("utilization.memory",), _number),
    "mem_used": (("memory.used",), _mebibytes),
    "mem_total": (("memory.total",), _mebibytes),
    "mem_reserved": (("memory.reserved",), _mebibytes),
    "temp": (("temperature.gpu",), _number),
    "temp_mem": (("temperature.memory",), _number),
    "temp_margin": (("temperature.gpu.tlimit",), _number),
    "power": (("power.draw", "power.draw.instant"), _number),
    "power_limit": (("enforced.power.limit",), _number),
    "power_min": (("power.min_limit",), _number),
    "power_max": (("power.max_limit",), _number),
    "clock_sm": (("clocks.current.sm", "clocks.sm"), _number),
    "clock_mem": (("clocks.current.memory", "clocks.mem"), _number),
    "clock_sm_max": (("clocks.max.sm",), _number),
    "clock_mem_max": (("clocks.max.memory", "clocks.max.mem"), _number),
    "throttle": (("clocks_event_reasons.active", "clocks_throttle_reasons.active"), _mask),
    "pstate": (("pstate",), _pstate),
    "fan": (("fan.speed",), _number),
    "pcie_gen": (("pcie.link.gen.gpucurrent", "pcie.link.gen.current"), _number),
    "pcie_gen_max": (("pcie.link.gen.max",), _number),
    "pcie_width": (("pcie.link.width.current",), _number),
    "pcie_width_max": (("pcie.link.width.max",), _number),
    "ecc_mode": (("ecc.mode.current",), _flag),
    "ecc_corrected": (("ecc.errors.corrected.volatile.total",), _number),
    "ecc_uncorrected": (("ecc.errors.uncorrected.volatile.total",), _number),
    "ecc_corrected_total": (("ecc.errors.corrected.aggregate.total",), _number),
    "ecc_uncorrected_total": (("ecc.errors.uncorrected.aggregate.total",), _number),
    "rows_corrected": (("remapped_rows.correctable",), _number),
    "rows_uncorrected": (("remapped_rows.uncorrectable",), _number),
    "rows_pending": (("remapped_rows.pending",), _flag),
    "rows_failed": (("remapped_rows.failure",), _flag),
    "persistence": (("persistence_mode",), _flag),
    "mig": (("mig.mode.current",), _flag),
    "recovery": (("gpu_recovery_action",), _action),
}

METRICS = ("name", "vendor", *_METRICS, "pages_retired")
