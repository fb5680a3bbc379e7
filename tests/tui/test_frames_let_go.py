"""Frames of a large fleet are tens of megabytes: a page lets go of one as soon as it draws the next, by itself."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence

import pytest

from tests.support import fabrics
from tests.support.feeds import still_app


@pytest.fixture
def no_collections() -> Iterator[None]:
    """What waits for the garbage collector stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


LOOKS = (("1",), ("1", "t"), ("2",), ("2", "i"), ("2", "e"), ("3",), ("3", "t", "U"), ("3", "v"), ("5",), ("6",))


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("keys", LOOKS, ids="-".join)
async def test_old_frames_are_let_go(keys: Sequence[str]) -> None:
    fleet = fabrics.FabricFleet()
    fleet.step(3)
    app = still_app(fleet.frame())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(*keys)
        seen = []
        for _ in range(4):
            fleet.step()
            frame = fleet.frame()
            seen.append(weakref.ref(frame))
            app.desk.take(frame)
            app.page.receive(frame)
            del frame
            await pilot.pause()
        alive = [number for number, frame in enumerate(seen) if frame() is not None]
        assert alive in ([3], [2, 3])
