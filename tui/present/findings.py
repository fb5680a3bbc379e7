"""Findings as a table, worst first, and everything that is known of one: evidence, time, acknowledgement, events."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from tui.present.choice import Filter
from tui.present.format import Text, age
from tui.present.itemised import Itemised
from tui.present.line import Line, paragraphs
from tui.present.rows import Column
from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.advice import advice
from watchfloor.events import Entry
from watchfloor.frame import Frame
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record, RecordKey

_WIDE, _WIDEST = 110, 160
AROUND_SECONDS = 600.0  # events so long before a finding came, or after it was seen last, are shown with it
_EVENTS_SHOWN = 6
_LOOKED_AT = 200  # rows whose names make the first column as wide as it is
_WORD = re.compile(r"[\w.:/-]+")
_BETWEEN = "  "


def columns_for(room: int, longest: int = 0, rows: Sequence[Record] = ()) -> Sequence[Column]:
    """As many columns, and as wide, as `room` cells have space for; `longest` of the subjects, in cells. What none of
    the rows has gets no column.
    """
    wide, widest = room >= _WIDE, room >= _WIDEST
    subject = max(26 if widest else 18 if wide else 14, min(longest, room // 4))
    return (
        Column("state", "", 1, fixed=True),
        Column("subject", "SUBJECT", subject, fixed=True),
        *([Column("code", "CODE", 21)] if wide else []),
        Column("text", "FINDING", 24, flexible=True),
        Column("first", "SINCE", 5, "right"),
        *([Column("last", "SEEN", 5, "right")] if wide else []),
        *([Column("times", "TIMES", 5, "right")] if any(record.times > 1 for record in rows) else []),
        *([Column("ack", "ACK", 14 if widest else 8 if wide else 4)] if any(record.ack for record in rows) else []),
    )


# -- which ones


def rows_of(frame: Frame, over: bool, chosen: Filter | None) -> list[Record]:
    """What holds, the worst first and what was acknowledged behind it; then, if asked for, what is over."""
    known = frame.records.by_key
    found = {
        (finding.subject, finding.code): known.get((finding.subject, finding.code))
        or Record(finding, frame.at, frame.at)
        for finding in reversed(frame.findings)
    }
    gone = [record for key, record in known.items() if key not in found]
    waiting = [record for record in gone if record.holds and record.finding.subject.node in frame.node_index]
    rows = sorted([*found.values(), *waiting], key=_urgency)
    if over:
        rows += sorted((record for record in gone if not record.holds), key=lambda record: -record.last)
    passes = _passing(frame, chosen) if chosen else None
    return [record for record in rows if passes is None or passes.lets(record)]


def _urgency(record: Record) -> tuple[bool, int, float]:
    return record.ack is not None, -record.finding.state, -record.first


@dataclass(frozen=True, slots=True)
class _Passing:
    """What a filter lets through, by scope and row; `word` is what it says, where that is a bare word."""

    frame: Frame
    accelerators: NDArray[np.bool_]
    nodes: NDArray[np.bool_]
    links: NDArray[np.bool_]
    word: str

    def lets(self, record: Record) -> bool:  # noqa: PLR0911 - one scope, one return
        finding = record.finding
        if self.word:  # a bare word is looked for in what the table shows
            shown = f"{finding.subject} {subject_name(self.frame, finding.subject)} {finding.code} {finding.text}"
            return self.word in shown.casefold()
        row = self.frame.row(finding.subject)
        if row is None:
            return False
        match finding.subject.scope:
            case Scope.ACCELERATOR:
                return bool(self.accelerators[row])
            case Scope.LINK:
                return bool(self.links[row])
            case Scope.NODE:
                return bool(self.nodes[row])
            case Scope.SERVICE:
                return bool(self.nodes[self.frame.services.node[row]])
            case Scope.JOB:
                boards = self.frame.jobs.accelerators_of(row)
                return bool(self.accelerators[boards].any())


def _passing(frame: Frame, chosen: Filter) -> _Passing:
    passed, links = chosen.passed(frame), chosen.links(frame)
    return _Passing(frame, passed.accelerators, passed.nodes, links, bare_word(chosen.text))


def bare_word(text: str) -> str:
    """The word that a filter consists of, "" where it is more than one."""
    word = text.strip().strip('"').casefold()
    return word if _WORD.fullmatch(word) else ""


# -- the table


class FindingTable(Itemised[Record]):
    """Implements TableModel."""

    def __init__(
        self, frame: Frame, rows: Sequence[Record], columns: Sequence[Column], glyphs: Glyphs = UNICODE
    ) -> None:
        self.columns = columns
        super().__init__(rows, lambda record: record.key)
        self._frame, self._glyphs = frame, glyphs
        self._now = keys_now(frame)

    def cells(self, index: int) -> Sequence[Text]:
        made = self._made(self._rows[index])
        return [made[column.name] for column in self.columns]

    def _made(self, record: Record) -> Mapping[str, Text]:
        """Every cell of a record, by its column."""
        finding = record.finding
        calm = record.ack is not None or not record.holds
        usual = Token.DIM if calm else Token.TEXT
        return {
            "state": _sign(record, self._glyphs),
            "subject": (subject_name(self._frame, finding.subject), Token.DIM if calm else Token.STRONG),
            "code": (finding.code, Token.DIM),
            "text": (bare_text(self._frame, finding), usual),
            "first": (_ago(self._frame.at - record.first), usual),
            "last": (_seen(record, self._frame, self._now), Token.DIM),
            "times": (f"{record.times}×" if record.times > 1 else "", usual),
            "ack": (record.ack.by if record.ack else "", Token.DIM),
        }


def _sign(record: Record, glyphs: Glyphs) -> Text:
    state = record.finding.state
    if not record.holds:
        return glyphs.states[State.OK], Token.DIM
    return glyphs.states[state], Token.DIM if record.ack else STATE_TOKENS[state]


def keys_now(frame: Frame) -> frozenset[RecordKey]:
    """What the checks find in this very frame."""
    return frozenset((finding.subject, finding.code) for finding in frame.findings)


def _seen(record: Record, frame: Frame, now: frozenset[RecordKey]) -> str:
    """When it was seen last."""
    return "now" if record.key in now else _ago(frame.at - record.last)


def _ago(seconds: float) -> str:
    """Findings are made by the second."""
    return age(seconds) if seconds >= 1 else "now"


def subject_name(frame: Frame, subject: Subject) -> str:
    """`dgx-07 gpu3`, `job 4711`: short names, for a column."""
    row = frame.row(subject)
    if row is None or subject.scope is Scope.NODE:
        return str(subject)
    name = frame.view(subject.scope).text(row, "name") or subject.key
    return f"{subject.node or subject.scope.value} {name}"


def longest_subject(frame: Frame, rows: Sequence[Record]) -> int:
    """In characters, of so many rows as a person looks at."""
    return max((len(subject_name(frame, record.finding.subject)) for record in rows[:_LOOKED_AT]), default=0)


def bare_text(frame: Frame, finding: Finding) -> str:
    """The sentence without the subject that the column beside it names already."""
    row, subject = frame.row(finding.subject), finding.subject
    short = frame.view(subject.scope).text(row, "name") if row is not None and subject.scope is not Scope.NODE else ""
    whose = f"{short} of {subject.node}"
    names = (f"{whose} ", f"{whose}: ", f"{subject}: ", f"{subject.node}: ", f"{subject} ", f"{subject.node} ")
    for name in names:
        if name.strip() and finding.text.startswith(name):
            return finding.text.removeprefix(name)
    return finding.text


# -- above and below it


def summary_line(frame: Frame, rows: Sequence[Record], over: bool, glyphs: Glyphs) -> Line:
    """How many of each, as the header counts them, then how many of other sorts, and whether they are kept."""
    now, trouble = keys_now(frame), frame.records.trouble
    open_ones = [record.finding.state for record in rows if record.key in now and record.ack is None]
    waiting = [record for record in rows if record.holds and record.ack is None and record.key not in now]
    silent = sum(not frame.live[frame.node_index[record.finding.subject.node]] for record in waiting)
    line: list[Text] = []
    for state, word in ((State.CRITICAL, "critical"), (State.WARNING, "warning")):
        count = open_ones.count(state)
        token = STATE_TOKENS[state] if count else Token.DIM
        line += [(f" {glyphs.states[state]} ", token), (str(count), Token.STRONG if count else Token.DIM)]
        plural = "s" if state is State.WARNING and count != 1 else ""
        line.append((f" {word}{plural} ", Token.DIM))
    seen = sum(record.holds and record.ack is not None for record in rows)
    gone = sum(not record.holds for record in rows)
    line += [(f"{_BETWEEN}{len(waiting) - silent} just gone", Token.DIM)] if len(waiting) > silent else []
    line += [(f"{_BETWEEN}{silent} of silent nodes", Token.DIM)] if silent else []
    line += [(f"{_BETWEEN}{seen} acknowledged", Token.DIM)] if seen else []
    line += [(f"{_BETWEEN}{gone} over", Token.DIM)] if over else []
    return [*line, *([(f"{_BETWEEN}{trouble}", Token.WARNING)] if trouble else [])]


def detail_lines(frame: Frame, record: Record | None, width: int, most: int) -> Sequence[Line]:
    """The finding under the cursor in full, cut to `most` lines."""
    if record is None:
        return []
    facts = (("what to do", advice(record.finding.code, record.finding.subject.node)), *record.finding.evidence)
    lines = [*_head(record, width), *_history(frame, record), *_facts(facts, width), *_events(frame, record, width)]
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], [(f" … {len(lines) - most + 1} more lines: ", Token.DIM), ("d", Token.ACCENT)]]


def gone_words(name: str) -> str:
    return f"{name} is gone: move the cursor to what is meant now"


def gone_lines(name: str, width: int) -> Sequence[Line]:
    """In place of a finding that has vanished from under the cursor."""
    return [[(f" {text}", Token.WARNING)] for text in paragraphs(gone_words(name), width - 2)]


def _head(record: Record, width: int) -> Iterator[Line]:
    token = STATE_TOKENS[record.finding.state] if record.holds and not record.ack else Token.STRONG
    for text in paragraphs(record.finding.text, width - 2):
        yield [(f" {text}", token)]


def _history(frame: Frame, record: Record) -> Iterator[Line]:
    parts = [f"first seen {clock(record.first)}"]
    if not record.holds:
        parts.append(f"over since {clock(record.last)}")
    elif record.key not in keys_now(frame):
        parts.append(f"last seen {clock(record.last)}")
    if record.times > 1:
        parts.append(f"came {record.times} times")
    others = len(record.finding.others)
    parts += [f"true of {others + 1:,} in all"] if others else []
    yield [(f" {record.finding.code}  ", Token.ACCENT), ("  ".join(parts), Token.DIM)]
    if record.ack:
        note = f": {record.ack.note}" if record.ack.note else ""
        yield [(f" acknowledged by {record.ack.by} {clock(record.ack.at)}{note}", Token.TEXT)]


def _facts(facts: Sequence[tuple[str, str]], width: int) -> Iterator[Line]:
    room = min(23, max(len(name) for name, _ in facts))
    for name, value in facts:
        for at, text in enumerate(paragraphs(value, width - room - 4) if value else []):
            yield [(f" {name[:room] if at == 0 else '':<{room}}  ", Token.DIM), (text, Token.TEXT)]


def events_around(frame: Frame, record: Record) -> list[Entry]:
    """Events of its subject from shortly before it came until shortly after it was seen last, newest first."""
    subject = record.finding.subject
    node = frame.node_index.get(subject.node)
    if node is None:
        return []
    row = frame.row(subject)
    names = {subject.key, frame.view(subject.scope).text(row, "name") if row is not None else subject.key}
    since, until = record.first - AROUND_SECONDS, (frame.at if record.holds else record.last) + AROUND_SECONDS
    return [
        entry
        for entry in frame.events.of_node(node)
        if since <= entry.last and entry.at <= until and (subject.scope is Scope.NODE or entry.device in names)
    ]


def _events(frame: Frame, record: Record, width: int) -> Iterator[Line]:
    events = events_around(frame, record)
    if events:
        yield [(" events", Token.TITLE), (f"  of {subject_name(frame, record.finding.subject)}", Token.DIM)]
    for entry in events[:_EVENTS_SHOWN]:
        often = f" {entry.count}×" if entry.count > 1 else ""
        head = f" {clock(entry.last)}{often}  "
        said = f"{entry.event.kind}{f' {entry.event.code}' if entry.event.code >= 0 else ''}: {entry.event.text}"
        for at, text in enumerate(paragraphs(said, width - len(head) - 1)):
            yield [(head if at == 0 else " " * len(head), Token.DIM), (text, Token.TEXT)]


def clock(at: float) -> str:
    """In UTC, as evidence and logs are: `11-23 00:45:12Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%SZ")
