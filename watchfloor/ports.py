"""The protocols of the outside world: each one small, so that a ten-line fake can replace it.

Must not do: implement any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from watchfloor.frame import Frame
from watchfloor.jobs.model import SourceAnswer
from watchfloor.model import Finding, Missing, NodeSpec, NodeStatus, Scope, Subject
from watchfloor.report import Event, Hello, Report, Schema, Software

if TYPE_CHECKING:
    from concurrent.futures import Future

    from watchfloor.change import Deed, Done, Plan  # what only consoles that act need
    from watchfloor.ledgerfollower import Followed
    from watchfloor.session.player import Standing  # what only replays need
    from watchfloor.session.seeking import Jump
    from watchfloor.session.writer import Mark


@dataclass(frozen=True)
class Reading:
    """What a saved output of a vendor's tool says, or why it can't be read. A Missing stands for a value."""

    file: str
    refusal: str = ""
    tool: str = ""
    cells: Mapping[Scope, Mapping[str, dict[str, float | str | Missing]]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    stack: tuple[Software, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Concern:
    """What something is to be done about: a subject, and what was found of it where that is why. `board`: the name of
    an accelerator on its node, as queries know it."""

    subject: Subject
    finding: Finding | None = None
    board: str = ""

    @property
    def title(self) -> str:
        """In a word or two: the finding's code, else what it is."""
        return self.finding.code if self.finding is not None else str(self)

    def __str__(self) -> str:
        return f"{self.subject.node} {self.board}" if self.board else self.subject.key or self.subject.node


@dataclass(frozen=True)
class Remedy:
    """Something that may be done about a concern, by the name that `watchfloor run` takes. `target`: a query."""

    name: str
    summary: str
    scope: Scope
    target: str
    given: Mapping[str, str]  # parameters; what is written in capitals somebody has to fill in
    command: str  # that shows its plan, as a person would type it
    risk: str = ""  # "R3"; "" where only its plan tells
    why: str = ""  # it is offered; "" of actions, which are offered by what they do
    watch: str = ""  # what `watchfloor watch` makes of it; "" of actions
    fits: bool = False  # one of its triggers is true

    @property
    def is_whole(self) -> bool:
        """Whether nothing has to be filled in."""
        return not any(value.isupper() for value in self.given.values())


@dataclass(frozen=True)
class Weighed:
    """A plan that nobody has asked for yet. `ruling`: permit, needs-approval, deny or interlocked."""

    plan: Plan
    ruling: str
    reasons: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    approvals: int = 0
    unattended: str = ""  # what would be said of it to `watchfloor watch`; "" of what that never asks for


@dataclass(frozen=True)
class Put:
    """A plan on record. `said`: what becomes of it, in a sentence."""

    run: str
    ruling: str
    said: str


class Clock(Protocol):
    """Wall time in seconds since the epoch, and a monotonic time in seconds."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...


class StreamReceiver(Protocol):
    """What a transport calls as a node's stream comes in. Calls come on the transport's event loop."""

    def data(self, chunk: bytes) -> None:
        """Bytes of the standard output, cut anywhere."""

    def error_output(self, chunk: bytes) -> None:
        """Bytes of the standard error."""

    def ended(self, error: Exception | None, exit_status: int | None) -> None:
        """The stream is over: once, and nothing after it. `error` is a WatchfloorError where the end wasn't clean."""


class Channel(Protocol):
    """One running program on a node."""

    def write(self, data: bytes) -> None:
        """Bytes for its standard input."""

    def pause(self) -> None:
        """Stop reading from it until `resume` (back-pressure)."""

    def resume(self) -> None: ...

    async def close(self) -> None:
        """End the program and free the channel; the connection too if nothing else uses it."""


class Transport(Protocol):
    """How a program is started on a node: SSH, a local child process, a recording."""

    async def start(self, node: NodeSpec, command: str, receiver: StreamReceiver) -> Channel:
        """Start a constant command line on the node (never one with interpolated data).

        Raises ConnectError (HostKeyError among them), always within the node's connect timeout.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""


class FleetSink(Protocol):
    """Where the supervisor puts what it hears. `node` is the index of the node in the inventory."""

    def status(self, node: int, status: NodeStatus) -> None: ...

    def hello(self, node: int, hello: Hello, received_at: float) -> None: ...

    def schema(self, node: int, schema: Schema) -> None: ...

    def report(self, node: int, report: Report, received_at: float) -> None:
        """Raises StreamError (GARBAGE) where a position lies outside the schema."""

    def clock(self, node: int, skew_seconds: float, round_trip_seconds: float) -> None:
        """The node's clock minus the console's, and the round trip that it was measured with."""


class JobSource(Protocol):
    """A scheduler, read over and over: one `class Source` in a module of collectors/sources, made of a JobSourceSpec.

    Its failure is data: a status that says so, with the jobs and nodes of the last answer.
    """

    async def run(self, tell: Callable[[SourceAnswer], None]) -> None:
        """Ask until cancelled; `tell` is called on this loop with every answer, and with every change of its status."""

    def wake(self) -> None:
        """Ask now rather than when the period is over. On the loop of `run`."""


@runtime_checkable
class Accounting(Protocol):
    """A JobSource that knows of jobs which its queue has no longer."""

    def recall(self, jobs: Sequence[str]) -> None:
        """How did these end, by their ids? What isn't queued is told as SourceAnswer.recalled. On the loop of `run`."""


