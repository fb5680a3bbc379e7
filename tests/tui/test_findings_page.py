"""The findings page: the worst first, acknowledged ones behind, filters, the way to the node, read-only mode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.support.feeds import HandFeed, still_app
from tests.support.onrecord import on_record
from tests.support.patience import until
from tests.support.planted import leaks, planted
from tests.support.screens import screen_of, text_of
from tui.app import WatchfloorApp
from tui.base import AppOptions
from tui.help import entries
from tui.present.findings import FindingTable
from tui.present.header import summarise
from tui.screens.findings import FindingsPage
from watchfloor.frame import Frame
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record, RecordKey, Records

SIZE = (120, 40)


def page(app: WatchfloorApp) -> FindingsPage:
    found = app.pages["findings"]
    assert isinstance(found, FindingsPage)
    return found


def model(app: WatchfloorApp) -> FindingTable:
    found = page(app)._model
    assert found is not None
    return found


def records(app: WatchfloorApp) -> list[Record]:
    found = [model(app).row(model(app).identity(index)) for index in range(model(app).count)]
    return [record for record in found if record is not None]


def codes(app: WatchfloorApp) -> list[str]:
    return [record.finding.code for record in records(app)]


def feed(app: WatchfloorApp) -> HandFeed:
    assert isinstance(app.feed, HandFeed)
    return app.feed


async def test_the_worst_come_first_and_acknowledged_ones_last() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6")
        shown = records(app)
        assert [record.finding.state for record in shown if not record.ack] == [State.CRITICAL] * 3 + [
            State.WARNING
        ] * 2
        assert [record.finding.code for record in shown if record.ack] == codes(app)[-1:] == ["thermal-slowdown"]
        await pilot.press("o")
        assert codes(app)[-1] == "temp-margin"
        await pilot.press("escape")
        assert "temp-margin" not in codes(app)


async def test_everything_known_of_a_finding_is_told() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "home")
        await pilot.pause()
        told = text_of(app, "#detail")
        for words in ("reboot the node", "healthagent", "drain the node", "first seen", "events", "xid 79"):
            assert words in told
        await pilot.press("o", "end")
        await pilot.pause()
        assert "over since" in text_of(app, "#detail")
        assert "came 4 times" in text_of(app, "#detail")


async def test_a_short_page_says_how_much_more_there_is() -> None:
    app = still_app(on_record())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6", "home")
        await pilot.pause()
        assert "more lines: d" in text_of(app, "#detail")
        await pilot.press("d")
        await pilot.pause()
        assert "gcm" in text_of(app, "#detail")


async def test_the_detail_takes_the_lines_that_it_needs_and_leaves_the_others_to_the_table() -> None:
    app = still_app(on_record())
    async with app.run_test(size=(200, 60)) as pilot:
        await pilot.press("6")
        await pilot.pause()
        detail = page(app).detail
        needed = detail.size.height
        assert len([line for line in text_of(app, "#detail").splitlines() if line.strip()]) == needed
        await pilot.press("down", "down")  # a shorter one: the table stands still
        await pilot.pause()
        assert detail.size.height == needed
        await pilot.press("d", "d")
        await pilot.pause()
        assert detail.size.height < needed


async def test_enter_opens_the_node_at_the_accelerator() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "home", "enter")
        await pilot.pause()
        assert app.page.slug == "node"
        assert str(app.desk.selected) == "dgx-02/GPU-dgx-02-3"


async def test_acknowledging_and_clearing_are_told_to_the_feed() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "home", "a")
        await pilot.pause()
        subject = records(app)[0].finding.subject
        assert feed(app).acknowledged == [(subject, "xid-fatal", "")]
        await pilot.press("A", *"ticket", "space", *"9", "enter")
        await pilot.pause()
        assert feed(app).acknowledged[-1] == (subject, "xid-fatal", "ticket 9")
        await pilot.press("c")
        await pilot.pause()
        assert "can be acknowledged, not cleared" in text_of(app, "#status")
        await pilot.press("end", "u")
        await pilot.pause()
        assert feed(app).acknowledged[-1][1:] == ("thermal-slowdown", None)
        await pilot.press("o", "end", "c")
        await pilot.pause()
        assert [code for _, code in feed(app).cleared] == ["temp-margin"]


async def test_a_note_that_looks_as_if_it_held_a_secret_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    app = still_app(on_record(), state_folder=tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "home", "A", *"ok,", "space", *f"password={planted()}", "enter")
        await pilot.pause()
        assert "the note looks as if it held a secret" in screen_of(app)
        await pilot.press("escape")
        await pilot.pause()
        assert not feed(app).acknowledged
    assert leaks(tmp_path) == []


def worse(frame: Frame) -> Frame:
    """The same with one more finding, which comes to be the first."""
    subject = Subject(Scope.ACCELERATOR, "dgx-01", "GPU-dgx-01-0")
    added = Finding(subject, "accelerator-lost", State.CRITICAL, "gpu0 of dgx-01 is lost")
    records = {record.key: record for record in [*frame.records.by_key.values(), Record(added, frame.at, frame.at)]}
    return replace(frame, findings=(added, *frame.findings), records=replace(frame.records, by_key=records))


async def test_what_has_just_come_is_not_acknowledged_in_place_of_what_the_cursor_is_on() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6")
        await pilot.pause()
        first = records(app)[0]
        feed(app).give(worse(on_record()))
        await until(lambda: records(app)[0] != first)
        assert page(app).table.scroll_offset.y == 0, "it is in view"
        await pilot.press("a")
        await pilot.pause()
        assert feed(app).acknowledged == [(*first.key, "")]


def without(key: RecordKey) -> Frame:
    """The same with this finding gone and forgotten."""
    frame = on_record()
    left = {other: record for other, record in frame.records.by_key.items() if other != key}
    found = tuple(finding for finding in frame.findings if (finding.subject, finding.code) != key)
    return replace(frame, findings=found, records=replace(frame.records, by_key=left))


async def test_no_key_acts_on_the_neighbour_of_a_finding_that_is_over_until_the_cursor_is_moved() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "home")
        await pilot.pause()
        first = records(app)[0]
        feed(app).give(without(first.key))
        await until(lambda: first not in records(app))
        for key in ("a", "u", "c", "enter"):
            await pilot.press(key)
            await pilot.pause()
            assert "is gone: move the cursor" in text_of(app, "#status"), key
        assert "is gone: move the cursor" in text_of(app, "#detail")
        await pilot.press("A", *"mine", "enter")
        await pilot.pause()
        assert (feed(app).acknowledged, feed(app).cleared, app.page.slug) == ([], [], "findings")
        await pilot.press("up", "a")
        await pilot.pause()
        assert feed(app).acknowledged == [(*records(app)[0].key, "")]


async def test_what_a_filter_or_another_page_has_left_out_is_not_gone() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "home", "slash", *"rack==r3", "enter", "a")
        await pilot.pause()
        assert [subject.node for subject, *_ in feed(app).acknowledged] == ["l40-03"]
        await pilot.press("escape", "home", "1")
        first = records(app)[0]
        feed(app).give(without(first.key))
        await until(lambda: app.desk.frame is not None and first.key not in app.desk.frame.records.by_key)
        await pilot.press("6", "a")
        await pilot.pause()
        assert len(feed(app).acknowledged) == 2


async def test_what_is_cleared_by_a_key_leaves_its_place_to_the_next_one() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "o", "end", "c")
        await pilot.pause()
        cleared = records(app)[-1]
        feed(app).give(without(cleared.key))
        await until(lambda: cleared not in records(app))
        await pilot.press("a")
        await pilot.pause()
        assert feed(app).acknowledged == [(*records(app)[-1].key, "")]


async def test_a_note_is_about_the_finding_that_it_was_begun_for() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "home")
        await pilot.pause()
        first = records(app)[0]
        await pilot.press("A", *"mine")
        feed(app).give(without(first.key))
        await until(lambda: first not in records(app))
        await pilot.press("enter")
        await pilot.pause()
        assert feed(app).acknowledged == []
        assert "it is over" in text_of(app, "#status")


async def test_read_only_has_no_key_and_no_command_for_it() -> None:
    app = still_app(on_record(), read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "home", "a", "A", "u", "o", "end", "c")
        await pilot.pause()
        assert (feed(app).acknowledged, feed(app).cleared) == ([], [])
        assert not {"ack", "unack", "clear"} & set(app.commands())
        assert not any("acknowledge" in does for _, does in entries(page(app)))


async def test_a_filter_takes_words_and_queries() -> None:
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "slash", *"xid", "enter")
        await pilot.pause()
        assert codes(app) == ["xid-fatal", "accelerator-lost"]
        assert "2 of 6" in text_of(app, "#status")
        await pilot.press("slash", "ctrl+u", *"rack==r3", "enter")
        await pilot.pause()
        assert {record.finding.subject.node for record in records(app)} == {"l40-03"}


async def test_acknowledged_ones_are_not_counted_in_the_header() -> None:
    assert (summarise(on_record()).criticals, summarise(on_record()).warnings) == (3, 2)
    without = replace(on_record(), records=Records())
    assert (summarise(without).criticals, summarise(without).warnings) == (3, 3)


async def test_one_warning_is_no_warnings() -> None:
    one = next(finding for finding in on_record().findings if finding.state is State.WARNING)
    app = still_app(replace(on_record(), findings=(one,), records=Records()))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6")
        assert text_of(app, "#summary").split() == ["✖", "0", "critical", "▲", "1", "warning"]


async def test_why_nothing_is_kept_is_said() -> None:
    told = replace(on_record(), records=replace(on_record().records, trouble="findings are not kept in /x: read-only"))
    app = still_app(told)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6")
        assert "not kept in /x" in text_of(app, "#summary")


async def test_before_any_frame_and_without_findings() -> None:
    app = WatchfloorApp(HandFeed(), AppOptions())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("6", "a", "u", "c", "enter", "d", "o")
        assert app.is_running
        feed(app).give(replace(on_record(), findings=(), records=Records()))
        await pilot.pause(0.5)
        assert codes(app) == []
