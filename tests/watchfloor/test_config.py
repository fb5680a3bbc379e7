"""YAML with positions: every complaint names line and column, and what YAML would guess at is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchfloor import config
from watchfloor.config import Item, load, parse, whole
from watchfloor.errors import ConfigError
from watchfloor.metrics import Unit
from watchfloor.units import UNITS, quantity


def complaint(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, "a.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' is there twice"),
        ("a: {x: 1, x: 2}\n", 1, 11, "'x' is there twice"),
        ("a: &one 1\nb: *one\n", 1, 4, "an alias"),
        ("a: &one {x: 1}\nb:\n  <<: *one\n", 3, 3, "YAML may read it as a merge"),
        ("a: !secret x\n", 1, 4, "a tag (!secret)"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, 4, "a tag"),
        ("on: 1\n", 1, 1, "the key on: YAML may read it as a bool"),
        ("1.10: 1\n", 1, 1, "YAML may read it as a float"),
        ("07: 1\n", 1, 1, "YAML may read it as an int"),
        ("a: [1, 2\n", 2, 1, "expected ',' or ']'"),
        ("a: b: c\n", 1, 5, "mapping values are not allowed"),
        ("a: \x00\n", 1, 0, "control characters"),
        ("a: 1\n---\nb: 2\n", 2, 1, "but found another document"),
        ("[" * 60 + "]" * 60, 1, 41, "too deeply nested"),
    ],
)
def test_what_has_surprises_in_it_is_refused_where_it_stands(text: str, line: int, column: int, message: str) -> None:
    error = complaint(text)
    assert (error.file, error.line, error.column) == ("a.yaml", line, column)
    assert message in error.message


@pytest.mark.parametrize(
    "word", ["on", "no", "yes", "true", "~", "1.10", "07", "08", "12:30:00", "2026-11-22", "1e3", "0x1F"]
)
def test_a_text_that_yaml_may_read_otherwise_needs_quotes(word: str) -> None:
    with pytest.raises(ConfigError):
        parse(f"a: {word}", "a.yaml").section(["a"]).require("a", Item.text)
    assert parse(f'a: "{word}"', "a.yaml").section(["a"]).require("a", Item.text) == word


def test_an_unknown_key_is_told_at_its_own_place_with_the_nearest() -> None:
    item = parse("sites:\n  oslo:\n    rakcs:\n      r1: x\n", "fleet.yaml").entries()["sites"].entries()["oslo"]
    with pytest.raises(ConfigError) as caught:
        item.section(["racks", "nodes"])
    assert str(caught.value) == "fleet.yaml:3:5: sites.oslo has no key 'rakcs' (did you mean racks?)"


def test_a_host_pattern_in_a_list_in_brackets_is_told_its_quotes() -> None:
    with pytest.raises(ConfigError, match=r"did not find expected") as refused:
        parse("a: b\nnodes: [ok1, gpu[01-16].lab, x]\n", "fleet.yaml")
    assert (refused.value.line, refused.value.advice) == (2, 'write "gpu[01-16].lab"')
    with pytest.raises(ConfigError) as other:
        parse("nodes: [gpu1\nx: 3\n", "fleet.yaml")
    assert other.value.advice == ""


def test_a_number_in_quotes_is_told_to_lose_them() -> None:
    with pytest.raises(ConfigError, match="not a whole number from 1 to 9") as refused:
        parse('port: "7"\n', "a").section(["port"]).require("port", whole(1, 9))
    assert refused.value.advice == "without quotes"


def test_values_are_read_as_what_the_reader_wants() -> None:
    section = parse("port: 22\non_air: true\nlist: [a, b]\none: a\nwatts: 1.5kW\n", "a").section(
        ["port", "on_air", "list", "one", "watts", "absent"]
    )
    assert section.require("port", whole(1, 65535)) == 22
    assert section.require("on_air", Item.flag) is True
    assert [item.text() for item in section.require("list", Item.items)] == ["a", "b"]
    assert [item.text() for item in section.require("one", Item.items)] == ["a"]
    assert section.require("watts", lambda item: item.quantity(Unit.WATTS)) == 1500
    assert section.get("absent", Item.text) is None
    with pytest.raises(ConfigError, match="needs a key 'absent'"):
        section.require("absent", Item.text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("0", whole(1, 9)),
        ("x", whole(1, 9)),
        ('"5"', whole(1, 9)),
        ("yes", Item.flag),
        ('"true"', Item.flag),
        ("120", lambda item: item.quantity(Unit.WATTS)),
        ("5GB", lambda item: item.quantity(Unit.WATTS)),
        ("[a]", Item.text),
        ("{a: b}", Item.items),
        ("a", Item.entries),
        ("x", Item.number),
    ],
)
def test_a_value_of_another_kind_is_refused(text: str, read) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"a: {text}", "f").section(["a"]).require("a", read)
    assert (caught.value.line, caught.value.column) == (1, 4)
    assert caught.value.message.startswith("a")


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load(tmp_path / "none.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: b\nc: \xff\n")
    with pytest.raises(ConfigError, match=r"latin.yaml:2: is not UTF-8"):
        load(latin)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=80), st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n\t1.~<", max_size=60)))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        parse(text, "any.yaml")
    except ConfigError as error:
        assert error.file == "any.yaml"


@pytest.mark.parametrize("suffix", UNITS)
def test_every_unit_is_read(suffix: str) -> None:
    unit, factor = UNITS[suffix]
    assert quantity(f"2{suffix}", unit) == 2 * factor


def test_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fleet.yaml")
    with pytest.raises(ConfigError, match=r"fleet\.yaml: is a pipe that nobody writes into"):
        load(tmp_path / "fleet.yaml")
    reader, writer = os.pipe()
    os.write(writer, b"nodes: a")
    os.close(writer)
    try:
        assert load(Path(f"/dev/fd/{reader}")).is_mapping
    finally:
        os.close(reader)


def test_a_pipe_that_is_held_open_in_silence_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "PIPE_SECONDS", 0.05)
    reader, writer = os.pipe()
    try:
        with pytest.raises(ConfigError, match="nothing came for"):
            load(Path(f"/dev/fd/{reader}"))
    finally:
        os.close(reader)
        os.close(writer)
