"""Two moments side by side: a row for each subject that differs, and everything that does below it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from tui.present.findings import subject_name
from tui.present.format import Text, exact
from tui.present.itemised import Itemised
from tui.present.line import Line, fitting, paragraphs, within
from tui.present.rows import Column
from tui.present.style import STATE_TOKENS, Glyphs, Token
from watchfloor.compare import MOST, Change, Comparison, Difference
from watchfloor.frame import Cell, Frame
from watchfloor.model import Finding, Missing, State, Subject
from watchfloor.snapshot.words import duration_in_prose

_GAP = "   "
_NAMES_LOOKED_AT = 200  # rows whose names make the second column as wide as it is
_IN_A_ROW = 12  # changes: more than any screen is wide


class DifferenceTable(Itemised[Difference]):
    """Implements TableModel; identities are subjects."""

    def __init__(self, frames: tuple[Frame, Frame], rows: Sequence[Difference], room: int, glyphs: Glyphs) -> None:
        """`frames`: before and after."""
        super().__init__(rows, lambda row: row.subject)
        self._frames, self._glyphs = frames, glyphs
        names = [name_of(frames, row.subject) for row in rows[:_NAMES_LOOKED_AT]]
        widest = min(max(map(len, names), default=0), room // 3)
        self.columns: Sequence[Column] = (
            Column("state", "", 3, fixed=True),
            Column("subject", "SUBJECT", max(widest, 12), fixed=True),
            Column("what", "BEFORE → AFTER", 30, flexible=True),
        )

    def cells(self, index: int) -> Sequence[Text]:
        row = self._rows[index]
        words = [*_found(row), *(change_words(one, self._glyphs) for one in row.changes[:_IN_A_ROW])]
        return [
            state_sign(row, self._glyphs),
            (name_of(self._frames, row.subject), Token.STRONG),
            (_GAP.join([*_there(row), *words]), Token.TEXT),
        ]


def name_of(frames: tuple[Frame, Frame], subject: Subject) -> str:
    """As the frame has it that has it; the later one first."""
    holder = next((frame for frame in reversed(frames) if frame.row(subject) is not None), frames[1])
    return subject_name(holder, subject)


def state_sign(row: Difference, glyphs: Glyphs) -> Text:
    """`●→✖`; one sign where the state is as it was."""
    before, after = (glyphs.states[state] if state is not None else " " for state in (row.before, row.after))
    if row.before is row.after:
        return after, Token.DIM
    return f"{before}→{after}", STATE_TOKENS[row.after if row.after is not None else State.UNKNOWN]


def _there(row: Difference) -> list[str]:
    if row.before is None and row.after is not None:
        return ["new"]
    return ["no longer there"] if row.after is None and row.before is not None else []


def _found(row: Difference) -> list[str]:
    return [*(f"+{finding.code}" for finding in row.came), *(f"-{finding.code}" for finding in row.went)]


def change_words(change: Change, glyphs: Glyphs) -> str:
    """`util 97 % → lost`."""
    before, after = (_shown(cell, change, glyphs) for cell in (change.before, change.after))
    return f"{change.metric.name} {before} → {after}"


def _shown(cell: Cell, change: Change, glyphs: Glyphs) -> str:
    return exact(cell, change.metric, glyphs)[0] if cell.missing is Missing.NO else cell.missing.label


# -- which ones


def passing(rows: Sequence[Difference], words: Sequence[str], frames: tuple[Frame, Frame]) -> Sequence[Difference]:
    """Those that have all of the words: scope, name, state, code of a finding, name of a value."""
    return [row for row in rows if all(word in _haystack(row, frames) for word in words)] if words else rows


def _haystack(row: Difference, frames: tuple[Frame, Frame]) -> str:
    states = [state.label for state in (row.before, row.after) if state is not None]
    codes = [finding.code for finding in (*row.came, *row.went)]
    names = [change.metric.name for change in row.changes]
    return " ".join(
        (row.subject.scope, str(row.subject), name_of(frames, row.subject), *states, *codes, *names)
    ).casefold()


# -- above and below the table


def summary_line(found: Comparison, shown: int, follows: bool, zone: tzinfo, width: int) -> Line:
    """Which two moments, and how much of them differs. `follows`: the second one moves on."""
    before, after = _clocks(found, zone)
    apart = found.after - found.before
    later = f" {duration_in_prose(abs(apart))} {'later' if apart > 0 else 'earlier'}" if apart else " the same moment"
    others = sum(row.before is not row.after for row in found.differences)
    told = [(f"{_GAP}{shown:,} shown", Token.DIM)] if shown != found.count else []
    told += [(f" of the first {MOST:,}", Token.DIM)] if found.count > MOST else []
    moments = [(" before ", Token.DIM), (before, Token.STRONG), ("  after ", Token.DIM), (after, Token.STRONG)]
    counts = [
        (f"{_GAP}{found.count:,}", Token.STRONG), (" differ", Token.DIM),
        (f"{_GAP}{others:,}", Token.STRONG), (" in state", Token.DIM), *told,
    ]  # fmt: skip
    between = [(later, Token.DIM)]
    return fitting(
        (
            lambda: [*moments, *between, *([(", as it goes", Token.DIM)] if follows else []), *counts],
            lambda: [*moments, *between, *counts],
            lambda: [*moments, *counts],
        ),
        width,
    )


def _clocks(found: Comparison, zone: tzinfo) -> tuple[str, str]:
    first, last = (datetime.fromtimestamp(at, zone) for at in (found.before, found.after))
    form = "%H:%M:%S" if first.date() == last.date() else "%b %d %H:%M:%S"
    return first.strftime(form), last.strftime(form)


def detail_lines(row: Difference | None, width: int, most: int, glyphs: Glyphs) -> Sequence[Line]:
    """Findings in full, then every value that differs, in as many columns as there is room for."""
    if row is None:
        return []
    found = [line for finding in row.came for line in _finding(finding, "+", width)]
    gone = [line for finding in row.went for line in _finding(finding, "-", width)]
    return within([*_states(row), *found, *gone, *_values(row.changes, width, glyphs)], most, width)


def _states(row: Difference) -> Iterator[Line]:
    before, after = ("not there" if state is None else state.label for state in (row.before, row.after))
    if before != after:
        token = STATE_TOKENS[row.after if row.after is not None else State.UNKNOWN]
        yield [(" state ", Token.DIM), (f"{before} → ", Token.TEXT), (after, token)]


def _finding(finding: Finding, sign: str, width: int) -> Iterator[Line]:
    token = STATE_TOKENS[finding.state] if sign == "+" else Token.DIM
    for at, text in enumerate(paragraphs(f"{finding.code}: {finding.text}", width - 4)):
        yield [(f" {sign if at == 0 else ' '} ", token), (text, token)]


def _values(changes: Sequence[Change], width: int, glyphs: Glyphs) -> Iterator[Line]:
    texts = {change.metric.name: change_words(change, glyphs).removeprefix(change.metric.name) for change in changes}
    each = max((len(name) + len(text) for name, text in texts.items()), default=1) + len(_GAP)
    columns = max(1, (width - 1) // each)
    items = list(texts.items())
    for at in range(0, len(items), columns):
        line: list[Text] = [(" ", Token.TEXT)]
        for name, text in items[at : at + columns]:
            line += [(name, Token.DIM), (text + " " * (each - len(name) - len(text)), Token.TEXT)]
        yield line
