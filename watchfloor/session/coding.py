"""Whole numbers, most of them near 0, in hardly more bits than there is in them. Pure.

The lowest bits of a sensor's noise are as good as random: they are told as they are. What is above is told in symbols
of a few bits by Huffman's code (deflate without its search for repetitions), and the few that are too large for one
tell what is beyond it in the same way again. Everything is done by whole columns: no loop runs over numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from struct import Struct

import numpy as np
from numpy.typing import NDArray

_HEAD = Struct("<BBI")  # lowest bits that are told as they are, how symbols are told, and their bytes
_WIDTHS = (8, 4, 2, 1)  # bits of a symbol: several small ones share a byte
_STORED = 128  # besides the bits of a symbol: Huffman's code would have been longer
_SYMBOL_BITS = 3  # of a common number are left to its symbol
_DEEPEST = 40  # what is beyond symbols: at most half of the numbers each time

Ints = NDArray[np.int64]
Folded = NDArray[np.uint64]
Small = NDArray[np.uint8]


def coded(numbers: Ints) -> bytes:
    """b"" where all are 0."""
    return b"".join(_told(folded(numbers)))


def decoded(data: bytes, count: int) -> Ints:
    """So many numbers. Raises ValueError or struct.error where these bytes are not theirs."""
    return unfolded(_read(data, count, 0))


def folded(numbers: Ints) -> Folded:
    """Small numbers for small ones on either side of 0: 0, -1, 1, -2 … are 0, 1, 2, 3 …"""
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def unfolded(numbers: Folded) -> Ints:
    return (numbers >> np.uint64(1)).view(np.int64) ^ -(numbers & np.uint64(1)).view(np.int64)


def middle(numbers: NDArray) -> np.generic:
    """The one in the middle of their order. There is one at least."""
    return np.partition(numbers, len(numbers) // 2)[len(numbers) // 2]


def _told(numbers: Folded) -> Iterator[bytes]:
    while numbers.any():
        common = int(middle(numbers))
        raw_bits = max(0, common.bit_length() - _SYMBOL_BITS)
        above = numbers >> np.uint64(raw_bits)
        width, how, symbols = min(_ways(above, common >> raw_bits), key=lambda way: len(way[2]))
        yield _HEAD.pack(raw_bits, how, len(symbols)) + symbols
        yield from _raw(numbers, raw_bits)
        largest = np.uint64(2**width - 1)
        numbers = above[above >= largest] - largest


def _read(data: bytes, count: int, depth: int) -> Folded:
    if not data:
        return np.zeros(count, np.uint64)
    raw_bits, how, length = _HEAD.unpack_from(data)
    width, end = how & ~_STORED, _HEAD.size + length
    if width not in _WIDTHS or raw_bits >= 64 or depth > _DEEPEST or not count:
        raise ValueError(f"{count} numbers of {raw_bits} and {width} bits")
    symbols = data[_HEAD.size : end]
    small = _spread(symbols if how & _STORED else _inflated(symbols, _bytes_of(count, width)), count, width)
    found = small.astype(np.uint64)
    raw_end = end + sum(_bytes_of(count, part) for _, part in _raw_parts(raw_bits))
    if raw_end < len(data):
        beyond = np.flatnonzero(small == 2**width - 1)
        found[beyond] += _read(data[raw_end:], len(beyond), depth + 1)
    found <<= np.uint64(raw_bits)
    for shift, part in _raw_parts(raw_bits):
        raw, end = data[end : end + _bytes_of(count, part)], end + _bytes_of(count, part)
        found |= _spread(raw, count, part).astype(np.uint64) << np.uint64(shift)
    return found


def _ways(numbers: Folded, common: int) -> Iterator[tuple[int, int, bytes]]:
    """Bits of a symbol, how they are told, and their bytes: the ways that may be the shortest one."""
    for width in [width for width in _WIDTHS if 2**width - 1 > common][-3:]:
        plain = _joined(np.minimum(numbers, np.uint64(2**width - 1)).astype(np.uint8), width)
        short = _deflated(plain)
        yield (width, width, short) if len(short) < len(plain) else (width, width | _STORED, plain)


def _raw(numbers: Folded, raw_bits: int) -> Iterator[bytes]:
    for shift, part in _raw_parts(raw_bits):
        yield _joined((numbers >> np.uint64(shift)).astype(np.uint8) & np.uint8(2**part - 1), part)


def _raw_parts(raw_bits: int) -> Iterator[tuple[int, int]]:
    """So many bits as parts that share bytes evenly: how many are below each part, and how many it has."""
    shift = 0
    while shift < raw_bits:
        part = next(width for width in _WIDTHS if width <= raw_bits - shift)
        yield shift, part
        shift += part


def _bytes_of(count: int, width: int) -> int:
    return (count * width + 7) // 8


def _joined(numbers: Small, width: int) -> bytes:
    """Several in a byte, the first one lowest."""
    share = 8 // width
    if share == 1:
        return numbers.tobytes()
    padded = np.concatenate([numbers, np.zeros(-len(numbers) % share, np.uint8)])
    found = padded[::share].copy()
    for place in range(1, share):
        found |= padded[place::share] << np.uint8(place * width)
    return found.tobytes()


def _spread(data: bytes, count: int, width: int) -> Small:
    if len(data) != _bytes_of(count, width):
        raise ValueError(f"{len(data)} bytes for {count} numbers of {width} bits")
    return _SPREAD[width].take(np.frombuffer(data, np.uint8), axis=0).reshape(-1)[:count]


def _deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    return compressor.compress(data) + compressor.flush()


def _inflated(data: bytes, length: int) -> bytes:
    """So many bytes, or one more: whatever the data promises."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, length + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error


# by bits of a number: what each byte holds
_SPREAD = {
    width: (np.arange(256)[:, None] >> np.arange(0, 8, width) & (2**width - 1)).astype(np.uint8) for width in _WIDTHS
}
