"""`nvidia-smi -q`, as text or XML, as cells of the metric catalogue. Pure: one GPU's fields in, cells out.

A GPU is a mapping of paths to texts: the titles on the way down, in lower case with underscores, joined by "/". The
text form and the XML name many of them alike; where they don't, or where drivers did not agree, a metric lists all of
its paths, and the first that holds a value is it. Drivers 418 to 595.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from collectors import smi_values as smi
from collectors.smi_values import Convert, Value

Fields = Mapping[str, str]


def cells_of(gpu: Fields) -> dict[str, Value]:
    """Metric -> value, in the catalogue's units. What this driver doesn't write is left out."""
    cells: dict[str, Value | None] = {}
    for metric, (paths, convert) in _METRICS.items():
        cells[metric] = smi.first(_values(gpu, paths.split(), convert))
    for metric, (groups, convert) in _SUMS.items():
        cells[metric] = smi.first(_totals(gpu, groups, convert))
    cells["throttle"] = _throttle(gpu)
    cells["repair_pending"] = _repair(gpu)
    if cells["recovery"] is None:
        cells["recovery"] = _recovery(gpu)
    cells["fabric"] = _fabric(gpu)
    cells["fabric_state"] = _fabric_state(gpu)
    return {metric: value for metric, value in cells.items() if value is not None}


def partition_cells(partition: Fields) -> dict[str, Value]:
    """The same for a MIG instance: it has its share of memory, and the errors of its part of the chip."""
    found = {
        metric: smi.first(_values(partition, paths.split(), convert))
        for metric, (paths, convert) in _OF_PARTITION.items()
    }
    return {metric: value for metric, value in found.items() if value is not None}


def step(title: str) -> str:
    """A title as a step of a path: "SRAM Uncorrectable SEC-DED" -> sram_uncorrectable_sec_ded."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def text_at(gpu: Fields, path: str) -> str | None:
    """The text at a path; where a whole section is absent ("Remapped Rows: N/A"), that word for all in it."""
    text = gpu.get(path)
    while text is None and "/" in path:
        path = path.rpartition("/")[0]
        above = gpu.get(path)
        text = above if above is not None and smi.absence(above) else None
    return text


def _values(gpu: Fields, paths: list[str], convert: Convert) -> Iterator[Value]:
    texts = (text_at(gpu, path) for path in paths)
    return (smi.value(text, convert) for text in texts if text is not None)


def _totals(gpu: Fields, groups: str, convert: Convert) -> Iterator[Value]:
    """One sum for each group of paths ("|" between groups) of which the board has any part."""
    for group in groups.split("|"):
        found = smi.total(_values(gpu, group.split(), convert))
        if found is not None:
            yield found


def _throttle(gpu: Fields) -> Value | None:
    """The mask that NVML would give, from one Active or Not Active for each reason."""
    said = {
        bit: smi.first(
            _values(gpu, [f"{section}/{prefix}{name}" for section, prefix in _SECTIONS for name in names], smi.flag)
        )
        for bit, names in _REASONS.items()
    }
    told = {bit: value for bit, value in said.items() if value is not None}
    flags = {bit: value for bit, value in told.items() if isinstance(value, float)}
    if told and not flags:
        return next(iter(told.values()))
    return float(sum(bit for bit, active in flags.items() if active)) if flags else None


def _repair(gpu: Fields) -> Value | None:
    paths = ["ecc_errors/channel_repair_pending", "ecc_errors/tpc_repair_pending"]
    said = list(_values(gpu, paths, smi.flag))
    flags = [one for one in said if isinstance(one, float)]
    return max(flags) if flags else smi.first(said)


def _recovery(gpu: Fields) -> Value | None:
    """Before drivers named one action (565): whether a reset is required, or recommended after draining."""
    for path, meaning in (("reset_required", "gpu reset"), ("drain_and_reset_recommended", "drain and reset")):
        said = gpu.get(f"gpu_reset_status/{path}", "")
        if said.lower() == "yes":
            return smi.action(meaning)
    return smi.first(_values(gpu, ["gpu_reset_status/reset_required"], smi.flag))


def _fabric(gpu: Fields) -> Value | None:
    cluster = gpu.get("fabric/clusteruuid")
    return None if cluster is None else smi.fabric(cluster, gpu.get("fabric/cliqueid", ""))


