"""`watchfloor sessions`: which recordings there are, whether they are unaltered, what their screens showed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.parts import program
from tests.support.sessions import Floor
from watchfloor.cli import run
from watchfloor.exits import Audit, Exit
from watchfloor.recording import recorded
from watchfloor.session.cast import ScreenTape, asciicast, cut
from watchfloor.session.folder import files
from watchfloor.session.tape import END, INDEX, TERMINAL, Block, TapeReader
from watchfloor.session.writer import SessionWriter


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a recording of a terminal, and its ledger."""
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    monkeypatch.setenv("WATCHFLOOR_SESSIONS", str(tmp_path / "sessions"))
    floor, tape = Floor(), ScreenTape()
    with recorded("terminal") as recorder:
        for second in range(3):
            recorder.frame(floor.step())
            lines = [("watchfloor", "\x1b[1mwatchfloor\x1b[0m"), (f"second {second}", f"second {second}")]
            recorder.terminal(floor.now, tape.told(floor.now, (20, 2), lines))
            recorder.wait_written()
    yield tmp_path / "sessions"


def shown(capsys: pytest.CaptureFixture[str], *tokens: str) -> tuple[int, str]:
    code = run(["sessions", *tokens])
    return code, capsys.readouterr().out


def test_recordings_are_listed_and_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = shown(capsys)
    assert code == Exit.OK and "terminal" in text and "sealed" in text
    code, text = shown(capsys, "list", "--json")
    (one,) = json.loads(text)["sessions"]
    assert (one["state"], one["nodes"], one["ended"] - one["begun"]) == ("sealed", 13, 2.0)
    code, text = shown(capsys, "verify")
    assert code == Audit.INTACT and "the ledger has its digest" in text


