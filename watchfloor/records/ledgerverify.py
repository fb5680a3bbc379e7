"""Whether a ledger is what was written: every number, every hash, the tree, the checkpoints, the anchors. Pure.

The first entry that isn't what was written is named. Nothing but the entries' own bytes is believed; what the file says
of itself beside them is held against them.
"""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from watchfloor.errors import StoreError
from watchfloor.records.ledgercheckpoint import Anchor, State, checkpoint_begins, origin_of
from watchfloor.records.ledgerentry import FIRST_PREV, read, seconds_of
from watchfloor.records.ledgermerkle import Frontier, leaf
from watchfloor.records.ledgerstore import Head
from watchfloor.records.ledgerwords import Checkpoint

Rows = Sequence[tuple[int, bytes]]

_CHECKPOINT = checkpoint_begins()
_PLACE = re.compile(rb',"number":(\d+),"prev":"([0-9a-f]{64})"\}\Z')


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that is among the entries."""

    number: int
    state: State
    signature: str
    time: str

    @property
    def seconds(self) -> float:
        return seconds_of(self.time)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`trouble` "" is intact; `first_bad`: the first entry that isn't what was written, None where it can't be said."""

    size: int
    root: str
    origin: str = ""
    checkpoints: tuple[Signed, ...] = ()
    anchors: int = 0  # that were held against it
    trouble: str = ""
    first_bad: int | None = None
    truncated: bool = False

    @property
    def intact(self) -> bool:
        return not self.trouble


class _Bad(Exception):
    def __init__(self, number: int | None, why: str, truncated: bool = False) -> None:
        super().__init__(why)
        self.number, self.why, self.truncated = number, why, truncated


@dataclass(slots=True)
class _Walk:
    """One way through all entries."""

    sizes: frozenset[int]  # of which the roots are wanted
    at: int = 0
    prev: str = FIRST_PREV
    first: str = ""
    tree: Frontier = field(default_factory=Frontier)
    roots: dict[int, str] = field(default_factory=dict)
    found: list[tuple[int, bytes]] = field(default_factory=list)  # checkpoints


def verify(
    rows: Callable[[], Iterable[Rows]], head: Head | None, anchors: Sequence[Anchor] = (), sizes: Iterable[int] = ()
) -> Verdict:
    """`rows` begins anew each time; `head` is what the file says of itself, None where it says nothing (an export).

    `sizes`: where checkpoints are thought to be, which saves a second way through; it is not relied on.
    """
    walk = _Walk(frozenset(anchor.state.size for anchor in anchors).union(sizes))
    signed: tuple[Signed, ...] = ()
    try:
        _through(walk, rows(), head)
        signed = tuple(_signed(number, text) for number, text in walk.found)
        if any(each.state.size not in walk.sizes for each in signed):
            walk = _Walk(walk.sizes | {each.state.size for each in signed})
            _through(walk, rows(), head)
        _hold(walk, signed, anchors, head)
    except _Bad as bad:
        return _verdict(walk, signed, anchors, bad)
    return _verdict(walk, signed, anchors, None)


def _verdict(walk: _Walk, signed: tuple[Signed, ...], anchors: Sequence[Anchor], bad: _Bad | None) -> Verdict:
    told = (bad.why, bad.number, bad.truncated) if bad is not None else ("", None, False)
    origin = origin_of(walk.first) if walk.first else ""
    return Verdict(walk.at, walk.tree.root.hex(), origin, signed, len(anchors), *told)


# -- entry by entry


def _through(walk: _Walk, rows: Iterable[Rows], head: Head | None) -> None:
    batches = _readable(rows, walk)
    for batch in batches:
        leaves, sound = _chained(walk, batch)
        _grow(walk, leaves)
        if not sound:
            rest = batch[len(leaves) :]
            raise _named(walk, [*rest, *next(batches, ())], head)


def _readable(rows: Iterable[Rows], walk: _Walk) -> Iterator[Rows]:
    try:
        yield from rows
    except StoreError as error:
        raise _Bad(walk.at, f"entry {walk.at} can't be read: {error.message}") from error


def _chained(walk: _Walk, batch: Rows) -> tuple[list[bytes], bool]:
    """The hashes of the entries that follow one another; whether that are all. Written for speed."""
    at, prev = walk.at, walk.prev.encode()
    leaves: list[bytes] = []
    for number, text in batch:
        if number != at or not text.endswith(b',"number":%d,"prev":"%b"}' % (at, prev)):
            break
        if text.startswith(_CHECKPOINT):
            walk.found.append((number, text))
        digest = sha256(b"\x00" + text).digest()
        leaves.append(digest)
        prev = hexlify(digest)
        at += 1
    if not walk.first and leaves:
        walk.first = leaves[0].hex()
    walk.at, walk.prev = at, prev.decode()
    return leaves, len(leaves) == len(batch)


