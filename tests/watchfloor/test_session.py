"""A session in a file: every frame of it comes back, at any moment, also of a file that was torn off or still grows."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.sessions import KEY_SECONDS, Floor, differences
from watchfloor.columns import Count
from watchfloor.errors import SessionError
from watchfloor.frame import Frame
from watchfloor.model import Scope
from watchfloor.session.reader import Session
from watchfloor.session.salvage import nearest
from watchfloor.session.tape import CHANGE, END, INDEX, KEY, LEDGER, MARK, SINCE_KEY, TERMINAL, Block, TapeReader
from watchfloor.session.writer import LEAP_SECONDS, Mark, SessionWriter

SECONDS = 125  # three keys, two of them with all that follows; a node boots between them
Told = tuple[Path, list[Frame], Frame]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The file, its frames, and the live one at the end, with all that a console remembers."""
    path, floor = tmp_path_factory.mktemp("session") / "morning.session", Floor()
    return path, floor.recorded(path, SECONDS), floor.machines.fleet.frame()


def test_every_frame_comes_back_value_by_value_reasons_included(told: Told) -> None:
    session, frames = Session(told[0]), iter(told[1])
    reel = session.reel(session.begin)
    assert differences(next(frames), reel.frame()) == []
    for moment in [*session.moments(session.begin, session.end)][1:]:
        reel.run(moment)
        assert differences(next(frames), reel.frame()) == []
    assert next(frames, None) is None


def test_any_moment_is_found_in_any_order(told: Told) -> None:
    session, frames = Session(told[0]), list(told[1])
    random.Random(5).shuffle(frames)
    for frame in frames[:25]:
        assert differences(frame, session.reel(frame.at + 0.3).frame()) == []


def test_before_the_first_moment_is_the_first_and_after_the_last_the_last(told: Told) -> None:
    session = Session(told[0])
    assert session.reel(0.0).at == told[1][0].at
    assert session.reel(session.end + 1000).at == told[1][-1].at


def test_charts_and_counters_are_those_of_the_live_floor(told: Told) -> None:
    live, session = told[2], Session(told[0])
    shown = session.reel(session.end, before_seconds=SECONDS).frame()
    for name in ("util", "power", "temp"):
        for row in range(0, live.accelerators.count, 7):
            one, other = (frame.history.minute(Scope.ACCELERATOR, name, row).mean for frame in (live, shown))
            assert np.array_equal(one, other, equal_nan=True)
            one, other = (frame.history.half_hour(Scope.ACCELERATOR, name, row).mean for frame in (live, shown))
            assert np.array_equal(one, other, equal_nan=True)
    grown = [frame.counters.grown(Scope.LINK, "errors", 0.0) for frame in (live, shown)]
    assert grown[0] == grown[1]


