"""`watchfloor snapshot`: read the fleet once and print it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from watchfloor import query, wiring
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit, of_fleet
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec, Phase, Scope
from watchfloor.snapshot.document import document
from watchfloor.snapshot.exposition import exposition
from watchfloor.snapshot.selection import Selection, failed_nodes, select
from watchfloor.snapshot.table import table as table_text

DEFAULT_TIMEOUT_SECONDS = 15.0
SETTLE_SECONDS = 1.6  # rates need a second reading, which comes one period (1 s) after the first
SERVICE_SECONDS = 12.5  # inference servers are asked every 10 s, once the processes on the accelerators are known


def snapshot(
    *hosts: Hosts,
    source: Source = Source(),
    where: Annotated[str, Parameter(help="Only what this query is true for, such as 'util > 50 and temp > 60'.")] = "",
    json: Annotated[bool, Parameter(help="As JSON (`watchfloor schema snapshot` describes it).")] = False,
    table: Annotated[bool, Parameter(help="As an aligned table (the default).")] = False,
    prometheus: Annotated[bool, Parameter(help="In Prometheus' text exposition format.")] = False,
    columns: Annotated[str, Parameter(help="For --table: metrics separated by commas; node.cpu for the node's.")] = "",
    timeout: Annotated[float, Parameter(help="Seconds that slow nodes are waited for.")] = DEFAULT_TIMEOUT_SECONDS,
) -> int:
    """Read every node once, print what was read, and say what was not (exit code 3: some nodes, 4: all of them)."""
    if json + table + prometheus > 1:
        raise ConfigError("more than one of --json, --table and --prometheus", "choose one", file="snapshot")
    if not timeout > 0:
        raise ConfigError(f"{timeout:g} seconds to wait", "a number above 0", file="--timeout")
    condition = query.parse(where) if where else None
    specs = source.specs(hosts)
    about_services = condition is not None and condition.scope is Scope.SERVICE
    frame = collected(specs, timeout, SERVICE_SECONDS if about_services else SETTLE_SECONDS)
    if frame.accelerators.count == 0 and all(spec.local for spec in specs):
        output.remark("no accelerators on this machine; `watchfloor demo` shows a simulated fleet")
    show(select(frame, condition), "json" if json else "prometheus" if prometheus else "table", _names(columns))
    return code_of(frame)


def collected(specs: Sequence[NodeSpec], timeout_seconds: float, settle_seconds: float = SETTLE_SECONDS) -> Frame:
    """One frame of these nodes, each settled or failed, or as they are when the time is over."""
    return asyncio.run(wiring.collect(specs, timeout_seconds, lambda frame: settled(frame, settle_seconds)))


def settled(frame: Frame, seconds: float = SETTLE_SECONDS) -> bool:
    """Every node has failed once, or has been live for long enough to have rates and an answer of every sampler."""
    return all(_node_settled(frame, node, seconds) for node in range(len(frame.specs)))


def _node_settled(frame: Frame, node: int, seconds: float) -> bool:
    status, told = frame.statuses[node], frame.specs[node].source is not None
    if status.phase is not Phase.LIVE:
        return status.phase in (Phase.BACKOFF, Phase.STOPPED) or (told and status.phase is Phase.STALE)
    samplers = frame.detail[node].samplers
    answered = bool(samplers) and all(sampler.at or sampler.state != "ok" for sampler in samplers.values())
    # what a metrics server tells has its rates already
    return answered and (told or frame.at - status.since >= seconds)


def show(selection: Selection, form: str, columns: list[str]) -> None:
    """Print a selection as "json", "table" or "prometheus"."""
    if form == "json":
        output.write_json(document(selection))
    elif form == "prometheus":
        output.write(exposition(selection))
    else:
        output.write(table_text(selection, columns, output.terminal_width(), output.coloured()))


def code_of(frame: Frame) -> Exit:
    """The exit code that the state of the fleet asks for."""
    failed = len(failed_nodes(frame))
    return of_fleet(len(frame.specs) - failed, failed)


def _names(columns: str) -> list[str]:
    return [name.strip() for name in columns.split(",") if name.strip()]
