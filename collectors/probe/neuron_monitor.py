"""What a record of `neuron-monitor` says of each Neuron device. Pure.

A record has a part for each program that uses the devices ("neuron_runtime_data", null or empty where none does) and
one for the machine. Cores are numbered over all devices, and only those in use are named: the others are idle. A group
of values may be missing since it wasn't due yet, or carry an error of its own.
"""

import json

from .cells import FAILED_CODE, NOT_YET, NOT_YET_CODE, UNSUPPORTED, UNSUPPORTED_CODE, Missing, rounded

_LOAD = ("util", "sm_active", "mem_used", "exec_latency")
_ECC = (
    ("ecc_corrected", "mem_ecc_corrected"),
    ("ecc_uncorrected", "mem_ecc_uncorrected"),
    ("ecc_sram", "sram_ecc_uncorrected"),
)
ERRORS = tuple(metric for metric, _ in _ECC)
_FAILURES = ("completed_with_err", "completed_with_num_err", "timed_out", "incorrect_input", "failed_to_queue")
_NOTHING_RAN = Missing(NOT_YET_CODE, "nothing was executed in the last period")
UNNUMBERED = Missing(UNSUPPORTED_CODE, "neither neuron-ls nor neuron-monitor tells which cores it has")


def parse(line: str) -> dict:
    """One record. Raises ValueError."""
    record = json.loads(line)
    if not isinstance(record, dict) or not {"neuron_runtime_data", "system_data", "neuron_hardware_info"} & set(record):
        raise ValueError("no record of neuron-monitor: %.80s" % line)
    return record


def hardware(record: dict) -> "tuple[int, int, int | Missing, str]":
    """How many devices, cores of each, memory of each in bytes, and their type."""
    told = record.get("neuron_hardware_info") or {}
    memory = told.get("neuron_device_memory_size") or UNSUPPORTED  # Inf1 and older tools don't say
    kind = told.get("neuron_device_type") or ""
    return told.get("neuron_device_count") or 0, told.get("neuroncore_per_device_count") or 0, memory, kind


class Program:
    """What one program does to the devices."""

    def __init__(self, told: dict) -> None:
        report = told.get("report") or {}
        self.pid = told.get("pid") or 0
        self._error = told.get("error") or ""
        self.cores = self._cores(self._group(report, "neuroncore_counters"))
        self.memory, self.memory_in_all = self._memory(self._group(report, "memory_used"))
        self.latency, self.failures = self._executions(self._group(report, "execution_stats"))

    def _group(self, report: dict, name: str) -> "dict | Missing":
        if self._error:
            return Missing(FAILED_CODE, self._error)
        return _sound(report.get(name))

    def _cores(self, group: "dict | Missing") -> "dict[int, float] | Missing":
        """Core -> percent of the time that it worked."""
        if isinstance(group, Missing):
            return group
        used = group.get("neuroncores_in_use") or {}
        return {
            int(core): float(values.get("neuroncore_utilization") or 0.0)
            for core, values in used.items()
            if core.isdigit()
        }

    def _memory(self, group: "dict | Missing") -> "tuple[dict[int, int] | Missing, int]":
        """Core -> bytes of device memory that are there for it; and bytes of all devices."""
        if isinstance(group, Missing):
            return group, 0
        used = group.get("neuron_runtime_used_bytes") or {}
        by_core = (used.get("usage_breakdown") or {}).get("neuroncore_memory_usage") or {}
        sums = {
            int(core): sum(size for size in parts.values() if isinstance(size, int))
            for core, parts in by_core.items()
            if core.isdigit()
        }
        return sums, int(used.get("neuron_device") or 0)

    def _executions(self, group: "dict | Missing") -> "tuple[float | Missing, int]":
        """99th percentile in seconds, and how many failed in the period."""
        if isinstance(group, Missing):
            return group, 0
        latencies = group.get("latency_stats") or {}
        late = (latencies.get("total_latency") or latencies.get("device_latency") or {}).get("p99")
        summary = group.get("execution_summary") or {}
        return _NOTHING_RAN if late is None else float(late), sum(summary.get(name) or 0 for name in _FAILURES)

    def uses(self, device) -> bool:
        """Whether it has a core of a neuron_ls.Device."""
        told = [part for part in (self.cores, self.memory) if isinstance(part, dict)]
        return any(core in part for part in told for core in device.cores)

    def memory_on(self, device, alone: bool) -> "int | Missing":
        """Bytes on a device; `alone`: it is the only one, so that all are there, even if no core is named."""
        if isinstance(self.memory, Missing):
            return self.memory
        if not self.memory:
            return self.memory_in_all if alone else UNSUPPORTED
        return sum(size for core, size in self.memory.items() if core in device.cores)


