"""Recording beside the floor: it never waits, and what stops a recording is told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.feeds import HandFeed
from tests.support.ledgers import beat
from tests.support.runstory import ANNA, Story, written
from tests.support.sessions import Floor, differences
from watchfloor import __version__
from watchfloor.checks import CONSOLE
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.keeper import account
from watchfloor.recording import STOPPED, RecordedFeed, recorded, with_trouble
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerwords import Kind, Proposed, Stop
from watchfloor.replayfeed import ReplayFeed
from watchfloor.session.folder import Keep, files, is_written, keep_of, surplus
from watchfloor.session.ledgermarks import News
from watchfloor.session.reader import Session
from watchfloor.session.recorder import Recorder, Sealed
from watchfloor.session.seeking import Jump
from watchfloor.session.writer import Mark


class Notes(list[Sealed]):
    """What a recorder tells of its files."""


ROOMY = Keep(free_bytes=0)


def recorder(folder: Path, notes: Notes, keep: Keep = ROOMY) -> Recorder:
    return Recorder(folder, lambda at: f"{at:.0f}.session", {"who": "test"}, keep, notes.append)


def test_frames_marks_and_screens_are_kept_on_one_timeline(tmp_path: Path) -> None:
    floor, notes = Floor(), Notes()
    made = recorder(tmp_path, notes)
    made.frame(first := floor.step())
    made.mark(Mark(floor.now, "command", ":filter util > 5"))
    made.terminal(floor.now, [(floor.now, "o", "hello")])
    made.close()
    (path,) = files(tmp_path)
    session = Session(path)
    assert differences(first, session.reel(session.end).frame()) == []
    told = [(mark.at, mark.kind, mark.text) for mark in session.marks()]
    assert told == [(first.at, "session", "recording begins, test"), (floor.now, "command", ":filter util > 5")]
    assert list(session.terminal()) == [(floor.now, "o", "hello")]
    assert [(note.path, note.sha256) for note in notes] == [(path, session.sealed())]


def test_a_frame_a_second_is_kept_however_many_there_are(tmp_path: Path) -> None:
    floor, notes = Floor(), Notes()
    made = recorder(tmp_path, notes)
    frame = floor.step()
    made.frame(frame)
    made.frame(frame)
    made.close()
    assert len(list(Session(files(tmp_path)[0]).moments(0, 9e9))) == 1


def test_the_last_frame_is_kept_however_soon_it_came(tmp_path: Path) -> None:
    floor, notes = Floor(), Notes()
    made = recorder(tmp_path, notes)
    made.frame(first := floor.step())
    made.frame(replace(first, at=first.at + 0.2))
    made.frame(last := replace(floor.step(), at=first.at + 0.4))
    made.close()
    session = Session(files(tmp_path)[0])
    assert [moment.at for moment in session.moments(0, 9e9)] == [first.at, last.at]
    assert differences(last, session.reel(session.end).frame()) == []


def test_another_file_is_begun_where_one_is_large_enough(tmp_path: Path) -> None:
    floor, notes = Floor(), Notes()
    made = recorder(tmp_path, notes, Keep(file_bytes=1, free_bytes=0))
    for _ in range(3):
        made.frame(floor.step())
        made.wait_written()
    made.close()
    assert len(files(tmp_path)) == 3
    assert [note.sha256 for note in notes] == [Session(path).sealed() for path in files(tmp_path)]


def test_another_file_is_begun_where_the_clock_was_set_back(tmp_path: Path) -> None:
    floor, notes = Floor(), Notes()
    made = recorder(tmp_path, notes)
    told = [floor.step() for _ in range(4)]
    told[2:] = [replace(frame, at=frame.at - 3600) for frame in told[2:]]
    for frame in told:
        made.frame(frame)
        made.wait_written()
    made.close()
    earlier, later = map(Session, files(tmp_path))
    for session, frames in ((later, told[:2]), (earlier, told[2:])):
        assert [differences(frame, session.reel(frame.at).frame()) for frame in frames] == [[], []]


def test_the_oldest_go_where_there_is_too_much_and_none_that_is_written(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.session").write_bytes(b"x" * 100)
        os.utime(tmp_path / f"{number}.session", (1000 * number, 1000 * number))
    too_much = [path.name for path in surplus(tmp_path, Keep(seconds=1e9, bytes=250), 5000.0)]
    assert too_much == ["0.session", "1.session"]
    too_old = [path.name for path in surplus(tmp_path, Keep(seconds=1500, bytes=10**9), 4000.0)]
    assert too_old == ["0.session", "1.session", "2.session"]
    made = recorder(tmp_path, Notes())
    made.frame(Floor().step())
    made.wait_written()
    assert made.path is not None and is_written(made.path)
    assert made.path not in set(surplus(tmp_path, Keep(seconds=-1e12, bytes=0), 4000.0))
    made.close()
    assert not is_written(made.path)


def test_a_folder_that_cant_be_written_stops_recording_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    floor = Floor()
    made = recorder(tmp_path / "file" / "sessions", Notes())
    frame = floor.step()
    made.frame(frame)
    made.wait_written()
    assert "recording stopped" in made.trouble and "can't be written" in made.trouble
    made.frame(later := floor.step())  # nothing is raised
    told = with_trouble(later, made.trouble, frame.at)
    (found,) = [finding for finding in told.findings if finding.code == STOPPED]
    record = told.records.of(found)
    assert record is not None and (found.text, record.first, record.last) == (made.trouble, frame.at, later.at)
    made.close()


def test_a_feed_tells_since_when_it_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    floor, made, shown = Floor(), recorder(tmp_path / "file" / "sessions", Notes()), list[Frame]()
    feed = HandFeed(floor.step())
    RecordedFeed(feed, made).start(shown.append)
    made.wait_written()
    for _ in range(2):
        feed.give(floor.step())
    assert [frame.records.by_key[CONSOLE, STOPPED].first for frame in shown[-2:]] == [shown[-2].at] * 2
    made.close()


def test_a_disk_that_is_nearly_full_is_left_to_others(tmp_path: Path) -> None:
    made = recorder(tmp_path, Notes(), Keep(free_bytes=2**60))
    made.frame(Floor().step())
    made.wait_written()
    assert "nearly full" in made.trouble
    made.close()
    assert Session(files(tmp_path)[0]).end > 0  # what there is can be read


def test_whatever_ends_a_recording_is_told(tmp_path: Path) -> None:
    def broken() -> News:
        raise ZeroDivisionError("by surprise")

    made = Recorder(tmp_path, lambda at: "a.session", {}, ROOMY, Notes().append, broken)
    made.frame(Floor().step())
    made.wait_written()
    assert made.trouble == "recording stopped: ZeroDivisionError: by surprise"
    made.close()


def test_a_file_that_another_console_has_just_removed_is_no_surplus(tmp_path: Path) -> None:
    (tmp_path / "gone.session").symlink_to(tmp_path / "nowhere")
    assert list(surplus(tmp_path, Keep(seconds=-1, bytes=0), 1e12)) == []


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    monkeypatch.setenv("WATCHFLOOR_SESSIONS", str(tmp_path / "sessions"))
    yield tmp_path


def test_the_ledger_has_the_digest_and_the_session_what_was_put_on_record(places: Path) -> None:
    floor = Floor()
    with Ledger(places / "ledger.db") as ledger:
        ledger.append(beat())
        with recorded("watch") as made:
            made.frame(floor.step())
            made.wait_written()
            ledger.append(Note(beat().who, Stop(reason="storm")))
            ledger.append(Note(beat().who, Proposed(reason="xid 79", playbook="fatal-xid"), run="r1"))
            made.frame(floor.step())
    (path,) = files(places / "sessions")
    session = Session(path)
    begins, stop, proposed = session.marks()
    assert (begins.kind, begins.text) == ("session", f"recording begins, watch, {account()}, watchfloor {__version__}")
    assert (stop.kind, stop.text, stop.facts["entry"]) == ("ledger", "stop: storm", "1")
    assert (proposed.facts["run"], proposed.facts["playbook"]) == ("r1", "fatal-xid")  # by both it is looked for
    assert session.head.facts["mode"] == "watch"
    with LedgerReader(places / "ledger.db") as reader:
        kept = list(reader.kept())
    assert session.entries_from(0)[1] == [row for row in kept if row[0] in (1, 2)]
    with LedgerReader(places / "ledger.db") as reader:
        (entry,) = [one for one in reader.entries() if one.kind == Kind.RECORDING]
    assert (entry.body["file"], entry.body["sha256"]) == (path.name, session.sealed())


def stopped_after(made: Recorder, frame: Frame, story: Story, seconds: float) -> None:
    """The frame is recorded, and so long after it anna stops everything."""
    made.frame(frame)
    made.wait_written()
    story.now = frame.at + seconds
    story.tell(0.0, ANNA, Stop(reason="storm"))
    story.write()


def test_what_a_short_run_did_after_its_last_frame_is_in_its_recording(places: Path) -> None:
    floor = Floor()
    first = floor.step()
    story = written(places / "ledger.db", first.at - 1)
    with recorded("run") as made:
        stopped_after(made, first, story, 0.3)
    story.ledger.close()
    feed = ReplayFeed(files(places / "sessions")[0], paused=True)
    feed.jump(Jump("ledger", "storm"))
    feed.turn()
    assert feed.standing.at == feed.standing.end == pytest.approx(first.at + 0.3)
    assert feed.ledger.look().stopped == "storm (anna)"
    feed.stop()


def test_the_head_holds_the_digests_of_what_configures_the_console(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(places / "config"))
    own, fleet = places / "config" / "watchfloor", places / "fleet.yaml"
    (own / "policies").mkdir(parents=True)
    (own / "limits.yaml").write_text("limits: {}\n")
    for name in ("b.cedar", "a.cedar"):
        (own / "policies" / name).write_text(f"// {name}\n")
    fleet.write_text("nodes: n[1-2]\n")
    with recorded("watch", fleet_file=fleet) as made:
        made.frame(Floor().step())
    facts = Session(files(places / "sessions")[0]).head.facts
    summed = subprocess.run(["sha256sum", "a.cedar", "b.cedar"], cwd=own / "policies", capture_output=True, check=True)
    assert {name: told for name, told in facts.items() if "sha256:" in told} == {
        "fleet file": f"{fleet} sha256:{sha256(fleet.read_bytes()).hexdigest()}",
        "limits": f"{own / 'limits.yaml'} sha256:{sha256((own / 'limits.yaml').read_bytes()).hexdigest()}",
        "own policies": f"{own / 'policies'} sha256:{sha256(summed.stdout).hexdigest()}",
    }


def test_a_replay_has_the_ledger_as_of_then_also_of_runs_that_were_open_before(places: Path) -> None:
    floor = Floor()
    first = floor.step()
    story = written(places / "ledger.db", first.at - 1)
    with recorded("watch") as made:
        stopped_after(made, first, story, 0.5)
        made.frame(floor.step())
    story.ledger.close()
    (places / "ledger.db").unlink()  # it is the session's by now
    feed = ReplayFeed(files(places / "sessions")[0], paused=True)
    feed.turn()
    then = feed.ledger.look()
    assert {run.run: len(run.given) for run in then.runs} == {"r55b20c1f7a": 0, "re6a8b90412": 0, "r9f3e07d5b1": 1}
    assert (then.stopped, then.as_of) == ("", first.at) and feed.ledger.look() is then
    feed.seek(first.at + 5)
    feed.turn()
    later = feed.ledger.look()
    assert later.stopped == "storm (anna)" and later.size == then.size + 1
    assert [entry.kind for entry in feed.ledger.entries(Wanted(), 1)] == ["stop"]
    feed.seek(first.at)
    feed.turn()
    assert feed.ledger.look().stopped == "" and feed.ledger.entries(Wanted(kinds=("stop",)), 9) == []
    feed.stop()


def test_what_is_kept_is_understood_or_refused() -> None:
    assert keep_of("14d, 100GB") == Keep(seconds=14 * 86400, bytes=100 * 10**9)
    with pytest.raises(ConfigError, match="neither a time nor a size"):
        keep_of("many")
