"""What happened on the nodes: the newest events of the fleet, bounded, each told once.

Repeats fold into one entry with a count, and what two sources tell of one thing (the driver's event and the line in
the kernel's log) is one entry, with the longer text. What a node tells a second time (a kernel log is read from its
start whenever a conversation begins) is known by its id and passed over.

Written by the fleet's thread alone. Readers in another thread take copies under the lock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from threading import Lock

from watchfloor.report import Event

EVENTS_KEPT = 20_000
EVENTS_PER_NODE = 500
# A kernel's log is told anew as far as it reaches, far further back than what is kept; a megabyte where one is full
IDS_PER_NODE = 8_000
FOLD_SECONDS = 60.0
_TWINS_AMONG = 32  # of the newest entries of a node
TWIN_SECONDS = 5.0  # two sources tell of one thing within so long: clocks agree, the reader of the log comes later


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of one node, and its repeats. Times are console time, in seconds since the epoch."""

    number: int  # grows with each entry; stays when repeats are folded into it
    node: int
    event: Event  # the first of them, or of its source that has more to say
    at: float
    last: float
    told: int = 1  # how often by the source of `event`
    twins: int = 0  # how often by another one
    device: str = ""  # whose it is: key of the accelerator where that is known, else as the event names it

    @property
    def count(self) -> int:
        """How often it happened: what one source tells is what the other tells, too."""
        return max(self.told, self.twins)

    def with_twin(self, event: Event, at: float, times: int) -> Entry:
        """Another source tells of it so often; the one that has more to say is shown."""
        first, last, twins = min(self.at, at), max(self.last, at), self.twins + times
        if len(event.text) <= len(self.event.text):
            return replace(self, at=first, last=last, twins=twins)
        return replace(self, event=event, at=first, last=last, told=twins, twins=self.told)


_Sort = tuple[str, str, int, str]  # what repeats have in common: device, kind, code, text
_Kin = tuple[str, str, int]  # what twins have in common: device, kind, code


class _OfNode:
    """Entries of one node by number, oldest first; ids that it told, oldest first."""

    __slots__ = ("entries", "ids", "kin", "newest", "version")

    def __init__(self) -> None:
        self.entries: OrderedDict[int, Entry] = OrderedDict()
        self.newest: dict[_Sort, int] = {}  # number of the newest entry of each sort
        self.kin: dict[_Kin, int] = {}  # the same, whatever the text
        self.version = 0  # of the log, when something was added here last
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

    def put(self, entry: Entry) -> None:
        """A new entry, or one that says more than before."""
        self.drop_names(self.entries.get(entry.number))
        self.entries[entry.number] = entry
        sort, kin = _sort(entry.event), _kin(entry.event, entry.device)
        self.newest[sort] = max(entry.number, self.newest.get(sort, 0))
        self.kin[kin] = max(entry.number, self.kin.get(kin, 0))

    def repeated(self, event: Event, at: float) -> Entry | None:
        """The entry that this event is a repeat of."""
        entry = self.entries.get(self.newest.get(_sort(event), -1))
        return entry if entry and entry.at <= at <= entry.last + FOLD_SECONDS else None

    def twin(self, event: Event, device: str, at: float) -> Entry | None:
        """The entry in which another source told of the same: the newest that it has told less often than that one."""
        kin = [entry for entry in self.near_kin(event, device, at) if entry.event.source != event.source]
        return next((entry for entry in kin if entry.twins < entry.told), kin[0] if kin else None)

    def half_told(self, event: Event, device: str, at: float) -> Entry | None:
        """The entry to which another source added what this event is about, too."""
        kin = self.near_kin(event, device, at)
        return next((entry for entry in kin if entry.event.source == event.source and entry.twins > entry.told), None)

    def near_kin(self, event: Event, device: str, at: float) -> list[Entry]:
        """Of about the same time, newest first. Without a code there is nothing to know them by."""
        kin = _kin(event, device)
        if event.code < 0 or kin not in self.kin:
            return []
        last = islice(reversed(self.entries.values()), _TWINS_AMONG)
        return [
            entry
            for entry in last
            if entry.at - TWIN_SECONDS <= at <= entry.last + TWIN_SECONDS and _kin(entry.event, entry.device) == kin
        ]

    def drop(self, number: int) -> None:
        self.drop_names(self.entries.pop(number, None))

    def drop_names(self, entry: Entry | None) -> None:
        """Nothing is found any more by what this entry says."""
        if entry and self.newest.get(_sort(entry.event)) == entry.number:
            del self.newest[_sort(entry.event)]
        if entry and self.kin.get(_kin(entry.event, entry.device)) == entry.number:
            del self.kin[_kin(entry.event, entry.device)]