def _grow(walk: _Walk, leaves: Sequence[bytes]) -> None:
    """Add to the tree, and note its root wherever it is wanted."""
    start, end = walk.tree.size, walk.tree.size + len(leaves)
    for size in sorted(size for size in walk.sizes if start < size <= end):
        walk.tree.extend(leaves[walk.tree.size - start : size - start])
        walk.roots[size] = walk.tree.root.hex()
    walk.tree.extend(leaves[walk.tree.size - start :])


def _named(walk: _Walk, rest: Rows, head: Head | None) -> _Bad:
    """Which entry is to blame, where the first of `rest` doesn't follow the one before."""
    at = walk.at
    number, text = rest[0]
    if head is not None and number >= head.size:
        return _Bad(number, f"entry {number} was appended past the ledger: it has {head.size} entries")
    if number > at:
        return _Bad(at, f"entry {at} is missing")
    place = _PLACE.search(text)
    if place is None:
        return _Bad(at, f"entry {at} has been altered: its bytes don't end as an entry does")
    if int(place[1]) != at or number != at:
        return _Bad(at, f"entry {at} isn't there: entry {int(place[1])} stands in its place")
    if at > 0 and _follows(leaf(text).hex(), rest[1:], head):
        return _Bad(at - 1, f"entry {at - 1} has been altered: entry {at} holds another hash of it")
    return _Bad(
        at, f"entry {at} has been altered: it doesn't follow entry {at - 1}" if at else "entry 0 isn't the first"
    )


def _follows(digest: str, after: Rows, head: Head | None) -> bool:
    """Whether what comes after an entry (or, after the last, the file's head) holds this hash of it."""
    if not after:
        return head is not None and head.last == digest
    place = _PLACE.search(after[0][1])
    return place is not None and place[2].decode() == digest


# -- what is said of all of them


def _hold(walk: _Walk, signed: Sequence[Signed], anchors: Sequence[Anchor], head: Head | None) -> None:
    origin = origin_of(walk.first) if walk.first else ""
    _hold_length(walk, anchors, head)
    claims = [(each.state, f"the checkpoint in entry {each.number}") for each in signed]
    claims += [(anchor.state, f"the anchor {anchor.where}") for anchor in anchors]
    sound = 0  # entries below are what was written, by a claim that holds
    for state, where in sorted(claims, key=lambda claim: claim[0].size):
        if state.origin != origin:
            raise _Bad(0, f"{where} is of another ledger, {state.origin}: entry 0 isn't the one that it began with")
        if walk.roots.get(state.size) != state.root:
            among = f"an entry from {sound} to {state.size - 1}"
            raise _Bad(sound, f"{among} has been altered, and the chain made anew: {where} holds another root")
        sound = state.size
    if head is not None and (head.last, head.tree.root) != (walk.prev, walk.tree.root):
        raise _Bad(*_of_head(walk, head))


def _hold_length(walk: _Walk, anchors: Sequence[Anchor], head: Head | None) -> None:
    longest = max(anchors, key=lambda anchor: anchor.state.size, default=None)
    if longest is not None and longest.state.size > walk.at:
        gone = f"entries {walk.at} to {longest.state.size - 1} are gone"
        raise _Bad(walk.at, f"{gone}: the anchor {longest.where} saw {longest.state.size}", truncated=True)
    if head is None:
        return
    if head.size > walk.at:
        raise _Bad(walk.at, f"entry {walk.at} is missing: the ledger has {head.size} entries")
    if head.size < walk.at:
        raise _Bad(head.size, f"entry {head.size} was appended past the ledger: it has {head.size} entries")


def _of_head(walk: _Walk, head: Head) -> tuple[int | None, str]:
    if head.last != walk.prev:
        last = walk.at - 1
        return last, f"entry {last} has been altered: the file holds another hash of its last entry"
    return None, "what the file holds of its tree has been altered; the entries follow one another"


def _signed(number: int, text: bytes) -> Signed:
    """A checkpoint. Whoever could write one that isn't sound has altered the ledger."""
    try:
        entry = read(text, "")
    except ValueError as error:
        raise _Bad(number, f"entry {number} can't be read: {error}") from error
    body = entry.told()
    if not isinstance(body, Checkpoint) or not 0 < body.size <= number:
        raise _Bad(number, f"entry {number} is a checkpoint that can't be one")
    return Signed(number, State(body.origin, body.size, body.root), body.signature, entry.time)
