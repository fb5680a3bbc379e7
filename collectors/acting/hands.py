"""ports.Hands: each deed to where its place says. One place that hangs holds up no other.

Commands go to nodes, to the nodes on which schedulers are asked, or to this machine; requests to the API of a source of
jobs, or to an endpoint that the configuration names.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from collectors.acting.http import Answer, Endpoint, send
from collectors.acting.node import DEFAULT_WAITS, NodeHands, Settings, Waits
from collectors.acting.notes import Notes
from collectors.acting.requests import Requests, Send
from collectors.acting.schedulers import settings_of
from collectors.acting.wire import LONGEST_LINE
from collectors.sources._thread import in_thread
from watchfloor.change import Command, Deed, Done, On, Request
from watchfloor.errors import HandsError, WatchfloorError
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.model import NodeSpec
from watchfloor.ports import Clock, Transport

HERE = "this machine"


@dataclass(frozen=True)
class Places:
    """Everywhere that something can be done."""

    nodes: Sequence[NodeSpec] = ()
    sources: Sequence[JobSourceSpec] = ()
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)


class FleetHands:
    """ports.Hands. Use it on the loop of its transports, those of the probes, so that they share connections.

    `notes`: a folder of this user's own.
    """

    def __init__(
        self,
        places: Places,
        transport_for: Callable[[NodeSpec], Transport],
        clock: Clock,
        notes: Path,
        waits: Waits = DEFAULT_WAITS,
    ) -> None:
        self._nodes = {spec.name: spec for spec in places.nodes}
        self._sources = {spec.name: spec for spec in places.sources}
        self._endpoints = dict(places.endpoints)
        self._transport_for = transport_for
        self._clock = clock
        self._notes = Notes(notes)
        self._waits = waits
        self._requests = Requests(self._notes)
        self._hands: dict[tuple[On, str], NodeHands] = {}
        self._clusters: dict[str, Any] = {}
        self._running: dict[str, asyncio.Task[Done]] = {}

    async def do(self, deed: Deed, operation: str) -> Done:
        """The same operation, asked for again meanwhile, is waited for. Whoever stops waiting doesn't stop the deed."""
        task = self._running.get(operation)
        if task is None:
            task = self._running[operation] = asyncio.create_task(self._do(deed, operation))
            task.add_done_callback(lambda done: self._over(operation, done))
        return await asyncio.shield(task)

    def _over(self, operation: str, task: asyncio.Task[Done]) -> None:
        self._running.pop(operation, None)
        if not task.cancelled():
            task.exception()  # seen: nobody may be waiting for it any more

    def _do(self, deed: Deed, operation: str) -> Coroutine[Any, Any, Done]:
        if isinstance(deed, Request):
            return self._requests.do(deed, operation, self._send(deed))
        hands, settings = self._at(deed)
        return hands.do(deed, settings, operation)

    async def recall(self, deed: Deed, operation: str) -> Done | None:
        task = self._running.get(operation)
        if task is not None:
            return await asyncio.shield(task)
        if isinstance(deed, Request):
            return await self._requests.recall(operation)
        return await self._at(deed)[0].recall(deed, operation)

    async def acknowledge(self, deed: Deed, operation: str) -> None:
        try:
            if isinstance(deed, Request):
                await self._notes.acknowledge(operation)
            else:
                await self._at(deed)[0].acknowledge(operation)
        except WatchfloorError:
            return  # what stays is kept a while longer

    async def look(self, deed: Deed) -> Done:
        if isinstance(deed, Request):
            return await self._requests.look(deed, self._send(deed))
        hands, settings = self._at(deed)
        return await hands.look(deed, settings)

    async def close(self) -> None:
        """What runs on nodes runs on."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await asyncio.gather(*(hands.close() for hands in self._hands.values()))
        await asyncio.gather(*(cluster.close() for cluster in self._clusters.values()))
        self._hands.clear()
        self._clusters.clear()

    # -- places

    def _at(self, command: Command) -> tuple[NodeHands, Settings]:
        """Raises HandsError."""
        if not command.argv or len(json.dumps([command.argv, command.stdin])) > LONGEST_LINE // 2:
            raise HandsError("a command has one word at least, and no more than 4 MiB with its standard input, as JSON")
        if any("\0" in word for word in command.argv):
            raise HandsError("a word of a command can't hold a NUL")
        place = command.place
        if place.on is On.SCHEDULER:
            spec = self._source(place.name)
            if spec.via is None:
                raise HandsError(
                    f"{spec.name}: no commands can be run there", "`via` names a login node of the cluster"
                )
            return self._of(place.on, spec.via), settings_of(spec)
        if place.on is On.HERE:
            return self._of(place.on, NodeSpec(place.name or HERE, local=True)), Settings()
        node = self._nodes.get(place.name)
        if node is None:
            raise HandsError(f"there is no node {place.name!r} in the fleet")
        if node.source is not None:
            text = f"{node.name} is read from {node.source.url}: there is no way to do anything on it"
            raise HandsError(text, "name it in the inventory without `source`, as a host for SSH")
        return self._of(place.on, node), Settings()

    def _of(self, on: On, spec: NodeSpec) -> NodeHands:
        """A login node may be a node of the fleet as well, and be reached in another way as such."""
        key = (on, spec.name)
        if key not in self._hands:
            self._hands[key] = NodeHands(spec, self._transport_for(spec), self._clock, self._notes, self._waits)
        return self._hands[key]

    def _source(self, name: str) -> JobSourceSpec:
        if name not in self._sources:
            raise HandsError(f"there is no source of jobs {name!r}", f"known are {', '.join(self._sources) or 'none'}")
        return self._sources[name]

    def _send(self, request: Request) -> Send:
        """Raises HandsError."""
        place = request.place
        if place.on is On.SCHEDULER and self._source(place.name).kind == "kubernetes":
            return self._cluster(place.name).send
        if place.on is On.HERE and place.name in self._endpoints:
            return partial(_sent, self._endpoints[place.name])
        if place.on is On.HERE:
            raise HandsError(f"no endpoint is named {place.name!r}", f"known: {', '.join(self._endpoints) or 'none'}")
        raise HandsError(f"{place}: no requests can be made there")

    def _cluster(self, name: str) -> Any:
        if name not in self._clusters:
            from collectors.acting.kube import Cluster  # noqa: PLC0415 - most fleets have none

            self._clusters[name] = Cluster(self._sources[name])
        return self._clusters[name]


async def _sent(endpoint: Endpoint, request: Request, headers: dict[str, str]) -> Answer:
    body = request.body if request.body or request.method not in ("GET", "HEAD", "DELETE") else None
    told = headers if body is None else {"Content-Type": request.content_type, **headers}
    name = request.place.name
    return await in_thread(
        partial(send, name, endpoint, request.method, request.path, body, told, request.timeout_seconds)
    )
