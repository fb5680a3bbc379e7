"""A terminal of ASCII alone: no page writes anything else, however it is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support import fabrics, frames
from tests.support.feeds import still_app
from tests.support.onrecord import on_record
from tui.app import WatchfloorApp
from tui.present.style import ASCII, palette
from watchfloor.frame import Frame

LOOKS: Sequence[tuple[str, ...]] = (
    ("1",), ("1", "t"), ("1", "slash"), ("2",), ("2", "x"), ("2", "i"), ("2", "e"), ("3",), ("3", "t"), ("3", "v"),
    ("4", "o"), ("5", "down", "down"), ("6", "o", "d"), ("question_mark",), ("ctrl+p",), ("1", "colon", "x", "enter"),
)  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", LOOKS, ids="-".join)
async def test_nothing_but_ascii(keys: Sequence[str], size: tuple[int, int]) -> None:
    for frame in (frames.settled(), fabrics.settled(), on_record()):
        assert await foreign(frame, keys, size) == set()


async def foreign(frame: Frame, keys: Sequence[str], size: tuple[int, int]) -> set[str]:
    """Characters on the screen that ASCII doesn't have."""
    return await foreign_of(still_app(frame, palette=palette("mono", ascii_only=True)), keys, size)


async def foreign_of(app: WatchfloorApp, keys: Sequence[str], size: tuple[int, int]) -> set[str]:
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()
        lines = app.screen._compositor.render_strips()
        return {letter for line in lines for segment in line for letter in segment.text if not letter.isascii()}


def test_no_two_marks_look_alike() -> None:
    marks = (*ASCII.states.values(), ASCII.missing, ASCII.stale, ASCII.mark, ASCII.ascending, ASCII.descending)
    assert len({*marks, ASCII.ellipsis}) == len(marks) + 1
    assert ASCII.spell("…") == ASCII.ellipsis
