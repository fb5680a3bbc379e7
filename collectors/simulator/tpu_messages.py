"""The messages that libtpu's metrics service sends, in protobuf's wire format: tpu_metric_service.proto. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def part(field: int, value: bytes | str) -> bytes:
    """A text, or a message within."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def attribute(key: str, value: int | str) -> bytes:
    """Attribute with an int_attr or a string_attr."""
    return part(1, key) + part(2, part(1, value) if isinstance(value, str) else number(3, value))


def attributes(values: Mapping[str, int | str]) -> bytes:
    """Attribute whose value is a kvlist_attr."""
    entries = b"".join(part(1, attribute(key, value)) for key, value in values.items())
    return part(1, "labels") + part(2, part(6, entries))


def gauge(label: bytes, value: float) -> bytes:
    """Metric with a gauge: as_int of an int, as_double of a float."""
    measured = number(2, value) if isinstance(value, int) else double(1, value)
    return part(1, label) + part(2, number(1, 1_700_000_000)) + part(3, measured)


def histogram(label: bytes, counts: Sequence[int], growth: float, scale: float, cumulative: bool = False) -> bytes:
    """Metric with a distribution in exponential buckets."""
    options = part(2, number(1, len(counts) - 2) + double(2, growth) + double(3, scale))
    packed = b"".join(varint(count) for count in counts)
    body = number(1, sum(counts)) + double(2, 42.0) + part(6, options) + part(7, packed)
    start = part(7, number(1, 1_600_000_000)) if cumulative else b""
    return part(1, label) + part(5, body) + start


def response(name: str, metrics: Sequence[bytes]) -> bytes:
    """MetricResponse."""
    return part(1, part(1, name) + part(2, "in the vendor's words") + b"".join(part(3, metric) for metric in metrics))
