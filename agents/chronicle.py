"""The ledger as it is read on and on: runs by their id, refusals of playbooks, signs of life. An entry is read once."""

from __future__ import annotations

from collections.abc import Iterable

from agents.past import Past, is_life, past_of
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerwords import Kind
from watchfloor.runs import KINDS, RunRecord, Standing, fold

KEPT_SECONDS = 28 * 86_400.0  # what is older is no matter for triggers
_WANTED = (*KINDS, Kind.SESSION_START, Kind.SESSION_STOP, Kind.HEARTBEAT)
_MOST_REFUSALS = 10_000


class Chronicle:
    def __init__(self, since: float) -> None:
        self.runs: dict[str, RunRecord] = {}  # in the order of their proposals
        self._since: float | None = since
        self._next = 0  # number of the first entry that was not read
        self._entries: dict[str, list[Entry]] = {}  # of runs that are not over
        self._of_plan: dict[str, list[str]] = {}
        self._refusals: list[Entry] = []
        self._life: Entry | None = None

    def read(self, reader: LedgerReader) -> bool:
        """Whether there was anything new. Raises StoreError."""
        wanted = Wanted(kinds=_WANTED, since=self._since, first=self._next)
        size = reader.head().size
        if size <= self._next:
            return False
        changed = self._sorted(reader.entries(wanted))
        self._next, self._since = size, None
        for run in changed:
            self.runs[run] = fold(self._entries[run])[run]
            if self.runs[run].standing is Standing.OVER:
                self._entries[run] = self._entries[run][:0]
        return True

    def past(self) -> Past:
        return past_of(self.runs.values(), self._refusals, [self._life] if self._life is not None else ())

    def open(self) -> list[RunRecord]:
        return [run for run in self.runs.values() if run.standing is not Standing.OVER]

    def _sorted(self, entries: Iterable[Entry]) -> list[str]:
        """Put each where it belongs; the runs of which something was told, that aren't over."""
        changed: dict[str, None] = {}
        for entry in entries:
            named = [entry.run] if entry.run else self._of_plan.get(entry.plan, ()) if entry.plan else ()
            for run in named:
                if run in self.runs and self.runs[run].standing is Standing.OVER:
                    continue
                self._entries.setdefault(run, []).append(entry)
                changed[run] = None
                if entry.plan and run not in self._of_plan.setdefault(entry.plan, []):
                    self._of_plan[entry.plan].append(run)
            if not named:
                self._other(entry)
        return list(changed)

    def _other(self, entry: Entry) -> None:
        if entry.kind == Kind.REFUSED:
            self._refusals = [*self._refusals[-_MOST_REFUSALS:], entry]
        elif is_life(entry):
            self._life = entry
