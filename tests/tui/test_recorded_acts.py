"""What a recording is told of what is done in a terminal: command lines that were run, and keys that acted."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.actinghands import NotedActing
from tests.support.feeds import still_app
from tests.support.ledgerpages import app_over
from tests.support.onrecord import on_record
from tests.support.patience import until
from tests.support.planted import planted
from tests.support.runstory import Story
from tests.support.screens import screen_of, text_of
from tests.tui.test_what_to_do import acting, asked
from tui.commands import PaletteProvider
from tui.filming import Film
from tui.widgets.commandline import CommandLine
from watchfloor.session.writer import Mark

SIZE = (120, 60)


class NotedRecording:
    """Implements ports.Recording."""

    def __init__(self) -> None:
        self.trouble = ""
        self.marks: list[Mark] = []
        self.shown: list[str] = []

    def terminal(self, at: float, events: Sequence[tuple[float, str, str]]) -> None:
        self.shown += [data for _, _, data in events]

    def mark(self, mark: Mark) -> None:
        self.marks.append(mark)

    def told(self) -> list[tuple[str, str]]:
        return [(mark.kind, mark.text) for mark in self.marks]


async def test_a_command_line_that_was_run_is_told_and_none_that_was_left_or_refused() -> None:
    recording = NotedRecording()
    app = still_app(on_record(), recording=recording)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"jobs", "enter")
        await pilot.press("colon", *"theme", "escape", "colon", *"themes", "enter", "escape", "colon", "enter")
        PaletteProvider(app.screen)._run(app.commands()["stack"], "")
        await pilot.press("6", "A", *"seen:", "space", *"4711", "enter")
    assert recording.told() == [("command", ":jobs"), ("command", ":stack"), ("command", ":ack seen: 4711")]
    assert {mark.at for mark in recording.marks} == {app.options.now()}


async def test_a_line_that_was_just_closed_is_not_filmed_while_it_is_still_drawn() -> None:
    recording = NotedRecording()
    app = still_app(on_record())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon")
        line = app.screen.query_one(CommandLine)
        line.open(f"theme --token={'x' * 130}plantedSecret")
        await pilot.press("left", "end")
        line.close()
        app.screen.set_focus(None)
        assert "plantedSecret" in screen_of(app)
        Film(app, recording, app.options.now).take()
    assert recording.shown and "plantedSecret" not in "".join(recording.shown)


async def test_no_secret_of_a_command_line_is_told() -> None:
    recording = NotedRecording()
    app = still_app(on_record(), recording=recording)
    async with app.run_test(size=SIZE):
        app.desk.ran(f"lineage token={planted()}")
    assert recording.told() == [("command", ":lineage token=***")]


async def test_a_key_that_acted_is_told_with_what_it_was_for_and_none_that_only_moves_or_did_nothing() -> None:
    recording = NotedRecording()
    app = still_app(on_record(), recording=recording)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press(
            "6", "home", "down", "up", "o", "o", "d", "slash", *"au", "escape", "escape", "a", "c", "ctrl+r"
        )
        await pilot.press("end", "u")
    lost, hot = (f"{what} of dgx-0" for what in ("xid-fatal", "thermal-slowdown"))
    assert [kind for kind, _ in recording.told()] == ["key", "key"]
    first, second = (text for _, text in recording.told())
    assert first.startswith(lost) and first.endswith(": acknowledged")
    assert second.startswith(hot) and second.endswith(": no longer acknowledged")


async def test_what_was_signed_is_told_once_it_was(story: Story) -> None:
    recording, acts = NotedRecording(), NotedActing()
    app = app_over(acting=acts, recording=recording)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("8", "enter", "end", "a", "escape", "a", *"axq", "enter")
        await until(lambda: bool(recording.marks))
    assert recording.told() == [("key", "approve run r9f3e07d5b1")]


async def test_what_was_proposed_and_carried_out_is_told() -> None:
    recording, port = NotedRecording(), acting()
    app = still_app(on_record(), acting=port, recording=recording)
    async with app.run_test(size=SIZE) as pilot:
        await asked(app, pilot)
        await pilot.press("down", "enter")
        await until(lambda: "Verdict: permit" in screen_of(app))
        await pilot.press("c", *"yes", "enter")
        await until(lambda: "run r0123456789 has begun" in text_of(app, "#cardfoot"))
        port.carried["r0123456789"].set_result("run r0123456789 succeeded: 1 of 1 steps done")
        await until(lambda: app.desk.carrying is not None and not app.desk.carrying.runs)
    assert recording.told() == [
        ("key", "propose collect-evidence on dgx-02 (1 step, R0): run r0123456789"),
        ("key", "carry out run r0123456789"),
    ]
