"""What a playbook says: when it is due, what it looks at, which steps it proposes, and within which bounds. Frozen.

The YAML of `playbooks/` becomes these by `watchfloor/playbookfile.py`; `agents/plan.py` makes a plan of one of them and
the newest frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from watchfloor.change import Risk, Value
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject


@dataclass(frozen=True, slots=True)
class QueryTrigger:
    """A query over frames, true without a break for so long. `clear`: what ends it; "" is the query being false.

    `after`: only of what the newest run of watchfloor was one of these playbooks'. `every_seconds`: so often again
    while it holds; 0: once, until it was over.
    """

    query: str
    for_seconds: float = 0.0
    clear: str = ""
    after: tuple[str, ...] = ()
    every_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """An event of a node: kernel log lines, XIDs; or a finding of these codes when it is first seen."""

    events: tuple[str, ...] = ()  # kinds of watchfloor.report.Event, as "xid"
    codes: tuple[str, ...] = ()  # of the event: "79", "48"
    findings: tuple[str, ...] = ()  # codes of findings: "xid", "nvlink-down"


@dataclass(frozen=True, slots=True)
class ScheduleTrigger:
    """Five fields as cron has them, in the console's own time zone. `query`: of which subjects; "" is of all."""

    cron: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class RunsTrigger:
    """So many runs that changed something on one node within a time. `playbooks`: of these; none named is of any."""

    times: int
    within_seconds: float
    playbooks: tuple[str, ...] = ()


Trigger = QueryTrigger | EventTrigger | ScheduleTrigger | RunsTrigger


@dataclass(frozen=True, slots=True)
class StepRule:
    """One action on what the target leads to.

    `of`: whose it is: "target" is what the playbook was begun for; "node" the node that it is on or stands for,
    "one-node" the first of them, "jobs" those that run there, "accelerators" those of the node; "" is what the action's
    scope asks for. Texts of `parameters` may hold the words of playbookfile.WORDS in braces: nothing else, and never in
    an argv by themselves.
    """

    key: str
    action: str
    of: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    only_if: str = ""
    wait: str = ""
    wait_seconds: float = 0.0
    timeout_seconds: float | None = None
    attempts: int | None = None
    verify_seconds: float | None = None
    place: tuple[int, int] = field(default=(0, 0), compare=False)  # line and column of it in the file
    optional: bool = False  # left out where the action can't be prepared for the target; a failure ends no run


@dataclass(frozen=True, slots=True)
class Guards:
    """Bounds of the playbook itself; interlocks bind beside them."""

    cooldown_seconds: float = 3600.0  # between two runs on one target
    at_once: int = 1  # runs of it; 0: as many as there are
    most_targets: int = 1  # of one plan
    fresh_seconds: float = 300.0  # an event or finding that began earlier never fires
    windows: tuple[str, ...] = ()  # "Mon-Fri 08:00-18:00": it begins only within; none is always
    fold_seconds: float = 10.0  # what comes together becomes one incident
    storm: int = 10  # so many targets at once are no single faults: propose nothing but to tell
    parallel: int = 1  # steps of one plan side by side, each on a node of its own


@dataclass(frozen=True, slots=True)
class Playbook:
    """`digest` is of the file as read (SHA-256). `planner`: a module of playbooks/planners, instead of steps."""

    name: str
    summary: str
    scope: Scope = Scope.NODE
    triggers: tuple[Trigger, ...] = ()
    evidence: tuple[str, ...] = ()  # metrics whose values the plan holds
    steps: tuple[StepRule, ...] = ()
    planner: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)  # of the planner
    guards: Guards = Guards()
    risk: Risk = Risk.READ  # at least
    rollback: bool = False
    lifetime_seconds: float = 4 * 3600.0  # of a plan that waits for approval
    digest: str = ""
    file: str = ""
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False)  # line and column of names in it


# -- planners


@dataclass(frozen=True, slots=True)
class Did:
    """A step that was seen to take effect, as the ledger tells it. `at`: seconds since the epoch."""

    at: float
    playbook: str
    action: str
    target: Subject
    before: Mapping[str, Value] = field(default_factory=dict)
    after: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wish:
    """One step that a planner wants. `why` is shown with it; what can't be prepared is left out, and that is told."""

    action: str
    target: Subject
    parameters: Mapping[str, Value] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Matter:
    """What a planner may know: the newest frame, what the playbook was begun for, and what was done there before."""

    frame: Frame
    targets: Sequence[Subject]
    options: Mapping[str, Value]  # those of the playbook over the planner's own defaults
    done: Sequence[Did] = ()  # the oldest first


class Planner(Protocol):
    """A module of playbooks/planners. Pure."""

    OPTIONS: Mapping[str, Value]  # every option with its default

    def plan(self, matter: Matter) -> Sequence[Wish]:
        """In the order in which they are to be done; nothing where there is nothing to do."""
        ...
