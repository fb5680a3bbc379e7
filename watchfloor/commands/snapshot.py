"""`watchfloor snapshot`: read the fleet once and print it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import Parameter

from watchfloor import query, wiring
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.commands.waiting import (
    SERVICE_SECONDS,
    SETTLE_SECONDS,
    about_link_rates,
    rates_awaited,
    settled,
    silent,
)
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit, of_fleet
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec, Scope
from watchfloor.snapshot.document import document
from watchfloor.snapshot.exposition import exposition
from watchfloor.snapshot.hanging import hanging
from watchfloor.snapshot.selection import Selection, failed_nodes, is_read, select
from watchfloor.snapshot.table import table as table_text

DEFAULT_TIMEOUT_SECONDS = 25.0  # a node that takes the probe and never says hello is called hung after 20
MOST_NAMED = 5


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
    """Read every node once, print what was read, and say what was not (exit code 3: some nodes, 4: all of them).

    Where links or their rates are asked for, rates are waited for, some ten seconds at most.
    """
    if json + table + prometheus > 1:
        raise ConfigError("more than one of --json, --table and --prometheus", "choose one", file="snapshot")
    if not timeout > 0:
        raise ConfigError(f"{timeout:g} seconds to wait", "a number above 0", file="--timeout")
    if columns and (json or prometheus):
        raise ConfigError(
            "only a table has columns", "leave out --columns, or --json and --prometheus", file="--columns"
        )
    condition = query.parse(where) if where else None
    specs = source.specs(hosts)
    about_services = condition is not None and condition.scope is Scope.SERVICE
    names = _names(columns)
    wait = SERVICE_SECONDS if about_services else SETTLE_SECONDS
    frame = collected(specs, timeout, wait, about_link_rates(condition, names))
    if frame.accelerators.count == 0 and all(spec.local for spec in specs):
        output.remark("no accelerators on this machine; `watchfloor demo` shows a simulated fleet")
    show(select(frame, condition), "json" if json else "prometheus" if prometheus else "table", names)
    return code_of(frame)


def collected(
    specs: Sequence[NodeSpec],
    timeout_seconds: float,
    settle_seconds: float = SETTLE_SECONDS,
    with_link_rates: bool = False,
) -> Frame:
    """One frame of these nodes, each settled or failed, or as they are when the time is over."""

    def ready(frame: Frame) -> bool:
        return settled(frame, settle_seconds) and not (with_link_rates and rates_awaited(frame))

    frame = asyncio.run(wiring.collect(specs, timeout_seconds, ready))
    tell_of_silent(frame)
    return frame


def tell_of_silent(frame: Frame) -> None:
    """What was read of these nodes may lack what samplers would have told that had not answered."""
    nodes = [node for node in range(len(frame.specs)) if is_read(frame, node)]
    hung = _by_node(frame, {node: list(hanging(frame, node)) for node in nodes})
    if hung:
        output.remark(f"samplers that hang, for which no --timeout is long enough: {hung}")
    late = _by_node(frame, {node: silent(frame, node) for node in nodes})
    if late:
        output.remark(f"samplers without an answer when the time was over (--timeout waits longer): {late}")


def _by_node(frame: Frame, samplers: Mapping[int, Sequence[str]]) -> str:
    told = [f"{frame.specs[node].name} ({_few(names, ', ')})" for node, names in samplers.items() if names]
    return _few(told, "; ")


def _few(names: Sequence[str], between: str) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return between.join(names[:MOST_NAMED]) + more


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
