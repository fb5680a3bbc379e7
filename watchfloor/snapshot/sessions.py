"""Recordings as text and as documents. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watchfloor.lineage.times import Times
from watchfloor.session.told import Told, Wholeness
from watchfloor.snapshot.aligned import aligned
from watchfloor.snapshot.words import duration, scaled

FORMAT = "watchfloor.sessions/1"
_HEADINGS = ("SESSION", "WHEN", "LASTS", "SIZE", "NODES", "MARKS", "MODE", "BY", "STATE")


def sessions_text(sessions: Sequence[Told], times: Times) -> str:
    return aligned([_HEADINGS, *(_row(one, times) for one in sessions)]) if sessions else "no sessions"


def _row(one: Told, times: Times) -> Sequence[str]:
    if not one.begun:
        return (one.path.name, "", "", f"{scaled(one.size_bytes, 1000, 'kMGT')}B", "", "", "", "", str(one.wholeness))
    return (
        one.path.name,
        times.at(one.begun),
        duration(one.ended - one.begun),
        f"{scaled(one.size_bytes, 1000, 'kMGT')}B",
        str(one.nodes),
        str(one.marks),
        one.facts.get("mode", ""),
        one.facts.get("who", ""),
        str(one.wholeness),
    )


def said(one: Told, vouched: str) -> str:
    """What verification found. `vouched`: what the ledger says, as watchfloor.session.told has it."""
    if one.wholeness is Wholeness.SEALED:
        return {
            "same": f"intact, and the ledger has its digest {one.sha256}",
            "another": f"altered: the ledger has another digest than {one.sha256}",
            "nothing": f"as it was ended, digest {one.sha256}; this ledger doesn't know it",
        }[vouched]
    once = ", and had one when the ledger got its digest" if vouched == "another" else ""
    words = {
        Wholeness.ALTERED: "altered: its bytes are not those that were written" + (f"; {one.text}" if one.text else ""),
        Wholeness.TORN: f"torn: it has no end{once}; what there is can be replayed",
        Wholeness.WRITTEN: "being written: it is sealed at its end",
        Wholeness.UNREADABLE: one.text,
    }
    return words[one.wholeness]


def document(sessions: Sequence[Told]) -> dict[str, Any]:
    return {"format": FORMAT, "sessions": [_of(one) for one in sessions]}


def _of(one: Told) -> dict[str, Any]:
    """What isn't known is null."""
    return {
        "file": str(one.path),
        "state": str(one.wholeness),
        "bytes": one.size_bytes,
        "begun": one.begun or None,
        "ended": one.ended or None,
        "nodes": one.nodes if one.begun else None,
        "marks": one.marks if one.begun else None,
        "facts": dict(one.facts),
        "sha256": one.sha256 or None,
        "text": one.text,
    }