def test_a_byte_that_was_altered_is_noticed_also_where_the_file_was_sealed_anew(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (path,) = files(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    code, text = shown(capsys, "verify", "last")
    assert code == Audit.ALTERED and "altered" in text
    other = _another_recording(tmp_path / "other")
    shutil.copy(other, path)
    code, text = shown(capsys, "verify", path.name)
    assert code == Audit.ALTERED and "the ledger has another digest" in text


@pytest.mark.parametrize("kind", [INDEX, END])
def test_where_the_altered_byte_is_in_an_index_or_the_end_it_is_named_and_the_rest_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: bytes
) -> None:
    (path,) = files(folder)
    block = _with_altered(path, kind, 0)
    code, text = shown(capsys, "verify")
    assert code == Audit.ALTERED and "altered" in text and f"byte {block.start} " in text
    code, text = shown(capsys, "cast")
    assert code == Exit.OK and "second 2" in text
    (one,) = json.loads(shown(capsys, "list", "--json")[1])["sessions"]
    assert (one["nodes"], one["ended"] - one["begun"]) == (13, 2.0)


def test_a_cast_without_an_altered_picture_says_where_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = files(folder)
    block = _with_altered(path, TERMINAL, 1)
    assert run(["sessions", "cast"]) == Exit.OK
    told = capsys.readouterr()
    assert "second 2" in told.out and "second 1" not in told.out
    assert [f"byte {block.start} " in line for line in told.err.splitlines()] == [True]


def _with_altered(path: Path, kind: bytes, nth: int) -> Block:
    """With one other byte in a block, which is returned."""
    data = bytearray(path.read_bytes())
    block = [block for block, _ in TapeReader(path).walk() if block.kind == kind][nth]
    data[block.body + block.length // 2] ^= 4
    path.write_bytes(data)
    return block


def _another_recording(path: Path) -> Path:
    """Sealed, and nothing that the ledger knows."""
    floor = Floor()
    writer = SessionWriter(path, floor.head())
    writer.frame(floor.step())
    writer.end()
    return path


def test_a_recording_that_was_torn_off_is_told_as_such(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = files(folder)
    path.write_bytes(path.read_bytes()[:-100])
    assert shown(capsys, "verify")[0] == Audit.TRUNCATED
    assert "torn" in shown(capsys)[1]


def test_what_is_not_there_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "verify", "nope")[0] == Exit.USAGE


def test_asciinema_takes_what_the_screen_showed(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert shown(capsys, "cast", "last", "-o", str(tmp_path / "x.cast"))[0] == Exit.OK
    head, *events = map(json.loads, (tmp_path / "x.cast").read_text().splitlines())
    assert (head["version"], head["width"], head["height"]) == (2, 20, 2)
    drawn = "".join(data for _, code, data in events if code == "o")
    assert "\x1b[1mwatchfloor" in drawn and "second 2" in drawn
    play = f"{program('asciinema', 'asciinema')} play -s 50 {tmp_path / 'x.cast'}"
    told = subprocess.run(
        [program("script", "bsdutils"), "-qec", play, "/dev/null"],  # it wants a terminal
        capture_output=True,
        check=True,
        timeout=30,
        env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
    )
    assert b"second 2" in told.stdout
    assert told.stdout.rfind(b"\x1b[?25h") > told.stdout.rfind(b"\x1b[?25l"), "the cursor is seen again"


def test_a_secret_on_the_screen_is_not_in_the_recording() -> None:
    secret = "hf_" + "abcdefghijklmnop"
    line = f":filter command ~ {secret} now"
    drawn = f"\x1b[31m:filter command ~ hf_abc\x1b[0m{secret[6:]} now"
    events = ScreenTape().told(1.0, (60, 1), [(line, drawn)])
    text = "".join(asciicast(events, "t"))
    assert "***" in text and "abcdefgh" not in text and "ghijklmnop" not in text


@pytest.mark.parametrize(
    ("typed", "row"),
    [
        (":filter command ~ hf_abcdefgh", ":filter command ~ hf_abcdefgh"),  # no pattern knows it yet
        (":filter command ~ --password=corr", " = corr"),
        (":filter command ~ --password=correct-horse-battery", "ect-horse-battery"),  # the end of a line that is longer
        (":filter command ~ --password=correct-horse-battery", "/ command ~ --password=corre…"),
        ("tried password correct horse", "tried password correct horse"),
    ],
)
def test_no_piece_of_a_secret_is_kept_that_is_just_being_typed(typed: str, row: str) -> None:
    kept = "".join(data for _, _, data in ScreenTape().told(1.0, (60, 2), [(row, row), ("gpu0", "gpu0")], typed))
    assert "***" in kept and "abcd" not in kept and "corr" not in kept and "horse" not in kept and "gpu0" in kept
    words, line = "free key    ", ("gpu0    util", "gpu0    util")  # speaks of one, and holds none
    assert ScreenTape().told(1.0, (12, 1), [line], words)[1][2].endswith("gpu0    util\x1b[0m")


def test_what_is_cut_out_of_a_screen_begins_with_all_of_it() -> None:
    tape, events = ScreenTape(), []
    shown = ["a", "a", "b"]
    for second in range(6):
        wide = 10 if second < 4 else 12
        lines = [("top", "\x1b[1mtop\x1b[0m"), (shown[second % 3], shown[second % 3])]
        events += tape.told(float(second), (wide, 2), lines)
    clear = "\x1b[?25l\x1b[0m\x1b[2J"
    drawn = clear + "\x1b[1;1H\x1b[1mtop\x1b[0m\x1b[0m\x1b[2;1Hb\x1b[0m"
    assert cut(events, 2.5, 3.5) == [(2.5, "r", "10x2"), (2.5, "o", drawn), (3.0, "o", "\x1b[2;1Ha\x1b[0m")]
    assert [event[:2] for event in cut(events, 5.2, 9.0)] == [(5.2, "r"), (5.2, "o")]
    assert "12x2" in cut(events, 5.2, 9.0)[0][2]
    assert cut(events, -2.0, -1.0) == [] and cut(events, 0.0, 9.0) == sorted(events, key=lambda event: event[0])


def test_only_lines_that_changed_are_told() -> None:
    tape = ScreenTape()
    assert tape.told(0.5, (6, 2), []) == []  # a screen that is only just coming
    tape.told(1.0, (10, 2), [("a", "a"), ("b", "b")])
    assert tape.told(2.0, (10, 2), [("a", "a"), ("b", "b")]) == []
    assert tape.told(3.0, (10, 2), [("a", "a"), ("c", "c")]) == [(3.0, "o", "\x1b[2;1Hc\x1b[0m")]
