"""A port through which a console of the tests acts: notes what it is asked, and answers as it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from watchfloor.errors import WatchfloorError
from watchfloor.model import Finding
from watchfloor.ports import Remedy, Weighed


@dataclass
class NotedActing:
    """Implements ports.Acting. `weighs`: what `weigh` answers, by the remedy's name."""

    answer: str = "on record as entry 40: 2 of 2: bob, anna"
    error: WatchfloorError | None = None
    signed: list[tuple[str, str, str]] = field(default_factory=list)
    proposed: list[str] = field(default_factory=list)
    weighs: dict[str, Weighed] = field(default_factory=dict)

    def sign(self, run: str, choice: str, reason: str) -> str:
        self.signed.append((run, choice, reason))
        if self.error is not None:
            raise self.error
        return self.answer

    def weigh(self, remedy: Remedy, finding: Finding) -> Weighed:
        if self.error is not None:
            raise self.error
        return self.weighs[remedy.name]

    def propose(self, weighed: Weighed) -> str:
        self.proposed.append(weighed.plan.playbook)
        return "run r0123456789 waits for approval"