def _fabric_state(gpu: Fields) -> Value | None:
    """Its state, or how it failed, and what is not well with it."""
    state = gpu.get("fabric/state")
    if state is None or smi.absence(state) is not None:
        return None if state is None else smi.absence(state)
    ills = [words for path, sign, words in _FABRIC_ILLS if gpu.get(f"fabric/health/{path}", "").lower() == sign]
    wrong = gpu.get("fabric/health/incorrect_configuration", "N/A")
    if smi.absence(wrong) is None and wrong.lower() != "none":
        ills.append(wrong.lower())
    status = gpu.get("fabric/status", "Success")
    failed = state.lower() == "completed" and status.lower() not in ("success", "n/a", "")
    return ", ".join([f"failed: {status}" if failed else state.lower(), *ills])


_FABRIC_ILLS = (
    ("bandwidth", "degraded", "degraded bandwidth"),
    ("route_recovery_in_progress", "true", "route recovery"),
    ("route_unhealthy", "true", "route unhealthy"),
    ("access_timeout_recovery", "true", "access timeout recovery"),
)

_SECTIONS = (
    ("clocks_event_reasons", "clocks_event_reason_"),
    ("clocks_event_reasons", ""),
    ("clocks_throttle_reasons", "clocks_throttle_reason_"),
    ("clocks_throttle_reasons", ""),
)
# bit of watchfloor.metrics.THROTTLE_REASONS -> names in XML and text
_REASONS = {
    0x1: ("gpu_idle", "idle"),
    0x2: ("applications_clocks_setting",),
    0x4: ("sw_power_cap",),
    0x8: ("hw_slowdown",),
    0x10: ("sync_boost",),
    0x20: ("sw_thermal_slowdown",),
    0x40: ("hw_thermal_slowdown", "hw_slowdown/hw_thermal_slowdown"),
    0x80: ("hw_power_brake_slowdown", "hw_slowdown/hw_power_brake_slowdown"),
    0x100: ("display_clocks_setting", "display_clock_setting"),
}

_POWER = "gpu_power_readings/{0} power_readings/{0}"


def _power(*names: str) -> str:
    return " ".join(_POWER.format(name) for name in names)


# metric -> (its paths, how to read it)
_METRICS: Mapping[str, tuple[str, Convert]] = {
    "model": ("product_name", str),
    "uuid": ("uuid gpu_uuid", str),
    "serial": ("serial serial_number", str),
    "bus_id": ("pci/pci_bus_id pci/bus_id", str),
    "board": ("board_part_number gpu_part_number", str),
    "firmware": ("vbios_version", str),
    "util": ("utilization/gpu_util utilization/gpu", smi.amount),
    "mem_util": ("utilization/memory_util utilization/memory", smi.amount),
    "mem_used": ("fb_memory_usage/used", smi.mebibytes),
    "mem_total": ("fb_memory_usage/total", smi.mebibytes),
    "mem_reserved": ("fb_memory_usage/reserved", smi.mebibytes),
    "temp": ("temperature/gpu_temp temperature/gpu_current_temp", smi.number),
    "temp_mem": ("temperature/memory_temp temperature/memory_current_temp", smi.number),
    "temp_margin": ("temperature/gpu_temp_tlimit temperature/gpu_t_limit_temp", smi.number),
    "power": (
        _power("power_draw", "average_power_draw", "instant_power_draw", "instantaneous_power_draw"),
        smi.amount,
    ),
    "power_module": (
        "module_power_readings/power_draw module_power_readings/average_power_draw "
        "module_power_readings/instant_power_draw module_power_readings/instantaneous_power_draw",
        smi.amount,
    ),
    "power_limit": (_power("enforced_power_limit", "current_power_limit"), smi.amount),
    "power_min": (_power("min_power_limit"), smi.amount),
    "power_max": (_power("max_power_limit"), smi.amount),
    "clock_sm": ("clocks/sm_clock clocks/sm", smi.amount),
    "clock_mem": ("clocks/mem_clock clocks/memory", smi.amount),
    "clock_sm_max": ("max_clocks/sm_clock max_clocks/sm", smi.amount),
    "clock_mem_max": ("max_clocks/mem_clock max_clocks/memory", smi.amount),
    "pstate": ("performance_state", smi.pstate),
    "fan": ("fan_speed", smi.amount),
    "pcie_gen": (
        "pci/pci_gpu_link_info/pcie_gen/current_link_gen pci/gpu_link_info/pcie_generation/current",
        smi.amount,
    ),
    "pcie_gen_max": ("pci/pci_gpu_link_info/pcie_gen/max_link_gen pci/gpu_link_info/pcie_generation/max", smi.amount),
    "pcie_width": (
        "pci/pci_gpu_link_info/link_widths/current_link_width pci/gpu_link_info/link_width/current",
        smi.amount,
    ),
    "pcie_width_max": (
        "pci/pci_gpu_link_info/link_widths/max_link_width pci/gpu_link_info/link_width/max",
        smi.amount,
    ),
    "pcie_rx": ("pci/rx_util pci/rx_throughput", smi.kilobytes),
    "pcie_tx": ("pci/tx_util pci/tx_throughput", smi.kilobytes),
    "pcie_replays": ("pci/replay_counter pci/replays_since_reset", smi.amount),
    "ecc_mode": ("ecc_mode/current_ecc ecc_mode/current", smi.flag),
    "rows_corrected": ("remapped_rows/remapped_row_corr remapped_rows/correctable_error", smi.amount),
    "rows_uncorrected": ("remapped_rows/remapped_row_unc remapped_rows/uncorrectable_error", smi.amount),
    "rows_pending": ("remapped_rows/remapped_row_pending remapped_rows/pending", smi.flag),
    "rows_failed": ("remapped_rows/remapped_row_failure remapped_rows/remapping_failure_occurred", smi.flag),
    "recovery": ("gpu_recovery_action", smi.action),
    "persistence": ("persistence_mode", smi.flag),
    "mig": ("mig_mode/current_mig mig_mode/current", smi.flag),
    "processes": ("processes", smi.amount),
}


