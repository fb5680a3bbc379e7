"""Runs as rows and lines: where each stands, its steps as they go. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tui.present.choice import Sort
from tui.present.fields import Field, columns_for
from tui.present.format import Text, printable
from tui.present.itemised import Itemised
from tui.present.line import Line, cut
from tui.present.order import natural_key
from tui.present.rows import Column
from tui.present.stages import doing, stage_of
from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.lineage.times import Times
from watchfloor.model import State
from watchfloor.snapshot.words import duration

if TYPE_CHECKING:
    from watchfloor.change import Plan
    from watchfloor.runs import RunRecord, StepRecord

RUN_FIELDS: Sequence[Field] = (
    Field("state", "", 1, 0, "left", "S"),
    Field("run", "RUN", 4, 0, "left", "N", most=12),
    Field("when", "WHEN", 5, 0, "left", "T", most=12),
    Field("playbook", "PLAYBOOK", 8, 0, "left", "P", most=22),
    Field("risk", "RISK", 4, 3, "left", "R"),
    Field("who", "BY", 4, 1, "left", "W", most=16),
    Field("steps", "STEPS", 5, 2, letter="E"),
    Field("took", "TOOK", 5, 4),
    Field("stands", "STANDS", 6, 0, "left", "H", most=11),
    Field("note", "ON WHAT, OUTCOME", 20, 0, "left", flexible=True),
)
_MOST_TARGETS = 3
_LOOKED_AT = 100  # rows whose texts make columns as wide as they are
_BAD = {
    "failed": State.CRITICAL,
    "unverified": State.WARNING,
    "abandoned": State.WARNING,
    "rolled-back": State.WARNING,
}
_SIGNS: Mapping[str, Text] = {
    "running": (">", Token.ACCENT),
    "waits": ("!", Token.WARNING),
    "approved": ("+", Token.ACCENT),
    "may begin": ("+", Token.ACCENT),
    **dict.fromkeys(("refused", "deny", "interlocked", "rejected"), ("-", Token.UNKNOWN)),
}


def run_columns(runs: Sequence[RunRecord], times: Times, width: int) -> list[Column]:
    looked_at = runs[:_LOOKED_AT]
    longest = {
        "run": max((len(run.run) for run in looked_at), default=0),
        "when": max((len(times.at(run.proposed)) for run in looked_at), default=0),
        "playbook": max((len(run.plan.playbook) for run in looked_at if run.plan), default=0),
        "who": max((len(asked_by(run)) for run in looked_at), default=0),
        "stands": max((len(stands(run)) for run in looked_at), default=0),
    }
    return columns_for(RUN_FIELDS, width, longest)


# -- where a run stands


def stands(run: RunRecord) -> str:
    from watchfloor.snapshot.runs import standing_text  # noqa: PLC0415 - loaded with the first ledger

    text = standing_text(run)
    if text != "waits for approval":
        return text
    return "rejected" if run.rejected_by else "waits" if run.lacks else "approved"


def mark_of(run: RunRecord, glyphs: Glyphs) -> Text:
    """A sign and its colour: what goes on, what waits, how it ended."""
    word = stands(run)
    if word in _BAD:
        return glyphs.states[_BAD[word]], STATE_TOKENS[_BAD[word]]
    if word == "succeeded":
        return glyphs.states[State.OK], Token.OK
    return _SIGNS.get(word, ("·", Token.DIM))


def targets_of(run: RunRecord) -> str:
    return targets_of_plan(run.plan) if run.plan else ""


def targets_of_plan(plan: Plan) -> str:
    """`dgx-02, slurm:4100`; of several accelerators of a node its name and how many: `dgx-01 ×8`."""
    targets = dict.fromkeys(step.target for step in plan.steps)
    counts = Counter(target.node if target.node and target.key else str(target) for target in targets)
    named = {target.node: str(target) for target in targets if counts[target.node] == 1 and target.key}
    names = [named.get(name, name) if count == 1 else f"{name} ×{count}" for name, count in counts.items()]
    more = f" +{len(names) - _MOST_TARGETS}" if len(names) > _MOST_TARGETS else ""
    return ", ".join(names[:_MOST_TARGETS]) + more


def asked_by(run: RunRecord) -> str:
    """A person by name; services and agents are told apart."""
    who = run.who
    if who is None:
        return ""
    return who.name if who.kind == "person" else f"{who.kind} {who.name}"


def progress(run: RunRecord) -> str:
    """How many of its steps are behind it."""
    done = sum(record.state in ("verified", "skipped", "undone") for _, record in run.of_plan())
    return f"{done}/{len(run.plan.steps)}" if run.plan else ""


def took(run: RunRecord, now: float) -> float | None:
    """Seconds since it began, or that it went on for."""
    return (run.ended or now) - run.begun if run.begun else None


# -- the table


class RunTable(Itemised["RunRecord"]):
    """Implements TableModel."""

    def __init__(
        self, runs: Sequence[RunRecord], columns: Sequence[Column], sort: Sort, times: Times, glyphs: Glyphs = UNICODE
    ) -> None:
        super().__init__(sorted(runs, key=_KEYS[sort.column], reverse=sort.descending), lambda run: run.run)
        self.columns = columns
        self.sort = (sort.column, sort.descending)
        self._times, self._glyphs = times, glyphs

    def cells(self, index: int) -> Sequence[Text]:
        run = self._rows[index]
        made = self._made(run)
        return [made[column.name] for column in self.columns]

    def _made(self, run: RunRecord) -> Mapping[str, Text]:
        sign, seconds = mark_of(run, self._glyphs), took(run, self._times.now)
        usual = Token.TEXT
        result = f": {run.text or run.held_back}" if run.text or run.held_back else ""
        return {
            "state": sign,
            "run": (run.run, Token.STRONG),
            "when": (self._times.at(run.proposed), Token.DIM),
            "playbook": (run.plan.playbook if run.plan else "?", usual),
            "risk": (run.plan.risk.label if run.plan else "", Token.DIM),
            "who": (asked_by(run), usual),
            "steps": (progress(run), usual),
            "took": (duration(seconds) if seconds is not None else "", Token.DIM),
            "stands": (stands(run), sign[1] if sign[1] is not Token.DIM else usual),
            "note": (f"{targets_of(run)}{result}", usual),
        }


_ORDER = ("running", "approved", "may begin", "waits", "failed", "unverified", "abandoned", "rolled-back")


def _rank(run: RunRecord) -> int:
    word = stands(run)
    return _ORDER.index(word) if word in _ORDER else len(_ORDER)


_KEYS: Mapping[str, Callable[[RunRecord], tuple[object, ...]]] = {
    "state": lambda run: (-_rank(run), run.proposed),
    "run": lambda run: (natural_key(run.run),),
    "when": lambda run: (run.proposed, run.entries),
    "playbook": lambda run: (run.plan.playbook if run.plan else "", -run.proposed),
    "risk": lambda run: (run.plan.risk if run.plan else 0, run.proposed),
    "who": lambda run: (asked_by(run), -run.proposed),
    "steps": lambda run: (len(run.plan.steps) if run.plan else 0, run.proposed),
    "took": lambda run: (took(run, run.told_last) or 0.0, run.proposed),
    "stands": lambda run: (stands(run), -run.proposed),
    "note": lambda run: (targets_of(run), -run.proposed),
}


def has(run: RunRecord, words: Sequence[str]) -> bool:
    """Whether all of these stand in what the table tells of it."""
    reason = run.plan.origin.reason if run.plan else ""
    text = f"{run.run} {run.digest} {run.plan.playbook if run.plan else ''} {asked_by(run)} {stands(run)} "
    text += f"{' '.join(str(step.target) for step in run.plan.steps) if run.plan else ''} {run.text} {reason}"
    return all(word in text.casefold() for word in words)


def summary_line(runs: Sequence[RunRecord], now: float) -> Line:
    """How many go on, wait, and ended badly within the day."""
    going = sum(stands(run) == "running" for run in runs)
    waiting = sum(run.waits(now) for run in runs)
    ready = sum(stands(run) in ("may begin", "approved") for run in runs)
    bad = sum(run.outcome in ("failed", "unverified", "abandoned") and now - run.ended < 86_400 for run in runs)
    parts: list[Text] = [
        (f" {going}", Token.STRONG),
        (" running", Token.DIM),
        (f"   {waiting}", Token.WARNING if waiting else Token.STRONG),
    ]
    parts += [(" wait for approval", Token.DIM)]
    parts += [(f"   {ready}", Token.STRONG), (" may begin", Token.DIM)] if ready else []
    parts += [(f"   {bad} ended badly within the day", Token.CRITICAL)] if bad else []
    return [*parts, (f"   {len(runs)} in all", Token.DIM)]


# -- the steps of one


def step_mark(record: StepRecord, glyphs: Glyphs) -> Text:
    """One sign a state; each has its word beside it."""
    found: Mapping[str, Text] = {
        "waiting": ("·", Token.DIM),
        "begun": (">", Token.ACCENT),
        "applied": ("+", Token.ACCENT),
        "verified": (glyphs.states[State.OK], Token.OK),
        "failed": (glyphs.states[State.CRITICAL], Token.CRITICAL),
        "unverified": (glyphs.states[State.UNKNOWN], Token.WARNING),
        "skipped": ("-", Token.DIM),
        "undone": ("<", Token.WARNING),
    }
    return found[record.state]


def steps_lines(run: RunRecord | None, width: int, most: int, now: float, glyphs: Glyphs) -> Sequence[Line]:
    """The run under the cursor: what it is, and a line a step; those that go on are seen where there is no room."""
    if run is None:
        return []
    rows = run.of_plan()
    first = max(0, min(_current(run), len(rows) - (most - 2)))
    shown = rows[first : first + most - 1]
    name = max((len(step.key) for step, _ in rows), default=0)
    lines: list[Line] = [cut(_heading(run), width)]
    for step, record in shown:
        sign, token = step_mark(record, glyphs)
        words = f" {step.key:<{min(name, 24)}}  {stage_of(run, step, record):<10} "
        told_of = printable(doing(run, step, record, now))
        lines.append([(f" {sign}", token), (words, Token.TEXT), (told_of, _said_in(token))])
    left = len(rows) - first - len(shown)
    if left > 0:
        lines[-1] = [(f" … {left + 1} more steps: ", Token.DIM), ("Enter", Token.ACCENT)]
    return lines


def _said_in(token: Token) -> Token:
    return token if token in (Token.CRITICAL, Token.WARNING) else Token.DIM


def _current(run: RunRecord) -> int:
    """Where in the plan it is."""
    states = [record.state for _, record in run.of_plan()]
    return next((at for at, state in enumerate(states) if state in ("begun", "applied", "waiting")), 0)


def _heading(run: RunRecord) -> Line:
    reason = printable(run.plan.origin.reason) if run.plan else "its plan can't be read"
    told_of = run.text or run.held_back
    why = f"   {printable(told_of)}" if told_of else ""
    return [(f" {run.run} ", Token.STRONG), (f"{stands(run)}{why}", Token.TEXT), (f"   {reason}", Token.DIM)]
