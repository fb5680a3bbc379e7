"""The end of the program: what still comes then is no crash."""

from __future__ import annotations

from tests.support import frames
from tests.support.feeds import still_app


async def test_a_timer_that_outlives_the_screens_draws_nothing() -> None:
    app = still_app(frames.settled())
    async with app.run_test():
        pass
    assert app.screen_stack == []
    app._each_second()
    app._draw_frame()
