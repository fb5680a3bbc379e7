"""An HTTP server that takes OpenLineage events: POST /api/v1/lineage, one event or a list of them, as JSON.

It asks nobody who they are: on loopback by default, and never for what a browser sends unasked (that is no JSON by its
type). Must not do: anything but keep what an event tells.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from watchfloor.errors import StoreError
from watchfloor.httpserver import listening
from watchfloor.lineage.graph import Changes
from watchfloor.lineage.openlineage_read import LONGEST_EVENT, changes, read_event

PATH = "/api/v1/lineage"
_MOST_CONNECTIONS = 32
_IDLE_SECONDS = 15.0

Take = Callable[[Changes], None]


def serve(take: Take, host: str, port: int) -> ThreadingHTTPServer:
    """A server that listens and is yet to be run. `take` is called by one thread at a time; it may raise StoreError.

    Raises ConfigError where it can't listen.
    """
    return listening(host, port, _handler(take, threading.Lock()), _MOST_CONNECTIONS)


def _handler(take: Take, one_at_a_time: threading.Lock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS

        def do_POST(self) -> None:
            refusal = self._refusal()
            if refusal is not None:
                self.close_connection = True  # its body is not read
                self._answer(*refusal)
                return
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                told = changes(one for event in _events(body) for one in read_event(event))
                with one_at_a_time:
                    take(told)
            except ValueError as error:
                self._answer(HTTPStatus.BAD_REQUEST, str(error))
            except StoreError as error:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            else:
                self._answer(HTTPStatus.CREATED, "")

        def _refusal(self) -> tuple[HTTPStatus, str] | None:
            length = self.headers.get("Content-Length", "")
            if self.path.partition("?")[0] != PATH:
                return HTTPStatus.NOT_FOUND, f"{PATH} is all there is"
            if self.headers.get_content_type() != "application/json":
                return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json is all that is taken"
            if not (length.isascii() and length.isdigit()):
                return HTTPStatus.LENGTH_REQUIRED, "Content-Length says how long it is"
            if int(length[:12]) > LONGEST_EVENT or len(length) > 12:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{LONGEST_EVENT} bytes at most"
            return None

        def _answer(self, status: HTTPStatus, words: str) -> None:
            body = json.dumps({"error": words}).encode() if words else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Who sends, and how often, is nothing to tell."""

    return Handler


def _events(body: bytes) -> list[bytes]:
    """One event, or those of a list. Raises ValueError."""
    if not body.lstrip().startswith(b"["):
        return [body]
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    return [json.dumps(event).encode() for event in told]
