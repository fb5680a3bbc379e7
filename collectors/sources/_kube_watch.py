"""One kind of object, listed once and watched from there: what is kept of each, by uid.

A broken watch goes on where it was; only a version that the server has forgotten (410) is listed anew, and what was
known stays until the new list is whole. Must not do: keep whole objects, or hurry a server that is in trouble.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from collectors.backoff import Backoff
from collectors.sources._kube_client import Absent, Api, Busy, Gone
from collectors.sources._kube_objects import ObjectList, OnlyMeta, Refusal, WatchEvent, decode
from watchfloor.errors import ConnectError
from watchfloor.model import Problem
from watchfloor.ports import Clock

PAGE = 500  # objects
MOST = 100_000  # kept, of one kind
_WATCH_SECONDS = (240, 360)  # at random between them, so that the watches of many consoles don't end together
_SILENT_SECONDS = 150.0  # a bookmark comes every minute or so: a connection that is silent this long is dead
_SHORT_SECONDS = 5.0  # a watch that ends sooner, with nothing told, is a failure of its own

Object = TypeVar("Object", bound=msgspec.Struct)
Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Kind(Generic[Object, Facts]):
    """What is asked for, and what is kept of it: `reduce` gives None for what nobody shows."""

    path: str
    decoded: type[Object]
    reduce: Callable[[Object], tuple[str, Facts] | None]
    asked: Mapping[str, str] = field(default_factory=dict)


class Watched(Generic[Object, Facts]):
    """All objects of one kind. `run()` until cancelled; `changed` is called after every change."""

    def __init__(
        self, api: Api, kind: Kind[Object, Facts], changed: Callable[[], None], clock: Clock, rng: random.Random
    ) -> None:
        self.facts: dict[str, Facts] = {}
        self.listed = False  # once at least
        self.trouble: ConnectError | None = None
        self.absent = False  # the server has nothing of this kind
        self.refused = ""  # why an object could not be read, the last one
        self._api = api
        self._kind = kind
        self._changed = changed
        self._clock = clock
        self._rng = rng
        self._backoff = Backoff(rng)
        self._wake = asyncio.Event()
        self._version = ""

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            wait = await self._once()
            if wait > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
            self._wake.clear()

    async def _once(self) -> float:
        """List if need be and watch to its end; how long to wait before the next time."""
        try:
            if not self._version:
                await self._list()
                self._well()
            began = self._clock.monotonic()
            told = await self._watch()
            lasted = self._clock.monotonic() - began
            if told or lasted >= _SHORT_SECONDS:
                self._backoff.reset()
                return 0.0
            return self._backoff.next_seconds(Problem.CLOSED)
        except Gone:
            self._version = ""
            return self._backoff.next_seconds(Problem.CLOSED) if self._backoff.failures else self._first_failure()
        except Absent as error:
            self.absent = True
            return self._failed(ConnectError(Problem.VERSION, str(error), "its API is not served there"))
        except ConnectError as error:
            return self._failed(error)

    def _first_failure(self) -> float:
        """A version that is forgotten is nothing unusual: list anew at once, and be patient if that doesn't help."""
        self._backoff.failures = 1
        return 0.0

    def _failed(self, error: ConnectError) -> float:
        self.trouble = error
        self._changed()
        wait = self._backoff.next_seconds(error.problem)
        return max(wait, error.retry_after) if isinstance(error, Busy) else wait

    def _well(self) -> None:
        self.trouble, self.absent, self.listed = None, False, True
        self._changed()

    async def _list(self) -> None:
        found: dict[str, Facts] = {}
        asked = {**self._kind.asked, "limit": str(PAGE)}
        version = ""
        while True:
            body = await self._api.get(self._kind.path, asked)
            page = _decoded(body, ObjectList)
            for raw in page.items or ():
                self._keep(raw, found)
            version = version or page.metadata.resource_version
            if not page.metadata.continued:
                break
            asked["continue"] = page.metadata.continued
            await asyncio.sleep(0)
        self.facts, self._version = found, version

    async def _watch(self) -> int:
        """How many events it told."""
        asked = {
            **self._kind.asked,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(self._rng.randint(*_WATCH_SECONDS)),
        }
        told = 0
        async with self._api.watch(self._kind.path, asked, _SILENT_SECONDS) as lines:
            if self.trouble is not None:
                self._well()
            async for line in lines:
                if not line.endswith(b"\n"):  # the connection broke within it: it comes again
                    break
                self._event(_decoded(line, WatchEvent))
                told += 1
        return told

    def _event(self, event: WatchEvent) -> None:
        if event.type == "ERROR":
            raise self._complaint(event.object)
        try:
            meta = decode(event.object, OnlyMeta).metadata
        except msgspec.DecodeError as error:
            self.refused = str(error)
            return
        self._version = meta.resource_version or self._version
        if event.type == "BOOKMARK":
            return
        before = self.facts.pop(meta.uid, None)
        if event.type != "DELETED":
            self._keep(event.object, self.facts)
        if before is not None or meta.uid in self.facts:
            self._changed()

    def _complaint(self, raw: msgspec.Raw) -> Exception:
        refusal = decode(raw, Refusal)
        if refusal.code == 410 or refusal.reason in ("Expired", "Gone"):
            return Gone(refusal.message or "")
        return ConnectError(Problem.CLOSED, f"the watch of {self._kind.path} ended: {refusal.message or refusal.code}",
                            "see the API server's own log")  # fmt: skip

    def _keep(self, raw: msgspec.Raw, found: dict[str, Facts]) -> None:
        try:
            kept = self._kind.reduce(decode(raw, self._kind.decoded))
        except (msgspec.DecodeError, ValueError) as error:
            self.refused = str(error)
            return
        if kept is None:
            return
        if len(found) >= MOST:
            self.refused = f"more than {MOST:,} objects: narrow the source to a namespace or selector"
            return
        found[kept[0]] = kept[1]


def _decoded(body: bytes, kind: type[Object]) -> Object:
    try:
        return decode(body, kind)
    except msgspec.DecodeError as error:
        text = f"what answers does not speak Kubernetes' API: {error}"
        raise ConnectError(Problem.GARBAGE, text, "name the API server itself in the kubeconfig") from error
