"""Entries of the ledger and what its verification found, as JSON-ready data and as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from watchfloor.lineage.times import Times
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerverify import Signed, Verdict

LOG, ENTRY, VERIFIED = "watchfloor.ledger/1", "watchfloor.ledger-entry/1", "watchfloor.ledger-verify/1"
_WIDEST = 96  # characters of what an entry says, in one line

Json = dict[str, Any]

# what a line says of a body: the fields that matter most of it, in their order
_SAID = ("why", "verdict", "outcome", "result", "effect", "step", "action", "reason", "text", "what", "exit_code")
_SAID += ("argv", "file", "session", "job", "size", "files", "digest")


# -- entries


def document(entry: Entry) -> Json:
    """As it stands in the ledger, with its number and hashes."""
    who = {name: value for name in entry.who.__struct_fields__ if (value := getattr(entry.who, name))}
    return {
        "number": entry.number,
        "time": entry.time,
        "kind": entry.kind,
        "who": who,
        "host": entry.host,
        "subjects": list(entry.subjects),
        "run": entry.run or None,
        "plan": entry.plan or None,
        "body": dict(entry.body),
        "hash": entry.digest,
        "prev": entry.prev,
    }


def log_document(entries: Iterable[Entry]) -> Json:
    return {"format": LOG, "entries": [document(entry) for entry in entries]}


def line(entry: Entry, times: Times) -> str:
    """Number, time, kind, who, what it concerns, what it says."""
    concerns = ", ".join(name for subject in entry.subjects[:3] for _, _, name in (subject.partition(":"),))
    if len(entry.subjects) > 3:
        concerns += f" +{len(entry.subjects) - 3}"
    words = [f"{entry.number:>7}", times.at(entry.seconds), f"{entry.kind:<13}", _party(entry), concerns, said(entry)]
    return "  ".join(word for word in words if word)


def said(entry: Entry) -> str:
    """What an entry says, in a line that no control character of it can leave."""
    parts = [_short(name, entry.body[name]) for name in _SAID if entry.body.get(name) not in (None, "", [])]
    text = "".join(part if part.isprintable() else "·" for part in "  ".join(parts))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _short(name: str, value: Any) -> str:
    if name == "exit_code":
        return f"exit {value}"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _party(entry: Entry) -> str:
    who = entry.who
    name = who.name if who.kind == "person" else f"{who.kind} {who.name}"
    return f"{name} for {who.on_behalf_of}" if who.on_behalf_of else name


def whole(entry: Entry) -> str:
    """Everything that an entry says, for a person."""
    return json.dumps(document(entry), indent=2, ensure_ascii=False)


# -- verification


@dataclass(frozen=True, slots=True)
class Report:
    """A verdict, and who has signed the newest checkpoint as far as anybody was asked."""

    verdict: Verdict
    signers: bool = False  # whether an allowed_signers file was asked
    by: str = ""
    why: str = ""  # nobody of it has signed

    @property
    def newest(self) -> Signed | None:
        signed = [each for each in self.verdict.checkpoints if each.signature]
        return signed[-1] if signed else None

    @property
    def result(self) -> str:
        if self.verdict.trouble:
            return "truncated" if self.verdict.truncated else "altered"
        return "altered" if self.signers and not self.by else "intact"

    def document(self) -> Json:
        verdict, newest = self.verdict, self.newest
        return {
            "format": VERIFIED,
            "result": self.result,
            "why": verdict.trouble or (self.why if self.result != "intact" else "") or None,
            "first_bad": self._first_bad,
            "entries": verdict.size,
            "root": verdict.root,
            "origin": verdict.origin or None,
            "checkpoints": len(verdict.checkpoints),
            "anchors": verdict.anchors,
            "signed": {"entry": newest.number, "size": newest.state.size, "by": self.by or None} if newest else None,
            "unsigned": verdict.size - (newest.state.size if newest else 0),
        }

    @property
    def _first_bad(self) -> int | None:
        if self.result != "altered" or self.verdict.trouble:
            return self.verdict.first_bad
        return self.newest.number if self.newest else None

    def text(self) -> str:
        verdict = self.verdict
        if verdict.trouble:
            return f"{self.result}: {verdict.trouble}\n"
        if self.result == "altered":
            return f"altered: {self.why}\n"
        lines = [f"intact: {verdict.size} entries, root {verdict.root}", *self._vouched()]
        return "\n".join(lines) + "\n"

    def _vouched(self) -> Sequence[str]:
        verdict, newest = self.verdict, self.newest
        anchors = "no anchor was given: a cut tail doesn't show"
        if verdict.anchors:
            anchors = "1 anchor holds" if verdict.anchors == 1 else f"{verdict.anchors} anchors hold"
        if newest is None:
            return ["nobody has signed any of it", anchors]
        by = f"by {self.by}" if self.by else "(by whom was not asked: --signers)"
        after = verdict.size - newest.state.size
        return [f"entries 0 to {newest.state.size - 1} are signed {by}; {after} came after that", anchors]
