"""What became of the undoing of a run, as it is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Undone:
    """Keys of steps that were undone; and those that were to be and weren't, with the reason."""

    steps: Sequence[str] = ()
    left: Sequence[str] = ()

    @property
    def whole(self) -> bool:
        return bool(self.steps) and not self.left

    @property
    def text(self) -> str:
        undone = f"; undone: {', '.join(self.steps)}" if self.steps else ""
        return undone + (f"; not undone: {', '.join(self.left)}" if self.left else "")
