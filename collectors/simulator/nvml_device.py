"""What the simulated driver answers for one board: functions by the names of NVML's own, of (machine, index, …).

Each returns what pynvml's function of that name returns, in NVML's units, and raises pynvml's errors.
"""

from __future__ import annotations

import uuid
from ctypes import c_ulonglong
from types import SimpleNamespace
from typing import Any

import pynvml

from collectors.simulator import nvml_health
from collectors.simulator.machine import Machine
from collectors.simulator.nvml_common import NOT_SUPPORTED, board_of, datacenter_board, state_of
from collectors.simulator.nvml_fields import field_value
from collectors.simulator.work import noise

# -- identity: answered even by a board that is lost


def nvmlDeviceGetName(machine: Machine, index: int) -> str:
    return board_of(machine).model


def nvmlDeviceGetUUID(machine: Machine, index: int) -> str:
    return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{machine.plan.name}.{index}.watchfloor')}"


def nvmlDeviceGetSerial(machine: Machine, index: int) -> str:
    datacenter_board(machine)
    return str(1_650_023_000_000 + machine.plan.index * 64 + index)


def nvmlDeviceGetIndex(machine: Machine, index: int) -> int:
    return index


def nvmlDeviceGetMinorNumber(machine: Machine, index: int) -> int:
    return index


def nvmlDeviceGetPciInfo_v3(machine: Machine, index: int) -> Any:
    address = machine.plan.shape.address(index)
    bus = int(address.split(":")[1], 16)
    info = pynvml.nvmlPciInfo_t(
        domain=0, bus=bus, device=0, pciDeviceId=board_of(machine).pci_device << 16 | 0x10DE, pciSubSystemId=0x16C110DE
    )
    info.busId = f"00000000:{bus:02X}:00.0".encode()
    info.busIdLegacy = f"0000:{bus:02X}:00.0".encode()
    return info


def nvmlDeviceGetPciInfo(machine: Machine, index: int) -> Any:
    return nvmlDeviceGetPciInfo_v3(machine, index)


def nvmlDeviceGetBoardPartNumber(machine: Machine, index: int) -> str:
    return datacenter_board(machine).part


def nvmlDeviceGetVbiosVersion(machine: Machine, index: int) -> str:
    return board_of(machine).vbios


# -- load


def nvmlDeviceGetUtilizationRates(machine: Machine, index: int) -> Any:
    state = state_of(machine, index)
    return pynvml.c_nvmlUtilization_t(gpu=round(state.util), memory=round(max(0.0, state.mem_util)))


def nvmlDeviceGetMemoryInfo(machine: Machine, index: int, version: int | None = None) -> Any:
    board, used = board_of(machine), int(state_of(machine, index).memory_used)
    if version is None:
        total_used = used + board.reserved_bytes
        return pynvml.c_nvmlMemory_t(total=board.memory_bytes, free=board.memory_bytes - total_used, used=total_used)
    free = board.memory_bytes - board.reserved_bytes - used
    return pynvml.c_nvmlMemory_v2_t(
        version=version, total=board.memory_bytes, reserved=board.reserved_bytes, free=free, used=used
    )


def nvmlDeviceGetComputeRunningProcesses_v3(machine: Machine, index: int) -> list[Any]:
    state = state_of(machine, index)
    if state.job is None:
        return []
    none = 0xFFFFFFFF
    pid, used = state.job.pid(machine.plan.index, index), int(state.memory_used)
    return [SimpleNamespace(pid=pid, usedGpuMemory=used, gpuInstanceId=none, computeInstanceId=none)]


def nvmlDeviceGetComputeRunningProcesses(machine: Machine, index: int) -> list[Any]:
    return nvmlDeviceGetComputeRunningProcesses_v3(machine, index)


def nvmlDeviceGetGraphicsRunningProcesses_v3(machine: Machine, index: int) -> list[Any]:
    return []


def nvmlDeviceGetGraphicsRunningProcesses(machine: Machine, index: int) -> list[Any]:
    return []


def nvmlDeviceGetMPSComputeRunningProcesses_v3(machine: Machine, index: int) -> list[Any]:
    return []


def nvmlDeviceGetMPSComputeRunningProcesses(machine: Machine, index: int) -> list[Any]:
    return []


# -- power, heat, clocks


def nvmlDeviceGetPowerUsage(machine: Machine, index: int) -> int:
    jitter = 6 * (noise(machine.plan.index, index, int(machine.time * 10)) - 0.5)
    return int(1000 * (state_of(machine, index).power + jitter))


def nvmlDeviceGetEnforcedPowerLimit(machine: Machine, index: int) -> int:
    return int(1000 * machine.power_limit(index))


def nvmlDeviceGetPowerManagementLimit(machine: Machine, index: int) -> int:
    return nvmlDeviceGetEnforcedPowerLimit(machine, index)


