"""Recordings as rows, and one of them in a few lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tui.present.format import Text
from tui.present.itemised import Itemised
from tui.present.line import Line
from tui.present.plans import told
from tui.present.rows import Column
from tui.present.style import Glyphs, Token
from watchfloor.lineage.times import Times
from watchfloor.model import State
from watchfloor.snapshot.words import duration, scaled

if TYPE_CHECKING:
    from watchfloor.session.told import Told

_WIDE = 110
_STATES = {
    "sealed": (State.OK, Token.OK),
    "torn": (State.WARNING, Token.WARNING),
    "altered": (State.CRITICAL, Token.CRITICAL),
    "unreadable": (State.CRITICAL, Token.CRITICAL),
}


class SessionTable(Itemised["Told"]):
    """Implements TableModel. Identities are the names of files."""

    def __init__(self, sessions: Sequence[Told], times: Times, width: int, glyphs: Glyphs) -> None:
        super().__init__(sessions, lambda one: one.path.name)
        self._times, self._glyphs = times, glyphs
        wide = width >= _WIDE
        self.columns = (
            Column("sign", "", 1, fixed=True),
            Column("when", "WHEN", 12, fixed=True),
            Column("lasts", "LASTS", 6, "right"),
            Column("size", "SIZE", 6, "right"),
            *([Column("nodes", "NODES", 5, "right"), Column("marks", "MARKS", 5, "right")] if wide else []),
            Column("mode", "MODE", 8),
            Column("who", "BY", 14 if wide else 8),
            Column("state", "STATE", 13),
            Column("command", "COMMAND", 12, flexible=True),
        )

    def cells(self, index: int) -> Sequence[Text]:
        one = self._rows[index]
        known = bool(one.begun)
        sign, token = sign_of(one, self._glyphs)
        cells: dict[str, Text] = {
            "sign": (sign, token),
            "when": (self._times.at(one.begun) if known else "?", Token.STRONG),
            "lasts": (duration(one.ended - one.begun) if known else "", Token.TEXT),
            "size": (f"{scaled(one.size_bytes, 1000, 'kMGT')}B", Token.TEXT),
            "nodes": (str(one.nodes) if known else "", Token.TEXT),
            "marks": (str(one.marks) if known else "", Token.TEXT),
            "mode": (one.facts.get("mode", ""), Token.TEXT),
            "who": (one.facts.get("who", ""), Token.TEXT),
            "state": (str(one.wholeness), token),
            "command": (_command(one), Token.DIM),
        }
        return [cells[column.name] for column in self.columns]


def sign_of(one: Told, glyphs: Glyphs) -> Text:
    """What is being written has no state yet."""
    if str(one.wholeness) not in _STATES:
        return ">", Token.ACCENT
    state, token = _STATES[str(one.wholeness)]
    return glyphs.states[state], token


def _command(one: Told) -> str:
    """As it was typed: without the folder of the program."""
    first, _, rest = one.facts.get("command line", "").partition(" ")
    return f"{Path(first).name} {rest}".strip()


def has(one: Told, words: Sequence[str]) -> bool:
    """Whether all of these stand in what is told of it."""
    text = " ".join((one.path.name, str(one.wholeness), *one.facts.values())).casefold()
    return all(word in text for word in words)


def summary_line(folder: Path, sessions: Sequence[Told], shown: int) -> Line:
    size = f"{scaled(sum(one.size_bytes for one in sessions), 1000, 'kMGT')}B"
    some = f"   {shown} of them pass" if shown != len(sessions) else ""
    noun = "recording" if len(sessions) == 1 else "recordings"
    return [(f" {len(sessions)}", Token.STRONG), (f" {noun} in {folder}, {size}", Token.TEXT), (some, Token.DIM)]


def detail_lines(one: Told | None, verified: str, width: int) -> Iterator[Line]:
    """`verified`: what verification found, "" where nobody asked."""
    if one is None:
        return
    yield from told(one.path.name, width, Token.STRONG)
    if one.text:
        yield from told(one.text, width, Token.WARNING)
    facts = {name: value for name, value in one.facts.items() if value}
    room = max(map(len, facts), default=0)
    for name, value in facts.items():
        yield from told(f"   {name:<{room}}  {value}", width)
    yield from told(verified or "v reads every byte, and asks the ledger", width, Token.TEXT if verified else Token.DIM)
