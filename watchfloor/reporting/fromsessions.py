"""What recordings tell of a window: who was watched when, where nodes stand, and what their accelerators drew.

A few moments of each file are read, about one an hour, of those for which little has to be read. Raises nothing: a file
that can't be read is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from watchfloor.errors import SessionError
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec
from watchfloor.partitions import is_partition
from watchfloor.reporting.kept import PAUSE_SECONDS, Energy, Watching, Window
from watchfloor.reporting.spans import Spans, common, total, united
from watchfloor.session.folder import files
from watchfloor.session.reader import Session
from watchfloor.session.reel import Reel

SAMPLE_SECONDS = 3_600.0  # between two moments that are read
_MOST_WATTS = 10_000.0  # of one accelerator: a counter that moved faster was set, not counted


@dataclass(slots=True)
class FromSessions:
    watching: list[Watching] = field(default_factory=list)
    specs: dict[str, NodeSpec] = field(default_factory=dict)  # as the newest recording has them
    accelerators: dict[str, int] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    energy: dict[str, Energy] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    _reckoned: dict[str, float] = field(default_factory=dict)  # up to when, by node: two may have recorded it

    def take(self, session: Session, window: Window) -> None:
        """Raises SessionError."""
        spans = common(_recorded(session), window.span)
        if not spans:
            return
        names = [spec.name for spec in session.head.specs]
        self.specs |= {spec.name: spec for spec in session.head.specs}
        self.watching += [Watching(span, "recording", frozenset(names)) for span in spans]
        samples = [sample for at in _chosen(session.stops, window) if (sample := _sample(session, at))]
        for before, after in pairwise(samples):
            self._reckon(names, before, after, total(common(((before.at, after.at),), spans)))
        if samples:
            self._note_boards(names, samples[-1])

    def _reckon(self, names: Sequence[str], before: Sample, after: Sample, seconds: float) -> None:
        """What was drawn between two samples, node by node, unless another recording has told it."""
        drawn, how = drawn_between(before.with_rows_of(after), after, seconds)
        indices: set[int] = set(after.node[after.counts].tolist())
        for index in indices:
            name = names[index]
            if before.at < self._reckoned.get(name, 0.0) - 1.0:
                continue
            self._reckoned[name] = after.at
            mine = after.counts & (after.node == index)
            self.energy[name] = _more(self.energy.get(name, Energy()), drawn[mine], how[mine], seconds)

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


def _chosen(stops: Sequence[float], window: Window) -> Iterator[float]:
    """The first two and the last stop within the window, and about one an hour between.

    When the first one is written, nodes are still connecting.
    """
    inside = [at for at in stops if window.since <= at <= window.until]
    before = float("-inf")
    for at in inside:
        if at - before >= SAMPLE_SECONDS or at in (*inside[1:2], inside[-1]):
            before = at
            yield at


# -- one moment


@dataclass(frozen=True, slots=True)
class Sample:
    """By row. Energy in joules and power in watts, NaN where they are not known at this time."""

    at: float
    node: NDArray[np.int32]
    counts: NDArray[np.bool_]  # listed by its node, and no part of another board
    energy: NDArray[np.float64]
    power: NDArray[np.float64]
    models: Sequence[str]

    def with_rows_of(self, later: Sample) -> Sample:
        """The rows of a later one; those that weren't there, or were of another node, count for nothing."""
        count = len(later.node)
        same = _long(self.node, count, -1) == later.node
        return Sample(
            self.at,
            later.node,
            _long(self.counts, count, False) & same,
            _long(self.energy, count, np.nan),
            _long(self.power, count, np.nan),
            later.models,
        )


def _long(array: NDArray[Any], count: int, fill: float) -> NDArray[Any]:
    """So long; what isn't there is `fill`."""
    return np.concatenate([array[:count], np.full(max(0, count - len(array)), fill, array.dtype)])


def _sample(session: Session, at: float) -> Sample | None:
    """None where its bytes were altered."""
    reel = Reel(session.head.specs)
    try:
        for moment in session.moments(at, at):
            reel.skip(moment)
        return _of_frame(reel.frame())
    except SessionError:
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


# -- between two

_COUNTED, _SAMPLED, _UNKNOWN = 0, 1, 2


def drawn_between(before: Sample, after: Sample, seconds: float) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Joules of each row, and how they are known. Both have the same rows."""
    counted = after.energy - before.energy
    both = np.stack([before.power, after.power])
    told = ~np.isnan(both)
    power = np.where(told.any(axis=0), np.where(told, both, 0.0).sum(axis=0) / np.maximum(told.sum(axis=0), 1), np.nan)
    sound = before.counts & (counted >= 0) & (counted <= _MOST_WATTS * (after.at - before.at))
    sampled = before.counts & ~sound & ~np.isnan(power)
    how = np.where(sound, _COUNTED, np.where(sampled, _SAMPLED, _UNKNOWN))
    return np.where(sound, counted, np.where(sampled, power * seconds, 0.0)), how


def _more(so_far: Energy, joules: NDArray[np.float64], how: NDArray[np.intp], seconds: float) -> Energy:
    counted, sampled, unknown = (float((how == kind).sum()) * seconds for kind in (_COUNTED, _SAMPLED, _UNKNOWN))
    return Energy(
        so_far.joules + float(joules.sum()),
        so_far.counted_seconds + counted,
        so_far.sampled_seconds + sampled,
        so_far.unknown_seconds + unknown,
    )
