"""The lineage of one thing as rows and lines: its answer, its tree as a table, what is known of the row. Pure.

A row goes by the way to it from the root, so that folds and the cursor stay where they are when more is on record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tui.present.choice import Filter
from tui.present.format import Text
from tui.present.itemised import Itemised
from tui.present.line import Line, paragraphs
from tui.present.rows import Column
from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.jobs.model import JobState
from watchfloor.lineage.branch import Branch
from watchfloor.lineage.graph import Key, Kind
from watchfloor.model import State
from watchfloor.snapshot.lineage import LineageReport
from watchfloor.snapshot.words import duration_in_prose

Path = tuple[tuple[Key, int], ...]  # from the root: each step's key, and which one of its like it is

_MANY_LINES = 120  # a tree of more comes with its branches folded
_MOST_FACTS = 3  # lines of the detail
_WIDE = 110
_GRAVE = {state.label: STATE_TOKENS[state] for state in (State.WARNING, State.CRITICAL)}
_JOBS = {
    **dict.fromkeys((JobState.FAILED.value, JobState.NODE_FAILED.value, JobState.OUT_OF_MEMORY.value), Token.CRITICAL),
    **dict.fromkeys((JobState.TIMED_OUT.value, JobState.PREEMPTED.value, JobState.UNKNOWN.value), Token.WARNING),
    JobState.RUNNING.value: Token.OK,
    **dict.fromkeys(("rejected", "refused", "abandoned", "unverified", "rolled-back", "undone"), Token.WARNING),
    **dict.fromkeys(("succeeded", "verified"), Token.OK),
}
_MARKS = {Token.CRITICAL: State.CRITICAL, Token.WARNING: State.WARNING, Token.OK: State.OK}
_SAID = frozenset({"text", "number", "name", "user"})  # facts that the row itself says


class Words(Filter):
    """Words that a line must have, in the place of a query: it is asked of the tree, never of the fleet."""

    def __init__(self, text: str) -> None:
        self.text = text


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree. `lines` are the strokes before it; `folded`: None where nothing hangs on it."""

    path: Path
    branch: Branch
    lines: str
    folded: bool | None


def rows_of(root: Branch, folded: Collection[Path], words: str = "") -> list[Row]:
    """The lines that are seen: none under a folded one; with `words`, those that have them, and the way there."""
    wanted = words.casefold().split()
    return list(_rows(root, ((root.key, 0),), "", "", folded, wanted))


def _rows(
    branch: Branch, path: Path, stroke: str, indent: str, folded: Collection[Path], wanted: Sequence[str]
) -> Iterator[Row]:
    if wanted and not _has(branch, wanted):
        return
    shut = path in folded and not wanted
    yield Row(path, branch, stroke, shut if branch.children else None)
    if shut:
        return
    shown = [(way, child) for way, child in steps(branch, path) if not wanted or _has(child, wanted)]
    for number, (way, child) in enumerate(shown, 1):
        last = number == len(shown)
        below = indent + ("  " if last else "│ ")
        yield from _rows(child, way, f"{indent}{'└' if last else '├'} ", below, folded, wanted)


def _has(branch: Branch, wanted: Sequence[str]) -> bool:
    """It, or something that hangs on it, has all the words."""
    text = branch.text.casefold()
    return all(word in text for word in wanted) or any(_has(child, wanted) for child in branch.children)


def steps(branch: Branch, path: Path) -> Iterator[tuple[Path, Branch]]:
    """What hangs on a branch, each with the way to it."""
    seen: dict[Key, int] = {}
    for child in branch.children:
        number = seen[child.key] = seen.get(child.key, -1) + 1
        yield (*path, (child.key, number)), child


def foldable(root: Branch) -> list[Path]:
    """The ways to all that something hangs on, but for the root."""
    return [path for path, branch in _all(root, ((root.key, 0),)) if branch.children and len(path) > 1]


def begins_folded(root: Branch) -> list[Path]:
    """Equal lines as one; of a tree of many lines all branches."""
    if size(root) > _MANY_LINES:
        return foldable(root)
    return [path for path, branch in _all(root, ((root.key, 0),)) if branch.folds]


def size(root: Branch) -> int:
    """How many lines it has."""
    return sum(1 for _ in _all(root, ((root.key, 0),)))


def _all(branch: Branch, path: Path) -> Iterator[tuple[Path, Branch]]:
    yield path, branch
    for way, child in steps(branch, path):
        yield from _all(child, way)


