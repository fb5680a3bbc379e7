"""Ray as a source of jobs: the dashboard's REST API, asked every few seconds.

Jobs come from /api/jobs/; who holds accelerators where, from the state API (nodes, actors, tasks, placement groups), as
far as this version of Ray has it. Must not do: submit, stop, or hold up anything else when the dashboard is slow.

Options: `address` (http://head:8265), `token_file` or `token_env` (a bearer token), `ca_file`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import msgspec

from collectors.sources import _ray_jobs as jobs
from collectors.sources import _ray_objects as objects
from collectors.sources._http import Connection, first_words, secret
from collectors.sources._thread import in_thread
from watchfloor.errors import ConnectError
from watchfloor.jobs.model import JobSourceSpec, SourceAnswer, SourceState, SourceStatus
from watchfloor.model import Problem
from watchfloor.ports import Clock, Transport

KIND = jobs.KIND
_LOCAL = "http://127.0.0.1:8265"
_POLITE = 20  # it is asked so many times more seldom than its answers take
_MOST = 10_000  # rows of the state API: its own limit

_log = logging.getLogger(__name__)
_Kind = TypeVar("_Kind")


class Source:
    def __init__(self, spec: JobSourceSpec, transport: Transport | None, clock: Clock) -> None:
        del transport  # the dashboard is reached from here
        self._spec = spec
        self._clock = clock
        self._dashboard = Dashboard(spec)
        self._wake = asyncio.Event()
        status = SourceStatus(spec.name, KIND, period_seconds=spec.period_seconds, cluster=spec.cluster)
        self._answer = SourceAnswer(status)

    def wake(self) -> None:
        self._wake.set()

    async def run(self, tell: Callable[[SourceAnswer], None]) -> None:
        tell(self._answer)
        while True:
            began = self._clock.monotonic()
            self._answer = await self._ask()
            tell(self._answer)
            took = self._clock.monotonic() - began
            period = self._answer.status.period_seconds
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.1, period - took)):
                    await self._wake.wait()
            self._wake.clear()

    async def _ask(self) -> SourceAnswer:
        began = self._clock.monotonic()
        try:
            version, told = await in_thread(self._dashboard.ask)
            found, nodes = jobs.jobs_of(told, self._spec.name, self._spec.cluster), jobs.nodes_of(told)
        except ConnectError as error:
            return self._failed(error)
        except Exception:  # a fault of our own: it is told, and the next question follows
            _log.exception("reading %s failed", self._spec.name)
            return self._failed(ConnectError(Problem.PROBE, "an error in watchfloor: its log has it"))
        took = self._clock.monotonic() - began
        period = max(self._spec.period_seconds, _POLITE * took)
        text = f"without accelerators of jobs: {told.missing}" if told.missing else ""
        name, cluster = self._spec.name, self._spec.cluster
        at = self._clock.now()
        status = SourceStatus(name, KIND, SourceState.OK, at, took, period, version, text, cluster=cluster)
        return SourceAnswer(status, found, nodes)

    def _failed(self, error: ConnectError) -> SourceAnswer:
        """What was told before stays, with its age."""
        status = replace(self._answer.status, state=SourceState.FAILED, text=error.message, advice=error.advice)
        return replace(self._answer, status=status)


class Dashboard:
    """The REST API, blocking; for one thread at a time."""

    def __init__(self, spec: JobSourceSpec) -> None:
        self._told = spec.options
        address = self._told.get("address") or _LOCAL
        self._connection = Connection(
            address if "://" in address else f"http://{address}",
            spec.timeout_seconds,
            self._told.get("ca_file", ""),
            "see the dashboard's own log",
        )

    def ask(self) -> tuple[str, jobs.Told]:
        """Ray's version, and what there is. Raises ConnectError where the jobs can't be had."""
        version = self._get("/api/version", objects.Version).ray_version
        told = jobs.Told(self._get("/api/jobs/", list[objects.RayJob]))
        try:
            told.nodes = self._rows("nodes", objects.RayNode)
            told.actors = self._rows("actors", objects.Actor)
            told.tasks = self._rows("tasks", objects.Task)
            told.groups = self._rows("placement_groups", objects.PlacementGroup)
        except ConnectError as error:  # an older Ray, or one without the state API: its jobs are known all the same
            told.missing = error.message
        with suppress(ConnectError):  # a page of the dashboard's own: without it nodes go by their addresses
            told.hostnames = self._get("/nodes?view=summary", objects.Summary).hostnames
        return version, told

    def _rows(self, what: str, row: type[_Kind]) -> list[_Kind]:
        """`detail` has the resources; finished tasks are left to the dashboard."""
        living = {
            "actors": "&filter_keys=state&filter_predicates=%3D&filter_values=ALIVE",
            "tasks": "&filter_keys=state&filter_predicates=%3D&filter_values=RUNNING",
        }
        target = f"/api/v0/{what}?detail=1&limit={_MOST}{living.get(what, '')}"
        answer = self._get(target, objects.State[row])  # pyright: ignore[reportInvalidTypeArguments] -- made at run time
        if not answer.result:
            raise ConnectError(Problem.GARBAGE, f"{self._connection.url}: {what}: {answer.msg}")
        return answer.rows

    def _get(self, target: str, kind: type[_Kind]) -> _Kind:
        told = self._told
        headers = {}
        if told.get("token_file") or told.get("token_env"):
            headers["Authorization"] = f"Bearer {secret(told.get('token_file', ''), told.get('token_env', ''))}"
        answer = self._connection.get(target, headers)
        if answer.status != 200:
            rights = "see token_file or token_env of the source"
            raise self._connection.refusal(answer, first_words(answer.body), rights)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.DecodeError as error:
            path = target.partition("?")[0]
            text = f"{self._connection.url} does not speak Ray's API at {path}: {error}"
            raise ConnectError(Problem.GARBAGE, text, "address names the dashboard, as http://head:8265") from error
