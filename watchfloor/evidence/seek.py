"""What a word of a person's names: a run, a job, an incident; and what belongs to it. Reads ledger and lineage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from watchfloor.errors import ConfigError
from watchfloor.evidence import ledgerside
from watchfloor.evidence.matter import (
    INCIDENT,
    JOB,
    RUN,
    Matter,
    answers,
    finding_of,
    of_incident,
    of_job,
    of_run,
    parted,
)
from watchfloor.ledgerfollower import LedgerPicture
from watchfloor.lineage.graph import Graph, Key, Kind, Relation
from watchfloor.lineagebook import LineageBook
from watchfloor.records.ledgerentry import Entry, subjects_of
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.runs import RunRecord, runs_of

_ADVICE = "`watchfloor runs` lists runs, `watchfloor jobs` jobs, `watchfloor findings` incidents (CODE on NODE)"


@dataclass
class Seeker:
    """`ledger` None: there is none. `lineage` None: nothing is kept of it. `now`: until when goes what has no end."""

    ledger: Path | None
    lineage: LineageBook | None
    now: float

    def matter(self, word: str) -> Matter:
        """Raises ConfigError where it names nothing, or several; StoreError."""
        kind, name = parted(word)
        runs = self._runs()
        if kind in ("", RUN) and (run := _run(name, runs)):
            return of_run(run, self._of_run(run))
        if kind == RUN:
            raise ConfigError(f"there is no run {name!r}", "`watchfloor runs` lists them", file="evidence")
        if kind == INCIDENT or (not kind and _is_incident(name)):
            return self._incident(name, runs)
        return self._job(name, runs)

    def tale(self, matter: Matter) -> Matter:
        """With what lineage and ledger tell of it as of the end of its window. Raises StoreError."""
        if self.lineage is None:
            return matter
        runs = LedgerPicture(self.ledger or Path(), len(matter.runs), matter.runs)
        prefix = {RUN: "run", JOB: "job", INCIDENT: "finding"}[matter.kind]
        try:
            told = self.lineage.report(f"{prefix}:{matter.name}", matter.end, UTC, matter.end, runs)
        except ConfigError:  # nothing is on record of it by its name
            return matter
        return replace(matter, tale=told.text())

    def _runs(self) -> list[RunRecord]:
        if self.ledger is None:
            return []
        with LedgerReader(self.ledger) as reader:
            return runs_of(reader, 0.0)

    def _of_run(self, *runs: RunRecord) -> list[Entry]:
        if self.ledger is None:
            return []
        with LedgerReader(self.ledger) as reader:
            return [entry for run in runs for entry in ledgerside.of_run(reader, run)]

    # -- a job

    def _job(self, name: str, runs: Sequence[RunRecord]) -> Matter:
        job, graph = self._job_kept(name)
        concerning = self._concerning(job or name)
        if not job and concerning:
            jobs = [found for entry in concerning for found in subjects_of(entry.subjects, "job")]
            job = next(found for found in jobs if name in (found, found.rpartition(":")[2]))
        if not job:
            raise ConfigError(f"nothing is on record of {name!r}", _ADVICE, file="evidence")
        of = {entry.run for entry in concerning if entry.run}
        concerned = [run for run in runs if run.run in of or _harms(run, job)]
        return of_job(job, graph, concerned, [*concerning, *self._of_run(*concerned)], self.now)

    def _job_kept(self, name: str) -> tuple[str, Graph | None]:
        key = self._kept(name, Kind.JOB)
        return (key.id, self._around(key)) if key is not None else ("", None)

    def _concerning(self, job: str) -> list[Entry]:
        if self.ledger is None:
            return []
        with LedgerReader(self.ledger) as reader:
            return list(reader.entries(Wanted(job=job), 10_000))

    # -- an incident

    def _incident(self, name: str, runs: Sequence[RunRecord]) -> Matter:
        try:
            code, subject = finding_of(name)
        except ValueError as error:
            raise ConfigError(str(error), "as in: xid-fatal on n2/gpu3", file="evidence") from error
        key = self._kept(name, Kind.FINDING) or self._kept(f"{code}@{subject}", Kind.FINDING)
        graph = self._around(key) if key is not None else None
        times, jobs = None, []
        if key is not None and graph is not None:
            entity = graph.entities[key]
            name = entity.label or name
            times = entity.start, self.now if entity.end is None else entity.end
            attempts = [edge.effect for edge in graph.effects(key, Relation.DURING)]
            jobs = [edge.cause.id for each in attempts for edge in graph.causes(each, Relation.TRIED_AS)]
        node = subject.partition("/")[0]
        answering = [run for run in runs if answers(run, code, [node], times[0] - 60.0 if times else None)]
        if times is None and not answering:
            raise ConfigError(f"nothing is on record of {name!r}", _ADVICE, file="evidence")
        return of_incident(name, times, jobs, answering, self._of_run(*answering))

    # -- lineage

    def _kept(self, name: str, kind: Kind) -> Key | None:
        """Raises ConfigError where several jobs are called so."""
        if self.lineage is None:
            return None
        prefix = {Kind.JOB: JOB, Kind.FINDING: "finding"}[kind]
        try:
            return self.lineage.meant(f"{prefix}:{name}").key
        except ConfigError as error:
            if "are called" in error.message:
                raise
            return None

    def _around(self, key: Key) -> Graph | None:
        graph = self.lineage.around(key, None) if self.lineage is not None else None
        return graph if graph is not None and key in graph.entities else None


def _run(name: str, runs: Sequence[RunRecord]) -> RunRecord | None:
    """By its id, or how that begins. Raises ConfigError where several begin so."""
    exact = [run for run in runs if run.run == name]
    found = exact or [run for run in runs if name and run.run.startswith(name)]
    if len(found) > 1:
        raise ConfigError(f"{len(found)} runs begin with {name!r}", "`watchfloor runs` lists them", file="evidence")
    return found[0] if found else None


def _is_incident(name: str) -> bool:
    try:
        finding_of(name)
    except ValueError:
        return False
    return True


def _harms(run: RunRecord, job: str) -> bool:
    if run.plan is None:
        return False
    return job in {hit.job for hit in run.plan.impact.jobs} | {step.target.key for step in run.plan.steps}
