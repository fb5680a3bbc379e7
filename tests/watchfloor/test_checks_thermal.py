"""What the check of heat says of a margin."""

from __future__ import annotations

import pytest

from watchfloor.checks.thermal import _distance


@pytest.mark.parametrize(
    ("margin", "said"),
    [(3.2, "is 3 °C below"), (0.0, "is at"), (-0.3, "is at"), (-1.0, "is 1 °C above")],
)
def test_a_margin_reads_as_a_distance(margin: float, said: str) -> None:
    assert _distance(margin) == said
