"""`watchfloor schema`: the JSON Schemas, for editors and for programs that read our output."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from watchfloor.commands.output import write
from watchfloor.schemas import schema_text


def schema(
    of: Annotated[Literal["fleet", "playbook", "report", "snapshot"], Parameter(help="The file or output.")] = "fleet",
) -> int:
    """Print the JSON Schema of fleet.yaml, of a playbook, of `report --json` or of `snapshot --json`."""
    write(schema_text(of))
    return 0
