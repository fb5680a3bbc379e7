"""Whatever is done to a ledger behind its back is detected, and the first bad entry is named."""

from __future__ import annotations

import random
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.ledgers import ANNA, beat, key, story, tampered, written
from watchfloor.errors import StoreError
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgercheckpoint import Anchor, State, anchors_in, checkpoint_begins, origin_of
from watchfloor.records.ledgerentry import FIRST_PREV, placed
from watchfloor.records.ledgermerkle import Frontier, leaf
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.records.ledgerverify import Rows, Verdict, verify
from watchfloor.signing import SshSigner

SIZE = 40


def verdict(path: Path, anchors: list[Anchor] | None = None) -> Verdict:
    with LedgerReader(path) as reader:
        return verify(reader.rows, reader.head(), anchors or [], reader.checkpoint_sizes())


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Anchor]]:
    """Forty entries, checkpoints in entries 20 and 31, and the anchors of both."""
    path = tmp_path_factory.mktemp("sound") / "ledger.db"
    anchors = []
    with Ledger(path) as ledger:
        for count in (20, 10, 8):
            ledger.append_all((story() * 2)[:count])
            if count != 8:
                made = ledger.checkpoint(ANNA, None)
                anchors.append(Anchor(State(made.origin, made.size, made.root), where=f"log:{len(anchors) + 1}"))
    return path, anchors


@pytest.fixture
def copy(sound: tuple[Path, list[Anchor]], tmp_path: Path) -> Path:
    shutil.copy(sound[0], tmp_path / "copy.db")
    return tmp_path / "copy.db"


def texts(base: sqlite3.Connection) -> list[bytes]:
    return [text for (text,) in base.execute("SELECT CAST(text AS BLOB) FROM entry ORDER BY number")]


def rechained(entries: list[bytes]) -> tuple[list[bytes], Frontier]:
    """What somebody makes who knows the format: every number and hash right again."""
    prev, made, tree = FIRST_PREV, [], Frontier()
    for number, text in enumerate(entries):
        told = text[len(b'{"entry":') : text.rindex(b',"number":')]
        made.append(placed(told, number, prev))
        prev = leaf(made[-1]).hex()
        tree.extend([leaf(made[-1])])
    return made, tree


def replaced(base: sqlite3.Connection, entries: list[bytes]) -> None:
    """The whole ledger forged, with what the file says of itself."""
    made, tree = rechained(entries)
    base.execute("DELETE FROM entry")
    base.executemany("INSERT INTO entry VALUES (?, ?)", [(at, text.decode()) for at, text in enumerate(made)])
    peaks = b"".join(tree.peaks).hex()
    base.execute("UPDATE head SET size = ?, last = ?, peaks = ?", (tree.size, leaf(made[-1]).hex(), peaks))


def test_a_sound_ledger_is_intact(sound: tuple[Path, list[Anchor]]) -> None:
    path, anchors = sound
    found = verdict(path, anchors)
    assert found.intact and (found.size, found.anchors) == (SIZE, 2)
    assert [(each.number, each.state.size) for each in found.checkpoints] == [(20, 20), (31, 31)]


def test_checkpoints_are_found_without_an_index(copy: Path, sound: tuple[Path, list[Anchor]]) -> None:
    with tampered(copy) as base:
        base.execute("DROP INDEX entry_checkpoint")
    with LedgerReader(copy) as reader:
        assert verify(reader.rows, None).checkpoints == verdict(sound[0]).checkpoints


@pytest.mark.parametrize("number", [0, 1, 17, 19, 20, 38, 39])
@pytest.mark.parametrize("place", ["first", "middle", "last", "prev", "number"])
def test_a_flipped_byte_names_its_entry(copy: Path, number: int, place: str) -> None:
    with tampered(copy) as base:
        text = bytearray(texts(base)[number])
        at = {"first": 0, "middle": 60, "last": -1, "prev": -20, "number": text.rindex(b',"number":') + 10}[place]
        text[at] ^= 1
        base.execute("UPDATE entry SET text = CAST(? AS TEXT) WHERE number = ?", (bytes(text), number))
    found = verdict(copy)
    assert not found.intact and not found.truncated
    assert found.first_bad == number and str(number) in found.trouble


@pytest.mark.parametrize("number", [0, 5, 38])
def test_a_removed_entry_is_named(copy: Path, number: int) -> None:
    with tampered(copy) as base:
        base.execute("DELETE FROM entry WHERE number = ?", (number,))
    assert (verdict(copy).first_bad, verdict(copy).trouble) == (number, f"entry {number} is missing")