def nvmlDeviceGetPowerManagementDefaultLimit(machine: Machine, index: int) -> int:
    return int(1000 * board_of(machine).power_limit)


def nvmlDeviceGetPowerManagementLimitConstraints(machine: Machine, index: int) -> list[int]:
    board = board_of(machine)
    return [int(1000 * board.power_min), int(1000 * board.power_limit)]


def nvmlDeviceGetTotalEnergyConsumption(machine: Machine, index: int) -> int:
    return int(1000 * machine.now(state_of(machine, index).energy))


def nvmlDeviceGetTemperature(machine: Machine, index: int, sensor: int) -> int:
    return round(state_of(machine, index).temp)


def nvmlDeviceGetTemperatureV(machine: Machine, index: int, sensor: int, version: int | None = None) -> int:
    return nvmlDeviceGetTemperature(machine, index, sensor)


def nvmlDeviceGetTemperatureThreshold(machine: Machine, index: int, kind: int) -> int:
    slowdown = round(board_of(machine).slowdown_at)
    return {pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN: slowdown + 5}.get(kind, slowdown)


def nvmlDeviceGetMarginTemperature(machine: Machine, index: int) -> int:
    return round(board_of(machine).slowdown_at - state_of(machine, index).temp)


def nvmlDeviceGetClockInfo(machine: Machine, index: int, kind: int) -> int:
    state, board = state_of(machine, index), board_of(machine)
    if kind == pynvml.NVML_CLOCK_MEM:
        return board.clock_mem if state.job or board.datacenter else 405
    return int(state.clock_sm)


def nvmlDeviceGetMaxClockInfo(machine: Machine, index: int, kind: int) -> int:
    board = board_of(machine)
    return board.clock_mem if kind == pynvml.NVML_CLOCK_MEM else board.clock_sm


def nvmlDeviceGetApplicationsClock(machine: Machine, index: int, kind: int) -> int:
    set_to = machine.faults.application_clocks.get(index)
    if kind == pynvml.NVML_CLOCK_GRAPHICS and set_to is not None:
        return set_to
    return nvmlDeviceGetMaxClockInfo(machine, index, kind)


def nvmlDeviceGetCurrentClocksEventReasons(machine: Machine, index: int) -> int:
    return state_of(machine, index).throttle


def nvmlDeviceGetCurrentClocksThrottleReasons(machine: Machine, index: int) -> int:
    return state_of(machine, index).throttle


def nvmlDeviceGetPerformanceState(machine: Machine, index: int) -> int:
    return 0 if board_of(machine).datacenter or state_of(machine, index).job else 8


def nvmlDeviceGetPowerState(machine: Machine, index: int) -> int:
    return nvmlDeviceGetPerformanceState(machine, index)


def nvmlDeviceGetNumFans(machine: Machine, index: int) -> int:
    return 0 if board_of(machine).datacenter else 2


def nvmlDeviceGetFanSpeed_v2(machine: Machine, index: int, fan: int) -> int:
    if board_of(machine).datacenter:
        raise pynvml.NVMLError(NOT_SUPPORTED)
    return round(min(100.0, max(0.0, 1.6 * (state_of(machine, index).temp - 30))))


def nvmlDeviceGetFanSpeed(machine: Machine, index: int) -> int:
    return nvmlDeviceGetFanSpeed_v2(machine, index, 0)


def nvmlDeviceGetPersistenceMode(machine: Machine, index: int) -> int:
    usual = board_of(machine).datacenter and index not in machine.faults.unpersistent
    return int(machine.condition.persistence.get(index, usual))


# -- fields


def nvmlDeviceGetFieldValues(machine: Machine, index: int, wanted: list[Any]) -> Any:
    values = (pynvml.c_nvmlFieldValue_t * len(wanted))()
    for entry, what in zip(values, wanted, strict=True):
        entry.fieldId, entry.scopeId = what if isinstance(what, tuple) else (what, 0)
        value = field_value(machine, index, entry.fieldId, entry.scopeId)
        entry.timestamp = int(machine.time * 1e6)
        entry.latencyUsec = 20
        entry.nvmlReturn = NOT_SUPPORTED if value is None else pynvml.NVML_SUCCESS
        entry.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
        entry.value.ullVal = c_ulonglong(value or 0).value
    return values


IDENTITY = frozenset(
    {
        "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetSerial", "nvmlDeviceGetIndex", "nvmlDeviceGetPciInfo",
        "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetMinorNumber", "nvmlDeviceGetBoardPartNumber",
        "nvmlDeviceGetVbiosVersion",
    }
)  # fmt: skip
FUNCTIONS = {
    name: value
    for module in (globals(), vars(nvml_health))
    for name, value in module.items()
    if name.startswith("nvmlDevice") and callable(value)
}
