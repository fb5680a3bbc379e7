"""A session that runs: the state of one moment, with the short history and the counters that a live console would have.

Pure. What a live console remembers of the time before is remembered as far as this has run: begin early enough.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Count
from watchfloor.counters import COUNTERS, CounterLog, Reset
from watchfloor.distinct import among
from watchfloor.frame import Frame
from watchfloor.history import History
from watchfloor.model import NODE_SCOPES, NodeSpec, Scope
from watchfloor.rails import Rails
from watchfloor.session.moment import Moment
from watchfloor.session.stage import Stage

_BOOT = "node.boot_id"


class Reel:
    def __init__(self, specs: Sequence[NodeSpec]) -> None:
        self._stage = Stage(specs)
        self._history = History()
        self._counters = _Counters()
        self._rails = Rails()
        # rows whose node was started anew, by counter: those of which nothing was told since
        self._booted: dict[str, set[int]] = {}

    @property
    def at(self) -> float:
        """Console time of the moment, 0 before the first."""
        return self._stage.at

    def skip(self, moment: Moment) -> None:
        """On to the next moment, without remembering what was before. Raises SessionError as `run`."""
        self._stage.apply(moment)

    def run(self, moment: Moment) -> None:
        """On to the next moment. Raises SessionError where it isn't what follows."""
        before = {name: self._stage.array(name) for name in _COUNTERS}
        boots = self._stage.array(_BOOT)
        self._stage.apply(moment)
        self._note_boots(boots)
        for name, values in before.items():
            if values is not None and values is not self._stage.array(name):
                self._count(name, values)
        self._remember(self.frame())

    def frame(self) -> Frame:
        """Raises SessionError before the first moment."""
        frame = self._stage.frame(self._history, self._counters)
        self._counters.told = self._stage.resets()
        return frame

    def _note_boots(self, before: NDArray | None) -> None:
        now = self._stage.array(_BOOT)
        if before is None or now is None or now is before:
            return
        known = min(len(before), len(now))
        started = np.flatnonzero((before[:known] != now[:known]) & (before[:known] >= 0))
        for name, (scope, _) in _COUNTERS.items() if started.size else ():
            node = self._stage.array(f"{scope}.node")
            rows = [] if node is None else np.flatnonzero(among(node, started)).tolist()
            self._booted.setdefault(name, set()).update(rows)

    def _count(self, name: str, before: NDArray) -> None:
        now, booted, (scope, metric) = self._stage.array(name), self._booted.get(name, set()), _COUNTERS[name]
        if now is None:
            return
        known = min(len(before), len(now))
        was, told = before[:known], now[:known]
        moved = set(np.flatnonzero((was != told) & ~np.isnan(was) & ~np.isnan(told)).tolist())
        counts = [Count(row, metric, float(was[row]), float(told[row]), row in booted) for row in sorted(moved)]
        booted -= moved
        if counts:
            self._counters.note(scope, counts, self.at, partial(self._any_above_zero, scope))

    def _any_above_zero(self, scope: Scope, row: int, names: Collection[str]) -> bool:
        columns = ((self._stage.array(f"{scope}.{name}"), self._stage.array(f"{scope}.{name}?")) for name in names)
        return any(told is not None and why is not None and not why[row] and told[row] > 0 for told, why in columns)

    def _remember(self, frame: Frame) -> None:
        """One second of the history, as the fleet keeps it."""
        for scope in NODE_SCOPES:
            view, names = frame.view(scope), self._history.trended(scope)
            if names:
                kept = self._rails.rows(view.told("kind"), view.texts) if scope is Scope.LINK else None
                known = {name: view.known(name) for name in names}
                of = known if kept is None else {name: values[kept] for name, values in known.items()}
                self._history.append(scope, of, kept)


class _Counters(CounterLog):
    """Resets are those that the live console told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: tuple[Reset, ...] = ()

    def resets(self, since: float = 0.0, scope: Scope | None = None, row: int | None = None) -> tuple[Reset, ...]:
        """As CounterLog.resets."""
        return tuple(
            reset
            for reset in self.told
            if reset.at >= since and scope in (None, reset.scope) and row in (None, reset.row)
        )


_COUNTERS = {f"{scope}.{name}": (scope, name) for scope, names in COUNTERS.items() for name in names}
