"""`nvidia-smi --query-gpu --format=csv` as cells of the metric catalogue. Pure: a header and a row in, cells out.

Names and shapes over drivers 418 to 595: units stand in the header ("[MiB]") and may be repeated in the cells; absence
has many words; `temperature.gpu.tlimit` is a margin, never a temperature.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence

from collectors import smi_values as smi
from collectors.smi_values import Convert, Value


def cells_of(header: Sequence[str], row: Sequence[str]) -> dict[str, Value]:
    """Metric -> value, in the catalogue's units. Columns that the catalogue doesn't have are left out."""
    fields = dict(zip((column_name(column) for column in header), row, strict=False))
    cells: dict[str, Value | None] = {}
    for metric, (names, convert) in _METRICS.items():
        cells[metric] = smi.first(smi.value(fields[name], convert) for name in names if name in fields)
    for metric, (names, convert) in _SUMS.items():
        cells[metric] = smi.total(smi.value(fields[name], convert) for name in names if name in fields)
    if "fabric.clusterUuid" in fields:
        cells["fabric"] = smi.fabric(fields["fabric.clusterUuid"], fields.get("fabric.cliqueId", ""))
    return {metric: value for metric, value in cells.items() if value is not None}


def split(line: str) -> list[str]:
    """The cells of a line; a process or product name may be quoted."""
    return next(csv.reader([line], skipinitialspace=True), [])


def column_name(column: str) -> str:
    """ "power.draw [W]" -> "power.draw"."""
    return column.partition(" [")[0].strip()


def known_columns(header: Sequence[str]) -> set[str]:
    """Metrics that some column of a header holds."""
    names = {column_name(column) for column in header}
    return {metric for metric, (columns, _) in (_METRICS | _SUMS).items() if names & set(columns)}


# metric -> (names of the column, newest first; how to read it)
_METRICS: dict[str, tuple[tuple[str, ...], Convert]] = {
    "uuid": (("uuid", "gpu_uuid"), str),
    "index": (("index",), smi.amount),
    "model": (("name", "gpu_name"), str),
    "serial": (("serial", "gpu_serial"), str),
    "bus_id": (("pci.bus_id", "gpu_bus_id"), str),
    "driver": (("driver_version",), str),
    "firmware": (("vbios_version",), str),
    "util": (("utilization.gpu",), smi.amount),
    "mem_util": (("utilization.memory",), smi.amount),
    "mem_used": (("memory.used",), smi.mebibytes),
    "mem_total": (("memory.total",), smi.mebibytes),
    "mem_reserved": (("memory.reserved",), smi.mebibytes),
    "temp": (("temperature.gpu",), smi.number),
    "temp_mem": (("temperature.memory",), smi.number),
    "temp_margin": (("temperature.gpu.tlimit",), smi.number),
    "power": (("power.draw", "power.draw.instant"), smi.amount),
    "power_module": (("module.power.draw.average", "module.power.draw.instant"), smi.amount),
    "power_limit": (("enforced.power.limit",), smi.amount),
    "power_min": (("power.min_limit",), smi.amount),
    "power_max": (("power.max_limit",), smi.amount),
    "clock_sm": (("clocks.current.sm", "clocks.sm"), smi.amount),
    "clock_mem": (("clocks.current.memory", "clocks.mem"), smi.amount),
    "clock_sm_max": (("clocks.max.sm",), smi.amount),
    "clock_mem_max": (("clocks.max.memory", "clocks.max.mem"), smi.amount),
    "throttle": (("clocks_event_reasons.active", "clocks_throttle_reasons.active"), smi.mask),
    "pstate": (("pstate",), smi.pstate),
    "fan": (("fan.speed",), smi.amount),
    "pcie_gen": (("pcie.link.gen.gpucurrent", "pcie.link.gen.current"), smi.amount),
    "pcie_gen_max": (("pcie.link.gen.max",), smi.amount),
    "pcie_width": (("pcie.link.width.current",), smi.amount),
    "pcie_width_max": (("pcie.link.width.max",), smi.amount),
    "ecc_mode": (("ecc.mode.current",), smi.flag),
    "ecc_corrected": (("ecc.errors.corrected.volatile.total",), smi.amount),
    "ecc_uncorrected": (("ecc.errors.uncorrected.volatile.total",), smi.amount),
    "ecc_corrected_total": (("ecc.errors.corrected.aggregate.total",), smi.amount),
    "ecc_uncorrected_total": (("ecc.errors.uncorrected.aggregate.total",), smi.amount),
    "ecc_sram": (("ecc.errors.uncorrected.aggregate.sram",), smi.amount),
    "rows_corrected": (("remapped_rows.correctable",), smi.amount),
    "rows_uncorrected": (("remapped_rows.uncorrectable",), smi.amount),
    "rows_pending": (("remapped_rows.pending",), smi.flag),
    "rows_failed": (("remapped_rows.failure",), smi.flag),
    "persistence": (("persistence_mode",), smi.flag),
    "mig": (("mig.mode.current",), smi.flag),
    "recovery": (("gpu_recovery_action",), smi.action),
    "fabric_state": (("fabric.state",), smi.lower),
}

# metric -> (columns that are parts of it, how to read each)
_SUMS: dict[str, tuple[tuple[str, ...], Convert]] = {
    "pages_retired": (("retired_pages.single_bit_ecc.count", "retired_pages.double_bit.count"), smi.amount),
    "throttle_power_time": (
        ("clocks_event_reasons_counters.sw_power_cap", "clocks_event_reasons_counters.hw_power_brake_slowdown"),
        smi.microseconds,
    ),
    "throttle_thermal_time": (
        ("clocks_event_reasons_counters.sw_thermal_slowdown", "clocks_event_reasons_counters.hw_thermal_slowdown"),
        smi.microseconds,
    ),
}

METRICS = ("name", "vendor", *_METRICS, *_SUMS, "fabric")
