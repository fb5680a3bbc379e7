"""limits.yaml: what is widened or tightened, and that a mistake in it never widens anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.interlocks import Limits
from agents.limits import read_limits
from watchfloor.errors import ConfigError


def test_without_a_file_the_usual_limits_hold(tmp_path: Path) -> None:
    assert read_limits(tmp_path / "limits.yaml") == Limits()


def test_limits_are_read_in_their_units(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("rack_nodes: 2\nhealthy_share: 80%\nfresh: 10s\nbreaker: 30m\n")
    assert read_limits(file) == Limits(rack_nodes=2, healthy_share=0.8, fresh_seconds=10.0, breaker_seconds=1800.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rack_node: 2", "did you mean rack_nodes?"),
        ("healthy_share: 5%", "from 20% to 100%"),
        ("fresh: 3h", "at most 600 s"),
        ("rack_nodes: 0", "whole number"),
        ("breaker_failures: many", "whole number"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(text + "\n")
    with pytest.raises(ConfigError, match=words) as caught:
        read_limits(file)
    assert caught.value.line == 1 and caught.value.file == str(file)
