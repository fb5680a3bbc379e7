"""What recordings tell a report: real files, of the synthetic fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.sessions import KEY_SECONDS, Floor
from watchfloor.frame import Frame
from watchfloor.reporting.drawn import Drawn, Sample, drawn_between
from watchfloor.reporting.fromsessions import FromSessions, from_sessions
from watchfloor.reporting.kept import Energy, Window
from watchfloor.reporting.spans import total, united
from watchfloor.session.tape import KEY, TapeReader
from watchfloor.session.writer import Head, SessionWriter

EVER = Window(0.0, 4e9)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Window, list[Frame]]:
    """Two minutes of the synthetic fleet, twice: another console recorded the same."""
    folder, floor = tmp_path_factory.mktemp("sessions"), Floor()
    since, frames = floor.now, []
    writers = [SessionWriter(folder / f"{name}.session", floor.head()) for name in ("1", "2")]
    for _ in range(3):
        floor.machines.now += 59.0
        frames.append(floor.step())
        for writer in writers:
            writer.frame(frames[-1])
    for writer in writers:
        writer.end()
    return folder, Window(since, floor.now + 1), frames


def test_recordings_tell_who_was_watched_and_where_nodes_stand(recorded: tuple[Path, Window, list[Frame]]) -> None:
    folder, window, _ = recorded
    found = from_sessions(folder, window)
    assert total(united(one.span for one in found.watching)) == pytest.approx(120.0)
    assert found.watching[0].nodes is not None and "dgx-01" in found.watching[0].nodes
    assert (found.specs["dgx-01"].rack, found.accelerators["dgx-01"]) == ("r1", 8)
    assert "H100" in found.models["dgx-01"]


def counted(frame: Frame, name: str) -> float:
    view = frame.accelerators
    mine = view.node[: view.count] == frame.node_index[name]
    return float(view.known("energy")[: view.count][mine].sum())


def test_energy_is_what_the_boards_counted_and_counted_once(recorded: tuple[Path, Window, list[Frame]]) -> None:
    folder, window, frames = recorded
    drawn = from_sessions(folder, window).energy["dgx-01"]
    assert drawn == Energy(counted(frames[-1], "dgx-01") - counted(frames[0], "dgx-01"), 8 * 120.0, 0.0, 0.0)
    assert drawn.joules > 0


def test_where_no_counter_moved_on_power_counts() -> None:
    """Two boards for ten seconds: 100 and 300 W at its ends; one was reset, one has no counter and was read once."""
    nothing = np.array([np.nan, np.nan])
    before = Sample(
        0.0, np.zeros(2, np.int32), np.ones(2, bool), np.array([500.0, np.nan]), np.array([100.0, 300.0]), []
    )
    after = Sample(10.0, before.node, before.counts, np.array([20.0, np.nan]), np.array([300.0, np.nan]), [])
    joules, how = drawn_between(before, after)
    assert joules.tolist() == [2000.0, 3000.0] and how.tolist() == [1, 1]
    joules, how = drawn_between(replace(before, power=nothing), replace(after, power=nothing))
    assert joules.tolist() == [0.0, 0.0] and how.tolist() == [2, 2]


def test_a_board_that_came_meanwhile_is_no_guess() -> None:
    """One that was there draws 100 W; the other wasn't, and what it drew before nobody knows."""
    early = Sample(0.0, np.zeros(1, np.int32), np.ones(1, bool), np.full(1, np.nan), np.full(1, 100.0), [])
    late = Sample(10.0, np.zeros(2, np.int32), np.ones(2, bool), np.full(2, np.nan), np.full(2, 100.0), ["", ""])
    joules, how = drawn_between(early.with_rows_of(late), late)
    assert joules.tolist() == [1000.0, 0.0] and how.tolist() == [1, 2]


def test_of_a_node_that_is_silent_no_draw_is_made_up(recorded: tuple[Path, Window, list[Frame]]) -> None:
    folder, window, frames = recorded
    frame = frames[-1]
    dark = [spec.name for at, spec in enumerate(frame.specs) if not frame.live[at]]
    energy = from_sessions(folder, window).energy
    assert dark and all(energy.get(name, Energy()).joules == 0.0 for name in dark)


def test_a_recording_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "torn.session").write_bytes(b"watchfloor session 3\nH")
    found = from_sessions(tmp_path, Window(0.0, 4e9))
    assert found.watching == [] and found.troubles[0].startswith("the recording torn.session is left out: ")


