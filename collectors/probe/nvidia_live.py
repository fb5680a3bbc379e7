"""What a GPU does, in the catalogue's units: QUICK is asked at each tick, SLOW every 10 s, SETTINGS every 30 s.

A question is (metric names, function of the pynvml module and a device handle that gives one value for each).
"""

from .cells import UNSUPPORTED, Missing, told_power
from .nvml import ask, field_values, plain
from .nvml_fields import ListSize

_MEMORY_TEMPERATURE, _RESET, _DRAIN_AND_RESET, _RECOVERY_ACTION = 82, 226, 227, 230  # field ids of nvml.h
CORE = 0  # NVML_TEMPERATURE_GPU
_CORRECTED, _UNCORRECTED, _VOLATILE, _AGGREGATE = 0, 1, 0, 1  # nvmlMemoryErrorType_t, nvmlEccCounterType_t
_RETIREMENT_CAUSES = (0, 1)  # several single-bit errors; one double-bit error


def _older(nvml, error) -> bool:
    """The driver is older than the call, or than its structure."""
    return error.value in (nvml.NVML_ERROR_FUNCTION_NOT_FOUND, nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH)


def _utilization(nvml, handle) -> tuple:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    return plain(rates, "gpu"), plain(rates, "memory")


def _memory(nvml, handle) -> tuple:
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle, nvml.nvmlMemory_v2)
    except nvml.NVMLError as error:
        if not _older(nvml, error):
            raise
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)  # its `used` includes what the driver reserves
        return plain(memory, "used"), plain(memory, "total"), UNSUPPORTED
    return plain(memory, "used"), plain(memory, "total"), plain(memory, "reserved")


def _power(nvml, handle) -> tuple:
    return (told_power(nvml.nvmlDeviceGetPowerUsage(handle) / 1000.0),)


def _energy(nvml, handle) -> tuple:
    return (nvml.nvmlDeviceGetTotalEnergyConsumption(handle) // 1000,)


def _temperature(nvml, handle) -> tuple:
    return (nvml.nvmlDeviceGetTemperature(handle, CORE),)


def _margin(nvml, handle) -> tuple:
    return (nvml.nvmlDeviceGetMarginTemperature(handle),)


def _clock_sm(nvml, handle) -> tuple:
    return (nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),)


def _clock_mem(nvml, handle) -> tuple:
    return (nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),)


def _throttle(nvml, handle) -> tuple:
    try:
        return (nvml.nvmlDeviceGetCurrentClocksEventReasons(handle),)
    except nvml.NVMLError as error:
        if not _older(nvml, error):
            raise
        return (nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),)


def _pstate(nvml, handle) -> tuple:
    return (nvml.nvmlDeviceGetPerformanceState(handle),)


MEMORY = (("mem_used", "mem_total", "mem_reserved"), _memory)

QUICK = (
    (("util", "mem_util"), _utilization),
    MEMORY,
    (("power",), _power),
    (("temp",), _temperature),
    (("temp_margin",), _margin),
    (("clock_sm",), _clock_sm),
    (("throttle",), _throttle),
)


def _fields(nvml, handle) -> list:
    temperature, action, reset, drain = field_values(
        nvml, handle, [_MEMORY_TEMPERATURE, _RECOVERY_ACTION, _RESET, _DRAIN_AND_RESET]
    )
    if isinstance(action, Missing) and not isinstance(reset, Missing):  # drivers 560 and 565: two flags instead
        action = 1 if reset else 4 if not isinstance(drain, Missing) and drain else 0
    return [temperature, action]


def _power_limit(nvml, handle) -> tuple:
    return (nvml.nvmlDeviceGetEnforcedPowerLimit(handle) // 1000,)


def _fan(nvml, handle) -> tuple:
    count = nvml.nvmlDeviceGetNumFans(handle)
    if not count:  # cooled by the chassis
        return (UNSUPPORTED,)
    return (max(nvml.nvmlDeviceGetFanSpeed_v2(handle, fan) for fan in range(count)),)


def _pcie(nvml, handle) -> tuple:
    return nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle), nvml.nvmlDeviceGetCurrPcieLinkWidth(handle)


