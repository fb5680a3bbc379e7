"""`watchfloor links`: the links of the fleet, folded, the worst first."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from watchfloor import query
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.commands.snapshot import DEFAULT_TIMEOUT_SECONDS, code_of, collected
from watchfloor.errors import ConfigError
from watchfloor.folds import Grouping
from watchfloor.model import Scope
from watchfloor.snapshot.fabric import FabricReport


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
    frame = collected(source.specs(hosts), timeout, with_link_rates=True)
    report = FabricReport(frame, by, condition.mask(frame) if condition else None, odd, matrix)
    if json:
        output.write_json(report.document())
    else:
        output.write(report.text())
    return code_of(frame)
