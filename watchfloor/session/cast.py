"""What a terminal showed, as a terminal would be told it; and as a file that asciinema plays (asciicast, version 2).

Screens come as lines with their escape sequences, beside the same lines without: secrets are looked for in what a
person reads, across colours, and a line that holds one is kept without its colours. Of one that is just being typed the
screen may show what no pattern knows yet, or the end alone: of such a text no piece is kept, wherever it stands. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from watchfloor.redact import HIDDEN, redact, suspicious

Event = tuple[float, str, str]  # console time, code (o: output, r: size, m: mark), data
Line = tuple[str, str]  # what a person reads; the same with escape sequences

_CLEAR, _PLAIN, _HIDE_CURSOR, _SHOW_CURSOR = "\x1b[2J", "\x1b[0m", "\x1b[?25l", "\x1b[?25h"
_PIECE = 4  # characters of what is typed that are told from other words
_ROW = re.compile(r"\x1b\[(\d+);1H")  # how a changed line begins


class ScreenTape:
    """Remembers what was shown last: only lines that are others are told."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._lines: list[str] = []

    def told(self, at: float, size: tuple[int, int], lines: Sequence[Line], typed: str = "") -> list[Event]:
        """What a terminal has to be told; nothing where it shows that already. `size`: columns, rows; `typed`: what
        somebody is typing.

        A screen that is only just coming has not all of its lines yet: it is left for the next picture.
        """
        if len(lines) != size[1]:
            return []
        events: list[Event] = []
        pieces = _pieces(typed)
        clean = [_clean(line, pieces) for line in lines]
        start = ""
        if size != self._size:
            events.append((at, "r", f"{size[0]}x{size[1]}"))
            start, self._size, self._lines = _HIDE_CURSOR + _PLAIN + _CLEAR, size, [""] * len(lines)
        changed = [
            f"\x1b[{row};1H{line}{_PLAIN}"
            for row, (line, before) in enumerate(zip(clean, self._lines, strict=True), 1)
            if line != before
        ]
        self._lines = clean
        if start or changed:
            events.append((at, "o", start + "".join(changed)))
        return events


def _clean(line: Line, pieces: Set[str]) -> str:
    text, drawn = line
    if any(piece in text for piece in pieces):
        return HIDDEN.ljust(len(text))[: len(text)]
    shown = redact(text)
    return drawn if shown == text else shown[: len(text)].ljust(len(text))


def _pieces(typed: str) -> Set[str]:
    """All of a few characters of what is typed behind the first word that speaks of a secret; none where none does."""
    if not suspicious(typed):
        return frozenset()
    begin = next(end for end in range(1, len(typed) + 1) if suspicious(typed[:end]))
    pieces = (typed[at : at + _PIECE] for at in range(begin, len(typed)))
    return {piece for piece in pieces if len(piece.strip()) == _PIECE}


def cut(events: Iterable[Event], begin: float, end: float) -> list[Event]:
    """What a `ScreenTape` told in this time; the whole screen as it stood then comes first."""
    size, shown = "", list[Event]()
    rows: dict[str, str] = {}
    for at, code, data in sorted(events, key=_at):
        if at > end:
            break
        if at >= begin:
            if not shown and size:
                shown = [(begin, "r", size), (begin, "o", _screen(rows))]
            shown.append((at, code, data))
        elif code == "r":
            size, rows = data, {}
        elif code == "o":
            start, *drawn = _ROW.split(data)
            rows = {} if _CLEAR in start else rows
            rows.update(zip(drawn[::2], drawn[1::2], strict=True))
    if not shown and size:
        shown = [(begin, "r", size), (begin, "o", _screen(rows))]
    return shown


def _at(event: Event) -> float:
    """What is told at once stays in its order: the size before what is drawn in it."""
    return event[0]


def _screen(rows: Mapping[str, str]) -> str:
    return _HIDE_CURSOR + _PLAIN + _CLEAR + "".join(f"\x1b[{row};1H{line}" for row, line in rows.items())


def asciicast(events: Iterable[Event], title: str, marks: Iterable[Event] = ()) -> Iterator[str]:
    """The lines of the file; nothing where nothing was shown. The size is the largest that the screen had."""
    told = sorted(events, key=_at)
    if not told:
        return
    begun = told[0][0]
    sizes = [tuple(map(int, data.split("x"))) for _, code, data in told if code == "r"] or [(80, 24)]
    head: Mapping[str, object] = {
        "version": 2,
        "width": max(width for width, _ in sizes),
        "height": max(height for _, height in sizes),
        "timestamp": int(begun),
        "title": title,
    }
    yield json.dumps(head, ensure_ascii=False)
    shown = sorted([*told, *(mark for mark in marks if mark[0] >= begun)], key=_at)
    for at, code, data in [*shown, (shown[-1][0], "o", _behind(sizes[-1][1]))]:
        yield json.dumps([round(at - begun, 6), code, data], ensure_ascii=False)


def _behind(rows: int) -> str:
    """The terminal belongs to whoever played it again: a cursor that is seen, below the last picture."""
    return f"\x1b[{rows};1H{_SHOW_CURSOR}\r\n"
