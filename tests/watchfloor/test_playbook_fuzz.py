"""Playbook files that were cut, garbled or made up are read or refused at a place, and never half."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchfloor.errors import ConfigError
from watchfloor.playbook import Playbook
from watchfloor.playbookfile import read_bytes

SHIPPED = sorted((Path(__file__).parents[2] / "playbooks").glob("*.yaml"))
_FEW = settings(max_examples=150, deadline=None)
_TEXTS = st.sampled_from([path.read_text("utf-8") for path in SHIPPED])
_MARKS = list("{}[]:,'\"#&*!|>%@`-\n\t\0")
_BITS = st.sampled_from([*_MARKS, "- ", ": ", "null", "1e400", "-1", "{target}", "on", "  key: x\n"])


def read_or_refused(data: bytes) -> Playbook | None:
    try:
        return read_bytes(data, "mine.yaml")
    except ConfigError as error:
        assert error.file == "mine.yaml" and str(error)
        lines = data.count(b"\n") + data.count(b"\r") + 1
        assert 0 <= error.line <= lines + 1
        return None


def is_whole(playbook: Playbook) -> bool:
    """What is read can be carried out as it stands: steps that need what comes before them, bounds that are bounds."""
    keys = [step.key for step in playbook.steps]
    needs = all(need in keys[:at] for at, step in enumerate(playbook.steps) for need in step.needs)
    guards = playbook.guards
    bounds = [guards.cooldown_seconds, guards.fresh_seconds, playbook.lifetime_seconds]
    return needs and len(set(keys)) == len(keys) and all(0 <= bound < float("inf") for bound in bounds)


@_FEW
@given(_TEXTS, st.data())
def test_a_file_that_was_cut(text: str, data: st.DataObject) -> None:
    read = read_or_refused(text[: data.draw(st.integers(0, len(text)))].encode())
    assert read is None or is_whole(read)


@_FEW
@given(_TEXTS, st.data(), _BITS)
def test_a_file_with_something_in_it_that_does_not_belong_there(text: str, data: st.DataObject, bit: str) -> None:
    at = data.draw(st.integers(0, len(text)))
    read = read_or_refused((text[:at] + bit + text[at:]).encode())
    assert read is None or is_whole(read)


@_FEW
@given(_TEXTS, st.data())
def test_a_file_with_two_lines_changed_about(text: str, data: st.DataObject) -> None:
    lines = text.splitlines(keepends=True)
    one, other = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    read = read_or_refused("".join(lines).encode())
    assert read is None or is_whole(read)


@_FEW
@given(st.binary(max_size=300) | st.lists(_BITS, max_size=60).map(lambda bits: "".join(bits).encode()))
def test_a_file_that_was_made_up(data: bytes) -> None:
    assert read_or_refused(data) is None


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_key_that_lacks_its_value_is_refused_or_left_out(path: Path) -> None:
    text = path.read_text("utf-8")
    ends = [match.end() for match in re.finditer(r":(?= )", text)]
    for start, _ in pairwise([*ends, len(text)]):
        stop = text.find("\n", start)
        read = read_or_refused((text[:start] + text[stop:]).encode())
        assert read is None or is_whole(read)
