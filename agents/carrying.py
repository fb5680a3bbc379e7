"""What a run is carried out with, all of it given; and the words for why it goes no further."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from agents.action import Action
from watchfloor.change import Outcome, Step
from watchfloor.errors import WatchfloorError
from watchfloor.ports import Clock, Floor, Hands
from watchfloor.records.ledgerentry import Note

STOPPED = "stopped"  # the word of a refusal: by the global stop, after which the run goes on


class Held(WatchfloorError):
    """A step that must not be done now: `why` is a word for the ledger, `facts` what decided it."""

    def __init__(self, why: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.why = why
        self.facts = dict(facts or {})


class Halted(WatchfloorError):
    """A step that is not begun, or not waited for any longer, because another one of the run came to a bad end."""


@dataclass(frozen=True, slots=True)
class Leave:
    """What was said of a step in the instant before its act. `why`: a word and a sentence against it, None where it
    may be done; `facts`: what decided, for the ledger."""

    why: tuple[str, str] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """What a run is carried out with."""

    actions: Mapping[str, Action]
    hands: Hands
    floor: Floor
    clock: Clock
    keep: Callable[[Note], Awaitable[None]]
    recheck: Callable[[Step], Awaitable[Leave]]  # on the newest frame, by the policy in force
    may_not_undo: Callable[[], str]  # why nothing may be undone by this run any more
    stopped: Callable[[], str]  # why everything is stopped, "" where nothing is
    turn: Callable[[], AbstractAsyncContextManager[None]]  # in which an act is rechecked, and its intent put on disk
    rebooted: Callable[[Step], bool]  # its node has forgotten what it kept, since the plan was made
    notes: str = ""  # where this console notes which calls it has sent


@dataclass(frozen=True, slots=True)
class Result:
    """`why`: of a refusal, the word that the ledger has for it."""

    outcome: Outcome
    text: str
    why: str = ""