# -- the table


class LineageTable(Itemised[Row]):
    """Implements TableModel. Identities are paths."""

    def __init__(self, report: LineageReport, rows: Sequence[Row], width: int, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(rows, lambda row: row.path)
        self._report, self._glyphs = report, glyphs
        self._days = len(
            {_date(report, row.branch.at).date() for row in rows} | {_date(report, report.times.now).date()}
        )
        self.columns = (
            Column("state", "", 1, fixed=True),
            Column("at", "FROM", 8 if self._days == 1 else 15, fixed=True),
            *([Column("lasted", "LASTED", 7, "right")] if width >= _WIDE else []),
            Column("what", "WHAT, AND WHAT LED TO IT", 40, flexible=True),
        )

    def cells(self, index: int) -> Sequence[Text]:
        row = self._rows[index]
        token = token_of(row.branch)
        cells: dict[str, Text] = {
            "state": (self._glyphs.states[_MARKS[token]] if token in _MARKS else "", token),
            "at": (self._moment(row.branch.at), Token.DIM),
            "lasted": (lasted(self._report, row.branch), Token.DIM),
            "what": (f"{row.lines}{self._fold(row)}{row.branch.text}", token),
        }
        return [cells[column.name] for column in self.columns]

    def _fold(self, row: Row) -> str:
        if not row.folded:
            return ""
        return f"[+{size(row.branch) - 1}] "

    def _moment(self, at: float) -> str:
        date = _date(self._report, at)
        return date.strftime("%H:%M:%S" if self._days == 1 else "%b %d %H:%M:%S")


def token_of(branch: Branch) -> Token:
    """How it stands, in a colour."""
    if branch.key.kind is Kind.FINDING:
        token = _GRAVE.get(branch.state, Token.TEXT)
        return token if branch.until is None or token is Token.TEXT else Token.WARNING
    return _JOBS.get(branch.state, Token.TEXT)


def lasted(report: LineageReport, branch: Branch) -> str:
    """How long it went on; "" of what is known to have been at one moment alone."""
    if branch.until is not None:
        return duration_in_prose(branch.until - branch.at) if branch.until > branch.at else ""
    goes_on = branch.key.kind in (Kind.JOB, Kind.ATTEMPT, Kind.FINDING) and branch.state
    return f"{duration_in_prose(max(0.0, report.times.now - branch.at))}…" if goes_on else ""


def _date(report: LineageReport, at: float) -> datetime:
    return datetime.fromtimestamp(at, report.times.zone)


# -- above and below it


def summary_lines(report: LineageReport, width: int, most: int) -> Sequence[Line]:
    """The thing, and in one sentence what happened to it, in so many lines at most."""
    told = paragraphs(report.answer, width - 2)
    if len(told) > most - 1:
        told = [*told[: most - 2], f"{told[most - 2][: max(0, width - 4)]}…"]
    cut: Line = [("   more than can be told at once", Token.WARNING)] if report.graph.cut else []
    title: Line = [(f" {_question(report)}", Token.STRONG), *cut]
    return [title, *([(f" {line}", Token.TEXT)] for line in told)]


def _question(report: LineageReport) -> str:
    root, name = report.root, report.graph.entities[report.root].name
    if root.kind is Kind.JOB:
        return f"What happened to job {name}, and why?"
    if root.kind is Kind.USER:
        return f"What happened to the jobs of {name}, and why?"
    return f"What happened with {root.kind.value} {name}?"


def detail_lines(report: LineageReport, row: Row | None, width: int) -> Sequence[Line]:
    """The whole text of a row that may have been cut, and the facts that are on record of it."""
    if row is None:
        return [[] for _ in range(_MOST_FACTS + 2)]
    entity = report.graph.entities.get(row.branch.key)
    text = paragraphs(row.branch.text, width - 2)[:2]
    facts = {name: value for name, value in (entity.facts if entity else {}).items() if name not in _SAID and value}
    lines: list[Line] = [[(f" {line}", token_of(row.branch))] for line in text]
    said = paragraphs("   ".join(f"{name}: {value}" for name, value in facts.items()), width - 2) if facts else []
    lines += [[(f" {line}", Token.DIM)] for line in said[: _MOST_FACTS + 2 - len(lines)]]
    return lines + [[] for _ in range(_MOST_FACTS + 2 - len(lines))]
