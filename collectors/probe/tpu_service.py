"""Asking libtpu's metrics service, whatever state it is in: values of a metric, or the reason why there are none."""

from .cells import (
    FAILED_CODE,
    NOT_PERMITTED_CODE,
    NOT_YET_CODE,
    TIMED_OUT_CODE,
    UNSUPPORTED,
    UNSUPPORTED_CODE,
    Missing,
)
from .tpu_grpc import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    INVALID_ARGUMENT,
    NOT_FOUND,
    PERMISSION_DENIED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    Channel,
    Failure,
)
from .tpu_proto import SERVICE, BadMessage, request, response

NOBODY = Missing(NOT_YET_CODE, "no runtime holds the chip: libtpu serves its metrics only while one does")
_LATE = Missing(TIMED_OUT_CODE, "libtpu's service gave no answer in time")
_CODES = {
    INVALID_ARGUMENT: UNSUPPORTED_CODE,  # what versions of libtpu say of a metric that they don't have
    NOT_FOUND: UNSUPPORTED_CODE,
    UNIMPLEMENTED: UNSUPPORTED_CODE,
    PERMISSION_DENIED: NOT_PERMITTED_CODE,
    UNAUTHENTICATED: NOT_PERMITTED_CODE,
    CANCELLED: TIMED_OUT_CODE,
    DEADLINE_EXCEEDED: TIMED_OUT_CODE,
}


class Service:
    """The service at an address that the node reaches; connected when first asked, and anew after whatever went
    wrong."""

    def __init__(self, world, host: str, port: int) -> None:
        self._world = world
        self._host = host
        self._port = port
        self._channel = None

    def ask(self, metrics: "list[str]", own: bool, seconds: float) -> dict:
        """Metric -> list of tpu_proto.Point, or Missing. `own`: other runtimes of the host tell of theirs."""
        try:
            answers = self._answers([request(metric, own) for metric in metrics], seconds)
        except TimeoutError:
            return dict.fromkeys(metrics, self._lost(_LATE))
        except ConnectionRefusedError:
            return dict.fromkeys(metrics, self._lost(NOBODY))
        except OSError as error:
            return dict.fromkeys(metrics, self._lost(Missing(FAILED_CODE, str(error))))
        return {metric: _points(answer) for metric, answer in zip(metrics, answers)}

    def _answers(self, requests: "list[bytes]", seconds: float) -> list:
        if self._channel is not None:
            try:
                return self._channel.calls(SERVICE, requests, seconds)
            except ConnectionError:  # the program that served has ended; perhaps another one serves by now
                self.close()
        self._channel = Channel(self._world.connect(self._port, seconds, self._host), self._world.monotonic)
        return self._channel.calls(SERVICE, requests, seconds)

    def _lost(self, reason: Missing) -> Missing:
        self.close()
        return reason

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _points(answer: "bytes | Failure") -> "list | Missing":
    if isinstance(answer, Failure):
        if answer.code == UNAVAILABLE:
            return NOBODY
        return Missing(_CODES.get(answer.code, FAILED_CODE), str(answer))
    try:
        return response(answer) or UNSUPPORTED
    except BadMessage as error:
        return Missing(FAILED_CODE, str(error))
