"""`watchfloor metrics`: the catalogue, for people (table) and programs (JSON)."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from watchfloor.commands.output import write, write_json
from watchfloor.exits import Exit
from watchfloor.snapshot.catalogue import as_records, as_text


def metrics(json: Annotated[bool, Parameter(help="As JSON.")] = False) -> int:
    """Every metric: name, unit, kind, and where each vendor's value comes from."""
    if json:
        write_json({"metrics": as_records()})
    else:
        write(as_text())
    return Exit.OK
