"""`watchfloor [HOSTS…]`: the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from watchfloor.commands.arguments import Hosts, Source, refuse_misspelt
from watchfloor.commands.output import need_terminal
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.places import findings_file, ledger_file, lineage_place


def terminal(
    *hosts: Hosts,
    source: Source = Source(),
    read_only: Annotated[bool, Parameter(help="Watch only: no key that acts is bound.")] = False,
) -> int:
    """Open the terminal on these hosts; with no hosts, on the fleet file or else on this machine."""
    from watchfloor import lineagebook, wiring  # noqa: PLC0415 - every command imports this module for its signature

    refuse_misspelt(hosts, source)
    need_terminal("`watchfloor snapshot` prints the fleet without one")
    specs, work = source.floor(hosts)
    kept = lineage_place()
    feed = wiring.LiveFeed(specs, findings_file=findings_file(), work=replace(work, lineage=kept))
    with lineagebook.opened(kept) as book:
        return wiring.run_terminal(feed, read_only=read_only, lineage=book, ledger=LedgerFollower(ledger_file()))