class EventLog:
    """The newest EVENTS_KEPT entries, at most EVENTS_PER_NODE of one node."""

    def __init__(self) -> None:
        self._nodes: dict[int, _OfNode] = {}
        self._order: deque[tuple[int, int]] = deque()  # (node, number), also of entries that are gone
        self._count = 0
        self._number = 0
        self.version = 0  # grows with everything that is added
        self._lock = Lock()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> EventLog:
        """What a log held at one time."""
        log = cls()
        for entry in sorted(entries, key=lambda entry: entry.number):
            log._nodes.setdefault(entry.node, _OfNode()).put(entry)
            log._order.append((entry.node, entry.number))
            log._number, log._count, log.version = entry.number, log._count + 1, entry.number
        return log

    def add(self, node: int, event: Event, at: float, device: str = "") -> None:
        """An event that the node told, at console time `at` (seconds since the epoch).

        `device` is the key of the accelerator that it concerns, where the console knows it by another name than the
        event's.
        """
        device = device or event.device
        with self._lock:
            told = self._nodes.setdefault(node, _OfNode())
            if told.told_before(event.id):
                return
            self.version += 1
            told.version = self.version
            if twin := told.twin(event, device, at):
                told.put(twin.with_twin(event, at, _times(event)))
            elif entry := told.repeated(event, at):
                told.put(replace(entry, last=max(entry.last, at), told=entry.told + _times(event)))
            else:
                self._append(told, node, event, at, device)

    def own(self, node: int, owner: Callable[[str], str]) -> None:
        """Ask again whose the entries are that nobody owned; `owner` gives a device's key, "" where it knows none.

        What turns out to be what another source told of the same device is folded into that entry.
        """
        with self._lock:
            told = self._nodes.get(node)
            alone = [one for one in told.entries.values() if one.device == one.event.device] if told else ()
            owned = [replace(one, device=key) for one in alone if (key := owner(one.event.device))]
            if not told or not owned:
                return
            self.version += 1
            told.version = self.version
            for entry in owned:
                self._put_owned(told, entry)

    def _put_owned(self, told: _OfNode, entry: Entry) -> None:
        twin = told.twin(entry.event, entry.device, entry.at)
        if twin is None:
            told.put(entry)
            return
        told.drop(entry.number)
        earliest = replace(twin, at=min(twin.at, entry.at))
        told.put(earliest.with_twin(entry.event, entry.last, entry.count))
        self._count -= 1

    def _append(self, told: _OfNode, node: int, event: Event, at: float, device: str) -> None:
        twins = 0
        if half := told.half_told(event, device, at):
            told.put(replace(half, twins=half.twins - 1))
            twins = 1
        self._number += 1
        told.put(Entry(self._number, node, event, at, at, _times(event), twins, device))
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

    def nodes_since(self, version: int) -> list[int]:
        """Of which nodes anything was added since the log was at this version."""
        with self._lock:
            return [node for node, told in self._nodes.items() if told.version > version]

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


def _kin(event: Event, device: str) -> _Kin:
    return device, event.kind, event.code
