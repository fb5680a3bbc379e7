"""The wire: whatever comes in is a typed line or a StreamError that shows how the line began."""

from __future__ import annotations

import json
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.errors import StreamError
from watchfloor.model import Problem
from watchfloor.report import (
    Cells,
    Fault,
    Hello,
    Pong,
    Process,
    Report,
    SamplerStatus,
    Schema,
    Table,
    decode,
    decode_detail,
)

positions = st.lists(st.integers(0, 2**31 - 1), max_size=10)
numbers = st.lists(st.floats(-1e20, 1e20), max_size=10)
words = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=20)
cells = st.builds(
    Cells,
    p=positions,
    v=numbers,
    mp=positions,
    mc=st.lists(st.integers(0, 7), max_size=10),
    xp=positions,
    x=st.lists(words, max_size=5),
)
reports = st.builds(
    Report,
    n=st.integers(0, 2**31),
    generation=st.integers(0, 1000),
    at=st.floats(0, 2e9),
    full=st.booleans(),
    cells=st.dictionaries(st.sampled_from(["node", "accelerator", "link"]), cells, max_size=3),
    samplers=st.dictionaries(words, st.builds(SamplerStatus, state=words, text=words), max_size=2),
    notes=st.dictionaries(words, words, max_size=2),
    details=st.just({}),
)
lines = st.one_of(
    reports,
    st.builds(Hello, version=st.integers(0, 99), node=words, boot_id=words, at=st.floats(0, 2e9), probe=words),
    st.builds(
        Schema,
        generation=st.integers(0, 99),
        tables=st.dictionaries(words, st.builds(Table, keys=st.lists(words), metrics=st.lists(words)), max_size=2),
    ),
    st.builds(Pong, id=st.integers(0, 2**31), at=st.floats(0, 2e9)),
    st.builds(Fault, text=words),
)


@given(lines)
def test_what_is_encoded_is_what_is_decoded(line) -> None:
    assert decode(msgspec.json.encode(line)) == line


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=50), st.booleans())
def test_what_a_node_says_acts_on_no_terminal(said: str, ascii_only: bool) -> None:
    line = json.dumps({"t": "fault", "text": said}, ensure_ascii=ascii_only).encode()
    heard = decode(line)
    assert isinstance(heard, Fault)
    assert len(heard.text) == len(said)
    assert not any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in heard.text)
    assert all(one == was or one in "? " for one, was in zip(heard.text, said, strict=True))


def test_what_only_looks_like_an_escape_stays() -> None:
    said = 'C:\\new \\u001b "quoted" café → \U0001f600'
    assert decode(msgspec.json.encode(Fault(said))) == Fault(said)
    assert decode(json.dumps({"t": "fault", "text": said}).encode()) == Fault(said)
    hidden = decode(b'{"t":"fault","text":"gpu0\\u001b[2J\\u202ered\\n"}')
    assert hidden == Fault("gpu0?[2J?red ")


@given(st.binary(max_size=200))
def test_bytes_are_a_line_or_a_stream_error(noise: bytes) -> None:
    try:
        decode(noise)
    except StreamError as error:
        assert error.problem is Problem.GARBAGE


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Welcome to gpu07!",
        b'{"t":"nonsense"}',
        b'{"t":"report","n":1}',
        b'{"t":"report","n":1,"generation":1,"at":0,"cells":{"node":{"p":[-1],"v":[1]}}}',
        b'{"t":"report","n":1,"generation":1,"at":0,"cells":{"node":{"p":[0],"v":[NaN]}}}',
        b'{"t":"report","n":1,"generation":1,"at":0,"cells":{"node":{"mp":[0],"mc":[99]}}}',
        b"[" * 100_000,
        b'{"t":"report","n":1,"generation":1,"at":0,"cells":{"node":{"p":[0],"v":[1e300]}}}',
        b'{"t":"report","n":1,"generation":1,"at":0,"cells":{"node":{"xp":[0],"x":["' + b"x" * 5000 + b'"]}}}',
    ],
    ids=["empty", "banner", "kind", "field missing", "negative", "NaN", "unknown reason", "deep", "huge", "long"],
)
def test_garbage_is_named_and_shown(line: bytes) -> None:
    with pytest.raises(StreamError) as caught:
        decode(line)
    assert caught.value.problem is Problem.GARBAGE
    assert len(str(caught.value)) < 1000


def test_details_are_decoded_when_a_page_asks() -> None:
    raw = msgspec.json.encode([Process(1, "root", "init")])
    assert decode_detail("processes", raw) == [Process(1, "root", "init")]
    with pytest.raises(StreamError):
        decode_detail("processes", b'[{"pid":"x"}]')


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("workloads", b'[{"pid":1,"start":5,"rank":-2}]'),
        ("workloads", b'[{"pid":1,"start":5,"environment":{"RANK":"' + b"1" * 5000 + b'"}}]'),
        ("origins", b'[{"pid":1,"start":5,"commit":"not a commit"}]'),
    ],
)
def test_what_no_probe_would_tell_of_a_process_is_refused(name: str, row: bytes) -> None:
    with pytest.raises(StreamError):
        decode_detail(name, row)
