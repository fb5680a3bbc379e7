"""One request over HTTP, in a thread that may block: TLS verified, one deadline, no redirects, no secret in a text.

Told apart: what was surely never sent, and what may have arrived. Must not do: send anything twice.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collectors.sources._http import plain
from watchfloor import __version__
from watchfloor.errors import HandsError

MOST_BYTES = 256 * 1024  # of an answer: more is left out
_CHUNK = 1 << 16
_TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests of one name go. An address that is a secret itself, as a webhook's is, comes from a file or a
    variable; so do values of headers: `header_files` and `header_env` name them by header."""

    url: str = ""
    url_file: str = ""
    url_env: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    header_files: Mapping[str, str] = field(default_factory=dict)
    header_env: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` None: it was sent, and what came of it is not known; `text` says why."""

    status: int | None
    text: str

    @property
    def transient(self) -> bool:
        return self.status in _TRANSIENT


def send(
    name: str, endpoint: Endpoint, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str],
    timeout_seconds: float,
) -> Answer:  # fmt: skip
    """Raises HandsError where nothing was sent. `name` stands in texts, where an address would be."""
    until = time.monotonic() + timeout_seconds
    address = _secret(name, endpoint.url_file, endpoint.url_env) if not endpoint.url else endpoint.url
    told = {**_headers(name, endpoint), **headers}
    data = None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    target = _target(name, address, path)
    connection = _connected(name, address, endpoint.ca_file, timeout_seconds)
    try:
        return _exchange(connection, method, target, data, told, until)
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, method: str, target: str, data: bytes | None, headers: Mapping[str, str],
    until: float,
) -> Answer:  # fmt: skip
    try:
        connection.request(method, target, data, dict(headers))
        sock = connection.sock
        if sock is not None:
            sock.settimeout(max(0.01, until - time.monotonic()))
        response = connection.getresponse()
    except (http.client.HTTPException, OSError, ValueError) as error:
        return Answer(None, f"no answer: {_words(error)}: whether it arrived is not known")
    return Answer(response.status, _text(response, sock, until))


def _text(response: http.client.HTTPResponse, sock: Any, until: float) -> str:
    """What the server says of it. A body that breaks off changes nothing of the status."""
    parts, size = [], 0
    try:
        while size < MOST_BYTES and time.monotonic() < until:
            sock.settimeout(max(0.01, until - time.monotonic()))
            chunk = response.read1(min(_CHUNK, MOST_BYTES - size))
            if not chunk:
                break
            parts.append(chunk)
            size += len(chunk)
    except (http.client.HTTPException, OSError, ValueError):
        pass  # what came until then is told
    return b"".join(parts).decode("utf-8", "backslashreplace")


def _connected(name: str, address: str, ca_file: str, timeout_seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(address)
    try:
        if parts.scheme == "http":
            made = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_seconds)
        else:
            trusted = ssl.create_default_context(cafile=ca_file or None)
            made = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=timeout_seconds, context=trusted
            )
        made.connect()
    except ssl.SSLCertVerificationError as error:
        text = f"{name}: its certificate is not trusted: {error.verify_message}"
        raise HandsError(text, "ca_file names the authority that signed it") from error
    except (OSError, http.client.HTTPException) as error:
        raise HandsError(f"{name} can't be reached: {_words(error)}", "see its address", transient=True) from error
    return made


def _target(name: str, address: str, path: str) -> str:
    """What is asked for, behind the address's own path. Raises HandsError where it would lead elsewhere."""
    parts = urlsplit(address)
    try:
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        raise HandsError(f"{name}: its address is not http://… or https://…", "see what the fleet file names")
    if (path and path[0] not in "/?") or not path.isascii() or any(char <= " " or char == "\x7f" for char in path):
        raise HandsError(f"{name}: {path!r} is no path of a request")
    own = parts.path.rstrip("/") if path.startswith("/") else parts.path or "/"
    joined = own + path
    if not parts.query:
        return joined
    return f"{joined}{'&' if '?' in joined else '?'}{parts.query}"


def _headers(name: str, endpoint: Endpoint) -> dict[str, str]:
    made = {
        "Accept": "application/json, text/plain, */*",
        "User-Agent": f"watchfloor/{__version__}",
        **endpoint.headers,
    }
    for header, file in endpoint.header_files.items():
        made[header] = _secret(name, file, "")
    for header, variable in endpoint.header_env.items():
        made[header] = _secret(name, "", variable)
    return made


def _secret(name: str, file: str, variable: str) -> str:
    """Read anew each time. Raises HandsError, which names the place and never the secret."""
    try:
        found = Path(file).expanduser().read_text("utf-8").strip() if file else os.environ.get(variable, "")
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "not text"
        raise HandsError(f"{name}: {file} can't be read: {words}", "the fleet file names it") from error
    if not found or not found.isprintable() or not found.isascii():
        where = file or (f"the variable {variable}" if variable else "its address")
        raise HandsError(f"{name}: {where}: nothing usable in it", "the fleet file names it")
    return found


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "out of time"
    return plain(getattr(error, "strerror", None) or type(error).__name__)
