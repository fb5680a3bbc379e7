"""What recordings tell of a window: who was watched when, where nodes stand, and what their accelerators drew.

A few moments of each file are read, most of them such for which little has to be read. Raises nothing: a file that
can't be read, or something in it that can't, is told.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from watchfloor.errors import SessionError
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec
from watchfloor.partitions import is_partition
from watchfloor.reporting.drawn import Drawn, Sample
from watchfloor.reporting.kept import PAUSE_SECONDS, Energy, Watching, Window
from watchfloor.reporting.spans import Spans, common, total, united
from watchfloor.session.folder import files
from watchfloor.session.reader import Session
from watchfloor.session.salvage import nearest

SAMPLE_SECONDS = 3_600.0  # between two moments that are read, at most
_MOMENTS = 24  # in a short recording there are so many, as far as it has stops
_EARLY_SECONDS = (5.0, 15.0)  # and at the next stop: when the first moment is written, nodes are still connecting


@dataclass(slots=True)
class FromSessions:
    watching: list[Watching] = field(default_factory=list)
    specs: dict[str, NodeSpec] = field(default_factory=dict)  # as the newest recording has them
    accelerators: dict[str, int] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    _drawn: Drawn = field(default_factory=Drawn)

    @property
    def energy(self) -> Mapping[str, Energy]:
        """By node."""
        return self._drawn.energy()

    def take(self, session: Session, window: Window) -> None:
        spans = common(_recorded(session), window.span)
        if not spans:
            return
        names = [spec.name for spec in session.head.specs]
        self.specs |= {spec.name: spec for spec in session.head.specs}
        self.watching += [Watching(span, "recording", frozenset(names)) for span in spans]
        samples = _Samples(session)
        for before, after in pairwise(samples.at(_times(session.stops, spans))):
            self._drawn.take(names, before, after, spans)
        if samples.last:
            self._note_boards(names, samples.last)
        if samples.trouble:
            self.troubles.append(f"not all of the recording {session.path.name} can be read: {samples.trouble}")

    def _note_boards(self, names: Sequence[str], sample: Sample) -> None:
        rows = np.flatnonzero(sample.counts)
        counts = np.bincount(sample.node[rows], minlength=len(names))
        self.accelerators |= {name: int(counts[index]) for index, name in enumerate(names) if counts[index]}
        self.models |= {names[int(sample.node[row])]: sample.models[row] for row in rows.tolist()}


def from_sessions(folder: Path, window: Window) -> FromSessions:
    found = FromSessions()
    for path in files(folder):
        try:
            with closing(Session(path)) as session:
                found.take(session, window)
        except (OSError, SessionError) as error:
            found.troubles.append(f"the recording {path.name} is left out: {error}")
    return found


def _recorded(session: Session) -> Spans:
    """Where its stops follow one another: a machine that slept recorded nothing."""
    times = [*session.stops, session.end] if session.stops else []
    return united(pair for pair in pairwise(times) if pair[1] - pair[0] <= PAUSE_SECONDS)


def _times(stops: Sequence[float], spans: Spans) -> list[float]:
    """When to look: at both ends of what was recorded, soon after it began, and now and then at a stop between."""
    step = min(SAMPLE_SECONDS, total(spans) / _MOMENTS)
    found = set[float]()
    for since, until in spans:
        found |= {since, until, *(since + after for after in _EARLY_SECONDS if since + after < until)}
        before = float("-inf")
        for at in stops[bisect_right(stops, since) : bisect_left(stops, until)]:
            if at - before >= step:
                before = at
                found.add(at)
    return sorted(found)


# -- one moment


class _Samples:
    """Of one file. Where one can't be read, it is the nearest that can. `trouble`: the first thing that couldn't."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.last: Sample | None = None
        self.trouble = ""

    def at(self, times: Sequence[float]) -> Iterator[Sample]:
        """Each later than the one before."""
        for at in times:
            sample = self._nearest(at)
            if sample and (self.last is None or sample.at > self.last.at):
                self.last = sample
                yield sample

    def _nearest(self, at: float) -> Sample | None:
        try:
            reel, trouble = nearest(self._session, at)
            self.trouble = self.trouble or trouble
            return _of_frame(reel.frame())
        except SessionError as error:
            self.trouble = self.trouble or error.message
            return None


def _of_frame(frame: Frame) -> Sample:
    view = frame.accelerators
    node = view.node[: view.count]
    live = frame.live[node]
    return Sample(
        frame.at,
        node,
        (view.unlisted[: view.count] == 0) & ~is_partition(view),
        np.where(live, view.known("energy"), np.nan),
        np.where(live, view.known("power"), np.nan),
        [view.text(row, "model") for row in range(view.count)],
    )
