"""Medians without numpy's masked arrays."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from watchfloor.distinct import among, median, medians

USED = """
import sys
import numpy as np
from watchfloor.distinct import among, distinct, median, medians
median(np.array([1.0, 2.0]))
medians(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
distinct(np.array([1.0, 1.0]))
among(np.arange(200.0), np.arange(100.0))
sys.exit("numpy.ma" in sys.modules)
"""


def test_the_median_of_what_is_known() -> None:
    random = np.random.default_rng(3)
    for count in range(1, 8):
        values = random.random(count)
        assert median(np.append(values, np.nan)) == np.median(values)
    assert np.isnan(median(np.array([np.nan]))) and np.isnan(median(np.empty(0)))


def test_the_median_of_each_group() -> None:
    random = np.random.default_rng(4)
    values, groups = random.random(200), random.integers(-3, 20, 200).astype(float)
    expected = [np.median(values[groups == group]) for group in groups]
    assert medians(values, groups).tolist() == expected
    assert medians(np.empty(0), np.empty(0)).tolist() == []


def test_what_is_among_others() -> None:
    values = np.array([3.0, np.nan, 1.0, 7.0, 9.0])
    assert among(values, [7, 3]).tolist() == [True, False, False, True, False]
    assert among(values, np.array([np.nan, 9.0])).tolist() == [False, False, False, False, True]
    assert not among(values, []).any() and among(np.empty(0), [1]).tolist() == []


def test_medians_do_not_load_the_masked_arrays() -> None:
    assert subprocess.run([sys.executable, "-c", USED], check=False, timeout=60).returncode == 0
