"""What was typed before: a bounded list in a file, kept for the arrow keys of the filter bar and the command line.

What looks like a secret is recalled as long as the program runs, and not written to the file.
"""

from __future__ import annotations

import os
from pathlib import Path

from watchfloor.redact import redact

LIMIT = 200


class Remembered:
    """Texts, oldest first. A file that can't be read or written is no error: then they last as long as the program."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._texts: list[str] | None = None  # read when first asked for
        self._at = 0

    def add(self, text: str) -> None:
        """The newest text; one that was there before moves to the end."""
        texts = self._read()
        if text.strip():
            self._texts = [*(known for known in texts if known != text), text][-LIMIT:]
            self._write()
        self.rewind()

    def rewind(self) -> None:
        """The next `older` is the newest."""
        self._at = len(self._read())

    def older(self) -> str | None:
        """The text before, None where there is none."""
        texts = self._read()
        if self._at == 0:
            return None
        self._at -= 1
        return texts[self._at]

    def newer(self) -> str | None:
        """The text after, "" behind the newest; None where we are there already."""
        texts = self._read()
        if self._at >= len(texts):
            return None
        self._at += 1
        return texts[self._at] if self._at < len(texts) else ""

    def _read(self) -> list[str]:
        if self._texts is None:
            self._texts = _lines_of(self._path)[-LIMIT:] if self._path else []
            self._at = len(self._texts)
        return self._texts

    def _write(self) -> None:
        if self._path is None or self._texts is None:
            return
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write("".join(f"{redact(text)}\n" for text in self._texts))
            new.replace(self._path)
        except OSError:
            self._path = None  # a read-only home, a full disk: not worth a word


def _lines_of(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return []
