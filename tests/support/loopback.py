"""What the HTTP servers of tests share: handlers that are quiet, and servers that end with their test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar


class Served(Protocol):
    """A test's own server: what it answers is its affair."""

    http: ThreadingHTTPServer


_POLL_SECONDS = 0.02  # between two looks at whether it was shut down

Kind = TypeVar("Kind", bound=Served)


class QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


def run(server: ThreadingHTTPServer) -> None:
    """Serve in a thread that ends as soon as the server is shut down."""
    threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()


def keeping(kind: type[Kind]) -> Iterator[Callable[..., Kind]]:
    """For a fixture (`yield from`): a function that makes servers, all of which are closed at the end."""
    made: list[Kind] = []

    def serve(*args: Any, **options: Any) -> Kind:
        made.append(kind(*args, **options))
        return made[-1]

    yield serve
    for server in made:
        server.http.shutdown()
        server.http.server_close()
