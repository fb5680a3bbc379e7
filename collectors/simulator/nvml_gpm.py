"""GPM of the simulated driver (Hopper and newer): samples as opaque pointers, metrics from the load between two."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_void_p, cast
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pynvml

from collectors.simulator.board_physics import BoardState
from collectors.simulator.hardware import Board
from collectors.simulator.machine import Machine
from collectors.simulator.nvml_common import NOT_SUPPORTED, board_of, state_of

if TYPE_CHECKING:
    from collectors.simulator.nvml import Driver


@dataclass
class _Sample:
    board: int = -1
    at: float = 0.0
    values: dict[int, float] | None = None


class Gpm:
    """The library's functions by their names; `driver` brings the machine to the present and holds the lock."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._samples: dict[int, _Sample] = {}
        self._ids = count(1)

    def nvmlGpmQueryDeviceSupport(self, handle: Any) -> Any:
        supported = self._driver.call("nvmlGpmQueryDeviceSupport", lambda machine, index: _counts(machine), handle)
        return pynvml.c_nvmlGpmSupport_t(version=pynvml.NVML_GPM_SUPPORT_VERSION, isSupportedDevice=int(supported))

    def nvmlGpmSampleAlloc(self) -> Any:
        number = next(self._ids)
        self._samples[number] = _Sample()
        return cast(c_void_p(number), pynvml.c_nvmlGpmSample_t)

    def nvmlGpmSampleFree(self, sample: Any) -> None:
        self._samples.pop(_number(sample), None)

    def nvmlGpmSampleGet(self, handle: Any, sample: Any) -> Any:
        self._samples[_number(sample)] = self._driver.call("nvmlGpmSampleGet", _taken, handle)
        return sample

    def nvmlGpmMigSampleGet(self, handle: Any, instance: int, sample: Any) -> Any:
        raise pynvml.NVMLError(NOT_SUPPORTED)

    def nvmlGpmMetricsGet(self, asked: Any) -> Any:
        older, newer = self._samples[_number(asked.sample1)], self._samples[_number(asked.sample2)]
        if older.board != newer.board or newer.at - older.at < 0.1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        for metric in asked.metrics[: asked.numMetrics]:
            value = (newer.values or {}).get(metric.metricId)
            metric.nvmlReturn = NOT_SUPPORTED if value is None else pynvml.NVML_SUCCESS
            metric.value = value or 0.0
        return asked

    def functions(self) -> dict[str, Callable[..., Any]]:
        return {name: getattr(self, name) for name in dir(self) if name.startswith("nvml")}


def _counts(machine: Machine) -> bool:
    return board_of(machine).byte_counters  # the same generation brought both


def _taken(machine: Machine, index: int) -> _Sample:
    if not _counts(machine):
        raise pynvml.NVMLError(NOT_SUPPORTED)
    return _Sample(index, machine.time, _activity(board_of(machine), state_of(machine, index)))


def _activity(board: Board, state: BoardState) -> dict[int, float]:
    """Percent by metric id: the more of its power a board draws, the more of the chip works."""
    share = max(0.0, (state.power - board.idle_watts) / (board.power_limit - board.idle_watts))
    busy = state.util * (0.55 + 0.4 * share) if state.util else 0.0
    return {
        pynvml.NVML_GPM_METRIC_SM_UTIL: min(100.0, busy),
        pynvml.NVML_GPM_METRIC_SM_OCCUPANCY: 0.5 * busy,
        pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL: 0.62 * state.util * min(1.0, share),
        pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL: min(100.0, max(0.0, 1.1 * state.mem_util)),
    }


def _number(sample: Any) -> int:
    return cast(sample, c_void_p).value or 0
