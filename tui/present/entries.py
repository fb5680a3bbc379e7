"""Entries of the ledger as rows, one of them in full, and how far the ledger is known to be what was written. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tui.present.format import Text
from tui.present.itemised import Itemised
from tui.present.line import Line
from tui.present.plans import told
from tui.present.rows import Column
from tui.present.style import Glyphs, Token
from watchfloor.errors import QueryError
from watchfloor.lineage.times import Times
from watchfloor.model import State
from watchfloor.snapshot.words import duration
from watchfloor.units import nearest

if TYPE_CHECKING:
    from watchfloor.records.ledgerentry import Entry
    from watchfloor.records.ledgerreader import Wanted
    from watchfloor.records.ledgerverify import Verdict

FIELDS = ("person", "node", "job", "run", "plan", "playbook", "verdict", "kind", "since", "until")
_WIDE = 110
_LONG = frozenset({"plan", "signature"})  # fields that are read in the whole entry
_TOKENS = {
    "refused": Token.WARNING,
    "rejection": Token.WARNING,
    "withdrawal": Token.WARNING,
    "stop": Token.CRITICAL,
    "resume": Token.WARNING,
    "approval": Token.OK,
    "intent": Token.ACCENT,
    "applied": Token.ACCENT,
    "checkpoint": Token.DIM,
    "heartbeat": Token.DIM,
}
_BAD = {"failed": Token.CRITICAL, "unverified": Token.WARNING, "abandoned": Token.WARNING, "refused": Token.WARNING}


def wanted_of(text: str, now: float) -> Wanted:
    """`node:n2 kind:applied since:2h` as what is asked of the ledger. Raises QueryError, which knows the column."""
    from watchfloor.records.ledgerreader import Wanted  # noqa: PLC0415 - loaded with the first ledger

    found: dict[str, Any] = {}
    of_kinds: list[str] = []
    times: dict[str, float] = {}
    at = 0
    for word in text.split():
        at = text.index(word, at)
        name, colon, value = word.partition(":")
        if not colon or name not in FIELDS:
            guess = nearest(name, list(FIELDS))
            raise QueryError(
                f"{word!r} says nothing of what is wanted",
                f"did you mean {guess}:?"
                if guess
                else "node:n2, person:anna, job:42, verdict:deny, kind:applied, since:2h",
                column=at + 1,
            )
        if name == "kind":
            of_kinds.append(_one_of(value, kinds(), "no entry is of the kind", at + 6))
        elif name == "verdict":
            found[name] = _one_of(value, verdicts(), "no decision is", at + 9)
        elif name in ("since", "until"):
            times[name] = now - _seconds(value, at + len(name) + 2)
        else:
            found[name] = value
        at += len(word)
    return replace(Wanted(**found, kinds=tuple(of_kinds)), **times)


def _one_of(word: str, known: Sequence[str], what: str, column: int) -> str:
    if word not in known:
        guess = nearest(word, list(known))
        raise QueryError(f"{what} {word!r}", f"did you mean {guess}?" if guess else ", ".join(known), column=column)
    return word


def kinds() -> Sequence[str]:
    from watchfloor.records.ledgerwords import Kind  # noqa: PLC0415

    return [str(kind) for kind in Kind]


def verdicts() -> Sequence[str]:
    from watchfloor.records.ledgerwords import VERDICTS  # noqa: PLC0415

    return VERDICTS


def _seconds(text: str, column: int) -> float:
    from watchfloor.metrics import Unit  # noqa: PLC0415
    from watchfloor.units import quantity  # noqa: PLC0415

    try:
        return quantity(text, Unit.SECONDS)
    except ValueError as error:
        raise QueryError(f"{text!r} is no time", "how long ago: 12h, 7d", column=column) from error


# -- the table


class EntryTable(Itemised["Entry"]):
    """Implements TableModel. Identities are the numbers of entries."""

    def __init__(self, entries: Sequence[Entry], times: Times, width: int) -> None:
        super().__init__(entries, lambda entry: entry.number)
        self._times = times
        self._days = len({self._date(entry).date() for entry in entries}) > 1
        wide = self._wide = width >= _WIDE
        number = max((len(str(entry.number)) for entry in entries[:1]), default=1)
        self.columns = (
            Column("number", "ENTRY", max(5, number), "right", fixed=True),
            Column("at", "WHEN", 15 if self._days else 8, fixed=True),
            Column("kind", "KIND", 13),
            Column("who", "WHO", 18 if wide else 9),
            *([Column("run", "RUN", 12)] if wide else []),
            Column("about", "CONCERNS", 24 if wide else 12),
            Column("said", "WHAT IT SAYS", 20, flexible=True),
        )

    def _date(self, entry: Entry) -> datetime:
        return datetime.fromtimestamp(entry.seconds, self._times.zone)

    def cells(self, index: int) -> Sequence[Text]:
        from watchfloor.snapshot.ledger import said  # noqa: PLC0415

        entry = self._rows[index]
        token = token_of(entry)
        date = self._date(entry).strftime("%b %d %H:%M:%S" if self._days else "%H:%M:%S")
        cells: dict[str, Text] = {
            "number": (str(entry.number), Token.STRONG),
            "at": (date, Token.DIM),
            "kind": (entry.kind, token),
            "who": (who_of(entry) if self._wide else entry.who.name, Token.TEXT),
            "run": (entry.run, Token.DIM),
            "about": (about(entry), Token.TEXT),
            "said": (said(entry), token if token in (Token.CRITICAL, Token.WARNING) else Token.TEXT),
        }
        return [cells[column.name] for column in self.columns]


def token_of(entry: Entry) -> Token:
    if entry.kind == "outcome":
        return _BAD.get(str(entry.body.get("outcome", "")), Token.OK)
    if entry.kind == "applied" and entry.body.get("exit_code") != 0:
        return Token.WARNING
    return _TOKENS.get(entry.kind, Token.TEXT)


def who_of(entry: Entry) -> str:
    who = entry.who
    return f"{who.name} for {who.on_behalf_of}" if who.on_behalf_of else who.name


def about(entry: Entry) -> str:
    """What it concerns, by its shortest names."""
    names = list(dict.fromkeys(subject.partition(":")[2] for subject in entry.subjects))
    return ", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else "")


def brief_lines(entry: Entry | None, width: int, most: int) -> Sequence[Line]:
    """The entry under the cursor: its body, a field a line."""
    if entry is None:
        return []
    lines = [*_facts(entry, width)]
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], [(f" … {len(lines) - most + 1} more lines: ", Token.DIM), ("Enter", Token.ACCENT)]]


def _facts(entry: Entry, width: int) -> Iterator[Line]:
    yield from told(
        f"entry {entry.number}, {entry.kind}, of {entry.who.kind} {who_of(entry)} at {entry.time} on {entry.host}",
        width,
        Token.STRONG,
    )
    said = {name: value for name, value in entry.body.items() if name not in _LONG}
    room = max(map(len, said), default=0)
    for name, value in said.items():
        for text in _told(value):
            yield from told(f"   {name:<{room}}  {text}", width)
            name = ""  # noqa: PLW2901 - said once


def _told(value: object) -> Iterator[str]:
    import json  # noqa: PLC0415

    if isinstance(value, str):
        yield from value.splitlines() or [""]
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        yield " ".join(map(str, value))
    else:
        yield json.dumps(value, ensure_ascii=False)


def entry_lines(entry: Entry, width: int) -> Sequence[Line]:
    """Everything of it, with its hashes, as `watchfloor audit show` prints it."""
    from watchfloor.snapshot.ledger import whole  # noqa: PLC0415

    head = list(told(f"entry {entry.number}, {entry.kind}, of {who_of(entry)}", width, Token.STRONG))
    return [*head, [], *(line for text in whole(entry).split("\n") for line in told(text, width))]


# -- how far it is what was written


@dataclass(frozen=True, slots=True)
class Check:
    """What verification found. `size`: of the ledger when it was begun; `trouble`: why it couldn't be done."""

    size: int = 0
    verdict: Verdict | None = None
    trouble: str = ""
    seconds: float = 0.0
    going_on: bool = False


