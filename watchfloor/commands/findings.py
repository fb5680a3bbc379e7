"""`watchfloor findings`: what is wrong, the worst first, since when, and who has seen it."""

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
from watchfloor.places import findings_file
from watchfloor.snapshot.findings import FindingReport


def findings(
    *hosts: Hosts,
    source: Source = Source(),
    all: Annotated[bool, Parameter(help="What is over, too.")] = False,
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds that slow nodes are waited for.")] = DEFAULT_TIMEOUT_SECONDS,
) -> int:
    """Read every node once, and tell what the checks find in it, with what is on record of earlier looks."""
    if not timeout > 0:
        raise ConfigError(f"{timeout:g} seconds to wait", "a number above 0", file="--timeout")
    frame = asyncio.run(wiring.collect(source.specs(hosts), timeout, settled, findings_file()))
    tell_of_silent(frame)
    report = FindingReport(frame, over=all)
    if json:
        output.write_json(report.document())
    else:
        output.write(report.text())
    return code_of(frame)
