"""The HTTP API of a Prometheus-compatible server: which series there are, and their values now.

Blocking, for threads of its caller; TLS is verified. Must not do: anything that the server would remember, redirects,
or put a token or password into a text.
"""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from watchfloor import __version__
from watchfloor.errors import ConnectError
from watchfloor.model import MetricsSource, Problem

MOST_BYTES = 128 * 2**20  # 80,000 series take 27 MB
_LOOK_BACK_SECONDS = 600  # how old a series may be to be asked for
_CHUNK = 1 << 18
_WORDS = 200  # characters of what a server says of an error


class Series(msgspec.Struct, frozen=True):
    """One element of an instant vector: labels; time of the question in seconds, and the value as text."""

    metric: dict[str, str]
    value: tuple[float, str]


class _Vector(msgspec.Struct, frozen=True):
    result: list[Series]


class _Answer(msgspec.Struct, frozen=True):
    data: _Vector


class _Names(msgspec.Struct, frozen=True):
    data: list[str]


class _Error(msgspec.Struct, frozen=True):
    error: str = ""


_Kind = TypeVar("_Kind", bound=msgspec.Struct)


class QueryFailed(Exception):
    """The server didn't like a query; the text is its word for it. The connection is as good as before."""


class Server:
    """One connection, used by one thread. Every method raises ConnectError where the server can't be asked."""

    def __init__(self, source: MetricsSource) -> None:
        self._source = source
        self._parts = urlsplit(source.url)
        self._connection: http.client.HTTPConnection | None = None

    def names(self) -> list[str]:
        """The names of all series that fit the selector and had a value lately."""
        start = int(time.time()) - _LOOK_BACK_SECONDS
        wanted = f"{{{self._source.selector}}}" if self._source.selector else '{__name__!=""}'
        return self._get("/api/v1/label/__name__/values", {"match[]": wanted, "start": str(start)}, _Names).data

    def query(self, promql: str) -> list[Series]:
        """The instant vector of a query. Raises QueryFailed too."""
        asked = {"query": promql, "timeout": f"{self._source.timeout_seconds:g}s"}
        return self._get("/api/v1/query", asked, _Answer).data.result

    def select(self, name: str) -> str:
        """PromQL for the series of this name that fit the selector."""
        return f"{name}{{{self._source.selector}}}"

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _get(self, path: str, asked: Mapping[str, str], kind: type[_Kind]) -> _Kind:
        until = time.monotonic() + self._source.timeout_seconds
        status, reason, body = self._answer(f"{self._parts.path}{path}?{urlencode(asked)}", until)
        if status in (400, 422):
            raise QueryFailed(_said(body) or _plain(reason))
        if status != 200:
            raise self._refusal(status, reason, body)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            text = f"{self._source.url} does not speak Prometheus' API: {error}"
            advice = "name the server itself, with its prefix, not a page of it"
            raise ConnectError(Problem.GARBAGE, text, advice) from error

    def _answer(self, target: str, until: float) -> tuple[int, str, bytes]:
        """Status, reason and body; a connection that the server has closed meanwhile is opened anew, once."""
        headers = {"Accept": "application/json", "User-Agent": f"watchfloor/{__version__}", **self._authorization()}
        while True:
            fresh = self._connection is None
            try:
                return self._exchange(target, headers, until)
            except (http.client.HTTPException, OSError) as error:
                self.close()
                stale = not fresh and isinstance(error, http.client.BadStatusLine | ConnectionError)
                if not stale:
                    raise self._trouble(error) from error

    def _exchange(self, target: str, headers: dict[str, str], until: float) -> tuple[int, str, bytes]:
        connection = self._connection = self._connection or self._connect()
        connection.request("GET", target, headers=headers)
        with _cut_off(connection, until):
            response = connection.getresponse()
        parts, size = [], 0
        while chunk := response.read1(_CHUNK):  # `read` would wait for all of it, however slowly it comes
            parts.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise OSError(f"an answer of more than {MOST_BYTES >> 20} MiB: narrow the selector")
            if time.monotonic() > until:
                raise TimeoutError
        response.close()  # the connection stays: `read1` alone leaves it waiting for nothing
        return response.status, response.reason, b"".join(parts)

    def _connect(self) -> http.client.HTTPConnection:
        host, port, seconds = self._parts.hostname or "", self._parts.port, self._source.timeout_seconds
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=seconds)
        trusted = ssl.create_default_context(cafile=self._source.ca_file or None)
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=trusted)

    def _authorization(self) -> dict[str, str]:
        """Read anew each time: tokens are renewed while we run."""
        source = self._source
        if source.token_file or source.token_env:
            return {"Authorization": f"Bearer {_secret(source.token_file, source.token_env)}"}
        if source.user:
            password = _secret(source.password_file, source.password_env)
            return {"Authorization": f"Basic {base64.b64encode(f'{source.user}:{password}'.encode()).decode()}"}
        return {}

    def _refusal(self, status: int, reason: str, body: bytes) -> ConnectError:
        said = _said(body)
        text = f"{self._source.url}: {status} {_plain(reason)}" + (f": {said}" if said else "")
        if status in (401, 403):
            return ConnectError(
                Problem.AUTHENTICATION, text, "see token_file, or user and password_file, of the source"
            )
        if 300 <= status < 400:
            return ConnectError(Problem.REFUSED, text, "it points elsewhere: name the server behind it")
        return ConnectError(Problem.UNREACHABLE, text, "see the server's own log")

    def _trouble(self, error: Exception) -> ConnectError:
        where = self._source.url
        if isinstance(error, ssl.SSLCertVerificationError):
            text = f"{where}: its certificate is not trusted: {error.verify_message}"
            return ConnectError(Problem.AUTHENTICATION, text, "ca_file names the authority that signed it")
        if isinstance(error, TimeoutError):
            text = f"{where}: no answer within {self._source.timeout_seconds:g} s"
            return ConnectError(Problem.HUNG, text, "a longer timeout, or a narrower selector")
        if isinstance(error, socket.gaierror):
            return ConnectError(Problem.NAME, f"{where}: its name does not resolve", "see the name in the fleet file")
        if isinstance(error, ConnectionRefusedError):
            return ConnectError(Problem.REFUSED, f"{where}: nothing listens there", "see port and server")
        words = _plain(getattr(error, "strerror", None) or str(error)) or type(error).__name__
        return ConnectError(Problem.UNREACHABLE, f"{where}: {words}", "see the way to the server")


