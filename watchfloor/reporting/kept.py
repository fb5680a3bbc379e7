"""What reckoning begins from: what was kept of a stretch of time, in few words. Frozen, pure.

Times in seconds since the epoch, console time. What isn't known is None, or said in a reason; never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from watchfloor.checks.nodes import OF_SILENCE
from watchfloor.lineage.watch import NOTED_SECONDS
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerwords import Body
from watchfloor.reporting.spans import Span, Spans, united
from watchfloor.runs import RunRecord

Told = TypeVar("Told", bound=Body)

FORGOTTEN_SECONDS = 2 * NOTED_SECONDS  # what goes on is told of more often
PAUSE_SECONDS = 120.0  # between two signs of life of whoever watches: a restart is no gap


@dataclass(frozen=True, slots=True)
class Window:
    since: float
    until: float

    @property
    def span(self) -> Spans:
        return ((self.since, self.until),)

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def has(self, at: float | None) -> bool:
        return at is not None and self.since <= at < self.until


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    site: str = ""
    rack: str = ""
    group: str = ""
    accelerators: int | None = None
    model: str = ""  # of its accelerators


PLACES: Mapping[str, Callable[[Node], str]] = {
    "site": lambda node: node.site,
    "rack": lambda node: f"{node.site}/{node.rack}" if node.site and node.rack else node.rack,
    "group": lambda node: node.group,
}


@dataclass(frozen=True, slots=True)
class Watching:
    """Somebody watched. `nodes`: these; None: all of the fleet, as far as anybody knows."""

    span: Span
    source: str  # "recording", "heartbeats"
    nodes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """A finding held from `start` to `end`; None: it held when it was told of last, at `told`."""

    node: str
    code: str
    start: float
    end: float | None
    part: str = ""  # key of an accelerator or link within the node, "" for the node itself
    scope: str = "node"
    critical: bool = False
    xid: str = ""  # "XID 79"
    text: str = ""
    told: float | None = None

    @property
    def is_silence(self) -> bool:
        """It only says that the console can't read the node, not that the node is broken."""
        return self.code in OF_SILENCE and not self.critical

    @property
    def name(self) -> str:
        return f"{self.code} ({self.xid})" if self.xid else self.code

    def until(self, now: float) -> float:
        """An open one goes on, unless those who watch have not told of it for long."""
        if self.end is not None:
            return max(self.start, self.end)
        return max(self.start, now if self.told is None else min(now, self.told + FORGOTTEN_SECONDS))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a job. `last`: its end, else when it was told of last."""

    job: str
    number: str
    user: str
    account: str
    start: float
    last: float
    nodes: tuple[str, ...] = ()
    accelerators: int | None = None
    ended_as: str = ""  # "" while nobody has seen it end
    cause: str = ""  # what was found critical on what it held, shortly before it ended
    saved: float | None = None  # when its last checkpoint was made

    @property
    def name(self) -> str:
        return f"{self.job}#{self.number}"


@dataclass(frozen=True, slots=True)
class Energy:
    """Of a node, over `seconds` times its accelerators of which it is known."""

    joules: float = 0.0
    counted_seconds: float = 0.0  # accelerator seconds, by the boards' own counters
    sampled_seconds: float = 0.0  # accelerator seconds, by power that was read now and then
    unknown_seconds: float = 0.0  # accelerator seconds of which nothing is known

    def plus(self, other: Energy, share: float = 1.0) -> Energy:
        """With this share of another."""
        return Energy(
            self.joules + other.joules * share,
            self.counted_seconds + other.counted_seconds * share,
            self.sampled_seconds + other.sampled_seconds * share,
            self.unknown_seconds + other.unknown_seconds * share,
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """In the currency of the fleet file; None: nobody has said. `hours`: an accelerator hour, by node."""

    hours: Mapping[str, float] = field(default_factory=dict)
    usual: float | None = None
    kwh: float | None = None

    def hour(self, nodes: Sequence[str]) -> float | None:
        """The mean of these nodes."""
        told = [price for node in nodes if (price := self.hours.get(node, self.usual)) is not None]
        return sum(told) / len(told) if nodes and len(told) == len(nodes) else self.usual if not nodes else None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the ledger's own verification found."""

    result: str  # "intact", "altered"
    text: str
    entries: int = 0
    signed_to: int | None = None  # entries that a signed checkpoint covers


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything of one window. `lacks`: by source ("ledger", "lineage", "recordings", "fleet"), why it isn't there."""

    window: Window
    nodes: Sequence[Node] = ()
    watching: Sequence[Watching] = ()
    episodes: Sequence[Episode] = ()
    attempts: Sequence[Attempt] = ()
    energy: Mapping[str, Energy] = field(default_factory=dict)
    prices: Prices = Prices()
    entries: Sequence[Entry] = ()  # of the ledger, within the window
    runs: Mapping[str, RunRecord] = field(default_factory=dict)  # those of which something is told in it, whole
    sealed: Sealed | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()

    def told(self, *kinds: type[Told]) -> Iterator[tuple[Entry, Told]]:
        """The entries of these kinds with what they say, those that can be read; in the order of their numbers."""
        words = {kind.kind.value: kind for kind in kinds}
        for entry in self.entries:
            if entry.kind in words and isinstance(body := entry.told(), words[entry.kind]):
                yield entry, body

    def lack(self, *sources: str) -> str:
        """Why the first of these is missing, "" where none is."""
        return next((self.lacks[source] for source in sources if source in self.lacks), "")

    def watched(self, node: str) -> Spans:
        """When this node was watched: by recordings that have it, and by a daemon where nobody recorded."""
        return united((one.span for one in self.watching if one.nodes is None or node in one.nodes), PAUSE_SECONDS)
