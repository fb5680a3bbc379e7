"""The line of time of a session that is shown again: begin, end, where it stands, and what happened when. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, tzinfo

from tui.present.line import Line, Piece, joined, width_of
from tui.present.style import STATE_TOKENS, Glyphs, Token
from watchfloor.model import State
from watchfloor.session.chapters import EVENT, FINDING, Chapter
from watchfloor.session.player import Standing

_WIDE = 110  # columns from which what happened is counted, too
_GAP = "gap"


def replay_badge(standing: Standing, zone: tzinfo) -> Piece:
    """`REPLAY 14:03:20 4×`; the day, where the session has more than one."""
    if standing.paused:
        return f"REPLAY {clock(standing.at, standing, zone)} paused", Token.ACCENT
    how = "at its end" if standing.at >= standing.end else f"{standing.speed:g}×"
    return f"REPLAY {clock(standing.at, standing, zone)} {how}", Token.ACCENT


def clock(at: float, standing: Standing, zone: tzinfo) -> str:
    """A recorded time, to the second."""
    first, last = (datetime.fromtimestamp(time, zone).date() for time in (standing.begin, standing.end))
    then = datetime.fromtimestamp(at, zone)
    return f"{then:%H:%M:%S}" if first == last else f"{then:%b} {then.day} {then:%H:%M:%S}"


def timeline_line(standing: Standing, zone: tzinfo, glyphs: Glyphs, width: int, goes_on: bool) -> Line:
    """Exactly one line. `goes_on`: the floor does so behind it, and its end is now."""
    left: Line = [(f" {clock(standing.begin, standing, zone)} ", Token.DIM)]
    end = "now" if goes_on else clock(standing.end, standing, zone)
    right: list[Piece] = [(f" {end} ", Token.DIM)]
    if width >= _WIDE:
        right += joined([_counts(standing, glyphs), [(" ", Token.DIM)]], "")
    room = width - width_of(left) - width_of(right)
    return [*left, *bar(standing, room, glyphs), *right] if room > 1 else left


def bar(standing: Standing, width: int, glyphs: Glyphs) -> list[Piece]:
    """One cell a stretch of time: what matters most of what happened in it, or the line; it is thick up to where it
    stands.
    """
    here = _place(standing.at, standing, width)
    worst: dict[int, Chapter] = {}
    for chapter in standing.chapters:
        place = _place(chapter.at, standing, width)
        if place not in worst or _weight(chapter) > _weight(worst[place]):
            worst[place] = chapter
    return [_cell(place, here, worst.get(place), glyphs) for place in range(width)]


def _cell(place: int, here: int, chapter: Chapter | None, glyphs: Glyphs) -> Piece:
    if place == here:
        return ("█" if glyphs.braille else "@"), Token.STRONG
    if chapter is not None:
        return _sign(chapter, glyphs)
    return (glyphs.bar[0], Token.ACCENT) if place < here else (glyphs.rule, Token.RULE)


def _place(at: float, standing: Standing, width: int) -> int:
    whole = max(standing.end - standing.begin, 1e-9)
    return min(width - 1, max(0, int((at - standing.begin) / whole * (width - 1) + 0.5)))


def _weight(chapter: Chapter) -> int:
    """What a person did stands before what went wrong, and that before what a node told."""
    if chapter.kind == EVENT:
        return 0
    return int(chapter.state) if chapter.kind == FINDING else State.CRITICAL + 1


def _sign(chapter: Chapter, glyphs: Glyphs) -> Piece:
    if chapter.kind == FINDING:
        return glyphs.states[chapter.state], STATE_TOKENS[chapter.state]
    if chapter.kind == EVENT:
        return ("╵" if glyphs.braille else "'"), Token.TEXT
    if chapter.kind == _GAP:
        return glyphs.missing, Token.WARNING
    return glyphs.mark, Token.MARK


def _counts(standing: Standing, glyphs: Glyphs) -> Line:
    """How much there is of each sign."""
    many = Counter(map(_sort, standing.chapters))
    signs = {_sort(chapter): _sign(chapter, glyphs) for chapter in standing.chapters}
    parts: Sequence[Line] = [
        [signs[sort], (f" {many[sort]} {sort if many[sort] > 1 else sort.removesuffix('s')}", Token.DIM)]
        for sort in ("critical", "warning", "events", "marks", "gaps")
        if many[sort]
    ]
    return joined(parts, "  ")


def _sort(chapter: Chapter) -> str:
    if chapter.kind == FINDING:
        return chapter.state.label
    return {EVENT: "events", _GAP: "gaps"}.get(chapter.kind, "marks")