class Hands(Protocol):
    """How deeds are done: on a node over its connection, at a scheduler, or here. A read-only console has none.

    An operation's id names one deed for good: whatever happens to the console or the connection, the place keeps what
    came of it until it is acknowledged, and the same id is never carried out twice.
    """

    async def do(self, deed: Deed, operation: str) -> Done:
        """Carry it out, or tell what came of it where this operation was begun before.

        Never raises for what happens there: an exit code of None says that nobody knows how it ended. Raises HandsError
        where nothing was begun, surely.
        """
        ...

    async def recall(self, deed: Deed, operation: str) -> Done | None:
        """What came of an operation; None where the place never heard of it. Raises HandsError where nobody answers."""
        ...

    async def acknowledge(self, deed: Deed, operation: str) -> None:
        """It is in the ledger: the place may forget it. Never raises."""

    async def look(self, deed: Deed) -> Done:
        """A deed that changes nothing, to see how things stand. Raises HandsError."""
        ...

    async def close(self) -> None: ...


class Floor(Protocol):
    """The fleet as it is now."""

    def frame(self) -> Frame:
        """The newest."""
        ...

    async def later(self, than: Frame) -> Frame:
        """The first frame after this one."""
        ...

    def ask_anew(self) -> None:
        """Ask the sources of jobs now rather than when their period is over."""


class Acting(Protocol):
    """What a console that acts can do beyond watching. Any thread may call; each call may take its time. A read-only
    console has none, and loads nothing of it."""

    def sign(self, run: str, choice: str, reason: str) -> str:
        """Approve ("approve") or reject ("reject") the plan of a run with this user's key: what came of it, in a
        sentence. Raises KeyLocked where a passphrase would have to be asked for, WatchfloorError where it was refused,
        or can't be signed."""
        ...

    def sign_at_prompt(self, run: str, choice: str, reason: str) -> str:
        """As `sign`, for who has left the terminal to `ssh-keygen`, which asks there. Raises WatchfloorError."""
        ...

    def weigh(self, remedy: Remedy, concern: Concern) -> Weighed:
        """The plan for it, on the newest frame, and what would be said of it; nothing is kept. Raises WatchfloorError
        where there can be none."""
        ...

    def propose(self, weighed: Weighed) -> Put:
        """Put the plan on record and have it decided. Raises WatchfloorError."""
        ...

    def carry_out(self, run: str) -> Future[str]:
        """Do what may be done of a run, from where it stands, whatever the screen shows meanwhile: what came of it, in
        a sentence. To stop the feed is to leave it where it is by then. Raises WatchfloorError, at once or in the
        future."""
        ...


class Recording(Protocol):
    """What is told what a terminal shows, and what is done there. Any thread may call; no call waits or raises."""

    @property
    def trouble(self) -> str:
        """Why nothing is recorded any more; "" while it is."""
        ...

    def terminal(self, at: float, events: Sequence[tuple[float, str, str]]) -> None:
        """(console time, code of asciicast, data), the oldest first; `at`: of the first."""

    def mark(self, mark: Mark) -> None:
        """Something to find again: a command line that was run, a key that acted."""


class Feed(Protocol):
    """What the screens are given: frames, pushed. `on_frame` is called from another thread than the screen's."""

    def start(self, on_frame: Callable[[Frame], None]) -> None: ...

    def reconnect(self, node: int) -> None:
        """Try this node now rather than when its back-off is over."""

    def acknowledge(self, subject: Subject, code: str, note: str | None) -> None:
        """Note that a finding was seen (None: take that back). The console's own note: no machine is touched."""

    def clear(self, subject: Subject, code: str) -> None:
        """Forget a finding that no longer holds; nothing where it does. The console's own note, too."""

    def trouble(self) -> str:
        """Why frames have ceased to come although nobody stopped them; "" while all is well."""
        ...

    def stop(self) -> None: ...


class Replay(Feed, Protocol):
    """A session that is shown again. Any thread may steer it: no call waits or raises, but for `frame_at`.

    Times are console time, in seconds since the epoch; those beyond an end are that end.
    """

    @property
    def standing(self) -> Standing:
        """Where it is, and what there is."""
        ...

    @property
    def ledger(self) -> Followed | None:
        """The ledger as it was then; None where the session holds none."""
        ...

    def pause(self, paused: bool) -> None: ...

    def faster(self, steps: int) -> None:
        """So many speeds up, or down."""

    def at_speed(self, speed: float) -> None: ...

    def seek(self, at: float) -> None: ...

    def move(self, seconds: float) -> None:
        """From where it stands, forth or back."""

    def step(self, forth: bool) -> None:
        """To the next recorded moment, or the one before, and stay there."""

    def jump(self, wish: Jump) -> None:
        """To the next thing of a kind, or the last one; nowhere where there is none."""

    def frame_at(self, at: float) -> tuple[Frame, str]:
        """The floor at this moment, whatever is shown; where that can't be read the nearest one, and why ("": it can).

        Takes its time. Raises SessionError.
        """
        ...
