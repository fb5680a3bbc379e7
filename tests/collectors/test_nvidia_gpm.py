"""How busy a GPU is, between two samples that take turns: always from the older one to the newer one."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml

from collectors.probe.cells import NOT_YET, TIMED_OUT_CODE
from collectors.probe.nvidia_gpm import Subject

_TIMEOUT = 10


class Driver:
    """pynvml's structures, with calls that note in which order samples were taken and held against each other."""

    NVMLError = pynvml.NVMLError
    NVML_GPM_METRICS_GET_VERSION = pynvml.NVML_GPM_METRICS_GET_VERSION
    c_nvmlGpmMetricsGet_t = pynvml.c_nvmlGpmMetricsGet_t

    def __init__(self) -> None:
        self.samples = self.calls = 0
        self.taken_at: dict[int, int] = {}  # sample -> which call took it
        self.compared: list[tuple[int, int]] = []
        self.answer = 0

    def nvmlGpmSampleAlloc(self) -> Any:
        self.samples += 1
        return ctypes.cast(self.samples, pynvml.c_nvmlGpmSample_t)

    def _nvmlGetFunctionPointer(self, name: str) -> Callable[..., int]:
        return {"nvmlGpmSampleGet": self._take, "nvmlGpmMetricsGet": self._compare}[name]

    def _take(self, handle: object, sample: Any) -> int:
        if not self.answer:
            self.calls += 1
            self.taken_at[_place(sample)] = self.calls
        return self.answer

    def _compare(self, pointer: Any) -> int:
        asked = pointer._obj
        self.compared.append((self.taken_at[_place(asked.sample1)], self.taken_at[_place(asked.sample2)]))
        asked.metrics[0].value = 10.0 * len(self.compared)
        return 0


def _place(sample: Any) -> int:
    return ctypes.cast(sample, ctypes.c_void_p).value or 0


def test_each_sample_is_held_against_the_one_before() -> None:
    driver = Driver()
    subject = Subject(driver, SimpleNamespace(parent=None, handle="handle"))
    told = [subject.cells(2.0 * turn)["sm_active"] for turn in range(4)]
    assert told == [NOT_YET, 10.0, 20.0, 30.0]
    assert all(older < newer for older, newer in driver.compared)


def test_after_a_refusal_there_is_nothing_to_hold_a_sample_against() -> None:
    driver = Driver()
    subject = Subject(driver, SimpleNamespace(parent=None, handle="handle"))
    subject.cells(0.0)
    subject.cells(2.0)
    driver.answer = _TIMEOUT
    refused = subject.cells(4.0)["sm_active"]
    driver.answer = 0
    assert refused.code == TIMED_OUT_CODE
    assert [subject.cells(at)["sm_active"] for at in (6.0, 8.0)] == [NOT_YET, 20.0]
