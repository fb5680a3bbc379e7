"""`watchfloor stack`: the software of the fleet by layer, and where it has drifted apart."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from watchfloor import wiring
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.commands.snapshot import DEFAULT_TIMEOUT_SECONDS, code_of, tell_of_silent
from watchfloor.commands.waiting import settled
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.model import Phase
from watchfloor.snapshot.software import SoftwareReport
from watchfloor.stack import Grouping

SETTLE_SECONDS = 3.0  # processes are looked into once the drivers have told who holds what


def stack(
    *hosts: Hosts,
    source: Source = Source(),
    by: Annotated[Grouping, Parameter(help="What nodes are held against one another by.")] = Grouping.GROUP,
    different: Annotated[bool, Parameter(help="Only what differs, or doesn't go together.")] = False,
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds that slow nodes are waited for.")] = DEFAULT_TIMEOUT_SECONDS,
) -> int:
    """Which version of what is on how many nodes, from firmware to inference server, and what doesn't go together."""
    if not timeout > 0:
        raise ConfigError(f"{timeout:g} seconds to wait", "a number above 0", file="--timeout")
    frame = asyncio.run(wiring.collect(source.specs(hosts), timeout, told))
    tell_of_silent(frame)
    report = SoftwareReport(frame, by, different)
    if json:
        output.write_json(report.document())
    else:
        output.write(report.text())
    return code_of(frame)


def told(frame: Frame) -> bool:
    """Every node has failed once, or has had the time to look into its processes."""
    live = [status for status in frame.statuses if status.phase is Phase.LIVE]
    return settled(frame) and all(frame.at - status.since >= SETTLE_SECONDS for status in live)