_OF_PARTITION: Mapping[str, tuple[str, Convert]] = {
    "mem_used": ("fb_memory_usage/used shared_fb_memory_usage/used", smi.mebibytes),
    "mem_total": ("fb_memory_usage/total shared_fb_memory_usage/total", smi.mebibytes),
    "mem_reserved": ("fb_memory_usage/reserved shared_fb_memory_usage/reserved", smi.mebibytes),
    "ecc_uncorrected": (
        "ecc_error_count/volatile_count/sram_uncorrectable ecc_errors/volatile/sram_uncorrectable",
        smi.amount,
    ),
}


def _ecc(kind: str, old: str, *names: str) -> str:
    """The groups of one kind of count: since Turing by memory, before with a total."""
    return " ".join(f"ecc_errors/{kind}/{name}" for name in names) + f"|ecc_errors/{kind}/{old}/total"


_CORRECTED = ("single_bit", "sram_correctable", "dram_correctable")
_UNCORRECTED = (
    "double_bit", "sram_uncorrectable", "sram_uncorrectable_parity", "sram_uncorrectable_secded",
    "sram_uncorrectable_sec_ded", "dram_uncorrectable",
)  # fmt: skip
_COUNTERS = "clocks_event_reasons_counters/"

# metric -> (groups of the paths that are its parts, how to read each)
_SUMS: Mapping[str, tuple[str, Convert]] = {
    "ecc_corrected": (_ecc("volatile", *_CORRECTED), smi.amount),
    "ecc_uncorrected": (_ecc("volatile", *_UNCORRECTED), smi.amount),
    "ecc_corrected_total": (_ecc("aggregate", *_CORRECTED), smi.amount),
    "ecc_uncorrected_total": (_ecc("aggregate", *_UNCORRECTED), smi.amount),
    "ecc_sram": (" ".join(f"ecc_errors/aggregate/{name}" for name in _UNCORRECTED[1:-1]), smi.amount),
    "pages_retired": (
        "retired_pages/multiple_single_bit_retirement/retired_count retired_pages/double_bit_retirement/retired_count"
        "|retired_pages/single_bit_ecc retired_pages/double_bit_ecc",
        smi.amount,
    ),
    "throttle_power_time": (
        f"{_COUNTERS}clocks_event_reasons_counters_sw_power_cap {_COUNTERS}clocks_event_reasons_counters_hw_power_brake"
        f"|{_COUNTERS}sw_power_capping {_COUNTERS}hw_power_braking",
        smi.microseconds,
    ),
    "throttle_thermal_time": (
        f"{_COUNTERS}clocks_event_reasons_counters_sw_therm_slowdown "
        f"{_COUNTERS}clocks_event_reasons_counters_hw_therm_slowdown"
        f"|{_COUNTERS}sw_thermal_slowdown {_COUNTERS}hw_thermal_slowdown",
        smi.microseconds,
    ),
}