def test_a_removed_entry_is_named_although_the_others_moved_up(copy: Path) -> None:
    with tampered(copy) as base:
        base.execute("DELETE FROM entry WHERE number = 7")
        base.execute("UPDATE entry SET number = -number WHERE number > 7")
        base.execute("UPDATE entry SET number = -number - 1 WHERE number < 0")
    assert verdict(copy).first_bad == 7 and "entry 8 stands in its place" in verdict(copy).trouble


@pytest.mark.parametrize(("one", "other"), [(3, 4), (0, 39), (20, 31)])
def test_entries_that_changed_places_are_named(copy: Path, one: int, other: int) -> None:
    with tampered(copy) as base:
        base.execute("UPDATE entry SET number = -1 WHERE number = ?", (one,))
        base.execute("UPDATE entry SET number = ? WHERE number = ?", (one, other))
        base.execute("UPDATE entry SET number = ? WHERE number = -1", (other,))
    assert verdict(copy).first_bad == one
    assert verdict(copy).trouble == f"entry {one} isn't there: entry {other} stands in its place"


@pytest.mark.parametrize("right", [True, False])
def test_an_appended_entry_is_named_even_where_it_follows(copy: Path, right: bool) -> None:
    with tampered(copy) as base:
        prev = leaf(texts(base)[-1]).hex() if right else "ab" * 32
        base.execute("INSERT INTO entry VALUES (?, ?)", (SIZE, placed(b"{}", SIZE, prev).decode()))
    assert verdict(copy).first_bad == SIZE and "appended past the ledger" in verdict(copy).trouble


def test_an_inserted_entry_is_named(copy: Path) -> None:
    with tampered(copy) as base:
        base.execute("UPDATE entry SET number = -number WHERE number > 9")
        base.execute("UPDATE entry SET number = -number + 1 WHERE number < 0")
        prev = leaf(texts(base)[9]).hex()
        base.execute("INSERT INTO entry VALUES (10, ?)", (placed(b'{"forged":1}', 10, prev).decode(),))
    assert verdict(copy).first_bad == 11 and "entry 10 stands in its place" in verdict(copy).trouble


# -- a cut tail


def test_a_cut_tail_is_found_by_what_the_file_says_of_itself(copy: Path) -> None:
    with tampered(copy) as base:
        base.execute("DELETE FROM entry WHERE number >= 35")
    found = verdict(copy)
    assert (found.first_bad, found.truncated) == (35, False) and "the ledger has 40 entries" in found.trouble


@pytest.mark.parametrize("tidy", [True, False])
def test_a_cut_tail_behind_an_anchor_is_told_apart(copy: Path, sound: tuple[Path, list[Anchor]], tidy: bool) -> None:
    with tampered(copy) as base:
        if tidy:
            replaced(base, texts(base)[:25])
        else:
            base.execute("DELETE FROM entry WHERE number >= 25")
    assert verdict(copy).intact is tidy  # nobody but the anchor knows
    found = verdict(copy, sound[1])
    assert found.truncated and found.first_bad == 25
    assert found.trouble == "entries 25 to 30 are gone: the anchor log:2 saw 31"


# -- forged by somebody who knows the format


def test_a_chain_made_anew_is_found_by_a_checkpoint(copy: Path) -> None:
    with tampered(copy) as base:
        entries = texts(base)
        entries[22] = entries[22].replace(b"a", b"b", 1)
        replaced(base, entries)
    found = verdict(copy)
    assert found.first_bad == 20  # the first that no sound checkpoint covers
    assert "an entry from 20 to 30 has been altered" in found.trouble and "entry 31 holds" in found.trouble


def test_a_chain_made_anew_without_its_checkpoints_is_found_by_an_anchor(
    copy: Path, sound: tuple[Path, list[Anchor]]
) -> None:
    with tampered(copy) as base:
        entries = [text for text in texts(base) if not text.startswith(checkpoint_begins())]
        entries[25] = entries[25].replace(b"a", b"b", 1)
        replaced(base, entries)
    assert verdict(copy).intact
    found = verdict(copy, sound[1])
    assert not found.truncated and found.first_bad == 20 and "the anchor log:2" in found.trouble


def test_another_ledger_in_its_place_is_found_by_an_anchor(tmp_path: Path, sound: tuple[Path, list[Anchor]]) -> None:
    other = written(tmp_path / "other.db", story() * 3)
    found = verdict(other, sound[1])
    assert found.first_bad == 0 and "of another ledger" in found.trouble


def test_a_checkpoint_that_can_not_be_one_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.db")
    with Ledger(path) as ledger:
        ledger.checkpoint(ANNA, None)
    with tampered(path) as base:
        entries = texts(base)
        at = len(entries) - 1
        replaced(base, [*entries[:at], entries[at].replace(b'"size":%d' % at, b'"size":%d' % (at + 5))])
    assert verdict(path).first_bad == at and "can't be one" in verdict(path).trouble


