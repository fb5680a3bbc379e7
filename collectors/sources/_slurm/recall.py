"""Jobs that the queue has no longer, and of which somebody asks how they ended: the accounting's word on each. Pure.

A console that was away knows jobs that ended meanwhile, and squeue has them for minutes only. Of those that it still
has nothing is told here: whatever becomes of them, the queue says.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from collectors.sources._slurm.accounts import Account
from collectors.sources._slurm.commands import MOST_IDS
from watchfloor.jobs.model import Recalled, numbered

MOST_ASKED = 2000  # at one time
MOST_TRIES = 3  # while the accounting has a job as running: it hears of an end some seconds later
NO_JOB = "it has no such job"
RUNS_THERE = "it has it as running, and the queue has it no longer"


class Recall:
    """Jobs go by their `id`, in which `cluster` stands."""

    def __init__(self, source: str, cluster: str = "") -> None:
        self._told_by = f"the accounting of {source}"
        self._cluster = cluster
        self._asked: dict[int, int] = {}  # how often the accounting was asked about it

    def __len__(self) -> int:
        """How many were not asked about yet."""
        return sum(not tries for tries in self._asked.values())

    def ask(self, jobs: Iterable[str]) -> None:
        """Those that are none of this cluster's are passed over; those named first come first."""
        for job in jobs:
            number = job.rpartition(":")[2].rpartition("/")[2]
            if number.isdecimal() and numbered("slurm", number, self._cluster) == job and len(self._asked) < MOST_ASKED:
                self._asked.setdefault(int(number), 0)

    def wanted(self, queued: Container[str]) -> list[int]:
        """A questionful at most, those that nobody asked about first."""
        self._asked = {number: tries for number, tries in self._asked.items() if self._id(number) not in queued}
        return sorted(self._asked, key=lambda number: self._asked[number])[:MOST_IDS]

    def learn(self, asked: Iterable[int], found: Mapping[int, Account]) -> tuple[Recalled, ...]:
        return tuple(told for number in asked if (told := self._learned(number, found.get(number))) is not None)

    def _learned(self, number: int, account: Account | None) -> Recalled | None:
        attempts = account.attempts if account is not None else ()
        tries = self._asked.get(number, 0) + 1
        if attempts and not attempts[-1].state.is_over and tries < MOST_TRIES:
            self._asked[number] = tries
            return None
        self._asked.pop(number, None)
        over = tuple(attempt for attempt in attempts if attempt.state.is_over)
        text = "" if over else RUNS_THERE if attempts else NO_JOB
        return Recalled(self._id(number), self._told_by, over, text)

    def failed(self, asked: Iterable[int], why: str) -> tuple[Recalled, ...]:
        """Nobody knows: said once, and asked again."""
        new = [number for number in asked if not self._asked.get(number)]
        self._asked |= dict.fromkeys(new, 1)
        return tuple(Recalled(self._id(number), self._told_by, (), why) for number in new)

    def _id(self, number: int) -> str:
        return numbered("slurm", number, self._cluster)
