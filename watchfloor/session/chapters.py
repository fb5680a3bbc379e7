"""What a person looks for in a session: marks, events of nodes, findings when they were first seen; each with its time.
Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watchfloor.model import State

EVENT, FINDING, MARK = "event", "finding", "mark"
KINDS = (MARK, EVENT, FINDING, "run", "ledger", "session", "key", "command", "gap")  # "mark": any but these two


@dataclass(frozen=True, slots=True)
class Chapter:
    """`at`: console time, seconds since the epoch. `state`: of a finding."""

    at: float
    kind: str
    text: str
    state: State = State.OK
    facts: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, kind: str) -> bool:
        """An entry of the ledger that is about a run is one of that run, too."""
        if kind == MARK:
            return self.kind not in (EVENT, FINDING)
        return self.kind == kind or (kind == "run" and "run" in self.facts)

    def has(self, words: str) -> bool:
        told = " ".join((self.text, *self.facts.values())).casefold()
        return all(word in told for word in words.casefold().split())


def neighbour(chapters: Sequence[Chapter], at: float, forth: bool, kind: str = "", words: str = "") -> Chapter | None:
    """The next one after this time, or the last one before it; of a kind, with words in it, where these are given."""
    times = [chapter.at for chapter in chapters]
    those = chapters[bisect_right(times, at) :] if forth else reversed(chapters[: bisect_left(times, at)])
    return next((one for one in those if (not kind or one.is_of(kind)) and one.has(words)), None)
