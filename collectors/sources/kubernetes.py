"""Kubernetes as a source of jobs: pods, their owners and nodes, listed once and watched from there.

What is told is put together when something has changed, at most once a second; in between the server is asked for its
version, so that one that is gone is noticed. Must not do: change anything in the cluster, or keep a secret.

Options: `kubeconfig` and `context` (as kubectl has them; in a pod its service account), `namespace` ("" for all),
`selector` (a label selector: pods that count without accelerators), `user_label` (the label or annotation that says
whose a pod is).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from collectors.sources import _kube_jobs as jobs
from collectors.sources import _kube_objects as objects
from collectors.sources import _kube_pods as pods
from collectors.sources._kube_client import Absent, Api, Gone
from collectors.sources._kube_owners import Owners
from collectors.sources._kube_watch import Kind, Watched
from watchfloor.errors import ConnectError
from watchfloor.jobs.model import Job, JobSourceSpec, SchedulerNode, SourceAnswer, SourceState, SourceStatus
from watchfloor.model import Problem
from watchfloor.ports import Clock, Transport

KIND = jobs.KIND
_TOGETHER_SECONDS = 1.0  # changes that come within it are told as one
_POLITE = 20  # the server is asked for its version so many times more seldom than an answer takes

_log = logging.getLogger(__name__)


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


class Source:
    def __init__(self, spec: JobSourceSpec, transport: Transport | None, clock: Clock) -> None:
        del transport  # the API server is reached from here
        told = spec.options
        self._spec = spec
        self._clock = clock
        self._selector = told.get("selector", "")
        self._namespace = told.get("namespace", "")
        self._user_label = told.get("user_label", "")
        self._api = Api(told.get("kubeconfig", ""), told.get("context", ""), spec.timeout_seconds)
        self._owners = Owners(self._api, clock)
        self._changed = asyncio.Event()
        self._asked_now = asyncio.Event()
        self._owners_wanted = asyncio.Event()
        rng = random.Random()
        self._pods = Watched(self._api, self._pod_kind(""), self._changed.set, clock, rng)
        self._selected = Watched(self._api, self._pod_kind(self._selector), self._changed.set, clock, rng)
        self._batch = Watched(self._api, self._batch_kind(), self._changed.set, clock, rng)
        self._nodes = Watched(self._api, _NODES, self._changed.set, clock, rng)
        self._events = Watched(self._api, self._event_kind(), self._changed.set, clock, rng)
        self._made: dict[str, tuple[tuple[Any, ...], Job]] = {}  # uid of a unit -> what its job was made of, the job
        self._answer = SourceAnswer(SourceStatus(spec.name, KIND, period_seconds=spec.period_seconds))
        self._version = ""
        self._took = 0.0
        self._period = spec.period_seconds
        self._unwell: ConnectError | None = None  # what came of the last question for the version

    def wake(self) -> None:
        self._asked_now.set()
        for watched in self._all():
            watched.wake()

    async def run(self, tell: Callable[[SourceAnswer], None]) -> None:
        tell(self._answer)
        try:
            async with asyncio.TaskGroup() as group:
                for watched in self._all():
                    group.create_task(self._guarded(watched.run))
                group.create_task(self._guarded(self._ask_whether_well))
                group.create_task(self._guarded(self._learn_owners))
                await self._tell_changes(tell)
        finally:
            await self._api.close()

    async def _guarded(self, run: Callable[[], Any]) -> None:
        """A fault of our own ends neither the source nor the others: it is told, and tried again."""
        while True:
            try:
                await run()
            except Exception:
                _log.exception("reading %s failed", self._spec.name)
                self._unwell = ConnectError(Problem.PROBE, "an error in watchfloor: its log has it")
                self._changed.set()
                await asyncio.sleep(self._spec.period_seconds)

    def _all(self) -> tuple[Watched[Any, Any], ...]:
        selected = (self._selected,) if self._selector else ()
        return self._pods, *selected, self._batch, self._nodes, self._events

    def _all_pods(self) -> dict[str, pods.PodFacts]:
        return {**self._selected.facts, **self._pods.facts} if self._selector else self._pods.facts

    # -- is the server there

    async def _ask_whether_well(self) -> None:
        while True:
            began = self._clock.monotonic()
            try:
                told = objects.decode(await self._api.get("/version"), _Version)
                self._version, self._unwell = told.git_version, None
                self._took = self._clock.monotonic() - began
                self._period = max(self._spec.period_seconds, _POLITE * self._took)
            except ConnectError as error:
                self._unwell = error
            except (Gone, Absent, msgspec.DecodeError) as error:
                self._unwell = ConnectError(Problem.GARBAGE, f"what answers is no API server: {error}",
                                            "name the API server itself in the kubeconfig")  # fmt: skip
            self._changed.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._asked_now.wait()
            self._asked_now.clear()

    # -- what is told

    async def _tell_changes(self, tell: Callable[[SourceAnswer], None]) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._answer = self._put_together()
            tell(self._answer)
            self._owners_wanted.set()
            await asyncio.sleep(_TOGETHER_SECONDS)

    async def _learn_owners(self) -> None:
        """Apart from the telling: a thousand Deployments take their time."""
        while True:
            await self._owners_wanted.wait()
            self._owners_wanted.clear()
            if not self._batch.listed and self._batch.trouble is None:
                continue  # most owners are batch Jobs, which need no asking
            with suppress(ConnectError):  # those who watch tell it; it is tried again with the next change
                if await self._owners.look_up(self._unknown_owners().values()):
                    self._changed.set()

    def _unknown_owners(self) -> dict[str, tuple[str, objects.Owner]]:
        batch = self._batch.facts
        return {
            owner.uid: (thing.namespace, owner)
            for thing in (*self._all_pods().values(), *batch.values())
            if (owner := thing.owner) is not None and owner.uid not in batch and not self._owners.knows(owner)
        }

    def _put_together(self) -> SourceAnswer:
        status = self._status()
        if not self._pods.listed:
            return replace(self._answer, status=status)
        return SourceAnswer(status, tuple(self._jobs()), tuple(self._scheduler_nodes()))

    def _status(self) -> SourceStatus:
        trouble = self._pods.trouble or self._unwell
        before = self._answer.status
        common = {"period_seconds": self._period, "version": self._version}
        if trouble is not None:
            return replace(before, state=SourceState.FAILED, text=trouble.message, advice=trouble.advice, **common)
        if not self._pods.listed or not self._version:
            return replace(before, **common)
        text, advice = self._reservations()
        return replace(before, state=SourceState.OK, at=self._clock.now(), took_seconds=self._took, text=text,
                       advice=advice, **common)  # fmt: skip

    def _reservations(self) -> tuple[str, str]:
        """What is not told although the source is well: a right that is missing, an object that can't be read."""
        optional = {
            f"pods of {self._selector}": self._selected,
            "nodes": self._nodes,
            "batch Jobs": self._batch,
            "events": self._events,
        }
        for what, watched in optional.items():
            if watched.trouble is not None:
                return f"without {what}: {watched.trouble.message}", watched.trouble.advice
        refused = next((watched.refused for watched in self._all() if watched.refused), "")
        return (f"some objects are left out: {refused}", "") if refused else ("", "")

    def _jobs(self) -> Iterator[Job]:
        made = {}
        newest: dict[str, pods.EventFacts] = {}
        for event in self._events.facts.values():
            if event.about not in newest or event.at > newest[event.about].at:
                newest[event.about] = event
        grouped = jobs.groups(self._all_pods().values(), self._batch.facts, self._owners.above, self._owners.unread)
        for uid, group in grouped.items():
            warning = _warning(group, newest)
            basis = (group.owner, group.made_by, warning, *group.pods, *group.batch)
            known = self._made.get(uid)
            job = known[1] if known and known[0] == basis else jobs.job_of(group, self._spec.name, warning)
            made[uid] = basis, job
            yield job
        self._made = made

    def _scheduler_nodes(self) -> Iterator[SchedulerNode]:
        used: dict[str, int] = {}
        for pod in self._pods.facts.values():
            if pod.node and not pod.state.is_over:
                used[pod.node] = used.get(pod.node, 0) + (pod.work.count or 0)
        for node in self._nodes.facts.values():  # pods of other namespaces hold some, too
            yield node if self._namespace else replace(node, accelerators_used=used.get(node.name, 0))

    # -- what is asked for

    def _path(self, api: str, plural: str) -> str:
        return f"/{api}/namespaces/{self._namespace}/{plural}" if self._namespace else f"/{api}/{plural}"

    def _pod_kind(self, selector: str) -> Kind[objects.Pod, pods.PodFacts]:
        def reduce(pod: objects.Pod) -> tuple[str, pods.PodFacts] | None:
            facts = pods.pod_facts(pod, self._user_label)
            return (facts.uid, facts) if selector or facts.holds_devices else None

        asked = {"labelSelector": selector} if selector else {}
        return Kind(self._path("api/v1", "pods"), objects.Pod, reduce, asked)

    def _batch_kind(self) -> Kind[objects.BatchJob, pods.BatchFacts]:
        def reduce(job: objects.BatchJob) -> tuple[str, pods.BatchFacts] | None:
            facts = pods.batch_facts(job, self._user_label)
            asks = self._selector or facts.work.accelerators or facts.work.claims
            return (facts.uid, facts) if asks else None

        return Kind(self._path("apis/batch/v1", "jobs"), objects.BatchJob, reduce)

    def _event_kind(self) -> Kind[objects.Event, pods.EventFacts]:
        return Kind(self._path("api/v1", "events"), objects.Event, _of_event, {"fieldSelector": "type=Warning"})


def _warning(group: jobs.Group, newest: Mapping[str, pods.EventFacts]) -> pods.EventFacts | None:
    """The newest complaint about a unit, its pods, or what made them."""
    if not newest:
        return None
    uids = [pod.uid for pod in group.pods] + [job.uid for job in group.batch]
    uids += [group.owner.uid] if group.owner else []
    uids += [pod.owner.uid for pod in group.pods[:1] if pod.owner]
    return max((newest[uid] for uid in uids if uid in newest), key=lambda one: one.at, default=None)


def _of_node(node: objects.Node) -> tuple[str, SchedulerNode]:
    return node.metadata.uid, pods.node_facts(node)


def _of_event(event: objects.Event) -> tuple[str, pods.EventFacts]:
    return event.metadata.uid, pods.event_facts(event)


_NODES = Kind("/api/v1/nodes", objects.Node, _of_node)
