"""What the signatures of approvals on record say, for whoever shows runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfloor.runs import RunRecord


def heard(run: RunRecord) -> RunRecord:
    """With whose word its approvals are, and which count."""
    from watchfloor import governance  # noqa: PLC0415 - not before there is an approval on record

    return governance.heard(run, time.time())
