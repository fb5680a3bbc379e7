"""The findings of a frame over time, as JSON-ready data and as text: what the findings page shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from watchfloor.advice import advice
from watchfloor.checks.nodes import OF_SILENCE
from watchfloor.frame import Frame
from watchfloor.model import Finding, Scope, State
from watchfloor.record import Record
from watchfloor.snapshot.selection import reasons_not_read
from watchfloor.snapshot.words import duration

FORMAT = "watchfloor.findings/1"

Json = dict[str, object]


def head(finding: Finding) -> Json:
    """What is found, and of what."""
    return {
        "node": finding.subject.node,
        "scope": finding.subject.scope.value,
        "key": finding.subject.key,
        "code": finding.code,
        "state": finding.state.label,
        "text": finding.text,
    }


class FindingReport:
    """What holds, the worst first and what was acknowledged behind it; with `over`, what is over behind that."""

    def __init__(self, frame: Frame, over: bool = False) -> None:
        self._frame = frame
        known = frame.records.by_key
        self._now = {(one.subject, one.code) for one in frame.findings}
        found = [known.get((one.subject, one.code)) or Record(one, frame.at, frame.at) for one in frame.findings]
        rows = {record.key: record for record in found}
        nodes = frame.node_index
        rows |= {key: record for key, record in known.items() if record.holds and key[0].node in nodes}
        gone = [record for record in known.values() if not record.holds and record.finding.subject.node in nodes]
        self._rows = sorted(rows.values(), key=lambda record: (record.ack is not None, -record.finding.state))
        self._gone = sorted(gone, key=lambda record: -record.last) if over else []

    def document(self) -> Json:
        """Times in seconds since the epoch; `over_since` is null while it holds."""
        records = self._frame.records
        return {
            "format": FORMAT,
            "at": self._frame.at,
            "not_kept": records.trouble or None,
            "findings": [self._entry(record) for record in (*self._rows, *self._gone)],
            "not_read": reasons_not_read(self._frame),
        }

    def _entry(self, record: Record) -> Json:
        finding, ack = record.finding, record.ack
        return {
            **head(finding),
            "evidence": [{"name": name, "value": value} for name, value in finding.evidence],
            "advice": advice(finding.code, finding.subject.node) or None,
            "first_seen": record.first,
            "last_seen": self._frame.at if record.key in self._now else record.last,
            "times": record.times,
            "holds": record.holds,
            "over_since": None if record.holds else record.last,
            "acknowledged": {"by": ack.by, "at": ack.at, "note": ack.note} if ack else None,
        }

    def text(self) -> str:
        """A line each, and what is to be done."""
        trouble = self._frame.records.trouble
        lines = [line for record in (*self._rows, *self._gone) for line in self._lines(record)]
        lines = lines or ["no findings"]
        return "\n".join([*lines, *self._unseen(), *([f"not kept: {trouble}"] if trouble else [])]) + "\n"

    def _unseen(self) -> Iterator[str]:
        """Nodes that were not read, and of which no finding says so yet."""
        told = {record.finding.subject.node for record in self._rows if record.finding.code in OF_SILENCE}
        for node, why in reasons_not_read(self._frame).items():
            if node not in told:
                yield f"{node}: not read: {why}"

    def _lines(self, record: Record) -> Iterator[str]:
        state = record.finding.state.label if record.holds else "over"
        yield f"{state:<8}  {record.finding.code}: {_told(self._frame, record.finding)}"
        yield f"{'':<8}  {self._when(record)}"
        told = advice(record.finding.code, record.finding.subject.node)
        if told and record.holds and record.ack is None:
            yield f"{'':<8}  what to do: {told}"

    def _when(self, record: Record) -> str:
        ack = record.ack
        note = f": {ack.note}" if ack and ack.note else ""
        parts = [
            f"for {duration(max(0.0, self._frame.at - record.first))}" if record.holds else "",
            "" if record.holds else f"from {_clock(record.first)} to {_clock(record.last)}",
            f"came {record.times} times" if record.times > 1 else "",
            f"acknowledged by {ack.by}{note}" if ack else "",
        ]
        return ", ".join(part for part in parts if part)

    @property
    def states(self) -> Sequence[State]:
        """Of what holds and nobody has acknowledged."""
        return [record.finding.state for record in self._rows if record.ack is None]


def _told(frame: Frame, finding: Finding) -> str:
    """The sentence, with the device that it is about where it names the node alone."""
    subject, row = finding.subject, frame.row(finding.subject)
    if subject.scope is Scope.NODE:
        return finding.text
    name = frame.view(subject.scope).text(row, "name") if row is not None else ""
    whose = f"{name or subject.key} of {subject.node}"
    if whose in finding.text:
        return finding.text
    return f"{whose} {finding.text.removeprefix(f'{subject.node} ')}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
