"""What recordings hold of a matter: slices of their telemetry, and what their terminals showed. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchfloor.errors import SessionError
from watchfloor.evidence import names
from watchfloor.evidence.matter import Matter
from watchfloor.evidence.slices import Slice, as_file, cut
from watchfloor.evidence.texts import utc
from watchfloor.redact import redact
from watchfloor.session.cast import asciicast
from watchfloor.session.cast import cut as cut_cast
from watchfloor.session.folder import files
from watchfloor.session.reader import Session
from watchfloor.session.told import Told, told

MOST_SESSIONS = 8
_MOST_CAST = 64 * 2**20  # characters


@dataclass(frozen=True, slots=True)
class Piece:
    """What of one recording is bundled. `cast` "": it showed nothing then, or wasn't recorded in a terminal."""

    told: Told
    slice: Slice
    cast: str
    troubles: tuple[str, ...] = ()  # what of the file can't be read

    @property
    def name(self) -> str:
        return self.told.path.name

    def about(self) -> dict[str, Any]:
        """Which recording it was cut from."""
        return {
            "file": self.name,
            "state": str(self.told.wholeness),
            "sha256": self.told.sha256 or None,
            "facts": {word: redact(value) for word, value in self.told.facts.items()},
            "moments": len(self.slice.times),
            "begin": utc(self.slice.times[0]) if self.slice.times else None,
            "end": utc(self.slice.times[-1]) if self.slice.times else None,
        }

    def members(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        if self.slice.times:
            found[names.telemetry(self.name)] = as_file(self.slice, self.about())
        if self.cast:
            found[names.cast(self.name)] = self.cast.encode("utf-8", "replace")
        return found


@dataclass(frozen=True, slots=True)
class Pieces:
    """`missing`: what isn't there -> why."""

    pieces: tuple[Piece, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def fullest(self) -> Slice | None:
        """The one with most moments."""
        return max((piece.slice for piece in self.pieces), key=lambda found: len(found.times), default=None)


def pieces(folder: Path, matter: Matter) -> Pieces:
    """Of the recordings of this folder that cover the window, or some of it."""
    found: list[Piece] = []
    notes: list[str] = []
    for path in files(folder):
        try:
            piece = _piece(path, matter)
        except SessionError as error:
            notes.append(f"recording {path.name} is left out: {redact(error.message)}")
            continue
        if piece is None:
            continue
        if len(found) == MOST_SESSIONS:
            notes.append(f"recording {path.name} covers it as well, and is left out: {MOST_SESSIONS} are in here")
            continue
        found.append(piece)
        notes += [f"recording {path.name}: {redact(trouble)}" for trouble in piece.troubles]
    return Pieces(tuple(found), _missing(folder, matter, found), tuple(notes))


def _piece(path: Path, matter: Matter) -> Piece | None:
    """None where it is of another time, or of other nodes. Raises SessionError."""
    with closing(Session(path)) as session:
        of_these = not matter.nodes or {spec.name for spec in session.head.specs} & set(matter.nodes)
        if session.end < matter.begin or session.begin > matter.end or not of_these:
            return None
        telemetry = cut(session, matter.begin, matter.end, matter.nodes, matter.jobs)
        shown = _cast(session, matter)
        troubles = dict.fromkeys((*telemetry.troubles, *session.troubles))
        return Piece(told(path, with_digest=True), telemetry, shown, tuple(troubles))


def _cast(session: Session, matter: Matter) -> str:
    shown = cut_cast(session.terminal(), matter.begin, matter.end)
    marks = [(mark.at, "m", redact(f"{mark.kind}: {mark.text}")) for mark in session.marks() if mark.at <= matter.end]
    text = "".join(f"{line}\n" for line in asciicast(shown, f"{matter.title}, {session.path.name}", marks))
    return text if len(text) <= _MOST_CAST else ""


def _missing(folder: Path, matter: Matter, found: Sequence[Piece]) -> dict[str, str]:
    told_of = [time for piece in found for time in piece.slice.times]
    window = f"{utc(matter.begin)} to {utc(matter.end)}"
    missing: dict[str, str] = {}
    if not told_of:
        missing["telemetry"] = f"no recording in the folder of sessions covers {window} with these nodes"
    elif gap := _uncovered(matter, min(told_of), max(told_of)):
        missing["part of the telemetry"] = f"nothing was recorded {gap}"
    lacking = sorted(set(matter.nodes) - {node for piece in found for node in piece.slice.nodes})
    if told_of and lacking:
        missing[f"telemetry of {', '.join(lacking)}"] = "no recording of that time has it"
    if not any(piece.cast for piece in found):
        modes = sorted({piece.told.facts.get("mode", "") for piece in found} - {""})
        of = f"what recorded then ({', '.join(modes)}) has no screen" if modes else "no terminal was recorded then"
        missing["cast"] = of
    return missing


def _uncovered(matter: Matter, first: float, last: float) -> str:
    """What of the window lies before or after what was recorded, by more than a minute."""
    parts = []
    if first - matter.begin > 60.0:
        parts.append(f"before {utc(first)}")
    if matter.end - last > 60.0:
        parts.append(f"after {utc(last)}")
    return " and ".join(parts)
