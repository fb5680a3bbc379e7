"""What numpy has too, without its masked arrays.

`np.median`, `np.isin`, and `np.unique` where it is asked for nothing but the values, load these, which takes 4 MB for
as long as the program runs: a twentieth of what a console of one node needs. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The values of a one-dimensional array, each once, in order; of NaN one."""
    return np.unique(values, return_counts=True)[0]


def distinct_columns(values: NDArray[Any]) -> NDArray[Any]:
    """The columns of a two-dimensional array, each once, in order."""
    return np.unique(values, axis=1, return_counts=True)[0]


def among(values: NDArray[Any], wanted: NDArray[Any] | Sequence[float]) -> NDArray[np.bool_]:
    """By value: whether it is one of these. NaN never is."""
    ordered = np.sort(np.asarray(wanted))
    if not ordered.size:
        return np.zeros(len(values), np.bool_)
    places = np.searchsorted(ordered, values)
    return ordered.take(places, mode="clip") == values


def median(values: Floats) -> float:
    """Of what is known, else NaN."""
    known = np.sort(values[~np.isnan(values)])
    return float(known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2 if known.size else np.nan


def medians(values: Floats, groups: Floats) -> Floats:
    """By value, all of them known: the median of its group."""
    _, of_value, counts = np.unique(groups, return_inverse=True, return_counts=True)
    ordered = values[np.lexsort((values, of_value))]
    starts = np.cumsum(counts) - counts
    middles = (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2
    return middles[of_value]
