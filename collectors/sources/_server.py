"""The HTTP API of a Prometheus-compatible server: which series there are, and their values now.

Blocking, for threads of its caller. Must not do: put a token or password into a text.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from collectors.sources._http import Connection, first_words, plain, secret
from watchfloor.errors import ConnectError
from watchfloor.harmless import harmless
from watchfloor.model import MetricsSource, Problem

_LOOK_BACK_SECONDS = 600  # how old a series may be to be asked for


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
        self._connection = Connection(source.url, source.timeout_seconds, source.ca_file, "a narrower selector")

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
        self._connection.close()

    def _get(self, path: str, asked: Mapping[str, str], kind: type[_Kind]) -> _Kind:
        answer = self._connection.get(f"{path}?{urlencode(asked)}", self._authorization())
        if answer.status in (400, 422):
            raise QueryFailed(_said(answer.body) or plain(answer.reason))
        if answer.status != 200:
            rights = "see token_file, or user and password_file, of the source"
            raise self._connection.refusal(answer, _said(answer.body), rights)
        try:
            return msgspec.json.decode(harmless(answer.body), type=kind)
        except msgspec.DecodeError as error:
            text = f"{self._source.url} does not speak Prometheus' API: {error}"
            advice = "name the server itself, with its prefix, not a page of it"
            raise ConnectError(Problem.GARBAGE, text, advice) from error

    def _authorization(self) -> dict[str, str]:
        """Read anew each time: tokens are renewed while we run."""
        source = self._source
        if source.token_file or source.token_env:
            return {"Authorization": f"Bearer {secret(source.token_file, source.token_env)}"}
        if source.user:
            password = secret(source.password_file, source.password_env)
            return {"Authorization": f"Basic {base64.b64encode(f'{source.user}:{password}'.encode()).decode()}"}
        return {}


def _said(body: bytes) -> str:
    """The error that a server tells in JSON, or the start of its page."""
    try:
        return plain(msgspec.json.decode(body, type=_Error).error)
    except msgspec.DecodeError:
        return first_words(body)
