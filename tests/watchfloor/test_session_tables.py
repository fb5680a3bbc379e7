"""What changed of things that have a key each: texts of which some numbers moved are told by these alone."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.session.tables import TablePatch, patch, patched

COMMAND = "/opt/venv/bin/python -u pretrain.py --config configs/moe-90b.yaml --resume auto"


def processes(*percent: float) -> bytes:
    rows = [{"pid": 9000 + at, "command": COMMAND, "cpu_percent": one, "state": "S"} for at, one in enumerate(percent)]
    return json.dumps(rows, separators=(",", ":")).encode()


def test_of_processes_what_moved_is_told() -> None:
    before, now = [b"", processes(99.8, 101.2)], [b"", processes(99.8, 100.6)]
    change = patch(before, now)
    assert change is not None and (change.put, change.told) == ({}, {1})
    assert change.mended[1] == [(7, b'100.6,"state"')]
    assert len(msgspec.msgpack.encode(change)) < 60 < len(now[1])
    assert patched(dict(enumerate(before)), change, bytes) == dict(enumerate(now))


def test_of_another_process_all_is_told() -> None:
    for now in (processes(99.8), processes(1.0, 2.0, 3.0), b"[]", b""):
        change = patch([processes(99.8, 101.2)], [now])
        assert change is not None and change.mended == {} and list(change.put) == [0]


@given(st.lists(st.binary(max_size=4)), st.lists(st.binary(max_size=4)))
def test_every_text_comes_back(old: list[bytes], new: list[bytes]) -> None:
    before, now = {"a": b":".join(old), "b": b""}, {"a": b":".join(new), "b": b""}
    change = patch(before, now)
    assert (patched(before, change, bytes) if change else before) == now


@pytest.mark.parametrize("known", [{}, {1: b"a"}, {1: 5}])
def test_what_mends_nothing_that_is_there_is_refused(known: dict[int, object]) -> None:
    with pytest.raises((LookupError, AttributeError)):
        patched(known, TablePatch(mended={1: [(1, b"b")]}), bytes)
