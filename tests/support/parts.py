"""Real parts that tests need: absent, a test skips and says what is missing; with CI=true it fails instead."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(os.environ.get("WATCHFLOOR_SAMPLES") or ROOT.parent / "shared" / "samples")


def missing(what: str) -> None:
    """End the running test because `what` isn't there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI=true asks for every real part")
    pytest.skip(f"{what} is missing")


def program(name: str, package: str) -> str:
    """The path of a program, or the end of the test; `package` is Debian's name for where it comes from."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        missing(f"{name} (Debian: {package})")
    return str(found)


def samples(folder: str) -> Path:
    """A folder of captured outputs, or the end of the test. WATCHFLOOR_SAMPLES says where they are."""
    found = SAMPLES / folder
    if not found.is_dir():
        pytest.skip(f"no samples at {found}: set WATCHFLOOR_SAMPLES")
    return found
