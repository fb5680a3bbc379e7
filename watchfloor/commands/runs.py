"""`watchfloor runs` and `watchfloor show`: what was proposed, what waits, what is being done and what came of it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from watchfloor import governance
from watchfloor.commands import output
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit
from watchfloor.lineage.times import Times
from watchfloor.metrics import Unit
from watchfloor.places import ledger_file
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.runs import RunRecord, Standing, find, runs_of
from watchfloor.snapshot.runs import document, run_text, runs_document, runs_text
from watchfloor.units import quantity

Json = Annotated[bool, Parameter(help="As JSON.")]


def runs(
    *,
    since: Annotated[str, Parameter(help="How far back, such as 12h or 28d.")] = "28d",
    open: Annotated[bool, Parameter(help="Only those that are not over.")] = False,
    json: Json = False,
) -> int:
    """Runs as the ledger tells them, the oldest first."""
    try:
        seconds = quantity(since, Unit.SECONDS)
    except ValueError as error:
        raise ConfigError(f"{since!r} is no time", "such as 12h or 28d", file="--since") from error
    read = _read(time.time() - seconds)
    found = [_heard(run) for run in read if not open or run.standing is not Standing.OVER]
    if json:
        output.write_json(runs_document(found))
    else:
        output.write(runs_text(found, _times()))
    return Exit.OK


def show(run: Annotated[str, Parameter(help="A run's id, or how it begins.")], /, *, json: Json = False) -> int:
    """One run: the plan as it was shown, who decided and why, every command and what came of it."""
    path = ledger_file()
    found: list[RunRecord] = []
    if path.exists():
        with LedgerReader(path) as reader:
            found = find(reader, run)
    if len(found) != 1:
        many = f"{len(found)} runs begin with {run!r}" if found else f"there is no run {run!r}"
        raise ConfigError(many, "`watchfloor runs` lists them", file="show")
    if json:
        output.write_json(document(governance.heard(found[0], time.time())))
    else:
        output.write(run_text(found[0], _times(), governance.grounds(found[0], time.time())))
    return Exit.OK


def _read(since: float) -> list[RunRecord]:
    path = ledger_file()
    if not path.exists():
        return []
    with LedgerReader(path) as reader:
        return runs_of(reader, since)


def _heard(run: RunRecord) -> RunRecord:
    """Signatures are looked at where something depends on them still: there may be thousands of runs that are over."""
    return run if run.standing is Standing.OVER else governance.heard(run, time.time())


def _times() -> Times:
    return Times(time.time(), datetime.now().astimezone().tzinfo or Times(0.0).zone)
