"""libtpu's RuntimeMetricService as a real gRPC server on the loopback, serving messages that are encoded by hand.

Where grpcio is not installed the tests that need it end as `tests.support.parts` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.support.parts import missing

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
        name = request[2 : 2 + request[1]].decode()
        try:
            return answer(name)
        except LookupError:
            context.abort(grpc.StatusCode.NOT_FOUND, f"metric {name} is not supported — 不支持")
            raise

    return behave
