"""What an entry tells: one vocabulary, no secrets, bounded, the same bytes always."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ledgers import ANNA, MODEL, beat, story
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledgerclean import MOST_BYTES, clean
from watchfloor.records.ledgerentry import (
    FIRST_PREV,
    MOST_SUBJECTS,
    Note,
    node,
    placed,
    read,
    seconds_of,
    time_of,
    told,
)
from watchfloor.records.ledgerjson import canonical
from watchfloor.records.ledgerwords import BODIES, Kind

AT = 1_764_355_538_123_456_789
SECRETS = ["--token", "-u", "a:b c", "password=x y", "Bearer abcdefgh12345678", "curl -u a:b http://c:d@e", "key:", "="]
SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAkey==\n-----END SSH SIGNATURE-----\n"


def kept(note: Note) -> dict[str, Any]:
    """The entry as its bytes say it."""
    return json.loads(told(note, AT, "console-1"))


def body_of(facts: dict[str, Any]) -> Any:
    return kept(Note(ANNA, words.Stop(reason="r", facts=facts)))["body"].get("facts")


def test_every_kind_has_one_struct() -> None:
    assert {*BODIES} == {kind.value for kind in Kind}
    assert {note.body.kind for note in story()} == {*Kind} - {Kind.CHECKPOINT}


@pytest.mark.parametrize("note", story(), ids=lambda note: note.body.kind)
def test_what_is_told_is_what_is_read(note: Note) -> None:
    text = placed(told(note, AT, "console-1"), 7, "ab" * 32)
    assert canonical(json.loads(text)) == text
    entry = read(text, "digest")
    assert (entry.number, entry.prev, entry.digest, entry.host) == (7, "ab" * 32, "digest", "console-1")
    assert (entry.who, entry.subjects, entry.run, entry.plan) == (note.who, note.subjects, note.run, note.plan)
    assert entry.told() == note.body
    assert entry.time == "2025-11-28T18:45:38.123456789Z" and entry.seconds == pytest.approx(AT / 1e9)


def test_the_form_is_what_the_document_says() -> None:
    note = Note(MODEL, words.Outcome(outcome="failed"), (node("n2"),), "r1", "ab")
    assert placed(told(note, AT, "c1"), 0, FIRST_PREV) == (
        b'{"entry":{"body":{"outcome":"failed"},"host":"c1","kind":"outcome","plan":"ab","run":"r1",'
        b'"subjects":["node:n2"],"time":"2025-11-28T18:45:38.123456789Z","who":{"kind":"agent","model":"m-1",'
        b'"name":"desk","on_behalf_of":"bob","prompt":"' + b"ab" * 32 + b'"}},"number":0,"prev":"' + b"0" * 64 + b'"}'
    )


def test_an_entry_of_a_newer_watchfloor_is_read_as_far_as_it_goes() -> None:
    text = placed(told(beat(), AT, "c1"), 0, FIRST_PREV).replace(b"heartbeat", b"teleported")
    entry = read(text, "")
    assert entry.kind == "teleported" and entry.told() is None and entry.body == {"session": "s0"}


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"entry":{},"number":0,"prev":""}', b'{"entry":1}', b"\xff"])
def test_what_is_no_entry_is_told(text: bytes) -> None:
    with pytest.raises(ValueError):
        read(text, "")


# -- secrets


def test_secrets_are_hidden_before_anything_is_hashed() -> None:
    argv = ["curl", "-u", "anna:open sesame", "--token", "q w", "-H", "Authorization: Bearer abcdefgh12345678", "x y"]
    note = Note(ANNA, words.Intent(step="1", action="a", argv=argv), (node("n1?token=abc"),), "password=hunter2")
    entry = kept(note)
    shown = ["curl", "-u", "anna:***", "--token", "***", "-H", "Authorization:***", "x y"]
    assert entry["body"]["argv"] == shown
    assert entry["subjects"] == ["node:n1?token=***"] and entry["run"] == "password=***"


def test_secrets_hide_in_facts_by_their_names_and_by_their_shapes() -> None:
    facts = {"api_key": "abc", "deep": [{"text": "PGPASSWORD=xyz psql"}], "list": [1, "hf_" + "a" * 30]}
    assert body_of(facts) == {"api_key": "***", "deep": [{"text": "PGPASSWORD=*** psql"}], "list": [1, "hf_***"]}


def test_an_output_is_digested_without_its_secrets() -> None:
    one, other = words.output(b"token=abc done"), words.output(b"token=xyz done")
    assert one == other and one.excerpt == "token=*** done"


def test_a_signature_is_public_and_stays_whole() -> None:
    entry = kept(Note(ANNA, words.Approval(reason="password=abc", signature=SIGNATURE)))
    assert entry["body"] == {"reason": "password=***", "signature": SIGNATURE}
    assert body_of({"signature": SIGNATURE + "token=abc"}) == {"signature": "***"}


# -- bounds


def test_an_output_is_kept_as_its_beginning_and_the_digest_of_all_of_it() -> None:
    printed = words.output("line\n" * 100_000)
    assert printed.bytes == 500_000 and len(printed.excerpt) == words.EXCERPT_BYTES and len(printed.sha256) == 64


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    entry = kept(Note(ANNA, words.Refused(why="w", text="x" * 200_000)))
    assert entry["body"]["why"] == "w" and "(cut: 200000 bytes, sha256 " in entry["body"]["text"]


def test_the_plan_for_thousands_of_nodes_is_kept_whole_and_what_is_larger_is_cut() -> None:
    plan = {"steps": [{"action": "drain_node", "target": node(f"n{at}")} for at in range(5_000)]}
    assert kept(Note(ANNA, words.Proposed(reason="r", plan=plan)))["body"]["plan"] == plan
    larger = Note(ANNA, words.Proposed(reason="r", plan={str(at): "y" * 1_000 for at in range(5_000)}))
    body = kept(larger)["body"]
    assert body["cut"]["bytes"] > 5_000_000 and len(body["cut"]["sha256"]) == 64
    assert read(placed(told(larger, AT, "c1"), 0, FIRST_PREV), "").told() is None


def test_more_subjects_than_an_entry_takes_are_counted() -> None:
    subjects = kept(Note(ANNA, words.Stop(reason="r"), tuple(node(f"n{at}") for at in range(5_000))))["subjects"]
    assert len(subjects) == MOST_SUBJECTS + 1 and subjects[-1] == f"more:{5_000 - MOST_SUBJECTS}"


def test_nothing_that_is_told_is_refused() -> None:
    facts = {"nan": float("nan"), "big": 2**80, "half": "\ud800", "path": Path("/x"), "raw": b"\xff", "set": {1}}
    assert body_of(facts) == {
        "nan": "nan", "big": str(2**80), "half": "?", "path": "/x", "raw": "\ufffd", "set": [1],
    }  # fmt: skip


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), _anything), st.text(), st.integers(0, 2**62))
def test_whatever_is_told_becomes_canonical_bounded_bytes(facts: dict[str, Any], word: str, ns: int) -> None:
    note = Note(ANNA, words.Stop(reason=word, facts=facts), (word,), word, word)
    text = placed(told(note, ns, word), 0, FIRST_PREV)
    assert len(text) <= 2 * MOST_BYTES
    assert json.loads(text)["entry"]["time"] == time_of(ns)
    read(text, "")


@given(st.dictionaries(st.text(), _anything | st.lists(st.text() | st.sampled_from(SECRETS))))
def test_what_was_cleaned_stays_as_it_is(body: dict[str, Any]) -> None:
    once = clean(body)
    assert clean(json.loads(once)) == once


@given(st.integers(0, 2**62))
def test_times_are_exact_and_sort_as_texts(ns: int) -> None:
    assert time_of(ns) < time_of(ns + 1)
    assert seconds_of(time_of(ns)) == pytest.approx(ns / 1e9)


def test_secrets_in_tuples_are_found_as_in_lists() -> None:
    assert clean({"steps": ({"argv": ("set", "password=hunter2")},)}) == clean(
        {"steps": [{"argv": ["set", "password=***"]}]}
    )