def programs(record: dict) -> "list[Program]":
    return [Program(told) for told in record.get("neuron_runtime_data") or () if isinstance(told, dict)]


def cells(record: dict, running: "list[Program]", devices: list) -> dict:
    """Device index -> cells of load and errors. `running` of this record, `devices` as neuron_ls.parse gives them."""
    counters = _counters(record)
    if "neuron_runtime_data" not in record:  # null and [] mean that no program runs; nothing means nothing
        load = dict.fromkeys(_LOAD, NOT_YET)
        return {device.index: dict(load, **_errors(counters, device.index)) for device in devices}
    found = {}
    for device in devices:
        if running and not device.cores:
            row = dict.fromkeys(_LOAD, UNNUMBERED)
        else:
            row = _load(device, running)
            row["mem_used"] = _memory_used(device, running, len(devices) == 1)
            row["exec_latency"] = _latency(device, running)
        row.update(_errors(counters, device.index))
        found[device.index] = row
    return found


def number_cores(record: dict, devices: list) -> None:
    """Give their cores to devices that neuron-ls told nothing of; the driver's files count those of the hardware."""
    each = hardware(record)[1]
    for device in devices:
        device.cores = device.cores or list(range(device.index * each, (device.index + 1) * each))


def _load(device, running: "list[Program]") -> dict:
    """`util` is the mean of the cores that are in use, `sm_active` that of all."""
    used, unknown = {}, []
    for program in running:
        if isinstance(program.cores, Missing):
            unknown.append(program.cores)
            continue
        for core, share in program.cores.items():
            if core in device.cores:
                used[core] = used.get(core, 0.0) + share
    if unknown and not used:
        return {"util": unknown[0], "sm_active": unknown[0]}
    total = sum(used.values())
    return {
        "util": rounded(total / max(1, len(used)), 1),
        "sm_active": rounded(total / len(device.cores), 1) if device.cores else UNSUPPORTED,
    }


def _memory_used(device, running: "list[Program]", alone: bool) -> "int | Missing":
    total = 0
    for program in running:
        size = program.memory_on(device, alone)
        if isinstance(size, Missing):
            return size
        total += size
    return total


def _latency(device, running: "list[Program]") -> "float | Missing":
    """That of the slowest program on the device."""
    told = [program.latency for program in running if program.uses(device)]
    known = [latency for latency in told if not isinstance(latency, Missing)]
    if known:
        return round(max(known), 6)
    return told[0] if told else _NOTHING_RAN


def _counters(record: dict) -> "dict[int, dict] | Missing":
    """Device index -> its error counters; the documents of the first version name the keys otherwise."""
    system = record.get("system_data") or {}
    group = _sound(system.get("neuron_hw_counters", system.get("hw_counters")))
    if isinstance(group, Missing):
        return group
    rows = group.get("neuron_devices") or group.get("devices") or ()
    return {row.get("neuron_device_index", row.get("device_index")): row for row in rows}


def _errors(counters: "dict[int, dict] | Missing", index: int) -> dict:
    if isinstance(counters, Missing):
        return dict.fromkeys(ERRORS, counters)
    row = counters.get(index, {})
    return {metric: row.get(name, UNSUPPORTED) for metric, name in _ECC}


def _sound(group: "dict | None") -> "dict | Missing":
    """A group of values; why there is none where it wasn't due yet or failed."""
    if not group:
        return NOT_YET
    return Missing(FAILED_CODE, group["error"]) if group.get("error") else group