def _replays(nvml, handle) -> tuple:
    return (nvml.nvmlDeviceGetPcieReplayCounter(handle),)


def _ecc_mode(nvml, handle) -> tuple:
    return (int(nvml.nvmlDeviceGetEccMode(handle)[0]),)


def _ecc(nvml, handle) -> list:
    kinds = ((_CORRECTED, _VOLATILE), (_UNCORRECTED, _VOLATILE), (_CORRECTED, _AGGREGATE), (_UNCORRECTED, _AGGREGATE))
    return [nvml.nvmlDeviceGetTotalEccErrors(handle, error, counter) for error, counter in kinds]


def _rows(nvml, handle) -> tuple:
    corrected, uncorrected, pending, failed = nvml.nvmlDeviceGetRemappedRows(handle)
    return corrected, uncorrected, int(pending), int(failed)


def _pages(nvml, handle) -> tuple:
    retired = sum(len(nvml.nvmlDeviceGetRetiredPages_v2(handle, cause)) for cause in _RETIREMENT_CAUSES)
    return retired, ask(nvml, "nvmlDeviceGetRetiredPagesPendingStatus", handle)


def _persistence(nvml, handle) -> tuple:
    return (int(nvml.nvmlDeviceGetPersistenceMode(handle)),)


def _application_clocks(nvml, handle) -> list:
    kinds = (nvml.NVML_CLOCK_GRAPHICS, nvml.NVML_CLOCK_MEM)
    return [nvml.nvmlDeviceGetApplicationsClock(handle, kind) for kind in kinds]


def _mig(nvml, handle) -> tuple:
    return (int(nvml.nvmlDeviceGetMigMode(handle)[0]),)


SLOW = (
    (("energy",), _energy),
    (("clock_mem",), _clock_mem),
    (("pstate",), _pstate),
    (("temp_mem", "recovery"), _fields),
    (("fan",), _fan),
    (("pcie_gen", "pcie_width"), _pcie),
    (("pcie_replays",), _replays),
    (("ecc_corrected", "ecc_uncorrected", "ecc_corrected_total", "ecc_uncorrected_total"), _ecc),
)

# what somebody decides, or what a driver repairs and tells as an event too: it seldom changes
SETTINGS = (
    (("rows_corrected", "rows_uncorrected", "rows_pending", "rows_failed"), _rows),
    (("pages_retired", "pages_pending"), _pages),
    (("power_limit",), _power_limit),
    (("ecc_mode",), _ecc_mode),
    (("persistence",), _persistence),
    (("clock_sm_app", "clock_mem_app"), _application_clocks),
    (("mig",), _mig),
)

METRICS = [name for names, _ in QUICK + SLOW + SETTINGS for name in names]


# MPS clients are listed as compute processes too: the more telling kind comes first
_PROCESS_CALLS = (
    ("mps", "nvmlDeviceGetMPSComputeRunningProcesses"),
    ("compute", "nvmlDeviceGetComputeRunningProcesses"),
    ("graphics", "nvmlDeviceGetGraphicsRunningProcesses"),
)


def list_sizes(nvml) -> "dict[str, ListSize]":
    """For `holders`: most lists are empty most of the time, which is cheap to find out."""
    return {call: ListSize(nvml, call + "_v3") for _, call in _PROCESS_CALLS}


def holders(nvml, handle, sizes: "dict[str, ListSize]") -> "list[tuple[int, int, str]] | Missing":
    """(pid, bytes or -1, kind) of every process on a device; a reason where the driver doesn't tell."""
    found = {}
    for kind, call in _PROCESS_CALLS:
        if sizes[call].is_empty(handle):
            continue
        listed = ask(nvml, call, handle)
        if not isinstance(listed, Missing):
            for process in listed:
                memory = process.usedGpuMemory
                found.setdefault(process.pid, (process.pid, -1 if memory is None else memory, kind))
        elif kind == "compute":  # the other kinds are extras of newer drivers
            return listed
    return list(found.values())
