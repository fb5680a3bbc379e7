"""Lineage asked for by name, as the command and the terminal do: what a word names, and what is on record around it.

The names are those that people use: `4242`, `slurm:4242`, `train-llm`, `n2`, `n2/gpu3`, `alice`, a run's; `KIND:NAME`
where one has several meanings. What watchfloor did is joined from a ledger where that is at hand. Must not do: write.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING

from watchfloor.errors import ConfigError
from watchfloor.lineage.checkpoints import Checkpoint, checkpoints
from watchfloor.lineage.graph import NOTHING, Entity, Graph, Key, Kind
from watchfloor.lineage.reach import WHOLE_JOBS, Asked
from watchfloor.lineage.times import Times
from watchfloor.lineage.words import FAILURES
from watchfloor.systemclock import here
from watchfloor.units import nearest

if TYPE_CHECKING:
    from watchfloor.ledgerfollower import LedgerPicture
    from watchfloor.lineage.acts import Acts
    from watchfloor.records.lineage import LineageStore
    from watchfloor.snapshot.lineage import LineageReport

# what a word may name, in this order where several do; a prefix as in "user:n2" chooses
KINDS: Mapping[str, tuple[Kind, ...]] = {
    "job": (Kind.JOB,),
    "node": (Kind.NODE,),
    "user": (Kind.USER,),
    "accelerator": (Kind.ACCELERATOR,),
    "link": (Kind.LINK,),
    "service": (Kind.SERVICE,),
    "dataset": (Kind.DATASET,),
    "checkpoint": (Kind.CHECKPOINT,),
    "image": (Kind.IMAGE,),
    "commit": (Kind.COMMIT,),
    "run": (Kind.RUN, Kind.TRACKED_RUN),
    "plan": (Kind.PLAN,),
    "finding": (Kind.FINDING,),
}
_PREFIXES = {kind: prefix for prefix, kinds in KINDS.items() for kind in kinds}
_WHOLE = frozenset({Kind.JOB, Kind.FINDING, Kind.PLAN, Kind.RUN})  # however long ago it was
_LEAST_LETTERS = 4  # of a run's id, by which it is found
_GUESSED_FROM = 2_000  # names: a misspelt one is looked for among these
_MOST_ALIKE = 10  # jobs of one name that are listed
_MOST_TASKS = 1_000  # of an array that are counted
_WAITING_TASKS = re.compile(r".*_\[([^]%]*)(?:%\d+)?\]")
_TASK_SPAN = re.compile(r"(\d+)(?:-(\d+))?(?::([1-9]\d*))?")
USUAL_DAYS = 7.0  # how far back is told of what is no job


@dataclass(frozen=True, slots=True)
class Meant:
    """What a word names, and the other kinds of things that it names, too."""

    key: Key
    others: tuple[str, ...] = ()


def name_of(key: Key) -> str:
    """The word that names this and nothing else: `job:slurm:4242`; "" where its kind isn't asked for by name."""
    return f"{_PREFIXES[key.kind]}:{key.id}" if key.kind in _PREFIXES else ""


