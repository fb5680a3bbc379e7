"""Bytes, smaller: zstd, from Python itself where that has it (3.14)."""

from __future__ import annotations

import sys

from watchfloor.errors import SessionError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL = 3  # above it takes longer and finds no more in telemetry


def packed(data: bytes) -> bytes:
    return zstd.compress(data, level=_LEVEL)


def unpacked(data: bytes) -> bytes:
    """Raises SessionError where it was never packed."""
    try:
        return zstd.decompress(data)
    except zstd.ZstdError as error:
        raise SessionError(f"a block of it can't be unpacked: {error}") from error
