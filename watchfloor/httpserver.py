"""A small HTTP server that takes so many connections at once and no more: a thread each, on the standard library's."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from watchfloor.errors import ConfigError

_LARGEST_PORT = 65535

_log = logging.getLogger(__name__)


def listening(host: str, port: int, handler: type[BaseHTTPRequestHandler], most: int) -> ThreadingHTTPServer:
    """A server that listens and is yet to be run (`serve_forever`). Raises ConfigError where it can't listen."""
    kind = _BoundedServer6 if ":" in host else _BoundedServer
    try:
        return kind((host, port), handler, most)
    except OSError as error:
        raise ConfigError(
            f"can't listen on {host}:{port}: {error.strerror}", "another address or port", file="--listen"
        ) from error


def address_of(text: str) -> tuple[str, int]:
    """`127.0.0.1:9409`, `[::1]:9409`. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > _LARGEST_PORT:
        raise ConfigError(f"{text!r} is no address", "as in 127.0.0.1:9409", file="--listen")
    return host.strip("[]"), int(port)


def shown_address(host: str, server: ThreadingHTTPServer) -> str:
    """With the port that it really has, as a URL wants it."""
    return f"{host if ':' not in host else f'[{host}]'}:{server.server_address[1]}"


class _BoundedServer(ThreadingHTTPServer):
    """A thread a connection, and so many at once: one more is closed at once, and may come again."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], most: int) -> None:
        self._free = threading.BoundedSemaphore(most)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or stopped reading, is nothing to tell."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("answering %s failed", client_address[0])


class _BoundedServer6(_BoundedServer):
    address_family = socket.AF_INET6