def badge_lines(check: Check, size: int, glyphs: Glyphs, width: int) -> Sequence[Line]:
    """`● intact up to entry 1,203` … and by what that is vouched for."""
    verdict = check.verdict
    if check.trouble:
        return list(told(f"{glyphs.states[State.UNKNOWN]} can't be verified: {check.trouble}", width, Token.WARNING))
    if verdict is None:
        return list(
            told(
                f"{glyphs.states[State.UNKNOWN]} not verified yet{', it is being done' if check.going_on else ''}",
                width,
                Token.DIM,
            )
        )
    if verdict.trouble:
        return list(
            told(
                f"{glyphs.states[State.CRITICAL]} not what was written: {verdict.trouble}; keep the file",
                width,
                Token.CRITICAL,
            )
        )
    behind = size - verdict.size
    more = f", {behind:,} more are being looked at" if behind > 0 else ""
    signed = [each for each in verdict.checkpoints if each.signature]
    took = f"   verified in {duration(check.seconds)}" if check.seconds >= 1 else ""
    vouched = f"signed up to entry {signed[-1].state.size - 1:,}" if signed else "nobody has signed any of it"
    return [
        [
            (f" {glyphs.states[State.OK]} intact up to entry {verdict.size - 1:,}", Token.OK),
            (f"{more}   {vouched}{took}", Token.DIM),
        ]
    ]


def held_lines(entries: Sequence[Entry], width: int) -> Iterator[Line]:
    """What of a ledger a session holds."""
    numbers = f"{entries[-1].number:,} to {entries[0].number:,}" if entries else "none yet"
    words = f"as of then: entries {numbers}, as the recording holds them"
    return told(words, width, Token.ACCENT)


def summary_line(place: str, size: int, shown: int, filtered: bool) -> Line:
    what = f"the newest {shown:,} that pass" if filtered else f"the newest {shown:,}"
    noun = "entry" if size == 1 else "entries"
    return [(f" {size:,}", Token.STRONG), (f" {noun}", Token.TEXT), (f"   {what}, as they come   {place}", Token.DIM)]
