"""Completing a word: how far all agree, then one after the other, and round again."""

from __future__ import annotations

import pytest

from tests.support.feeds import still_app
from tests.support.frames import settled
from tui.commands import Command, complete, run, table
from tui.present.completion import agreed, completion
from watchfloor.errors import ConfigError


def test_first_as_far_as_all_agree_then_each() -> None:
    found = completion("sort t", 6, ["temp", "temp_margin"])
    assert found is not None
    found = found.step(1)
    assert found.current == ("sort temp", 9)
    found = found.step(1)
    assert found.current == ("sort temp", 9)
    found = found.step(1)
    assert found.current == ("sort temp_margin", 16)
    assert found.step(1).current == ("sort temp", 9)
    assert found.step(-1).current == ("sort temp", 9)


def test_backwards_begins_with_the_last() -> None:
    found = completion("", 0, ["a", "b", "c"])
    assert found is not None
    assert found.step(-1).current == ("c", 1)


def test_a_word_in_the_middle() -> None:
    found = completion("ut > 5", 2, ["util"])
    assert found is not None
    assert found.step(1).current == ("util > 5", 4)


def test_nothing_fits() -> None:
    assert completion("xyz", 3, []) is None


def test_agreed() -> None:
    assert agreed(["power", "power_limit", "power_max"]) == "power"
    assert agreed(["a"]) == "a"
    assert agreed(["a", "b"]) == ""


def test_names_of_commands_and_then_their_choices() -> None:
    commands = table(
        [
            Command("sort", "", lambda _: None, lambda: ["util", "temp"], "COLUMN"),
            Command("stop", "", lambda _: None),
        ]
    )
    assert complete(commands, "s", 1) == ["sort ", "stop"]
    assert complete(commands, "sort te", 7) == ["temp"]
    assert complete(commands, "nonsense te", 11) == ()


def test_words_behind_a_command_that_takes_none_are_refused_where_they_stand() -> None:
    ran: list[str] = []
    commands = table([Command("stop", "", ran.append), Command("sort", "", ran.append, argument="COLUMN")])
    with pytest.raises(ConfigError, match="stop takes no word behind it") as refused:
        run(commands, " stop now")
    assert refused.value.column == 7
    run(commands, "stop ")
    run(commands, "sort temp")
    assert ran == ["", "temp"]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("quti", "did you mean 'quit'?"),
        ("theme foo", "there is no theme 'foo' (one of default, colorblind, mono)"),
        ("theme ascii", "(one of default, colorblind, mono)"),
        ("theme", "say which theme (one of default, colorblind, mono)"),
        ("sort foo", "there is no column 'foo' (one of "),
    ],
)
async def test_a_word_that_nothing_is_near_to_is_answered_with_the_choices(line: str, advice: str) -> None:
    app = still_app(settled())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        with pytest.raises(ConfigError) as caught:
            run(app.commands(), line)
    assert advice in str(caught.value)
