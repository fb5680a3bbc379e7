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


class TablePatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """`put`: by key, each as msgpack. `gone`: keys. `anew`: nothing of what was there stays."""

    put: dict[Key, msgspec.Raw] = {}
    gone: list[Key] = []
    anew: bool = False


def patch(before: Table | None, now: Table) -> TablePatch | None:
    """What turns `before` (None: nothing) into `now`; None where they are alike."""
    if before is now:
        return None
    if before is None:
        return TablePatch({key: _told(one) for key, one in _items(now)}, anew=True)
    known: Mapping[Any, object] = before if isinstance(before, Mapping) else dict(enumerate(before))
    put = {
        key: _told(one)
        for key, one in _items(now)
        if (was := known.get(key, _UNKNOWN)) is not one and (was is _UNKNOWN or was != one)
    }
    here = now if isinstance(now, Mapping) else range(len(now))
    gone = [key for key in known if key not in here] if len(known) + len(put) > len(now) else []
    return TablePatch(put, gone) if put or gone else None


def patched(before: Mapping[Any, Any], change: TablePatch, kind: Any) -> dict[Any, Any]:
    """The table after it. Raises msgspec.DecodeError where something of it isn't of this kind."""
    now: dict[Any, Any] = {} if change.anew else dict(before)
    for key in change.gone:
        now.pop(key, None)
    now.update((key, msgspec.msgpack.decode(one, type=kind)) for key, one in change.put.items())
    return now


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
