"""What newer NVIDIA drivers tell besides: time spent throttled, module power, on-chip memory, repairs, the fabric.

A sampler of its own, which nobody waits for: these calls are slow on some boards, and change seldom. Fields 74 and 75
count nanoseconds. Those of the single reasons (software and hardware slowdown, power brake) are not asked for: drivers
before 580 gave them the numbers that newer ones use for something else, and the other way round.
"""

import ctypes

from .cells import UNSUPPORTED, Missing, Reading, told_power
from .nvidia_fabric import fabric
from .nvml import answers, closed, field_values, gpus, held, lost, plain

# field ids of nvml.h
POWER_POLICY, THERMAL_POLICY, RECOVERY_ACTION, _AVERAGE, _INSTANT = 74, 75, 230, 185, 186
_MODULE = 1  # NVML_POWER_SCOPE_MODULE
_KINDS, _AGGREGATE, _SRAM = (1, 0), 1, 7  # nvmlMemoryErrorType_t, nvmlEccCounterType_t, nvmlMemoryLocation_t
_LIST_EVERY = 6  # samples


def _throttled(nvml, handle) -> list:
    """Seconds."""
    counted = field_values(nvml, handle, [POWER_POLICY, THERMAL_POLICY])
    return [time if isinstance(time, Missing) else round(time / 1e9, 2) for time in counted]


def _module_power(nvml, handle) -> tuple:
    """Watts; only boards that carry their CPU have a module."""
    drawn = field_values(nvml, handle, [(_AVERAGE, _MODULE), (_INSTANT, _MODULE)])
    known = [power for power in drawn if not isinstance(power, Missing)]
    return (told_power(known[0] / 1000.0) if known else drawn[0],)


def _on_chip_errors(nvml, handle) -> tuple:
    """Uncorrected ones, since Ampere by parity and by code; corrected ones; whether they are too many.

    With older drivers each kind is one counter, and none says whether they are too many.
    """
    status = nvml.c_nvmlEccSramErrorStatus_v1_t()
    try:
        nvml.nvmlDeviceGetSramEccErrorStatus(handle, ctypes.byref(status))
    except nvml.NVMLError as error:
        if error.value not in (nvml.NVML_ERROR_FUNCTION_NOT_FOUND, nvml.NVML_ERROR_NOT_SUPPORTED):
            raise
        counted = [nvml.nvmlDeviceGetMemoryErrorCounter(handle, kind, _AGGREGATE, _SRAM) for kind in _KINDS]
        return (*counted, UNSUPPORTED)
    uncorrected = plain(status, "aggregateUncParity") + plain(status, "aggregateUncSecDed")
    return uncorrected, plain(status, "aggregateCor"), int(plain(status, "bThresholdExceeded") > 0)


def _repair(nvml, handle) -> tuple:
    return (int(any(nvml.nvmlDeviceGetRepairStatus(handle))),)  # of a memory channel; of a part of the chip


QUESTIONS = (
    (("throttle_power_time", "throttle_thermal_time"), _throttled),
    (("power_module",), _module_power),
    (("ecc_sram", "ecc_sram_corrected", "sram_threshold"), _on_chip_errors),
    (("repair_pending",), _repair),
    (("fabric", "fabric_state"), fabric),
)
METRICS = tuple(name for names, _ in QUESTIONS for name in names)


class Sampler:
    period, deadline = 10.0, 30.0
    metrics = {"accelerator": METRICS}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._nvml = None
        self._gpus = []
        self._samples = 0

    def sample(self) -> Reading:
        try:
            self._samples = 0 if self._nvml is None else self._samples
            self._nvml = held(self._world, self._nvml)
            if self._samples % _LIST_EVERY == 0:
                self._gpus = gpus(self._nvml)
            self._samples += 1
            return Reading({"accelerator": {gpu.key: _cells(self._nvml, gpu) for gpu in self._gpus}})
        except Exception:
            if self._nvml is not None:
                closed(self._nvml)
            self._nvml = None
            raise


def _cells(nvml, gpu) -> dict:
    cells = None if isinstance(gpu.handle, Missing) else answers(nvml, gpu, QUESTIONS)
    return lost(METRICS) if cells is None else cells
