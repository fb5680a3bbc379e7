"""libtpu's RuntimeMetricService as a real gRPC server on the loopback, serving messages that are encoded by hand.

Where grpcio is not installed the tests that need it end as `tests.support.parts` says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.support.parts import missing


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
    return part(1, label) + part(2, number(1, 1_700_000_000)) + part(3, _measured(value))


def _measured(value: float) -> bytes:
    return number(2, value) if isinstance(value, int) else double(1, value)


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


Answer = Callable[[str], bytes]  # metric name -> MetricResponse; raises LookupError for one that it hasn't


@contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """The service on a free port, which is given."""
    try:
        import grpc  # noqa: PLC0415 - an optional part
    except ImportError:
        missing("grpcio")
        raise
    server = grpc.server(ThreadPoolExecutor(4))
    handler = grpc.unary_unary_rpc_method_handler(_behaviour(grpc, answer))
    service = "tpu.monitoring.runtime.RuntimeMetricService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"GetRuntimeMetric": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def _behaviour(grpc: Any, answer: Answer) -> Callable[[bytes, Any], bytes]:
    def behave(request: bytes, context: Any) -> bytes:
        name = request[2:].decode()
        try:
            return answer(name)
        except LookupError:
            context.abort(grpc.StatusCode.NOT_FOUND, f"metric {name} is not supported — 不支持")
            raise

    return behave
