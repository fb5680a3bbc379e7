"""The messages of libtpu's RuntimeMetricService, read from protobuf's wire format. Pure.

Field numbers are those of tpu_metric_service.proto. What is unknown is passed over, as protobuf wants it.
Attributes differ by version: a plain number, a number as text, or a list of keys that holds `device_ordinal`.
"""

import struct

SERVICE = "/tpu.monitoring.runtime.RuntimeMetricService/GetRuntimeMetric"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_BUCKETS = 4096
_DEVICE_KEYS = ("device_ordinal", "device-id", "device_id", "core_id", "chip_id")


class BadMessage(Exception):
    """What came is no protobuf message."""


class Point:
    """One value: a number or a Distribution. `device` is the runtime's number of a chip or core, -1 where none."""

    __slots__ = ("attributes", "device", "value")

    def __init__(self, attributes: dict, value) -> None:
        self.attributes = attributes
        self.value = value
        self.device = _device(attributes)


class Distribution:
    """A histogram: `counts[i]` values below `bounds[i]`, and in the last one all that are above."""

    __slots__ = ("bounds", "counts", "cumulative")

    def __init__(self, bounds: "list[float]", counts: "list[int]", cumulative: bool = False) -> None:
        self.bounds = bounds
        self.counts = counts
        self.cumulative = cumulative  # since the runtime began, and not of the last period alone

    def since(self, before: "Distribution | None") -> "Distribution":
        """What came after `before`, of the same histogram; all of it where that one was reset."""
        if before is None or before.bounds != self.bounds or len(before.counts) > len(self.counts):
            return self
        old = before.counts + [0] * (len(self.counts) - len(before.counts))
        news = [now - then for now, then in zip(self.counts, old)]
        return self if min(news, default=0) < 0 else Distribution(self.bounds, news)

    def quantile(self, share: float) -> "float | None":
        """The value that `share` of all lie below, evenly spread within a bucket. None where there are none."""
        wanted, seen = share * sum(self.counts), 0
        for index, count in enumerate(self.counts):
            if count and seen + count >= wanted:
                low = self.bounds[index - 1] if index else 0.0
                high = self.bounds[index] if index < len(self.bounds) else low
                return low + (high - low) * (wanted - seen) / count
            seen += count
        return None


def request(metric: str, own: bool = False) -> bytes:
    """MetricRequest{metric_name = 1, skip_node_aggregation = 2}. `own`: only of the devices of that very runtime."""
    name = metric.encode()
    return b"\x0a" + bytes((len(name),)) + name + (b"\x10\x01" if own else b"")


def response(data: bytes) -> "list[Point]":
    """MetricResponse{metric = 1: TPUMetric{metrics = 3}}. Raises BadMessage."""
    try:
        found = [_point(metric) for outer in _all(data, 1) for metric in _all(outer, 3)]
    except (LookupError, ArithmeticError, AttributeError, RecursionError, TypeError, struct.error) as error:
        raise BadMessage("no MetricResponse: %s" % error) from error
    return [point for point in found if point.value is not None]


def fields(data: bytes) -> list:
    """(field number, wire type, value): numbers for varints, bytes for everything else. Raises LookupError."""
    found, at = [], 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
        else:
            size, at = _varint(data, at) if wire == _BYTES else ({_FIXED64: 8, _FIXED32: 4}[wire], at)
            value = data[at : at + size]
            at += size
        if at > len(data):
            raise IndexError("a field ends behind the message")
        found.append((number, wire, value))
    return found


def _varint(data: bytes, at: int) -> "tuple[int, int]":
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise IndexError("a number has no end")


def _all(data: bytes, number: int) -> list:
    return [value for at, _, value in fields(data) if at == number]


def _last(data: bytes, number: int):
    found = _all(data, number)
    return found[-1] if found else None


def _part(data: bytes, number: int) -> bytes:
    """A text or message within; empty where there is none, which protobuf takes for the same."""
    return _last(data, number) or b""


def _double(data: "bytes | None", default: float = 0.0) -> float:
    return struct.unpack("<d", data)[0] if data is not None else default


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _point(metric: bytes) -> Point:
    attribute = _last(metric, 1)
    attributes = {} if attribute is None else _attributes(attribute)
    gauge, counter, histogram = _last(metric, 3), _last(metric, 4), _last(metric, 5)
    if histogram is not None:
        return Point(attributes, _distribution(histogram, cumulative=_last(metric, 7) is not None))
    measured = gauge if gauge is not None else counter
    return Point(attributes, None if measured is None else _measure(measured))


def _measure(data: bytes):
    """Gauge and Counter: as_double = 1, as_int = 2; texts and flags are nothing that is asked for."""
    for number, _, value in fields(data):
        if number == 1:
            return _double(value)
        if number == 2:
            return _signed(value)
    return None


def _attributes(data: bytes) -> dict:
    """Attribute{key = 1, value = 2}; of a list of keys, its entries."""
    key, value = _part(data, 1).decode("utf-8", "replace"), _part(data, 2)
    entries = [entry for inner in _all(value, 6) for entry in _all(inner, 1)]
    if not entries:
        return {key: _attribute_value(value)}
    return {name: held for entry in entries for name, held in _attributes(entry).items()}


def _attribute_value(data: bytes):
    """AttrValue{string = 1, bool = 2, int = 3, double = 4}; None for what is more than one value."""
    for number, _, value in fields(data):
        if number == 1:
            return value.decode("utf-8", "replace")
        if number in (2, 3):
            return _signed(value)
        if number == 4:
            return _double(value)
    return None


def _device(attributes: dict) -> int:
    """The number of the device: that of a key which says so, or of the only one there is."""
    named = [attributes[key] for key in _DEVICE_KEYS if key in attributes]
    candidates = named or (list(attributes.values()) if len(attributes) == 1 else [])
    for value in candidates:
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            return int(value)
    return -1


def _distribution(data: bytes, cumulative: bool) -> Distribution:
    """Distribution{bucket_options = 6, bucket_counts = 7}."""
    counts = []
    for at, wire, value in fields(data):
        if at == 7:
            counts += _packed(value) if wire == _BYTES else [value]
    if len(counts) > _MOST_BUCKETS:
        raise IndexError("a histogram of %d buckets" % len(counts))
    options = _part(data, 6)
    return Distribution(_bounds(options, len(counts)), counts, cumulative)


def _packed(data: bytes) -> "list[int]":
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _bounds(options: bytes, buckets: int) -> "list[float]":
    """The upper bound of each bucket but the last: exponential = 2, explicit = 3, linear = 4."""
    exponential, explicit, linear = _last(options, 2), _last(options, 3), _last(options, 4)
    most = max(0, buckets - 1)
    if exponential is not None:
        growth, scale = _double(_last(exponential, 2), 1.0), _double(_last(exponential, 3), 1.0)
        return [scale * growth**index for index in range(most)]
    if linear is not None:
        width, offset = _double(_last(linear, 2)), _double(_last(linear, 3))
        return [offset + width * index for index in range(most)]
    packed = b"".join(_all(explicit or b"", 1))
    return list(struct.unpack("<%dd" % (len(packed) // 8), packed))[:most]
