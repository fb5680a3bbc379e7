"""`watchfloor report`: what a stretch of time was like, from what is kept: for a weekly review, and for auditors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import tzinfo
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from watchfloor import __version__
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, moment
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit
from watchfloor.jobs.config import Pricing
from watchfloor.keeper import account
from watchfloor.lineagebook import here
from watchfloor.places import ledger_file, lineage_place, sessions_folder
from watchfloor.reporting.document import document
from watchfloor.reporting.figures import Report
from watchfloor.reporting.kept import Window
from watchfloor.reporting.markdown import markdown
from watchfloor.reporting.reading import Places, kept
from watchfloor.reporting.text import text
from watchfloor.reporting.webpage import webpage
from watchfloor.reporting.whole import report as made_of
from watchfloor.sparing import uncollected

if TYPE_CHECKING:
    from watchfloor.inventory import Inventory

_WIDTH = 100  # of a file: what reads it may have lines of any length, a person has not


def report(
    *hosts: Hosts,
    since: Annotated[str, Parameter(help="How far back (7d, 12h), or a time: 2026-11-22T00:00.")] = "7d",
    until: Annotated[str, Parameter(help="Likewise; now, where it isn't said.")] = "",
    fleet: Annotated[Path | None, Parameter(help="A fleet.yaml: whose nodes are meant, and prices.")] = None,
    kwh_price: Annotated[float | None, Parameter(help="What a kWh costs, in the currency of the fleet file.")] = None,
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
    md: Annotated[bool, Parameter(help="As Markdown.")] = False,
    html: Annotated[bool, Parameter(help="As a page that needs nothing else.")] = False,
    to: Annotated[Path | None, Parameter(name=["--output", "-o"], help="Write a file instead.")] = None,
    ledger: Annotated[Path | None, Parameter(help="A ledger's file, instead of WATCHFLOOR_LEDGER's.")] = None,
    store: Annotated[str, Parameter(help="Lineage's file, or postgresql://…, instead of WATCHFLOOR_LINEAGE's.")] = "",
    sessions: Annotated[Path | None, Parameter(help="A folder of recordings, instead of WATCHFLOOR_SESSIONS'.")] = None,
) -> int:
    """Availability, faults, hours, energy, acts, approvals and changes of a stretch of time. Nothing is contacted."""
    if json + md + html > 1:
        raise ConfigError("more than one form at once", "one of --json, --md and --html", file="report")
    window = _window(since, until)
    inventory = _inventory(hosts, fleet)
    places = Places(
        ledger or ledger_file(),
        store or lineage_place(),
        sessions or sessions_folder(),
        inventory.specs if inventory else None,
        inventory.prices if inventory else Pricing(),
        kwh_price,
    )
    facts = {"watchfloor": __version__, "by": account(), "on": os.uname().nodename}
    with uncollected():
        told = made_of(kept(places, window), time.time(), here(), facts)
    form = "json" if json else "md" if md else "html" if html else "text"
    _write(_DRAWN[form](told, here(), to is None), to)
    return Exit.OK


def _window(since: str, until: str) -> Window:
    """Raises ConfigError."""
    begin, end = moment(since, "--since"), moment(until, "--until")
    window = Window(begin or 0.0, time.time() if end is None else end)
    if begin is None or window.seconds <= 0:
        raise ConfigError("nothing lies between --since and --until", "--since is the earlier one", file="report")
    return window


def _inventory(hosts: tuple[str, ...], fleet: Path | None) -> Inventory | None:
    """What somebody has said of the fleet; None: what was recorded counts. Raises ConfigError."""
    from watchfloor.inventory import from_arguments, usual_fleet_file  # noqa: PLC0415 - YAML, where there is a file

    return from_arguments(hosts, fleet) if hosts or fleet or usual_fleet_file() else None


def _text(told: Report, zone: tzinfo, here: bool) -> str:
    return text(told, zone, (output.terminal_width() if here else None) or _WIDTH)


_DRAWN: Mapping[str, Callable[[Report, tzinfo, bool], str]] = {
    "json": lambda told, zone, here: dumps(document(told), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    "md": lambda told, zone, here: markdown(told, zone),
    "html": lambda told, zone, here: webpage(told, zone),
    "text": _text,
}


def _write(drawn: str, to: Path | None) -> None:
    """Raises ConfigError where the file can't be written."""
    if to is None:
        output.write(drawn)
        return
    try:
        to.write_text(drawn, "utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(error.strerror or str(error), "a file that can be written", file=str(to)) from error
