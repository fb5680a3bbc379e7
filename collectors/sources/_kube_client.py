"""Kubernetes' API over its asynchronous client: kubeconfig, credentials, lists in pages, watches line by line.

Every failure is a ConnectError that says what to do. Must not do: change anything (GET alone), keep the kubeconfig's
refreshed tokens, or put a credential into a text.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from collectors.probe.commands import command_text
from collectors.sources._kube_objects import Refusal, decode
from watchfloor import __version__
from watchfloor.errors import ConnectError
from watchfloor.model import Problem

MOST_BYTES = 64 * 2**20  # of one answer; a page of 500 pods takes 5 MB
_CHUNK = 1 << 18
_WORDS = 200
_ONLY_META = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class Gone(Exception):
    """The version that a watch was to go on from is no longer known: list anew."""


class Absent(Exception):
    """There is no such object, or nothing of this kind."""


class Busy(ConnectError):
    """The server asks for patience: seconds in `retry_after`."""

    def __init__(self, message: str, advice: str, retry_after: float) -> None:
        super().__init__(Problem.REFUSED, message, advice)
        self.retry_after = retry_after


class Api:
    """One cluster. Opened when it is first asked; `close` at the end."""

    def __init__(self, kubeconfig: str, context: str, timeout_seconds: float) -> None:
        self._kubeconfig = str(Path(kubeconfig).expanduser()) if kubeconfig else ""
        self._context = context
        self._timeout = timeout_seconds
        self._client: Any = None
        self._opened = 0  # how often credentials were loaded
        self._opening = asyncio.Lock()
        self._retired: Any = None  # the client of the credentials before, with watches that go on a while

    async def get(self, path: str, asked: Mapping[str, str] | None = None, only_meta: bool = False) -> bytes:
        """The body of an answer. Raises ConnectError, Gone, Absent."""
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._request(path, asked or {}, _ONLY_META if only_meta else "application/json", None)
                try:
                    return await _whole(response)
                finally:
                    response.release()
        except Exception as error:
            raise self._trouble(error) from error

    @asynccontextmanager
    async def watch(
        self, path: str, asked: Mapping[str, str], silent_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines to come, once the server has agreed. They end with the connection, however it ends."""
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._request(path, asked, "application/json", silent_seconds)
        except Exception as error:
            raise self._trouble(error) from error
        try:
            yield _lines(response)
        finally:
            response.close()

    async def close(self) -> None:
        for client in (self._retired, self._client):
            if client is not None:
                await client.close()
        self._client = self._retired = None

    # -- one request

    async def _request(self, path: str, asked: Mapping[str, str], accept: str, silent: float | None) -> Any:
        """The response's head. A 401 is answered with fresh credentials, once: tokens run out while we watch."""
        await self._open(0)
        opened = self._opened
        response = await self._send(path, asked, accept, silent)
        if response.status == 401:
            response.release()
            await self._open(opened)
            response = await self._send(path, asked, accept, silent)
        if response.status != 200:
            body = await _start(response)
            raise self._refusal(response.status, response.reason or "", body, response.headers)
        return response

    async def _send(self, path: str, asked: Mapping[str, str], accept: str, silent: float | None) -> Any:
        import aiohttp  # noqa: PLC0415 -- comes with the extra; 0.3 s

        return await self._client.call_api(
            path,
            "GET",
            query_params=list(asked.items()),
            header_params={"Accept": accept},
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=silent),
        )

    async def _open(self, known: int) -> None:
        """Load credentials, unless somebody has loaded newer ones than `known` meanwhile."""
        async with self._opening:
            if self._client is not None and self._opened > known:
                return
            client = await self._load()
            if self._retired is not None:
                await self._retired.close()
            self._retired, self._client = self._client, client
            self._opened += 1

    async def _load(self) -> Any:
        client, config = await asyncio.to_thread(_library)
        settings = client.Configuration()
        if not self._kubeconfig and _is_in_a_pod():
            config.load_incluster_config(client_configuration=settings)
        else:
            await config.load_kube_config(
                config_file=self._kubeconfig or None,
                context=self._context or None,
                client_configuration=settings,
                persist_config=False,  # what is refreshed stays in memory: the user's file is theirs
            )
        api = client.ApiClient(configuration=settings)
        api.user_agent = f"watchfloor/{__version__}"
        return api

    # -- what went wrong

    def _refusal(self, status: int, reason: str, body: bytes, headers: Mapping[str, str]) -> Exception:
        said = _said(body) or reason
        text = f"{self._where()}: {status} {_plain(said)}"
        if status == 410:
            return Gone(text)
        if status == 404:
            return Absent(text)
        if status == 401:
            return ConnectError(Problem.AUTHENTICATION, text, "see the user of the kubeconfig's context: does kubectl "
                                "get in with it?")  # fmt: skip
        if status == 403:
            return ConnectError(Problem.AUTHENTICATION, text, 'bind a role that may get, list and watch it, such as '
                                'the cluster role "view", and one for nodes')  # fmt: skip
        if status in (429, 503):
            wait = headers.get("Retry-After", "")
            return Busy(text, "the API server is short of room; it is asked again later",
                        min(60.0, float(wait)) if wait.isdecimal() else 0.0)  # fmt: skip
        return ConnectError(Problem.UNREACHABLE, text, "see the API server's own log")

    def _trouble(self, error: Exception) -> Exception:
        """Whatever the client raised, in our words."""
        if isinstance(error, ConnectError | Gone | Absent):
            return error
        where = self._where()
        if isinstance(error, TimeoutError):
            return ConnectError(Problem.HUNG, f"{where}: no answer within {self._timeout:g} s",
                                "a longer timeout of the source, or see the API server")  # fmt: skip
        if isinstance(error, _TooMuch):
            return ConnectError(Problem.FLOOD, f"{where}: {error}", "narrow the source to a namespace or selector")
        if isinstance(error, OSError) or type(error).__module__.startswith("aiohttp"):
            return self._unreachable(error)
        words = _plain(command_text(str(error).replace(" ", "\0"), type(error).__name__))
        file = self._kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        advice = "see kubeconfig and context of the source; kubectl --context shows the same"
        return ConnectError(Problem.AUTHENTICATION, f"{file} gives no way in: {words}", advice)

    def _unreachable(self, error: Exception) -> ConnectError:
        where = self._where()
        certificate = getattr(error, "certificate_error", None)
        if certificate is not None or "CERTIFICATE_VERIFY_FAILED" in str(error):
            text = f"{where}: its certificate is not trusted: {_plain(str(certificate or error))}"
            return ConnectError(Problem.AUTHENTICATION, text, "certificate-authority of the kubeconfig's cluster names "
                                "who signed it")  # fmt: skip
        cause = getattr(error, "os_error", error)
        if isinstance(cause, ConnectionRefusedError) or getattr(cause, "errno", None) == 111:
            return ConnectError(Problem.REFUSED, f"{where}: nothing listens there", "see the server of the kubeconfig")
        if type(error).__name__ == "ClientConnectorDNSError":
            return ConnectError(Problem.NAME, f"{where}: its name does not resolve", "see the server of the kubeconfig")
        words = _plain(getattr(cause, "strerror", None) or str(error)) or type(error).__name__
        return ConnectError(Problem.UNREACHABLE, f"{where}: {words}", "see the way to the API server")

    def _where(self) -> str:
        return self._client.configuration.host if self._client is not None else "the cluster"


