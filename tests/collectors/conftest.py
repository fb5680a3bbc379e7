"""What the tests of the collectors share: a lab of real OpenSSH servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sshd


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[sshd.Lab]:
    """An empty lab; its hosts are stopped at the end."""
    sshd.need()
    made = sshd.Lab(tmp_path / "lab")
    try:
        yield made
    finally:
        made.close()