# -- several recordings, some of them short or altered

STEP_SECONDS = 29.0  # between two frames here: every third is a key, and those before keys are no stops


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    floor, made = Floor(), []
    for _ in range(10):
        floor.machines.now += STEP_SECONDS - 1.0
        made.append(floor.step())
    return made


def written(path: Path, frames: Sequence[Frame]) -> Path:
    writer = SessionWriter(path, Head(frames[0].at, list(frames[0].specs), {}), KEY_SECONDS)
    for frame in frames:
        writer.frame(frame)
    writer.end()
    return path


def of_dgx(folder: Path) -> tuple[Energy, FromSessions]:
    found = from_sessions(folder, EVER)
    return found.energy["dgx-01"], found


def assert_counted(drawn: Energy, first: Frame, last: Frame) -> None:
    """All that its eight boards counted from one frame to the other, and no more."""
    joules = counted(last, "dgx-01") - counted(first, "dgx-01")
    assert joules > 0 and drawn.joules == pytest.approx(joules)
    assert (drawn.counted_seconds, drawn.sampled_seconds) == (pytest.approx(8 * (last.at - first.at)), 0.0)


@pytest.mark.parametrize(("early", "late"), [("1", "2"), ("2", "1")])
def test_of_what_two_recorded_only_the_overlap_is_left_out(
    tmp_path: Path, frames: list[Frame], early: str, late: str
) -> None:
    written(tmp_path / f"{early}.session", frames[:6])
    written(tmp_path / f"{late}.session", frames[4:])
    assert_counted(of_dgx(tmp_path)[0], frames[0], frames[-1])


@pytest.mark.parametrize(("key", "first", "last"), [(0, 3, 9), (1, 0, 9), (3, 0, 8)])
def test_where_a_key_was_altered_the_nearest_moment_counts_and_it_is_told_once(
    tmp_path: Path, frames: list[Frame], key: int, first: int, last: int
) -> None:
    path = written(tmp_path / "altered.session", frames)
    block = [block for block in TapeReader(path).blocks() if block.kind == KEY][key]
    data = bytearray(path.read_bytes())
    data[block.end - 1] ^= 4
    path.write_bytes(data)
    drawn, found = of_dgx(tmp_path)
    assert_counted(drawn, frames[first], frames[last])
    (trouble,) = found.troubles
    assert trouble.startswith("not all of the recording altered.session can be read: ")
    assert trouble.endswith(f"the block at byte {block.start} was altered, or never written to its end")


def test_a_recording_too_short_for_a_second_stop_counts_to_its_end(tmp_path: Path, frames: list[Frame]) -> None:
    written(tmp_path / "cron.session", frames[:2])
    assert_counted(of_dgx(tmp_path)[0], frames[0], frames[1])


def test_a_node_that_was_away_at_first_and_at_last_counts_between(tmp_path: Path, frames: list[Frame]) -> None:
    """Read at the stops 3, 5 and 6, and away at 0, 2, 8 and 9: of the ends of that, the power that was read counts."""
    dark = [replace(frame, live=np.zeros_like(frame.live)) for frame in frames]
    written(tmp_path / "away.session", [*dark[:3], *frames[3:7], *dark[7:]])
    drawn, _ = of_dgx(tmp_path)
    assert drawn.counted_seconds == pytest.approx(8 * (frames[6].at - frames[3].at))
    assert drawn.joules > counted(frames[6], "dgx-01") - counted(frames[3], "dgx-01") > 0


@pytest.mark.parametrize("told", [(False, True), (True, False), (False, False)])
def test_what_one_recording_does_not_know_another_may(told: tuple[bool, bool]) -> None:
    """Two boards of a node, drawing 100 W each, over ten seconds, in two recordings."""
    drawn = Drawn()
    for known in told:
        power = np.full(2, 100.0 if known else np.nan)
        before, after = (
            Sample(at, np.zeros(2, np.int32), np.ones(2, bool), np.full(2, np.nan), power, ["", ""])
            for at in (0.0, 10.0)
        )
        drawn.take(["n1"], before, after, ((0.0, 10.0),))
    assert drawn.energy()["n1"] == (Energy(2000.0, 0.0, 20.0, 0.0) if any(told) else Energy(unknown_seconds=20.0))
