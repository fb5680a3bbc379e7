"""What changed of a numpy array since the moment before, in few bytes; exact to the last bit. Pure.

Telemetry moves in small steps of a fixed size: percents, tenths of a watt, multiples of a kilobyte. So values are told
as whole numbers (of tenths, hundredths … where that is exact), as differences, divided by what all of these have in
common, in the fewest bytes that hold them, the lowest bytes of all first: what a compressor then finds is mostly zeros.
Values that are no such numbers are told by the bits that differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError

import numpy as np
from numpy.typing import NDArray

from watchfloor.errors import SessionError
from watchfloor.session.coding import Ints, folded, unfolded

# dtype, length of the array, number of cells that follow (or all of them), how they are told, divisor, factor
_HEAD = Struct("<BIIBdq")
_TYPES = (np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.int8), np.dtype(np.bool_))
_WIDTHS = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32), np.dtype(np.uint64))
_BITS = 4  # instead of the number of a width: the cells are the bits that differ
DIVISORS = (1.0, 10.0, 100.0, 1000.0, 1e6)  # with one of which values are whole numbers, mostly
_EXACT = 2.0**52  # whole numbers up to here, and their differences, are exact
_ALL = 2**32 - 1
MOST_CELLS = 2**26  # far beyond any fleet's: what claims more is no patch
_DENSE = 0.4  # of all cells: from here on naming those that changed costs more than telling all


def patch(before: NDArray | None, now: NDArray) -> bytes:
    """What turns `before` (None: nothing) into `now`; b"" where they are alike. The types of both are the same."""
    old = _lengthened(before, now)
    changed = bits(old) != bits(now)
    count = int(np.count_nonzero(changed))
    if not count and before is not None and len(before) == len(now):
        return b""
    kind = _TYPES.index(now.dtype)
    if count > _DENSE * len(now) and not (now.dtype == np.float64 and np.isnan(now).any()):
        how, divisor, factor, cells = _cells(old, now)
        return _HEAD.pack(kind, len(now), _ALL, how, divisor, factor) + cells
    places = np.flatnonzero(changed)
    how, divisor, factor, cells = _cells(old[places], now[places])
    steps = np.diff(places, prepend=0).astype(np.uint32)
    return _HEAD.pack(kind, len(now), count, how, divisor, factor) + _planes(steps) + cells


def patched(before: NDArray | None, data: bytes) -> NDArray:
    """The array that `patch` was given as `now`. Raises SessionError where these bytes are no patch of `before`."""
    try:
        kind, length, count, how, divisor, factor = _HEAD.unpack_from(data)
        told = _Told(_TYPES[kind], how, divisor, factor)
        if length > MOST_CELLS:
            raise ValueError(f"{length:,} cells")
        now = _lengthened(before, np.empty(length, told.dtype)).copy()
        if count == _ALL:
            return told.values(now, data[_HEAD.size :])
        end = _HEAD.size + 4 * count
        places = np.cumsum(_unplaned(data[_HEAD.size : end], np.dtype(np.uint32)).astype(np.intp))
        now[places] = told.values(now[places], data[end:])
    except (StructError, ValueError, IndexError, TypeError, OverflowError) as error:
        raise SessionError(f"an array of it can't be read: {error}") from error
    return now


@dataclass(frozen=True, slots=True)
class _Told:
    """How the cells of a patch are told."""

    dtype: np.dtype
    how: int
    divisor: float
    factor: int

    def values(self, before: NDArray, data: bytes) -> NDArray:
        width = np.dtype(f"u{self.dtype.itemsize}") if self.how == _BITS else _WIDTHS[self.how]
        if len(data) != len(before) * width.itemsize:
            raise ValueError(f"{len(data)} bytes for {len(before)} cells")
        if self.how == _BITS:
            return (bits(before) ^ _unplaned(data, width)).view(self.dtype)
        moves = unfolded(_unplaned(data, width).astype(np.uint64)) * self.factor
        now = whole(before, self.divisor) + moves
        return now.astype(np.float64) / self.divisor if self.dtype == np.float64 else now.astype(self.dtype)


def _cells(before: NDArray, now: NDArray) -> tuple[int, float, int, bytes]:
    """How these cells are told, with which divisor and factor, and they."""
    divisor = divisor_of(before, now)
    if not divisor:
        return _BITS, 1.0, 1, _planes(bits(before) ^ bits(now))
    moves = whole(now, divisor) - whole(before, divisor)
    factor = int(np.gcd.reduce(moves)) or 1
    numbers = folded(moves // factor)
    largest = int(numbers.max(initial=0))
    how = next(number for number, width in enumerate(_WIDTHS) if largest <= np.iinfo(width).max)
    return how, divisor, factor, _planes(numbers.astype(_WIDTHS[how]))


def divisor_of(before: NDArray, now: NDArray) -> float:
    """With which all of these values are whole numbers; 0 where there is none."""
    if now.dtype != np.float64:
        return 1.0
    return next((divisor for divisor in DIVISORS if _serves(divisor, before, now)), 0.0)


def _serves(divisor: float, before: NDArray, now: NDArray) -> bool:
    """Whether `now` can be told as whole numbers of this part, counted from `before`, and comes back bit by bit."""
    with np.errstate(invalid="ignore", over="ignore"):
        small = (np.abs(known(before) * divisor) < _EXACT) & (np.abs(now * divisor) < _EXACT)
        if not small.all():
            return False
        return bool((bits(whole(now, divisor) / divisor) == bits(now)).all())


def whole(values: NDArray, divisor: float) -> Ints:
    if values.dtype != np.float64:
        return values.astype(np.int64)
    return np.rint(known(values) * divisor).astype(np.int64)


def known(values: NDArray) -> NDArray:
    """What has no value yet counts from 0."""
    unknown = np.isnan(values)
    return np.where(unknown, 0.0, values) if unknown.any() else values


def _lengthened(before: NDArray | None, now: NDArray) -> NDArray:
    """`before` with as many cells as `now`: what is new stands at 0."""
    if before is None:
        return np.zeros(len(now), now.dtype)
    if len(before) >= len(now):
        return before[: len(now)]
    return np.concatenate([before, np.zeros(len(now) - len(before), now.dtype)])


def bits(values: NDArray) -> NDArray:
    return np.ascontiguousarray(values).view(np.dtype(f"u{values.dtype.itemsize}"))


def _planes(values: NDArray) -> bytes:
    """The lowest bytes of all values, then the next ones."""
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, values.dtype.itemsize).T).tobytes()


def _unplaned(data: bytes, dtype: np.dtype) -> NDArray:
    planes = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(dtype).reshape(-1)
