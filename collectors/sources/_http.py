"""GET over one HTTP connection, for threads that may block: TLS verified, one deadline for the whole answer.

Must not do: anything that a server would remember, follow redirects, or put a header's secret into a text.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from watchfloor import __version__
from watchfloor.errors import ConnectError
from watchfloor.model import Problem

MOST_BYTES = 128 * 2**20  # 80,000 series take 27 MB
_CHUNK = 1 << 18
_WORDS = 200  # characters of what a server says of an error


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    body: bytes


class Connection:
    """One connection, used by one thread. `get` raises ConnectError where the server can't be asked."""

    def __init__(self, url: str, timeout_seconds: float, ca_file: str = "", narrow: str = "narrow the source") -> None:
        self.url = url
        self._parts = urlsplit(url)
        self._timeout = timeout_seconds
        self._ca_file = ca_file
        self._narrow = narrow  # what to do about answers that are too long
        self._connection: http.client.HTTPConnection | None = None

    def get(self, target: str, headers: Mapping[str, str]) -> Answer:
        """`target` follows the path of the URL. A connection that the server has closed is opened anew, once."""
        until = time.monotonic() + self._timeout
        target = f"{self._parts.path.rstrip('/')}{target}"
        headers = {"Accept": "application/json", "User-Agent": f"watchfloor/{__version__}", **headers}
        while True:
            fresh = self._connection is None
            try:
                return self._exchange(target, headers, until)
            except (http.client.HTTPException, OSError) as error:
                self.close()
                stale = not fresh and isinstance(error, http.client.BadStatusLine | ConnectionError)
                if not stale:
                    raise self._trouble(error) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def refusal(self, answer: Answer, said: str, rights: str) -> ConnectError:
        """An answer that isn't 200, in words; `said` are the server's own, `rights` names the settings that let in."""
        text = f"{self.url}: {answer.status} {plain(answer.reason)}" + (f": {said}" if said else "")
        if answer.status in (401, 403):
            return ConnectError(Problem.AUTHENTICATION, text, rights)
        if 300 <= answer.status < 400:
            return ConnectError(Problem.REFUSED, text, "it points elsewhere: name the server behind it")
        return ConnectError(Problem.UNREACHABLE, text, "see the server's own log")

    def _exchange(self, target: str, headers: Mapping[str, str], until: float) -> Answer:
        connection = self._connection = self._connection or self._connect()
        connection.request("GET", target, headers=dict(headers))
        with _cut_off(connection, until):
            response = connection.getresponse()
        parts, size = [], 0
        while chunk := response.read1(_CHUNK):  # `read` would wait for all of it, however slowly it comes
            parts.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise OSError(f"an answer of more than {MOST_BYTES >> 20} MiB: {self._narrow}")
            if time.monotonic() > until:
                raise TimeoutError
        response.close()  # the connection stays: `read1` alone leaves it waiting for nothing
        return Answer(response.status, response.reason, b"".join(parts))

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        trusted = ssl.create_default_context(cafile=self._ca_file or None)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=trusted)

    def _trouble(self, error: Exception) -> ConnectError:
        where = self.url
        if isinstance(error, ssl.SSLCertVerificationError):
            text = f"{where}: its certificate is not trusted: {error.verify_message}"
            return ConnectError(Problem.AUTHENTICATION, text, "ca_file names the authority that signed it")
        if isinstance(error, TimeoutError):
            text = f"{where}: no answer within {self._timeout:g} s"
            return ConnectError(Problem.HUNG, text, f"a longer timeout, or {self._narrow}")
        if isinstance(error, socket.gaierror):
            return ConnectError(Problem.NAME, f"{where}: its name does not resolve", "see the name in the fleet file")
        if isinstance(error, ConnectionRefusedError):
            return ConnectError(Problem.REFUSED, f"{where}: nothing listens there", "see port and server")
        words = plain(getattr(error, "strerror", None) or str(error)) or type(error).__name__
        return ConnectError(Problem.UNREACHABLE, f"{where}: {words}", "see the way to the server")


def first_words(body: bytes) -> str:
    """The start of a page."""
    return plain(body[:_WORDS].decode("utf-8", "replace").strip().partition("\n")[0])


def plain(text: str) -> str:
    """Words of a server, without what would move a cursor."""
    return "".join(character for character in text[:_WORDS] if character.isprintable())


def secret(file: str, variable: str) -> str:
    """Read anew each time: tokens are renewed. Raises ConnectError, which names the place and never the secret."""
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
