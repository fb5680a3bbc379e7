"""The ledger as the harness reads and writes it: one `Ledger`, and a picture of its file for whatever is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agents.interlocks import Happened
from watchfloor.change import Risk
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Entry, Note, subjects_of
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerwords import Intent, Kind, Outcome, Resume, Stop
from watchfloor.runs import APPROVALS, RunRecord, fold, runs_of


class LedgerBook:
    """agents.harness.Book. Reads raise StoreError."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def keep(self, note: Note) -> None:
        await asyncio.shield(asyncio.wrap_future(self._ledger.post([note])))

    def run(self, run: str) -> RunRecord | None:
        with self.reader() as reader:
            found = [] if reader is None else list(reader.entries(Wanted(run=run)))
            if reader is None or not found:
                return None
            plan = next((entry.plan for entry in found if entry.plan), "")
            given = list(reader.entries(Wanted(plan=plan, kinds=APPROVALS))) if plan else []
        together = {entry.number: entry for entry in (*found, *given)}
        return fold(together[number] for number in sorted(together)).get(run)

    def runs(self, since: float = 0.0) -> list[RunRecord]:
        """Those of which something was told since then, the oldest first."""
        with self.reader() as reader:
            return [] if reader is None else runs_of(reader, since)

    def approvals(self, digest: str) -> Sequence[Entry]:
        with self.reader() as reader:
            return [] if reader is None else list(reader.entries(Wanted(plan=digest, kinds=APPROVALS)))

    def begun(self, digest: str) -> Sequence[str]:
        with self.reader() as reader:
            told = [] if reader is None else reader.entries(Wanted(plan=digest, kinds=(Kind.INTENT,)))
            return list(dict.fromkeys(entry.run for entry in told))

    def happened(self, since: float) -> Sequence[Happened]:
        wanted = Wanted(kinds=(Kind.INTENT, Kind.OUTCOME), since=since)
        with self.reader() as reader:
            return [] if reader is None else [it for entry in reader.entries(wanted) for it in _happened(entry)]

    def stopped(self) -> str:
        newest = self._newest(Kind.STOP, Kind.RESUME)
        told = newest.told() if newest is not None else None
        if newest is None or not isinstance(told, Stop):
            return ""
        return f"{told.reason} ({newest.who.name}, {newest.time[:19]}Z)"

    def breaker_closed_at(self) -> float:
        newest = self._newest(Kind.RESUME)
        return newest.seconds if newest is not None and isinstance(newest.told(), Resume) else 0.0

    def policy_digest(self) -> str:
        """Of the policies that the ledger told of last, "" where it never did."""
        newest = self._newest(Kind.POLICY)
        return "" if newest is None else str(newest.body.get("digest", ""))

    def configuration_digest(self, file: str) -> str:
        """Of a file, as the ledger told of it last, "" where it never did."""
        with self.reader() as reader:
            if reader is None:
                return ""
            told = reader.entries(Wanted(kinds=(Kind.CONFIGURATION,)), newest_first=True)
            return next((str(entry.body.get("digest", "")) for entry in told if entry.body.get("file") == file), "")

    def _newest(self, *kinds: Kind) -> Entry | None:
        with self.reader() as reader:
            if reader is None:
                return None
            return next(reader.entries(Wanted(kinds=kinds), most=1, newest_first=True), None)

    @contextmanager
    def reader(self) -> Iterator[LedgerReader | None]:
        """None where nothing was ever kept."""
        if not self._ledger.path.exists():
            yield None
            return
        with LedgerReader(self._ledger.path) as reader:
            yield reader


def _happened(entry: Entry) -> Iterator[Happened]:
    body = entry.told()
    if isinstance(body, Outcome):
        if body.outcome in ("failed", "unverified"):
            yield Happened(entry.seconds, body.outcome, run=entry.run)
        return
    if isinstance(body, Intent) and body.facts.get("risk", 0) >= Risk.TAKES_OUT and not body.facts.get("heals"):
        for node in subjects_of(entry.subjects, "node"):
            yield Happened(entry.seconds, "took-out", node, entry.run)