def _said(body: bytes) -> str:
    """The error that a server tells in JSON, or the start of its page."""
    try:
        return _plain(msgspec.json.decode(body, type=_Error).error)
    except msgspec.DecodeError:
        return _plain(body[:_WORDS].decode("utf-8", "replace").strip().partition("\n")[0])


def _plain(text: str) -> str:
    """Words of a server, without what would move a cursor."""
    return "".join(character for character in text[:_WORDS] if character.isprintable())


@contextmanager
def _cut_off(connection: http.client.HTTPConnection, until: float) -> Iterator[None]:
    """Cut the connection at monotonic time `until`: a server that drips its answer keeps every single wait short."""

    def cut() -> None:
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, until - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
        if time.monotonic() >= until:  # what was cut within its head looks like an empty answer
            raise TimeoutError
    except (http.client.HTTPException, OSError) as error:
        if time.monotonic() >= until:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()


def _secret(file: str, variable: str) -> str:
    """Raises ConnectError, which names where it was looked for and never what was found."""
    advice = "the fleet file names it"
    if file:
        try:
            found = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or "not text"
            raise ConnectError(Problem.AUTHENTICATION, f"{file} can't be read: {words}", advice) from error
    else:
        found = os.environ.get(variable, "")
    if not found or not found.isprintable() or not found.isascii():
        where = file or f"the variable {variable}" if file or variable else "no password_file or password_env"
        raise ConnectError(Problem.AUTHENTICATION, f"{where}: no secret in it", advice)
    return found
