"""What happened on the nodes: the newest events of the fleet, bounded, each told once.

Repeats fold into one entry with a count. What a node tells a second time (a kernel log is read from its start whenever
a conversation begins) is known by its id and passed over.

Written by the fleet's thread alone. Readers in another thread take copies under the lock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Lock

from watchfloor.report import Event

EVENTS_KEPT = 20_000
EVENTS_PER_NODE = 500
IDS_PER_NODE = 1_000  # a kernel's log is told anew as far as it reaches, which may be further back than what is kept
FOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of one node, and its repeats. Times are console time, in seconds since the epoch."""

    number: int  # grows with each entry; stays when repeats are folded into it
    node: int
    event: Event  # the first of them
    at: float
    last: float
    count: int = 1


_Sort = tuple[str, str, int, str]  # what repeats have in common: device, kind, code, text


class _OfNode:
    """Entries of one node by number, oldest first; ids that it told, oldest first."""

    __slots__ = ("entries", "ids", "newest")

    def __init__(self) -> None:
        self.entries: OrderedDict[int, Entry] = OrderedDict()
        self.newest: dict[_Sort, int] = {}  # number of the newest entry of each sort
        self.ids: OrderedDict[int, None] = OrderedDict()  # their hashes: there may be many

    def told_before(self, event_id: str) -> bool:
        """Whether this id was told already; from now on it was."""
        if not event_id:
            return False
        known = hash(event_id) in self.ids
        self.ids[hash(event_id)] = None
        if len(self.ids) > IDS_PER_NODE:
            self.ids.popitem(last=False)
        return known

    def repeated(self, event: Event, at: float) -> Entry | None:
        """The entry that this event is a repeat of."""
        entry = self.entries.get(self.newest.get(_sort(event), -1))
        return entry if entry and entry.at <= at <= entry.last + FOLD_SECONDS else None

    def drop(self, number: int) -> None:
        entry = self.entries.pop(number, None)
        if entry and self.newest.get(_sort(entry.event)) == number:
            del self.newest[_sort(entry.event)]


class EventLog:
    """The newest EVENTS_KEPT entries, at most EVENTS_PER_NODE of one node."""

    def __init__(self) -> None:
        self._nodes: dict[int, _OfNode] = {}
        self._order: deque[tuple[int, int]] = deque()  # (node, number), also of entries that are gone
        self._count = 0
        self._number = 0
        self._lock = Lock()

    def add(self, node: int, event: Event, at: float) -> None:
        """An event that the node told, at console time `at` (seconds since the epoch)."""
        with self._lock:
            told = self._nodes.setdefault(node, _OfNode())
            if told.told_before(event.id):
                return
            entry = told.repeated(event, at)
            if entry:
                told.entries[entry.number] = replace(entry, last=max(entry.last, at), count=entry.count + _times(event))
                return
            self._number += 1
            told.entries[self._number] = Entry(self._number, node, event, at, at, _times(event))
            told.newest[_sort(event)] = self._number
            self._order.append((node, self._number))
            self._count += 1
            self._make_room(told)

    def _make_room(self, told: _OfNode) -> None:
        if len(told.entries) > EVENTS_PER_NODE:
            told.drop(next(iter(told.entries)))
            self._count -= 1
        while self._count > EVENTS_KEPT:
            node, number = self._order.popleft()
            if number in self._nodes[node].entries:
                self._nodes[node].drop(number)
                self._count -= 1
        if len(self._order) > 2 * EVENTS_KEPT:
            self._order = deque(pair for pair in self._order if pair[1] in self._nodes[pair[0]].entries)

    def __len__(self) -> int:
        return self._count

    def of_node(self, node: int) -> tuple[Entry, ...]:
        """Everything that is kept of one node, newest first by when it happened last."""
        with self._lock:
            found = list(self._nodes[node].entries.values()) if node in self._nodes else []
        return _newest_first(found)

    def since(self, at: float) -> tuple[Entry, ...]:
        """What happened, or happened again, since console time `at`, newest first."""
        with self._lock:
            return _newest_first([entry for entry in self._all() if entry.last >= at])

    def newest(self, count: int) -> tuple[Entry, ...]:
        """The last entries of the whole fleet, newest first."""
        return self.since(float("-inf"))[:count]

    def _all(self) -> Iterator[Entry]:
        for told in self._nodes.values():
            yield from told.entries.values()


def _newest_first(entries: list[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.last, entry.number), reverse=True))


def _times(event: Event) -> int:
    """How often it happened: a node sums up a flood in one event, its fact `repeats` says of how many."""
    repeats = event.facts.get("repeats", "")
    return int(repeats) if repeats.isdecimal() else 1


def _sort(event: Event) -> _Sort:
    return event.device, event.kind, event.code, event.text
