"""Expected outputs as readable files: compared in tests, renewed by `make golden` (which sets GOLDEN=1)."""

from __future__ import annotations

import os
from pathlib import Path


def same_as_golden(path: Path, text: str) -> None:
    """Fail where `text` isn't what the file holds; with GOLDEN=1 write the file instead."""
    if os.environ.get("GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    assert path.exists(), f"{path} is missing: `make golden` writes it"
    assert text == path.read_text(encoding="utf-8"), (
        f"{path} is out of date: `make golden` renews it, then look at the diff"
    )
