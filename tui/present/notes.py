"""The last column of a table: in words, what is the matter with a node or an accelerator, if anything is."""

from __future__ import annotations

from collections.abc import Mapping

from tui.present.format import Text, age
from tui.present.style import STATE_TOKENS, Token
from watchfloor.frame import Frame
from watchfloor.model import Finding, NodeStatus, Phase, Problem, Scope, State, Subject


def worst_findings(frame: Frame) -> Mapping[Subject, Finding]:
    """The worst finding of each subject that has one."""
    found: dict[Subject, Finding] = {}
    for finding in frame.findings:
        known = found.get(finding.subject)
        if known is None or finding.state > known.state:
            found[finding.subject] = finding
    return found


def status_note(status: NodeStatus, live: bool, silent_for: float, at: float) -> Text | None:
    """Why a node's values are not current; None where they are. `silent_for` in seconds, NaN where never heard."""
    if live:
        return None
    words = [status.problem.value or status.phase.value]
    if status.problem is Problem.NONE and status.phase is Phase.LIVE:
        words = ["silent"]
    if silent_for == silent_for:
        words.append(f"last heard {age(silent_for)} ago")
    if status.retry_at > at:
        words.append(f"next try in {age(status.retry_at - at)}")
    return ", ".join(words) + (f": {status.text}" if status.text else ""), Token.STALE


def node_note(frame: Frame, node: int, worst: Mapping[Subject, Finding]) -> Text:
    """What is the matter with a node: its silence first, then its worst finding."""
    silent_for = float(frame.nodes.last("age")[node])
    note = status_note(frame.statuses[node], bool(frame.live[node]), silent_for, frame.at)
    if note is not None:
        return note
    finding = worst.get(Subject(Scope.NODE, frame.specs[node].name))
    if finding is None:
        return "", Token.DIM
    return without_subject(finding.text, frame.specs[node].name), STATE_TOKENS[finding.state]


def accelerator_note(frame: Frame, row: int, worst: Mapping[Subject, Finding]) -> Text:
    """What is the matter with an accelerator: its own finding; its node's only where nothing is known of it."""
    node = int(frame.accelerators.node[row])
    own = own_note(frame, row, worst)
    return own if own[0] or frame.accelerators.states[row] == State.OK else node_note(frame, node, worst)


def own_note(frame: Frame, row: int, worst: Mapping[Subject, Finding]) -> Text:
    """What is the matter with an accelerator itself: for a table below what is said of its node."""
    node = int(frame.accelerators.node[row])
    finding = worst.get(frame.subject(Scope.ACCELERATOR, row)) if frame.live[node] else None
    if finding is None:
        return "", Token.DIM
    names = f"{frame.accelerators.text(row, 'name')} of {frame.specs[node].name}"
    return without_subject(finding.text, names), STATE_TOKENS[finding.state]


def without_subject(text: str, names: str) -> str:
    """A finding's sentence where its row names the subject already: `gpu3 of dgx-02 is lost` says `is lost`."""
    return text.removeprefix(f"{names} ").removeprefix(f"{names}: ")
