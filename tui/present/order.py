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
