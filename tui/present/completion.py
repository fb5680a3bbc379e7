"""Completing the word before a cursor: pure, so that the filter bar and the command line do it alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.present.line import Line, Piece
from tui.present.style import Token


@dataclass(frozen=True, slots=True)
class Completion:
    """Words that may stand from `start` to `end` of `text`; `at` is the one that stands there now, -1 for none."""

    text: str
    start: int
    end: int
    words: tuple[str, ...]
    at: int = -1

    @property
    def current(self) -> tuple[str, int]:
        """The text with the chosen word in its place, and where the cursor then is."""
        word = self.words[self.at] if self.at >= 0 else agreed(self.words)
        return self.text[: self.start] + word + self.text[self.end :], self.start + len(word)

    def step(self, by: int) -> Completion:
        """The next (or previous) word; the first step goes as far as all words agree, if that is further."""
        typed = self.end - self.start
        if self.at < 0 and len(self.words) > 1 and len(agreed(self.words)) > typed:
            return Completion(*self.current_as_text(), self.words)
        at = (self.at + by) % len(self.words) if self.at >= 0 or by > 0 else len(self.words) - 1
        return Completion(self.text, self.start, self.end, self.words, at)

    def current_as_text(self) -> tuple[str, int, int]:
        text, end = self.current
        return text, self.start, end

    def line(self) -> Line:
        """The words side by side, the chosen one bright."""
        found: list[Piece] = []
        for at, word in enumerate(self.words[:40]):
            found += [(word, Token.ACCENT if at == self.at else Token.DIM), ("  ", Token.DIM)]
        return found


def agreed(words: Sequence[str]) -> str:
    """What all words begin with."""
    first, last = min(words), max(words)
    differs = (at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    return first[: next(differs, min(len(first), len(last)))]


def completion(text: str, cursor: int, words: Sequence[str]) -> Completion | None:
    """Words for what stands before the cursor: each begins with, and so replaces, the longest tail that it can."""
    if not words:
        return None
    before = text[:cursor]
    overlap = max(_overlap(before, word) for word in words)
    kept = tuple(word for word in words if _overlap(before, word) == overlap)
    return Completion(text, cursor - overlap, cursor, kept)


def _overlap(before: str, word: str) -> int:
    """How many characters at the end of `before` the word begins with."""
    lowered = word.lower()
    return next(
        (size for size in range(min(len(before), len(word)), 0, -1) if lowered.startswith(before[-size:].lower())), 0
    )
