"""What `neuron-monitor` printed: its records, one a line, and single groups of them as its documents show them.

A group cut out of a record is mended where that is possible without doubt: "[...]" for what was left out, and a brace
or comma that was lost with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe import neuron_monitor
from collectors.probe.cells import NOT_YET, UNSUPPORTED
from collectors.probe.neuron_ls import Device

MATCHES = "neuron-monitor: records as JSON lines, or one group of a record"

_OF_PROGRAMS = ("execution_stats", "memory_used", "neuroncore_counters", "neuron_runtime_vcpu_usage")
_OF_THE_MACHINE = ("memory_info", "neuron_hw_counters", "vcpu_usage")
_OF_THE_RECORD = ("instance_info", "neuron_hardware_info")
_GROUP = re.compile(r'^\s*"(' + "|".join(_OF_PROGRAMS + _OF_THE_MACHINE + _OF_THE_RECORD) + r')"\s*:\s*\{')
_LEFT_OUT = re.compile(r"^\s*\[?\.\.\.\]?,?\s*$", re.MULTILINE)
_NO_COMMA = re.compile(r'([}\]"0-9])(\s*\n\s*")')
_SPARE_COMMA = re.compile(r",(\s*[}\]])")


def matches(name: str, head: str) -> bool:
    return '"neuron_runtime_data"' in head or _GROUP.match(head) is not None


def read(name: str, text: str) -> Capture:
    group = _GROUP.match(text)
    if group is not None:
        return _fragment(group.group(1), mended(text))
    try:
        records = [neuron_monitor.parse(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        records = _whole(text)
    cells = _cells(records[-1])
    notes = (f"the newest of {len(records)} records",) if len(records) > 1 else ()
    return Capture("neuron-monitor", cells, notes=notes)


def _whole(text: str) -> list[dict[str, Any]]:
    """One record over several lines."""
    try:
        return [neuron_monitor.parse(text)]
    except ValueError as error:
        raise Refused(f"neuron-monitor: {error}") from error


def mended(text: str) -> dict[str, Any]:
    """A group that was cut out of a record. Raises Refused."""
    body = _LEFT_OUT.sub("", text.strip().rstrip(","))
    body = _SPARE_COMMA.sub(r"\1", _NO_COMMA.sub(r"\1,\2", body))
    body += "}" * (body.count("{") - body.count("}"))
    try:
        return json.loads("{" + body + "}")
    except ValueError as error:
        raise Refused(f"neuron-monitor: a part of a record that can't be mended: {error}") from error


def _fragment(name: str, group: Mapping[str, Any]) -> Capture:
    tool = f"neuron-monitor {name}"
    if name in ("neuron_runtime_vcpu_usage", "instance_info"):
        what = "the processor time of one program" if name in _OF_PROGRAMS else "which machine it is"
        raise Refused(f"{tool}: it tells {what}, and nothing of devices")
    if name in _OF_PROGRAMS:
        return _of_a_program(tool, group)
    record = {"system_data": group} if name in _OF_THE_MACHINE else group
    return Capture(tool, _cells(record))


def _of_a_program(tool: str, group: Mapping[str, Any]) -> Capture:
    """Without the rest of the record nobody knows which device a core is on: one row stands for them all."""
    program = neuron_monitor.Program({"report": group})
    told = [part for part in (program.cores, program.memory) if isinstance(part, dict)]
    device = Device(0, sorted({core for part in told for core in part}))
    cells = neuron_monitor.cells({"neuron_runtime_data": []}, [program], [device])[0]
    row = {"name": "neuron", "vendor": "AWS", "partition_of": "", **_known(cells)}
    if tool.endswith("execution_stats"):
        row.update(exec_latency=program.latency, exec_errors=program.failures)
    if isinstance(program.memory, dict):  # of its cores, some may have been left out
        row.update(mem_used=program.memory_in_all)
    notes = ("a part of a record: the cores that it names are taken for one device",)
    return Capture(tool, {"accelerator": {"neuron": row}}, notes=notes)


def _cells(record: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    devices = _devices(dict(record))
    running = neuron_monitor.programs(dict(record))
    tells_programs = "neuron_runtime_data" in record
    _, _, memory, kind = neuron_monitor.hardware(dict(record))
    found = neuron_monitor.cells(dict(record), running, devices)
    rows = {}
    for device in devices:
        failures = sum(program.failures for program in running if program.uses(device))
        executed = {"exec_errors": failures} if tells_programs else {}
        identity = {"name": f"neuron{device.index}", "vendor": "AWS", "index": device.index, "partition_of": "",
                    "model": kind.capitalize() or UNSUPPORTED, "mem_total": memory}  # fmt: skip
        rows[f"neuron{device.index}"] = {**identity, **_known(found[device.index]), **executed}
    node = _node(record.get("system_data") or {})
    return {"accelerator": rows, "node": {"": node} if node else {}}


def _known(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Without what another part of the record, or a later one, would tell."""
    return {name: value for name, value in cells.items() if value != NOT_YET}


def _devices(record: dict[str, Any]) -> list[Device]:
    count, each, _, _ = neuron_monitor.hardware(record)
    if not count:
        listed = ((record.get("system_data") or {}).get("neuron_hw_counters") or {}).get("neuron_devices") or ()
        return [Device(row["neuron_device_index"], []) for row in listed]
    return [Device(index, list(range(index * each, (index + 1) * each))) for index in range(count)]


def _node(system: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of the host."""
    memory, load = system.get("memory_info") or {}, (system.get("vcpu_usage") or {}).get("average_usage") or {}
    cells: dict[str, Any] = {}
    for metric, name in (("mem_used", "memory_used_bytes"), ("mem_total", "memory_total_bytes"),
                         ("swap_used", "swap_used_bytes"), ("swap_total", "swap_total_bytes")):  # fmt: skip
        if name in memory:
            cells[metric] = memory[name]
    if "idle" in load:
        cells.update(cpu=round(100 - load["idle"], 2), cpu_iowait=load.get("io_wait", UNSUPPORTED))
    return cells