class _TooMuch(Exception):
    """An answer that is longer than we take."""


def _library() -> tuple[Any, Any]:
    """The client's modules: an extra, and a second's import. Raises ConnectError where it is not installed."""
    try:
        from kubernetes_asyncio import client, config  # noqa: PLC0415
    except ImportError as error:
        text = "the client of Kubernetes is not installed"
        raise ConnectError(Problem.VERSION, text, "pip install 'watchfloor[kubernetes]'") from error
    # it logs what a credential plugin said, word for word; we tell it redacted
    logging.getLogger("kubernetes_asyncio").setLevel(logging.CRITICAL)
    return client, config


def _is_in_a_pod() -> bool:
    """And nobody has put a kubeconfig there."""
    named = os.environ.get("KUBECONFIG") or Path("~/.kube/config").expanduser().exists()
    return not named and Path(_SERVICE_ACCOUNT).is_dir()


async def _whole(response: Any) -> bytes:
    parts, size = [], 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise _TooMuch(f"an answer of more than {MOST_BYTES >> 20} MiB")
    return b"".join(parts)


async def _start(response: Any) -> bytes:
    """Enough of a refusal to tell its reason."""
    try:
        return await response.content.read(_CHUNK)
    finally:
        response.close()


async def _lines(response: Any) -> AsyncIterator[bytes]:
    """Each is an event; a connection that breaks, falls silent or says too long a line ends them."""
    import aiohttp  # noqa: PLC0415 -- comes with the extra; loaded by now

    try:
        while line := await response.content.readline():
            yield line
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return


def _said(body: bytes) -> str:
    try:
        return decode(body, Refusal).message or ""
    except msgspec.DecodeError:
        return body[:_WORDS].decode("utf-8", "replace").strip().partition("\n")[0]


def _plain(text: str) -> str:
    """Words of a server, without what would move a cursor."""
    return "".join(character for character in text[:_WORDS] if character.isprintable())