class LineageBook:
    """Any thread may ask; one question is answered at a time. Raises StoreError."""

    def __init__(self, store: LineageStore) -> None:
        """Nobody else uses this store: it is opened with the first question."""
        self._store = store
        self._one_at_a_time = threading.Lock()
        self._acts: Acts | None = None

    def meant(self, word: str, ledger: LedgerPicture | None = None) -> Meant:
        """Raises ConfigError where nothing of that name is on record, or several jobs are."""
        with self._one_at_a_time:
            return self._meant(word, self._acts_of(ledger))

    def around(
        self, key: Key, since: float | None, until: float | None = None, ledger: LedgerPicture | None = None
    ) -> Graph:
        """What concerns it, went on after `since` and had begun by `until`; None: all that is on record."""
        asked = Asked(key, since, until)
        with self._one_at_a_time:
            acts = self._acts_of(ledger)
            graph = self._store.around(asked, acts)
            if acts.edges and key.kind in WHOLE_JOBS:
                graph = self._with_what_was_done_beside(asked, graph, acts)
        return graph if until is None else graph.as_of(until)

    def _with_what_was_done_beside(self, asked: Asked, graph: Graph, acts: Graph) -> Graph:
        from watchfloor.lineage.acts import meanwhile  # noqa: PLC0415 - where a ledger tells of any

        more = meanwhile(graph, acts)
        return graph if more is acts else self._store.around(asked, more)

    def _acts_of(self, ledger: LedgerPicture | None) -> Graph:
        """What the runs of this picture did."""
        if ledger is None or not ledger.runs:
            return NOTHING
        if self._acts is None:
            from watchfloor.lineage.acts import Acts  # noqa: PLC0415 - where a ledger tells of any

            self._acts = Acts()
        return self._acts.take(ledger.runs)

    def checkpoints(self, job: str) -> list[Checkpoint]:
        """Those that a job of this id has made, as far as anybody told, the oldest first."""
        key = Key.of(Kind.JOB, job)
        return checkpoints(self.around(key, None), key)

    def report(
        self,
        word: str,
        now: float,
        zone: tzinfo | None = None,
        until: float | None = None,
        ledger: LedgerPicture | None = None,
    ) -> LineageReport:
        """A job with all its attempts, anything else as of its last days. `until`: nothing that began later, and what
        ended later goes on. Raises ConfigError as `meant` does."""
        from watchfloor.snapshot.lineage import LineageReport  # noqa: PLC0415 - with the first question

        key = self.meant(word, ledger).key
        graph = self.around(key, usual_since(key, now), until, ledger)
        return LineageReport(graph, key, Times(now, zone or here()), lacking(ledger))

    def close(self) -> None:
        """After the question that is being answered."""
        with self._one_at_a_time:
            self._store.close()

    def _meant(self, word: str, acts: Graph) -> Meant:
        prefix, colon, rest = word.partition(":")
        if colon and prefix in KINDS:
            kinds, name = list(KINDS[prefix]), rest
        else:
            kinds, name = [kind for every in KINDS.values() for kind in every], word
        found = self._find(name, kinds) or _done(name, kinds, acts)
        if not found:
            guess = nearest(name, self._store.names(kinds, _GUESSED_FROM))
            advice = f"did you mean {guess!r}?" if guess else "it is on record once a console has seen it"
            raise ConfigError(f"nothing is on record of {word!r}", advice, file="lineage")
        first = min(found, key=lambda entity: kinds.index(entity.key.kind))
        others = {entity.key.kind.value for entity in found if entity.key.kind is not first.key.kind}
        alike = [entity for entity in found if entity.key.kind is first.key.kind]
        if first.key.kind is Kind.JOB and len(alike) > 1:
            if all(entity.facts.get("array") == name for entity in alike):
                raise ConfigError(_array(name, alike), f"ask for one of them, as {alike[0].name}", file="lineage")
            raise ConfigError(_several(name, alike), "ask for one of them by its id", file="lineage")
        return Meant(first.key, tuple(sorted(others)))

    def _find(self, name: str, kinds: Sequence[Kind]) -> list[Entity]:
        """By its id before its label, for several may be called alike; what a user calls a job comes last.

        The number of an array is that of all its tasks, though it is the id of its last one, too.
        """
        found = self._store.find(name, kinds)
        if not found and Kind.JOB in kinds:
            jobs = self._store.find(f"slurm:{name}", [Kind.JOB])
            if not jobs or jobs[0].facts.get("array") == name:
                jobs = self._store.jobs_of_array(name, _MOST_TASKS + 1) or jobs
            return jobs or self._store.jobs_named(name, _MOST_ALIKE + 1)
        kept = {entity.key.kind for entity in found if entity.key.id == name}
        return [entity for entity in found if entity.key.id == name or entity.key.kind not in kept]


