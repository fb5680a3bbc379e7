"""One moment of a session as bytes: the whole, or what changed since the moment before. Pure.

A moment that stands alone is a *key*: reading begins there. The bytes are msgpack, compressed with zstd.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchfloor.model import NODE_SCOPES, Scope
from watchfloor.session import arrays, tables
from watchfloor.session.leaves import Leaves, Text
from watchfloor.session.tables import TablePatch
from watchfloor.session.teller import Teller, Telling
from watchfloor.session.together import Together


class TextPatch(msgspec.Struct, frozen=True, array_like=True):
    """`more` follows the first `kept` texts of what was there."""

    kept: int
    more: list[str]


class Moment(msgspec.Struct, frozen=True):
    """`at`: console time, seconds since the epoch. What is not in it is as it was."""

    number: int
    at: float
    key: bool
    together: dict[str, Together]  # by kind of rows; comes before the arrays
    arrays: dict[str, bytes]
    texts: dict[str, TextPatch]
    tables: dict[str, TablePatch]


class Told(msgspec.Struct, frozen=True):
    """Of a moment what stands in tables alone: reading it leaves the arrays as they are."""

    at: float
    tables: dict[str, TablePatch]


class Changes:
    """Moments of frames that follow one another."""

    def __init__(self) -> None:
        self._key: Leaves | None = None
        self._before: Leaves | None = None
        self._tellers = _tellers()

    def moment(self, now: Leaves, key: bool) -> Moment:
        """What turns the moment before (in a key: nothing) into this one."""
        before = None if key else self._before
        self._before = now
        if before is None:
            self._key = now
            self._begin_anew()
        return _moment(before, now, self._tellers)

    def since_key(self) -> Moment:
        """What turns the last key into the last moment: what follows can be read from either."""
        assert self._key is not None and self._before is not None, "there was a moment"
        self._begin_anew()
        return _moment(self._key, self._before, _tellers())

    def _begin_anew(self) -> None:
        for teller in self._tellers.values():
            teller.anew()


def _tellers() -> dict[Scope, Teller]:
    return {scope: Teller() for scope in NODE_SCOPES}


def _moment(before: Leaves | None, now: Leaves, tellers: Mapping[Scope, Teller]) -> Moment:
    old, new = before.arrays if before else {}, now.arrays
    together = _together(old, new, tellers)
    known = {**old, **{name: array for one in together.values() for name, array in one.columns.items()}}
    return Moment(
        now.number,
        now.at,
        before is None,
        {scope: one.told for scope, one in together.items()},
        _arrays(known, new),
        _texts(before.texts if before else {}, now.texts),
        _tables(before, now),
    )


def _together(
    before: Mapping[str, NDArray], now: Mapping[str, NDArray], tellers: Mapping[Scope, Teller]
) -> dict[str, Telling]:
    found: dict[str, Telling] = {}
    for scope, teller in tellers.items() if before else ():
        columns = {name: array for name, array in now.items() if name.startswith(f"{scope}.")}
        telling = teller.tell(before, columns, before.get(f"{scope}.node"))
        if telling is not None:
            found[scope.value] = telling
    return found


def _arrays(before: Mapping[str, NDArray], now: Mapping[str, NDArray]) -> dict[str, bytes]:
    found = {}
    for name, array in now.items():
        known = before.get(name)
        if known is not array and (data := arrays.patch(known, np.asarray(array))):
            found[name] = data
    return found


def _texts(before: Mapping[str, Text], now: Mapping[str, Text]) -> dict[str, TextPatch]:
    found = {}
    for name, text in now.items():
        known = before.get(name)
        kept = _alike(known, text) if known else 0
        if known is None or not kept == known.count == text.count:
            found[name] = TextPatch(kept, list(text.of[kept : text.count]))
    return found


def _alike(before: Text, now: Text) -> int:
    """How many of the first texts are the same."""
    shorter = min(before.count, now.count)
    if before.of is now.of:
        return shorter
    others = (place for place in range(shorter) if before.of[place] != now.of[place])
    return next(others, shorter)


def _tables(before: Leaves | None, now: Leaves) -> dict[str, TablePatch]:
    known = before.tables if before else {}
    changes = {name: tables.patch(known.get(name), table) for name, table in now.tables.items()}
    return {name: found for name, found in changes.items() if found is not None}


_decoder = msgspec.msgpack.Decoder(Moment)
_told_decoder = msgspec.msgpack.Decoder(Told)


def encoded(moment: Moment) -> bytes:
    return msgspec.msgpack.encode(moment)


def decoded(data: bytes) -> Moment:
    """Raises msgspec.DecodeError."""
    return _decoder.decode(data)


def told(data: bytes) -> Told:
    """Raises msgspec.DecodeError."""
    return _told_decoder.decode(data)
