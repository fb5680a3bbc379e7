"""A port through which a console of the tests acts: notes what it is asked, and answers as it is told."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from watchfloor.errors import WatchfloorError
from watchfloor.ports import Concern, Put, Remedy, Weighed


@dataclass
class NotedActing:
    """Implements ports.Acting. `weighs`: what `weigh` answers, by the remedy's name."""

    answer: str = "on record as entry 40: 2 of 2: bob, anna"
    error: WatchfloorError | None = None
    signed: list[tuple[str, str, str]] = field(default_factory=list)
    proposed: list[str] = field(default_factory=list)
    weighs: dict[str, Weighed] = field(default_factory=dict)
    carried: dict[str, Future[str]] = field(default_factory=dict)  # runs that were begun; a test ends them

    def sign(self, run: str, choice: str, reason: str) -> str:
        self.signed.append((run, choice, reason))
        if self.error is not None:
            raise self.error
        return self.answer

    def sign_at_prompt(self, run: str, choice: str, reason: str) -> str:
        return self.answer

    def weigh(self, remedy: Remedy, concern: Concern) -> Weighed:
        if self.error is not None:
            raise self.error
        return self.weighs[remedy.name]

    def propose(self, weighed: Weighed) -> Put:
        self.proposed.append(weighed.plan.playbook)
        said = "may begin" if weighed.ruling == "permit" else "waits for approval"
        return Put("r0123456789", weighed.ruling, f"run r0123456789 {said}")

    def carry_out(self, run: str) -> Future[str]:
        if self.error is not None:
            raise self.error
        self.carried[run] = Future()
        return self.carried[run]
