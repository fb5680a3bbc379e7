"""A Prometheus-compatible server as a source: the nodes that it knows, every few seconds, into the same sink as SSH.

What the server says becomes the hello, schema and report of each node, as if a probe had spoken; a round that fails is
told as the status of its nodes, and the next one follows when it is due. Must not do: ask for what nobody shows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from collectors.sources._round import Round, ask
from collectors.sources._thread import in_thread
from collectors.sources._told import NodeTold, cells, tables
from watchfloor.errors import ConnectError, StreamError
from watchfloor.model import MetricsSource, NodeSpec, NodeStatus, Phase, Problem, Scope
from watchfloor.ports import Clock, FleetSink
from watchfloor.report import PROTOCOL_VERSION, Hello, Report, SamplerStatus, Schema, Table

VIA = "prometheus"
_NODES_AT_ONCE = 5  # applied before other loops get their turn
_WORDS_OF_FAILURES = 3

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Node:
    index: int
    spec: NodeSpec
    status: NodeStatus = field(default_factory=NodeStatus)
    boot: tuple[str, str] | None = None  # name and boot id of its last hello
    tables: Mapping[str, Table] = field(default_factory=dict)
    generation: int = 0
    reports: int = 0


class PrometheusSource:
    """All nodes of one source. `run()` until cancelled, on the loop of the sink."""

    def __init__(
        self, source: MetricsSource, nodes: Sequence[tuple[int, NodeSpec]], sink: FleetSink, clock: Clock
    ) -> None:
        self._source = source
        self._nodes = [_Node(index, spec) for index, spec in nodes]
        self._sink = sink
        self._clock = clock
        self._wake = asyncio.Event()

    def reconnect(self) -> None:
        """Ask now. On the loop of `run`."""
        self._wake.set()

    async def run(self) -> None:
        for node in self._nodes:
            self._say(node, Phase.CONNECTING)
        try:
            while True:
                began = self._clock.monotonic()
                await self._round()
                left = self._source.period_seconds - (self._clock.monotonic() - began)
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.1, left)):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            for node in self._nodes:
                self._say(node, Phase.STOPPED)

    async def _round(self) -> None:
        began = self._clock.monotonic()
        try:
            asked = await in_thread(lambda: ask(self._source))
        except ConnectError as error:
            for node in self._nodes:
                self._say(node, Phase.BACKOFF, error)
            return
        except Exception:  # a fault of the console's own: it is told, and the next round follows
            _log.exception("reading %s failed", self._source.url)
            for node in self._nodes:
                self._say(node, Phase.BACKOFF, ConnectError(Problem.PROBE, "an error in watchfloor: its log has it"))
            return
        await self._apply(asked, self._clock.monotonic() - began)

    async def _apply(self, asked: Round, took: float) -> None:
        finder, sampler = Finder(asked.told), self._sampler(asked, took)
        for count, node in enumerate(self._nodes):
            told = finder.find(node.spec, self._source.match)
            if told is None:
                self._say(node, Phase.BACKOFF, no_series(self._source, node.spec, asked))
            else:
                self._tell(node, told, sampler)
            if count % _NODES_AT_ONCE == _NODES_AT_ONCE - 1:
                await asyncio.sleep(0)

    # -- one node

    def _tell(self, node: _Node, told: NodeTold, sampler: SamplerStatus) -> None:
        """As a probe would: who it is, what it has, every value."""
        heard = self._clock.now() - min(told.age, self._source.stale_after_seconds * 2)
        try:
            self._greet(node, told, heard)
            found = tables(told)
            if found != node.tables or not node.generation:
                node.generation += 1
                self._sink.schema(node.index, Schema(node.generation, dict(found)))
                node.tables = found
            node.reports += 1
            known = {name: status for name, status in told.samplers.items() if status.state}
            samplers = {**known, VIA: sampler}
            report = Report(
                node.reports, node.generation, heard, full=True, cells=cells(told, found), samplers=samplers
            )
            self._sink.report(node.index, report, heard)
        except StreamError as error:
            self._say(node, Phase.BACKOFF, ConnectError(error.problem, error.message, error.advice))
            return
        self._say(node, *standing(self._source, told))

    def _greet(self, node: _Node, told: NodeTold, heard: float) -> None:
        """A hello when it is first heard, and when it has booted."""
        row = told.rows.get(Scope.NODE, {}).get("", {})
        name, boot = row.pop("hostname", ""), row.pop("boot_id", "")
        who = (name if isinstance(name, str) else "", boot if isinstance(boot, str) else "")
        if node.boot != who:
            node.boot, node.generation = who, 0
            self._sink.hello(node.index, Hello(PROTOCOL_VERSION, who[0], who[1], heard, VIA), heard)

    def _sampler(self, asked: Round, took: float) -> SamplerStatus:
        failures = [f"{name}: {words}" for name, words in sorted(asked.failed.items())]
        text = "; ".join(failures[:_WORDS_OF_FAILURES])
        if len(failures) > _WORDS_OF_FAILURES:
            text += f"; and {len(failures) - _WORDS_OF_FAILURES} more"
        state = "failed" if failures else "ok"
        return SamplerStatus(state, text, self._clock.now(), took, 0.0, self._source.period_seconds)

    def _say(self, node: _Node, phase: Phase, trouble: ConnectError | None = None) -> None:
        now, old = self._clock.now(), node.status
        failed = phase is Phase.BACKOFF
        node.status = NodeStatus(
            phase,
            trouble.problem if trouble else Problem.NONE,
            trouble.message if trouble else "",
            trouble.advice if trouble else "",
            since=now if phase is not old.phase else old.since,
            retry_at=now + self._source.period_seconds if failed else 0.0,
            attempts=old.attempts + 1 if failed else 0,
            via=VIA,
        )
        self._sink.status(node.index, node.status)


def standing(source: MetricsSource, told: NodeTold) -> tuple[Phase, ConnectError | None]:
    """Whether what was told of a node is current, and why not."""
    if not told.up:
        text = f"the exporter does not read it: {told.why or 'it does not say why'}"
        return Phase.STALE, ConnectError(Problem.UNREACHABLE, text, "see the exporter's own console")
    if told.age > source.stale_after_seconds:
        said = "of unknown age" if told.age == float("inf") else f"{told.age:.0f} s old"
        advice = "see whether the server still scrapes its exporter"
        return Phase.STALE, ConnectError(Problem.HUNG, f"its newest sample is {said}", advice)
    return Phase.LIVE, None


def no_series(source: MetricsSource, spec: NodeSpec, asked: Round) -> ConnectError:
    """Why nothing was told of a node."""
    if not asked.names:
        text = f"{source.url} has no series of dcgm-exporter or watchfloor"
        advice = "see the selector of its source, and whether the server scrapes an exporter"
    else:
        text = f"{source.url} has series of {len(asked.told)} nodes, and none of them is {spec.name}"
        shown = ", ".join(sorted(asked.told)[:3])
        advice = f"label and match of its source say how nodes are called; it has {shown or 'none with a name'}"
    return ConnectError(Problem.NO_SERIES, text, advice)


class Finder:
    """Which of the names in the series is a node's: as it is called, else without port, else without domain."""

    def __init__(self, told: Mapping[str, NodeTold]) -> None:
        self._told = told
        self._loose: dict[str, list[str]] = {}
        for value in told:
            host = without_port(value)
            for name in {host, host.partition(".")[0]} - {value}:
                self._loose.setdefault(name, []).append(value)

    def find(self, spec: NodeSpec, match: str) -> NodeTold | None:
        names = [match.format(name=spec.name, host=spec.host)] if match else [spec.name, spec.host]
        for name in names:
            if name in self._told:
                return self._told[name]
        for name in names if not match else ():
            values = self._loose.get(name, [])
            if len(values) == 1:  # two that look alike are not guessed between
                return self._told[values[0]]
        return None


def without_port(value: str) -> str:
    """The host of `host:port`; an address of IPv6 without its brackets."""
    host, colon, port = value.rpartition(":")
    return host.strip("[]") if colon and port.isdecimal() and ("]" in host or ":" not in host) else value
