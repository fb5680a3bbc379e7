"""Sorting rows of a frame: any metric, texts in natural order (`gpu2` before `gpu10`), unknown values always last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats
from watchfloor.frame import View
from watchfloor.metrics import CATALOGUE, Kind

Order = NDArray[np.intp]

_DIGITS = re.compile(r"(\d+)")


def natural_key(text: str) -> tuple[tuple[int, int | str], ...]:
    """Digits compare as numbers; everything else, ignoring case, as text."""
    parts = _DIGITS.split(text.lower())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def keys_of(view: View, name: str) -> Floats:
    """What to sort a metric by: its current values, ranks for a text; NaN where unknown."""
    values = view.known(name)
    if CATALOGUE[view.scope][name].kind is not Kind.TEXT:
        return values
    return _ranks(values, view.texts)


def _ranks(codes: Floats, texts: Sequence[str]) -> Floats:
    """The place of each text among those that are there; an empty text is unknown."""
    known = codes == codes
    if not known.any():
        return codes
    whole = np.where(known, codes, 0).astype(np.int64)
    present = np.flatnonzero(np.bincount(whole))
    rank = np.zeros(int(present[-1]) + 1)
    rank[present] = _places_of(tuple([texts[code] for code in present.tolist()]))
    return np.where(known & (whole > 0), rank[whole], np.nan)


@lru_cache(maxsize=32)  # names, models and jobs are the same from one frame to the next
def _places_of(texts: tuple[str, ...]) -> Order:
    """The place of each text among them in natural order."""
    order = sorted(range(len(texts)), key=lambda at: natural_key(texts[at]))
    found = np.empty(len(texts), np.intp)
    found[order] = np.arange(len(texts))
    return found


def arrange(rows: Order, keys: Floats | None, descending: bool) -> Order:
    """`rows` (in natural order) by `keys` (one a row); equal ones keep their order, NaN goes last either way."""
    if keys is None:
        return rows
    picked = keys[rows]
    return rows[np.argsort(-picked if descending else picked, kind="stable")]


class Sorted:
    """Rows by keys as `arrange` puts them, but sorted only as far as somebody looks: hundreds of thousands of links are
    sorted anew with every frame, and a screen shows fifty of them.

    They are put into rough order by the upper half of each key's bits, which numpy does fast; a run of rows that are
    alike so far is sorted when one of them is asked for.
    """

    def __init__(self, rows: Order, keys: Floats | None, descending: bool) -> None:
        self._keys, self._descending = keys, descending
        self._order, self._rough = rows, np.empty(0, np.uint16)
        self._sorted: set[int] = set()  # starts of runs
        if keys is not None:
            rough = _upper_bits(keys[rows], descending)
            places = np.argsort(rough, kind="stable")  # of 16 bits: numpy sorts these by radix
            self._order, self._rough = rows[places], rough[places]

    def __len__(self) -> int:
        return len(self._order)

    def row(self, index: int) -> int:
        self._sort_run(index)
        return int(self._order[index])

    def index_of(self, row: int) -> int | None:
        found = np.flatnonzero(self._order == row)
        if not found.size:
            return None
        self._sort_run(int(found[0]))
        return int(np.flatnonzero(self._order == row)[0])

    def _sort_run(self, index: int) -> None:
        if self._keys is None:
            return
        start = int(np.searchsorted(self._rough, self._rough[index], "left"))
        if start in self._sorted:
            return
        self._sorted.add(start)
        run = slice(start, int(np.searchsorted(self._rough, self._rough[index], "right")))
        self._order[run] = arrange(self._order[run], self._keys, self._descending)


def _upper_bits(keys: Floats, descending: bool) -> NDArray[np.uint16]:
    """16 bits of each key that order as the keys do, NaN last: sign, exponent and seven digits of a short float."""
    with np.errstate(over="ignore"):
        bits = (keys + 0.0).astype(np.float32).view(np.uint32) >> 16  # adding 0 takes the sign from -0
    negative = bits >= 0x8000
    upper = np.where(negative, 0xFFFF - bits, bits + 0x8000).astype(np.uint16)
    if descending:
        upper = 0xFFFF - upper
    upper[np.isnan(keys)] = 0xFFFF
    return upper
