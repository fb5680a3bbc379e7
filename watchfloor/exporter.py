"""An HTTP server for Prometheus: GET /metrics is the newest frame as text, GET /healthz says whether frames come.

The text is written when it is asked for, once a frame, on the thread of the request: a scrape never holds up the
collectors' loop. Must not do: anything that changes a machine; there is no other path and no other method.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from watchfloor.frame import Frame
from watchfloor.httpserver import listening
from watchfloor.snapshot.exposition import exposition
from watchfloor.snapshot.selection import select

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"
_OLDEST_SECONDS = 30.0  # a frame older than this means that the collectors stand still
_MOST_CONNECTIONS = 256
_IDLE_SECONDS = 65.0  # how long a connection that asks nothing is kept: more than the usual minute between scrapes


class Newest:
    """The newest frame, and its text once somebody has asked for it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._number = -1  # of the frame that was written
        self._written: dict[bool, bytes] = {}  # compressed or not, as it was asked for

    def take(self, frame: Frame) -> None:
        self._frame = frame

    def age_seconds(self) -> float | None:
        """None before the first frame."""
        return None if self._frame is None else max(0.0, self._now() - self._frame.at)

    def text(self, compressed: bool) -> bytes | None:
        """None before the first frame."""
        with self._lock:  # who asks at the same time waits for the one text
            frame = self._frame
            if frame is None:
                return None
            if self._number != frame.number:
                self._number, self._written = frame.number, {}
            if compressed not in self._written:
                plain = self._written.get(False) or exposition(select(frame)).encode()
                self._written[compressed] = gzip.compress(plain, 1) if compressed else plain
            return self._written[compressed]


def serve(newest: Newest, host: str, port: int) -> ThreadingHTTPServer:
    """A server that listens and is yet to be run (`serve_forever`). Raises ConfigError where it can't listen."""
    return listening(host, port, _handler(newest), _MOST_CONNECTIONS)


def _handler(newest: Newest) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._metrics()
            elif path == "/healthz":
                self._health()
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"/metrics and /healthz are all there is\n")

        def _metrics(self) -> None:
            compressed = "gzip" in self.headers.get("Accept-Encoding", "")
            text = newest.text(compressed)
            if text is None:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"no frame yet: the nodes are being connected\n")
            else:
                self._answer(HTTPStatus.OK, text, CONTENT_TYPE, "gzip" if compressed else "")

        def _health(self) -> None:
            age = newest.age_seconds()
            if age is None or age > _OLDEST_SECONDS:
                words = "no frame yet" if age is None else f"the newest frame is {age:.0f} s old"
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{words}\n".encode())
            else:
                self._answer(HTTPStatus.OK, b"ok\n")

        def _answer(self, status: HTTPStatus, body: bytes, kind: str = _PLAIN, encoding: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if encoding:
                self.send_header("Content-Encoding", encoding)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Who scrapes, and how often, is nothing to tell."""

    return Handler