def test_resets_of_counters_are_told_at_once(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s", (floor := Floor()).head(), KEY_SECONDS)
    frame = floor.step()
    frame.counters.note(Scope.LINK, [Count(3, "errors", 9.0, 1.0)], frame.at, lambda row, names: False)
    writer.frame(frame)
    writer.end()
    told = frame.counters.resets()
    assert [reset.row for reset in told] == [3]
    assert Session(tmp_path / "s").reel(frame.at).frame().counters.resets() == told


def test_frames_that_were_shown_stay_as_they_are(told: Told) -> None:
    session = Session(told[0])
    reel = session.reel(session.begin)
    shown = reel.frame()
    for moment in [*session.moments(session.begin, session.end)][1:90]:
        reel.run(moment)
    assert differences(told[1][0], shown) == []


def test_a_session_is_sealed_by_the_digest_of_all_its_bytes(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s", (floor := Floor()).head())
    writer.frame(floor.step())
    digest = writer.end()
    assert Session(tmp_path / "s").sealed() == digest
    data = bytearray((tmp_path / "s").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "s").write_bytes(data)
    assert Session(tmp_path / "s").sealed() == ""


def test_an_altered_moment_is_named_and_those_before_it_are_shown(told: Told, tmp_path: Path) -> None:
    data, begin = bytearray(told[0].read_bytes()), told[1][0].at
    block = next(block for block, _ in TapeReader(told[0]).walk() if block.at >= begin + 75)
    data[block.body] ^= 1
    (tmp_path / "s").write_bytes(data)
    session = Session(tmp_path / "s")
    for after in (75, 79.5):
        with pytest.raises(SessionError, match=rf"the block at byte {block.start} was altered"):
            session.reel(begin + after)
    for before in (5, 70, 74):
        assert session.reel(begin + before).at == begin + before


def test_what_was_altered_long_before_is_not_needed(told: Told, tmp_path: Path) -> None:
    data, begin = bytearray(told[0].read_bytes()), told[1][0].at
    block = next(block for block, _ in TapeReader(told[0]).walk() if block.at >= begin + 5)
    data[block.body] ^= 1
    (tmp_path / "s").write_bytes(data)
    after = int(LEAP_SECONDS) + 3
    assert differences(told[1][after], Session(tmp_path / "s").reel(begin + after).frame()) == []


_FIELDS = {"kind": 0, "length": 1, "time": 15, "body": 30}  # places in a block
_NO_END = -57  # bytes: without the last block, as after a kill


def with_altered(path: Path, copy: Path, kind: bytes, nth: int, place: int, until: int | None = None) -> Block:
    """A copy with one other byte in a block, which is returned."""
    data = bytearray(path.read_bytes()[:until])
    block = [block for block, _ in TapeReader(path).walk() if block.kind == kind][nth]
    data[block.start + place] ^= 0x10
    copy.write_bytes(data)
    return block


@pytest.mark.parametrize("place", _FIELDS.values(), ids=_FIELDS.keys())
@pytest.mark.parametrize(("kind", "nth"), [(INDEX, 0), (INDEX, -1), (END, 0)], ids=["first index", "last index", "end"])
def test_of_an_altered_index_or_end_the_file_is_read_without(
    told: Told, tmp_path: Path, kind: bytes, nth: int, place: int
) -> None:
    block = with_altered(told[0], tmp_path / "s", kind, nth, place)
    session, whole = Session(tmp_path / "s"), Session(told[0])
    assert (session.keys, session.stops, session.end) == (whole.keys, whole.stops, whole.end)
    assert session.sealed() == "" and [f"byte {block.start} " in text for text in session.troubles] == [True]


@pytest.mark.parametrize("until", [None, _NO_END], ids=["sealed", "unsealed"])
@pytest.mark.parametrize("place", _FIELDS.values(), ids=_FIELDS.keys())
@pytest.mark.parametrize("kind", [KEY, CHANGE, SINCE_KEY], ids=["key", "change", "stop"])
def test_of_an_altered_moment_no_more_is_lost_than_hangs_on_it_and_it_is_named(
    told: Told, tmp_path: Path, kind: bytes, place: int, until: int | None
) -> None:
    block = with_altered(told[0], tmp_path / "s", kind, 1, place, until)
    session, frames = Session(tmp_path / "s"), told[1]
    assert session.end == frames[-1].at
    reach = {KEY: KEY_SECONDS, CHANGE: LEAP_SECONDS, SINCE_KEY: 0.0}[kind]
    first = round(block.at - frames[0].at)
    for frame in (frames[first - 1], frames[first], frames[first + 7], frames[-1]):
        reel, trouble = nearest(session, frame.at)
        lost = block.at <= frame.at < block.at + reach
        assert reel.at == frame.at or (lost and trouble and reel.at < block.at)
        assert differences(frames[round(reel.at - frames[0].at)], reel.frame()) == []
    assert [f"byte {block.start} " in text for text in session.troubles] == [True]


def test_of_a_burst_that_takes_a_key_with_its_index_no_other_values_are_shown(told: Told, tmp_path: Path) -> None:
    data, frames = bytearray(told[0].read_bytes()[:_NO_END]), told[1]
    blocks = [block for block, _ in TapeReader(told[0]).walk()]
    place = [number for number, block in enumerate(blocks) if block.kind == KEY][1]
    data[blocks[place].start : blocks[place + 1].end] = bytes(blocks[place + 1].end - blocks[place].start)
    (tmp_path / "s").write_bytes(data)
    session = Session(tmp_path / "s")
    for frame in frames[59::13]:
        reel, trouble = nearest(session, frame.at)
        assert differences(frames[round(reel.at - frames[0].at)], reel.frame()) == []
        assert reel.at == frame.at or trouble


@pytest.mark.parametrize("change", [-3, 3], ids=["gone", "more"])
def test_where_bytes_came_or_went_what_follows_is_found_all_the_same(told: Told, tmp_path: Path, change: int) -> None:
    data, frames = bytearray(told[0].read_bytes()), told[1]
    block = [block for block, _ in TapeReader(told[0]).walk() if block.kind == CHANGE][20]
    data[block.body : block.body + max(0, -change)] = bytes(max(0, change))
    (tmp_path / "s").write_bytes(data)
    session = Session(tmp_path / "s")
    for frame in frames[round(KEY_SECONDS) :: 9]:
        reel, trouble = nearest(session, frame.at)
        assert (reel.at, trouble) == (frame.at, "")
        assert differences(frame, reel.frame()) == []


def test_of_altered_marks_entries_and_pictures_the_others_are_told(tmp_path: Path) -> None:
    floor = Floor()
    writer = SessionWriter(tmp_path / "s", floor.head())
    for second in range(3):
        writer.frame(floor.step())
        writer.mark(Mark(floor.now, "run", f"run {second}"))
        writer.entries(floor.now, [(second, b"entry")])
        writer.terminal(floor.now, [(floor.now, "o", str(second))])
    writer.end()
    blocks = [
        with_altered(tmp_path / "s", tmp_path / "s", kind, n, 25) for n, kind in enumerate((MARK, LEDGER, TERMINAL))
    ]
    session = Session(tmp_path / "s")
    assert [mark.text for mark in session.marks()] == ["run 1", "run 2"]
    assert session.entries_from(0) == (3, [(0, b"entry"), (2, b"entry")])
    assert [data for _, _, data in session.terminal()] == ["0", "1"]
    assert [f"byte {block.start} " in text for block, text in zip(blocks, session.troubles, strict=True)] == [True] * 3
    assert len([*session.moments(session.begin, session.end)]) == 3


def test_what_follows_is_the_same_from_the_key_on_and_from_what_changed_since(told: Told) -> None:
    session, frames = Session(told[0]), told[1]
    for first in (1, int(LEAP_SECONDS) - 1, int(LEAP_SECONDS), 2 * int(LEAP_SECONDS) + 2):
        reel = session.reel(frames[first].at)
        for frame, moment in zip(frames[first + 1 : first + 40], session.after(frames[first].at), strict=False):
            reel.skip(moment)
            assert differences(frame, reel.frame()) == []


def test_a_file_that_was_torn_off_anywhere_loses_only_what_was_not_whole(told: Told, tmp_path: Path) -> None:
    data, rng = told[0].read_bytes(), random.Random(3)
    known = {frame.at: frame for frame in told[1]}
    for end in [len(data) - 1, len(data) - 50, *(rng.randrange(20_000, len(data)) for _ in range(15))]:
        (tmp_path / "s").write_bytes(data[:end])
        session = Session(tmp_path / "s")
        last = session.reel(session.end).frame()
        assert differences(known[last.at], last) == []
        assert session.sealed() == ""


def test_what_is_no_session_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"watchfloor session 3\n", b"#!/bin/sh\n" * 99):
        (tmp_path / "s").write_bytes(data)
        with pytest.raises(SessionError):
            Session(tmp_path / "s")
    (tmp_path / "s").write_bytes(b"watchfloor session 2\n")
    with pytest.raises(SessionError, match="another version"):
        Session(tmp_path / "s")
    with pytest.raises(SessionError, match="No such file"):
        Session(tmp_path / "nowhere")


def test_a_session_is_read_while_it_grows(tmp_path: Path) -> None:
    floor = Floor()
    writer = SessionWriter(tmp_path / "s", floor.head(), KEY_SECONDS)
    writer.frame(floor.step())
    session = Session(tmp_path / "s")
    for _ in range(int(KEY_SECONDS) + 5):
        writer.frame(floor.step())
        session.refresh()
        assert session.end == floor.now
    writer.frame(frame := floor.step())
    session.refresh()
    assert differences(frame, session.reel(session.end).frame()) == []
    writer.close()


def test_marks_are_found_by_time_sealed_or_not(tmp_path: Path) -> None:
    floor = Floor()
    writer = SessionWriter(tmp_path / "s", floor.head())
    marks = []
    for second in range(70):
        writer.frame(floor.step())
        if second % 20 == 3:
            marks.append(Mark(floor.now, "run", f"run {second}", {"verdict": "permit"}))
            writer.mark(marks[-1])
    assert Session(tmp_path / "s").marks() == marks
    writer.end()
    assert Session(tmp_path / "s").marks() == marks


_RECORDS = """
import sys
from pathlib import Path
from tests.support.sessions import Floor
from watchfloor.session.writer import SessionWriter
floor = Floor()
writer = SessionWriter(Path(sys.argv[1]), floor.head())
for _ in range(500):
    writer.frame(floor.step())
    print(floor.now, flush=True)
"""


def test_a_recorder_that_is_killed_leaves_everything_up_to_its_last_moment(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _RECORDS, str(tmp_path / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as recorder:
        assert recorder.stdout is not None
        said = [float(recorder.stdout.readline()) for _ in range(65)]
        recorder.send_signal(signal.SIGKILL)
    session = Session(tmp_path / "s")
    assert session.end >= said[-1]
    assert session.reel(said[-1]).at == said[-1]


def test_a_full_disk_is_told_and_what_was_written_can_be_read(tmp_path: Path) -> None:
    floor = Floor()
    writer = SessionWriter(tmp_path / "s", floor.head())
    writer.frame(floor.step())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (writer.size_bytes + 1000, before[1]))
    try:
        with pytest.raises(SessionError, match="can't be written"):
            for _ in range(50):
                writer.frame(floor.step())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.close()
    session = Session(tmp_path / "s")
    assert session.reel(session.end).at >= session.begin
