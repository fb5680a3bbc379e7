"""Numbers that are asked for again and again: unpacked in one go, with the reasons where one of them has none."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

from collectors.probe.cells import NOT_YET, UNSUPPORTED
from collectors.probe.nvml_fields import _FIELD, ByteRates, FieldBatch, Numbers

_UNSIGNED, _LONG, _SIGNED = 1, 3, 5  # nvmlValueType_t
_NOT_SUPPORTED = 3


class Driver:
    """Answers with (type, return code, value) as they were set."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, int, int]] = []

    def _nvmlGetFunctionPointer(self, name: str) -> Callable[..., int]:
        return self._answer

    def _answer(self, handle: object, count: int, array: Any) -> int:
        for place, (kind, code, value) in enumerate(self.answers):
            written = struct.pack("=" + {_UNSIGNED: "I4x", _LONG: "Q", _SIGNED: "i4x"}[kind], value)
            ctypes.memmove(
                ctypes.addressof(array) + place * _FIELD.size + 24, struct.pack("=Ii8s", kind, code, written), 16
            )
        return 0


def test_a_batch_is_the_same_in_one_go_as_one_by_one() -> None:
    driver = Driver()
    batch = FieldBatch(driver, None, [(1, 0), (2, 0)])
    driver.answers = [(_UNSIGNED, 0, 7), (_SIGNED, 0, -3)]
    assert batch.values() == [7, -3]
    driver.answers = [(_UNSIGNED, 0, 8), (_SIGNED, 0, -4)]
    assert batch.values() == [8, -4]


def test_a_field_that_is_refused_later_tells_why_and_a_type_may_change() -> None:
    driver = Driver()
    batch = FieldBatch(driver, None, [(1, 0), (2, 0)])
    driver.answers = [(_UNSIGNED, 0, 7), (_UNSIGNED, 0, 9)]
    assert batch.values() == [7, 9]
    driver.answers = [(_UNSIGNED, 0, 7), (_UNSIGNED, _NOT_SUPPORTED, 0)]
    assert batch.values() == [7, UNSUPPORTED]
    driver.answers = [(_UNSIGNED, 0, 7), (_LONG, 0, 1 << 40)]
    assert batch.values() == [7, 1 << 40]
    assert batch.values() == [7, 1 << 40]


def test_rates_of_counters_that_are_reset_or_refused() -> None:
    rates = ByteRates(1024)
    assert rates.of([0, 10], 1.0) == [NOT_YET, NOT_YET]
    assert rates.of([4, 12], 3.0) == [2048, 1024]
    assert rates.of([8, 3], 5.0) == [2048, NOT_YET]
    assert rates.of([UNSUPPORTED, 5], 7.0) == [UNSUPPORTED, 1024]
    assert rates.of([9, 7], 9.0) == [NOT_YET, 1024]
    assert rates.of([9, 7], 9.0) == [NOT_YET, NOT_YET]
    assert rates.of([9, 7 + 123_456], 10.0) == [0, 126_353_408]


class Counters:
    """Writes to its last argument what the test says of the one before it; refuses what it knows nothing of."""

    def __init__(self, known: dict[int, int]) -> None:
        self.known = known

    def _nvmlGetFunctionPointer(self, name: str) -> Callable[..., int]:
        return self._answer

    def _answer(self, handle: object, link: int, where: Any) -> int:
        if link not in self.known:
            return _NOT_SUPPORTED
        ctypes.memmove(ctypes.cast(where, ctypes.c_void_p), struct.pack("=Q", self.known[link]), 8)
        return 0


def test_numbers_of_several_things_each_with_its_own_reason() -> None:
    driver = Counters({0: 7, 2: 1 << 40})
    asked = [(None, link) for link in range(3)]
    numbers = Numbers(driver, "nvmlDeviceGetNvLinkErrorCounter", asked, "Q")
    assert numbers.values() == [7, UNSUPPORTED, 1 << 40]
    driver.known = {0: 8, 1: 9, 2: 10}
    assert numbers.values() == [8, 9, 10]
    driver.known = {1: 9}
    assert numbers.values() == [UNSUPPORTED, 9, UNSUPPORTED]
