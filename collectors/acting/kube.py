"""Kubernetes' API, told to change something: the credentials are those of the source that reads it.

Must not do: try again what may have arrived.
"""

from __future__ import annotations

import asyncio
from typing import Any

from collectors.acting.http import MOST_BYTES, Answer
from collectors.acting.told import LASTING
from collectors.sources._kube_client import Api, Gone
from watchfloor.change import Request
from watchfloor.errors import ConnectError, HandsError
from watchfloor.jobs.model import JobSourceSpec

_NOT_SENT = ("ClientConnectorError", "ClientConnectorDNSError", "ClientConnectorCertificateError",
             "ClientConnectorSSLError", "InvalidURL")  # fmt: skip


class _Straight:
    """The client's session, which would go wherever it is sent."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, **asked: Any) -> Any:
        return await self._session.request(**asked, allow_redirects=False)

    async def close(self) -> None:
        await self._session.close()


class Cluster(Api):
    """One cluster, by its source of jobs."""

    def __init__(self, spec: JobSourceSpec) -> None:
        super().__init__(spec.options.get("kubeconfig", ""), spec.options.get("context", ""), spec.timeout_seconds)
        self._name = spec.name

    async def send(self, request: Request, headers: dict[str, str]) -> Answer:
        """Raises HandsError where nothing was sent."""
        try:
            async with asyncio.timeout(request.timeout_seconds):
                await self._open(0)
        except Exception as error:
            raise self._no_way(error) from error
        opened = self._opened
        answer = await self._bounded(request, headers)
        if answer.status != 401:
            return answer
        try:
            await self._open(opened)  # tokens run out; what is turned away at the door was not done
        except Exception as error:
            raise self._no_way(error) from error
        return await self._bounded(request, headers)

    async def _load(self) -> Any:
        api = await super()._load()
        api.rest_client.pool_manager = _Straight(api.rest_client.pool_manager)
        return api

    async def _bounded(self, request: Request, headers: dict[str, str]) -> Answer:
        try:
            async with asyncio.timeout(request.timeout_seconds):
                return await self._once(request, headers)
        except Exception as error:
            if type(error).__name__ in _NOT_SENT:
                raise self._no_way(error) from error
            return Answer(None, f"no answer: {self._said(error)}: whether it arrived is not known")

    async def _once(self, request: Request, headers: dict[str, str]) -> Answer:
        response = await self._client.call_api(
            request.path,
            request.method,
            header_params={
                "Accept": "application/json",
                "Content-Type": request.content_type,
                "Connection": "close",  # one that stood idle may be dead, and the client would send again
                **headers,
            },
            body=request.body or None,
            auth_settings=["BearerToken"],
            _preload_content=False,
        )
        try:
            data = await response.content.read(MOST_BYTES)
        except Exception:  # the status stands, whatever becomes of the rest
            data = b""
        finally:
            response.close()
        return Answer(response.status, data.decode("utf-8", "backslashreplace"))

    def _no_way(self, error: Exception) -> HandsError:
        trouble = self._trouble(error)
        if isinstance(trouble, ConnectError):
            return HandsError(
                f"{self._name}: {trouble.message}", trouble.advice, transient=trouble.problem not in LASTING
            )
        return HandsError(f"{self._name}: {trouble}", transient=isinstance(trouble, Gone))

    def _said(self, error: Exception) -> str:
        trouble = self._trouble(error)
        return trouble.message if isinstance(trouble, ConnectError) else str(trouble)
