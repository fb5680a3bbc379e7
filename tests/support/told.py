"""A command of `watchfloor` as a person and a script use it, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from watchfloor import cli


class Told:
    """Runs `watchfloor COMMAND …`; what it printed last is `out` and `err`."""

    def __init__(self, command: str, capfd: pytest.CaptureFixture[str]) -> None:
        self._command, self._capfd = command, capfd
        self.out = self.err = ""

    def __call__(self, *words: str | Path) -> int:
        code = cli.run([self._command, *map(str, words)])
        self.out, self.err = self._capfd.readouterr()
        return code

    def json(self, *words: str | Path) -> Any:
        self(*words, "--json")
        return json.loads(self.out)
