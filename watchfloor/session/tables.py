"""What changed of things that have a key each (a node's status, a finding, a job) since the moment before. Pure.

A table is a sequence, whose keys are its places, or a mapping. What is the same object as before didn't change: all
that frames hold is frozen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

Key = int | str
Table = Mapping[Any, object] | Sequence[object]
_UNKNOWN = object()
_BETWEEN = b":"


class TablePatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """`put`: by key, each as msgpack. `gone`: keys. `anew`: nothing of what was there stays. `mended`: by key, of a
    text the pieces between colons that are others than they were, each with its number."""

    put: dict[Key, msgspec.Raw] = {}
    gone: list[Key] = []
    anew: bool = False
    mended: dict[Key, list[tuple[int, bytes]]] = {}

    @property
    def told(self) -> set[Key]:
        """Keys of which anything is said, without those that are gone."""
        return {*self.put, *self.mended}


def patch(before: Table | None, now: Table) -> TablePatch | None:
    """What turns `before` (None: nothing) into `now`; None where they are alike."""
    if before is now:
        return None
    if before is None:
        return TablePatch({key: _told(one) for key, one in _items(now)}, anew=True)
    known: Mapping[Any, object] = before if isinstance(before, Mapping) else dict(enumerate(before))
    news = {
        key: one
        for key, one in _items(now)
        if (was := known.get(key, _UNKNOWN)) is not one and (was is _UNKNOWN or was != one)
    }
    here = now if isinstance(now, Mapping) else range(len(now))
    gone = [key for key in known if key not in here] if len(known) + len(news) > len(now) else []
    mended = {key: pieces for key, one in news.items() if (pieces := _pieces(known.get(key), one))}
    put = {key: _told(one) for key, one in news.items() if key not in mended}
    return TablePatch(put, gone, mended=mended) if news or gone else None


def _pieces(before: object, now: object) -> list[tuple[int, bytes]]:
    """Of a text like the one before, as rows of JSON of which some numbers moved; [] where the whole says it better."""
    if not isinstance(before, bytes) or not isinstance(now, bytes):
        return []
    old, new = before.split(_BETWEEN), now.split(_BETWEEN)
    if len(old) != len(new):
        return []
    others = [(number, piece) for number, (was, piece) in enumerate(zip(old, new, strict=True)) if was != piece]
    return others if 2 * len(others) < len(new) else []


def patched(before: Mapping[Any, Any], change: TablePatch, kind: Any) -> dict[Any, Any]:
    """The table after it. Raises msgspec.DecodeError where something of it isn't of this kind, LookupError or
    AttributeError where a text isn't there that would be mended."""
    now: dict[Any, Any] = {} if change.anew else dict(before)
    for key in change.gone:
        now.pop(key, None)
    now.update((key, msgspec.msgpack.decode(one, type=kind)) for key, one in change.put.items())
    now.update((key, _mended(now[key], pieces)) for key, pieces in change.mended.items())
    return now


def _mended(text: bytes, others: Sequence[tuple[int, bytes]]) -> bytes:
    pieces = text.split(_BETWEEN)
    for number, piece in others:
        pieces[number] = piece
    return _BETWEEN.join(pieces)


def _items(table: Table) -> Iterator[tuple[Key, object]]:
    return iter(table.items()) if isinstance(table, Mapping) else enumerate(table)


def _told(one: object) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(one))


def _plain(one: object) -> object:
    """Numbers that came out of an array are numbers."""
    if isinstance(one, np.generic):
        return one.item()
    raise TypeError(f"a {type(one).__name__} in a frame")


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
