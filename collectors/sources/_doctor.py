"""What `watchfloor doctor` finds out of nodes that a metrics server tells of: the server, their series, their age."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.diagnosis import Check, CheckState
from collectors.sources._round import Round, ask
from collectors.sources._told import NodeTold
from collectors.sources.prometheus import Finder, in_thread, no_series, standing
from watchfloor.errors import ConnectError
from watchfloor.model import MetricsSource, NodeSpec, Phase


async def diagnose(source: MetricsSource, specs: Sequence[NodeSpec]) -> list[list[Check]]:
    """The steps for each node of one source; the server is asked once. Never raises for what is wrong with it."""
    try:
        asked = await in_thread(lambda: ask(source))
    except ConnectError as error:
        failed = Check("server", CheckState.FAILED, error.message, error.advice)
        after = [Check(name, CheckState.SKIPPED, "not reached: server") for name in ("series", "age")]
        return [[failed, *after] for _ in specs]
    finder = Finder(asked.told)
    return [[_server(source, asked), *_node(source, spec, asked, finder)] for spec in specs]


def _server(source: MetricsSource, asked: Round) -> Check:
    if asked.failed:
        name, words = next(iter(sorted(asked.failed.items())))
        text = f"{source.url}: {len(asked.failed)} of {asked.names} queries failed: {name}: {words}"
        return Check("server", CheckState.WARNING, text, "see the limits of the server")
    return Check("server", CheckState.OK, f"{source.url}: {asked.names} metrics of {len(asked.told)} nodes")


def _node(source: MetricsSource, spec: NodeSpec, asked: Round, finder: Finder) -> list[Check]:
    told = finder.find(spec, source.match)
    if told is None:
        trouble = no_series(source, spec, asked)
        failed = Check("series", CheckState.FAILED, trouble.message, trouble.advice)
        return [failed, Check("age", CheckState.SKIPPED, "not reached: series")]
    return [Check("series", CheckState.OK, _subjects(told)), _age(source, told)]


def _subjects(told: NodeTold) -> str:
    return ", ".join(f"{len(rows)} {scope.value}{'s' if len(rows) != 1 else ''}" for scope, rows in told.rows.items())


def _age(source: MetricsSource, told: NodeTold) -> Check:
    phase, trouble = standing(source, told)
    if phase is Phase.LIVE or trouble is None:
        return Check("age", CheckState.OK, f"its newest sample is {told.age:.0f} s old")
    return Check("age", CheckState.FAILED, trouble.message, trouble.advice)
