"""Help over a page: made from the bindings that are really there, so that it can't be out of date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingsMap, BindingType
from textual.containers import VerticalScroll
from textual.dom import DOMNode
from textual.screen import ModalScreen

from tui.base import Page
from tui.commands import Table
from tui.present.help import Entry, missing, prose, scales, section, states
from tui.present.line import Line
from tui.present.style import Token
from tui.widgets.lines import Lines


class HelpScreen(ModalScreen[None]):
    """Scrolls by itself; Esc, q or ? closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "close", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
    ]

    def __init__(self, page: Page, commands: Table) -> None:
        super().__init__()
        self._page, self._commands = page, commands
        focused = page.focused
        self._taken = {"Space"} if page.desk.replay is not None else set[str]()  # by the keys of time
        self._parts: list[DOMNode] = [page] if focused is None else [page, focused]

    def compose(self) -> ComposeResult:
        body = Lines(self._page.desk.palette, id="helptext")
        body.show(self._lines)
        with VerticalScroll(id="helpbox") as box:
            box.border_title = f"help: {self._page.slug}"
            box.border_subtitle = "Esc closes"
            yield body

    def action_scroll(self, lines: int) -> None:
        self.query_one("#helpbox").scroll_relative(y=lines, animate=False)

    def _lines(self, width: int) -> Sequence[Line]:
        palette = self._page.desk.palette
        commands = [(f":{name} {command.argument}".strip(), command.help) for name, command in self._commands.items()]
        lines = prose(self._page.help_text, width)
        for node in self._parts:
            title = "Keys of this page" if node is self._page else "Keys of the part that has the focus"
            lines += section(title, [entry for entry in entries(node) if entry[0] not in self._taken], width)
        lines += section("Keys everywhere", [*entries(self.app), ("Ctrl+P", "palette: everything by name")], width)
        lines += section("Commands", commands, width)
        lines += [*missing(width), *states(palette, width), *scales(palette)]
        return lines or [[("no help", Token.DIM)]]


def entries(node: DOMNode) -> list[Entry]:
    """Keys of a widget, page or app, and what they do; keys that do the same stand together."""
    found: dict[str, list[str]] = {}
    withheld: frozenset[str] = getattr(node, "withheld", frozenset())
    for kind in type(node).__mro__:
        own = kind.__dict__.get("BINDINGS", ())
        if "ACTING_BINDINGS" in kind.__dict__ and isinstance(node, Page) and node.desk.options.acting is not None:
            own = [*own, *kind.__dict__["ACTING_BINDINGS"]]
        if kind.__module__.startswith("tui."):
            for key, binding in BindingsMap(own):
                if binding.action.partition("(")[0] not in withheld:
                    _note(found, key, binding)
    for key, bindings in node._bindings.key_to_bindings.items():
        for binding in bindings:
            if binding.description and binding.description not in found and binding.action.startswith("open("):
                _note(found, key, binding)
    return [(" ".join(keys), does) for does, keys in found.items()]


def _note(found: dict[str, list[str]], key: str, binding: Binding) -> None:
    if binding.description:
        found.setdefault(binding.description, []).append(shown(key))


_NAMES = {
    "question_mark": "?", "colon": ":", "slash": "/", "escape": "Esc", "left_square_bracket": "[",
    "right_square_bracket": "]", "space": "Space", "enter": "Enter", "pageup": "PgUp", "pagedown": "PgDn",
    "home": "Home", "end": "End", "minus": "-", "plus": "+", "tab": "Tab", "shift+tab": "Shift+Tab",
    "comma": ",", "full_stop": ".", "less_than_sign": "<", "greater_than_sign": ">", "left_curly_bracket": "{",
    "right_curly_bracket": "}", "equals_sign": "=", "at": "@",
}  # fmt: skip


def shown(key: str) -> str:
    """A key as people call it."""
    if key in _NAMES:
        return _NAMES[key]
    if len(key) == 1:
        return f"Shift+{key}" if key.isupper() else key
    return "+".join(part.capitalize() for part in key.split("+"))
