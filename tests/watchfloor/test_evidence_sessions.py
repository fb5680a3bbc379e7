"""What evidence takes of a recording of which some bytes were altered: the rest of it, and a word where that was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sessions import Floor
from watchfloor.evidence.matter import Matter
from watchfloor.evidence.sessionside import pieces
from watchfloor.session.cast import ScreenTape
from watchfloor.session.tape import CHANGE, MARK, TERMINAL, TapeReader
from watchfloor.session.writer import Mark, SessionWriter

SECONDS, NODE = 40, "dgx-02"
_BODY, _LENGTH = 30, 1  # places in a block


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Matter]:
    """The bytes of a recording that was killed, and a matter that spans it."""
    path, floor, tape = tmp_path_factory.mktemp("sessions") / "1.session", Floor(), ScreenTape()
    writer = SessionWriter(path, floor.head())
    begin = floor.now
    for second in range(SECONDS):
        writer.frame(floor.step())
        writer.mark(Mark(floor.now, "run", f"run {second}"))
        writer.terminal(floor.now, tape.told(floor.now, (20, 1), [(f"second {second}", f"second {second}")]))
    writer.close()
    return path.read_bytes(), Matter("job", "41", "job 41", begin, floor.now + 1, (NODE,))


@pytest.mark.parametrize(
    ("kind", "place", "moments"),
    [(MARK, _BODY, SECONDS), (TERMINAL, _BODY, SECONDS), (CHANGE, _BODY, 0), (CHANGE, _LENGTH, 0)],
)
def test_an_altered_byte_is_named_and_the_rest_is_bundled(
    whole: tuple[bytes, Matter], tmp_path: Path, kind: bytes, place: int, moments: int
) -> None:
    data, matter = bytearray(whole[0]), whole[1]
    path = tmp_path / "1.session"
    path.write_bytes(data)
    block = [block for block, _ in TapeReader(path).walk() if block.kind == kind][9]
    data[block.start + place] ^= 4
    path.write_bytes(data)
    found = pieces(tmp_path, matter)
    (piece,) = found.pieces
    assert [f"byte {block.start} was altered" in note for note in found.notes] == [True]
    assert len(piece.slice.times) >= (moments or SECONDS - 30)
    assert piece.slice.times[-1] == pytest.approx(matter.end - 1) and "telemetry" not in "".join(found.missing)
    assert f"second {SECONDS - 1}" in piece.cast and f"run: run {SECONDS - 1}" in piece.cast
