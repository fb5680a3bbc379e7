"""`watchfloor links`: the links of the fleet, folded, the worst first."""

from __future__ import annotations

import asyncio
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from watchfloor import query, wiring
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.commands.snapshot import DEFAULT_TIMEOUT_SECONDS, code_of, settled
from watchfloor.errors import ConfigError
from watchfloor.folds import Grouping
from watchfloor.frame import Frame
from watchfloor.model import Missing, Scope
from watchfloor.snapshot.fabric import FabricReport

RATE_SECONDS = 12.0  # the slowest counters of links are read every five seconds, and a rate needs two readings


def links(
    *hosts: Hosts,
    source: Source = Source(),
    by: Annotated[Grouping, Parameter(help="What links are folded by, beside their kind.")] = Grouping.NODE,
    where: Annotated[str, Parameter(help="Only links that this query is true for, such as 'usage > 50'.")] = "",
    odd: Annotated[bool, Parameter(help="Only what stands out: down, slow, uneven, or with a finding.")] = False,
    matrix: Annotated[bool, Parameter(help="How the accelerators of each node hang together, too.")] = False,
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds that slow nodes are waited for.")] = DEFAULT_TIMEOUT_SECONDS,
) -> int:
    """Every link of the fleet, folded: how many are up, what flows, and what is down, slow or uneven."""
    if not timeout > 0:
        raise ConfigError(f"{timeout:g} seconds to wait", "a number above 0", file="--timeout")
    condition = query.parse(where, Scope.LINK) if where else None
    frame = asyncio.run(
        wiring.collect(source.specs(hosts), timeout, lambda frame: settled(frame) and not awaited(frame))
    )
    report = FabricReport(frame, by, condition.mask(frame) if condition else None, odd, matrix)
    if json:
        output.write_json(report.document())
    else:
        output.write(report.text())
    return code_of(frame)


def awaited(frame: Frame) -> bool:
    """Whether links that are up will tell rates soon: a sum over those that do already would look like all of it."""
    links = frame.links
    due = (links.reasons("rx") == Missing.NOT_YET) & (links.last("up") == 1)
    heard = (frame.statuses[node] for node in np.unique(links.node[due]).tolist() if frame.live[node])
    return any(frame.at - status.since < RATE_SECONDS for status in heard)