@pytest.mark.parametrize(
    ("sql", "trouble"),
    [
        ("UPDATE head SET last = replace(last, substr(last, 1, 1), 'x')", "entry 39 has been altered"),
        ("UPDATE head SET peaks = substr(peaks, 65) || substr(peaks, 1, 64)", "tree has been altered"),
        ("UPDATE head SET size = 41, peaks = peaks || substr(peaks, 1, 64)", "entry 40 is missing"),
    ],
)
def test_what_the_file_says_of_itself_is_not_believed(copy: Path, sql: str, trouble: str) -> None:
    with tampered(copy) as base:
        base.execute(sql)
    assert trouble in verdict(copy).trouble


def test_every_flipped_byte_of_the_file_is_found_or_changes_no_entry(
    copy: Path, sound: tuple[Path, list[Anchor]], tmp_path: Path
) -> None:
    """Wherever it falls: in an entry, in SQLite's own structures, in unused space."""
    before = sound[0].read_bytes()
    with LedgerReader(copy) as reader:
        entries = [row for batch in reader.rows() for row in batch]
    rng = random.Random(5)
    found = 0
    for turn in range(250):
        at, bit = rng.randrange(len(before)), 1 << rng.randrange(8)
        damaged = tmp_path / f"{turn}.db"
        damaged.write_bytes(before[:at] + bytes([before[at] ^ bit]) + before[at + 1 :])
        try:
            with LedgerReader(damaged) as reader:
                outcome = verify(reader.rows, reader.head(), sound[1])
                if outcome.intact:
                    assert [row for batch in reader.rows() for row in batch] == entries, f"byte {at}, bit {bit}"
                else:
                    found += 1
        except StoreError:
            found += 1
    assert found > 100  # most of the file is entries


def test_a_file_whose_own_words_are_no_utf_8_is_unreadable(copy: Path) -> None:
    """sqlite3 then fails at decoding its own message."""
    copy.write_bytes(copy.read_bytes().replace(b"CREATE TABLE entry", b"CREATE TABL\xef entry"))
    with pytest.raises(StoreError):
        LedgerReader(copy)


def test_rows_that_can_no_longer_be_read_are_named() -> None:
    def rows() -> Rows:
        raise StoreError("disk image is malformed")

    def failing() -> object:
        tree = placed(b"{}", 0, FIRST_PREV)
        yield [(0, tree)]
        yield rows()

    found = verify(failing, None)  # type: ignore[arg-type]
    assert found.first_bad == 1 and "entry 1 can't be read" in found.trouble


def test_an_empty_export_is_intact_and_an_anchor_knows_better() -> None:
    anchor = Anchor(State(origin_of("ab" * 32), 3, "cd" * 32), where="a:1")
    assert verify(lambda: [], None).intact
    assert verify(lambda: [], None, [anchor]).truncated


# -- anchors as lines


def test_anchors_are_read_from_any_log() -> None:
    anchor = Anchor(State(origin_of("ab" * 32), 7, "cd" * 32), "2026-11-28T18:00:00Z", "-----BEGIN…\n")
    lines = ["Nov 28 18:00:00 c1 cron[1]: x", f"Nov 28 18:00:01 c1 watchfloor[2]: {anchor.line()} (end)", ""]
    assert list(anchors_in(lines, "log")) == [replace(anchor, where="log:2")]
    assert "signature" not in anchor.line(with_signature=False)


@pytest.mark.parametrize(
    "broken",
    ["{", "{}", '{"origin":"o","size":0,"root":"%s"}' % ("ab" * 32), '{"origin":"o","size":1,"root":"ab"}', "[]"],
)
def test_an_anchor_that_can_not_be_read_is_told(broken: str) -> None:
    with pytest.raises(ValueError, match="log:2 holds an anchor"):
        list(anchors_in(["", f"watchfloor-anchor {broken}"], "log"))


def test_a_checkpoint_is_signed_and_nothing_of_it_is_an_older_entry(tmp_path: Path) -> None:
    private, _ = key(tmp_path)
    with Ledger(tmp_path / "ledger.db") as ledger:
        with pytest.raises(StoreError, match="no ledger"):
            ledger.checkpoint(ANNA, None)
        ledger.append(beat())
        made = ledger.checkpoint(ANNA, SshSigner(private))
    assert made.size == 1 and made.signature.startswith("-----BEGIN SSH SIGNATURE-----")
    assert verdict(tmp_path / "ledger.db").checkpoints[0].signature == made.signature
