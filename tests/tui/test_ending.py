"""The end of the program: what still comes then is no crash."""

from __future__ import annotations

from tests.support import frames
from tests.support.feeds import still_app
from tui.base import Page as BasePage


async def test_a_timer_that_outlives_the_screens_draws_nothing() -> None:
    app = still_app(frames.settled())
    async with app.run_test():
        pass
    assert app.screen_stack == []
    app._each_second()
    app._draw_frame()


async def test_a_second_that_comes_while_a_page_is_taken_away_draws_nothing() -> None:
    """Its widgets go one by one, before itself."""
    frame = frames.settled()
    app = still_app(frame)
    async with app.run_test() as pilot:
        await pilot.press("2")
        page = app.screen
        assert isinstance(page, BasePage)
        await page.query_one("#header").remove()
        page.draw_bars()
        page.receive(frame)
