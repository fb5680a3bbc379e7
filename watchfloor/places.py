"""Where the files of this user's watchfloor are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def state_folder(env: Mapping[str, str]) -> Path:
    """What a program keeps between two runs (XDG base directory specification)."""
    base = env.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local/state") / "watchfloor"


def lineage_place() -> str:
    """Where lineage is kept: WATCHFLOOR_LINEAGE (a file, or postgresql://…), else a file beside the findings."""
    return os.environ.get("WATCHFLOOR_LINEAGE", "") or str(state_folder(os.environ) / "lineage.db")


def findings_file() -> Path:
    """Where findings over time are kept for this user."""
    return state_folder(os.environ) / "findings.db"


def ledger_file() -> Path:
    """Where the ledger is kept: WATCHFLOOR_LEDGER, else a file beside the findings."""
    named = os.environ.get("WATCHFLOOR_LEDGER", "")
    return Path(named) if named else state_folder(os.environ) / "ledger.db"