def _done(name: str, kinds: Sequence[Kind], acts: Graph) -> list[Entity]:
    """What only the ledger tells of: runs also by how their ids begin."""
    known = [entity for entity in acts.entities.values() if entity.key.kind in kinds]
    found = [entity for entity in known if name in (entity.key.id, entity.label, _number(entity.key))]
    if found or len(name) < _LEAST_LETTERS:
        return found
    begun = [entity for entity in known if entity.key.kind is Kind.RUN and entity.key.id.startswith(name)]
    return begun if len(begun) == 1 else []


def _number(key: Key) -> str:
    """As people call a job: `4242` of `slurm:4242`."""
    return key.id.rpartition(":")[2] if key.kind is Kind.JOB else ""


def lacking(ledger: LedgerPicture | None) -> str:
    """Why what watchfloor did isn't told, or not the newest of it; "" where it is, or nobody asked."""
    if ledger is None:
        return ""
    if ledger.trouble:
        return f"of plans, approvals and runs the newest may lack: {ledger.trouble}"
    if not ledger.size:
        return f"no plans, approvals and runs beside what lineage has of them: there is no ledger at {ledger.place}"
    return ""


def _several(name: str, jobs: Sequence[Entity]) -> str:
    """`3 jobs are called 'train': slurm:4242 (alice, running), …`, those first that were seen last."""
    told = [
        f"{job.key.id} ({', '.join(word for word in (job.facts.get('user'), job.facts.get('state')) if word)})"
        for job in jobs[:_MOST_ALIKE]
    ]
    more = len(jobs) > _MOST_ALIKE
    count = f"more than {_MOST_ALIKE}" if more else str(len(jobs))
    return f"{count} jobs are called {name!r}: {', '.join(told)}{' …' if more else ''}"


def _array(number: str, tasks: Sequence[Entity]) -> str:
    """`job 4242 is an array of 6 tasks: 1 failed (4242_3), 4 done …`, those first that ended badly."""
    by_state: dict[str, list[str]] = {}
    for task in tasks[:_MOST_TASKS]:
        by_state.setdefault(task.facts.get("state", "unknown"), []).append(task.name)
    bad_first = sorted(by_state.items(), key=lambda item: (item[0] not in FAILURES, item[0]))
    told = [
        f"{sum(map(_tasks, names))} {state}"
        + (f" ({', '.join(sorted(names)[:_MOST_ALIKE])})" if state in FAILURES else "")
        for state, names in bad_first
    ]
    most = len(tasks) > _MOST_TASKS
    count = f"more than {_MOST_TASKS}" if most else str(sum(_tasks(task.name) for task in tasks))
    return f"job {number} is an array of {count} tasks on record: {', '.join(told)}"


def _tasks(number: str) -> int:
    """How many tasks of an array this is: Slurm tells those that wait as one, `4242_[4-7,9%2]` or `4242_[0-8:4]`."""
    waiting = _WAITING_TASKS.fullmatch(number)
    if waiting is None:
        return 1
    spans = (_TASK_SPAN.fullmatch(span) for span in waiting[1].split(","))
    return sum((int(span[2] or span[1]) - int(span[1])) // int(span[3] or 1) + 1 for span in spans if span)


@contextmanager
def opened(place: str) -> Iterator[LineageBook]:
    """What is kept in a file, or at postgresql://…, for as long as the block runs. Raises ConfigError."""
    from watchfloor.records.databases import readable  # noqa: PLC0415 - with SQLite, where there is something kept
    from watchfloor.records.lineage import LineageStore  # noqa: PLC0415 - as above

    with closing(LineageBook(LineageStore(place, readable))) as book:
        yield book


def usual_since(key: Key, now: float) -> float | None:
    """From when on something is told where nobody says otherwise: a job is told whole."""
    return None if key.kind in _WHOLE else now - USUAL_DAYS * 86_400
