"""Lineage between what is seen and where it is kept: sights taken now and then, written off the caller's loop.

A save that fails (the file is locked, the database away) is tried again after a while; nothing is lost meanwhile, up to
what `watchfloor.lineage.watch` lets wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from watchfloor.errors import StoreError
from watchfloor.frame import Frame
from watchfloor.lineage.watch import Watch
from watchfloor.model import Scope, Subject
from watchfloor.records.lineage import LineageStore

_SIGHT_SECONDS = 2.0
_SAVE_SECONDS = 5.0
_RETRY_SECONDS = 30.0  # after a save that failed
_PRUNE_SECONDS = 3600.0
_TRACKERS = {"wandb": "wandb_run_id", "mlflow": "mlflow_run_id"}

_log = logging.getLogger(__name__)


class LineageKeeper:
    """`place`: a file or postgresql://…; None keeps nothing. Raises ConfigError for a place that can't be one."""

    def __init__(self, place: str | None) -> None:
        self._store = LineageStore(place) if place else None
        self._watch = Watch()
        self._saving: asyncio.Task[None] | None = None
        self._seen_at = self._saved_at = self._pruned_at = 0.0  # monotonic seconds
        self._held: tuple[NDArray[np.int32] | None, Mapping[str, list[Subject]]] = (None, {})
        self.trouble = ""

    def see(self, frame: Frame) -> None:
        """Take a sight where one is due, and begin to write what has changed, unless a writing goes on."""
        now = time.monotonic()
        if self._store is None or now - self._seen_at < _SIGHT_SECONDS:
            return
        self._seen_at = now
        held = self._held_in(frame)
        self._watch.update(frame.at, frame.jobs.rows, held, frame.records.by_key.values(), _words(frame, held))
        idle = self._saving is None or self._saving.done()
        if idle and now - self._saved_at >= _SAVE_SECONDS:
            self._saved_at = now
            self._saving = asyncio.create_task(self._save(self._store, frame.at))

    def _held_in(self, frame: Frame) -> Mapping[str, list[Subject]]:
        """Job id -> its accelerators; made anew when they have changed."""
        owners = frame.jobs.owners
        if self._held[0] is not owners:
            held: dict[str, list[Subject]] = {}
            for row in np.flatnonzero(owners >= 0).tolist():
                job = frame.jobs.rows[int(owners[row])].id
                held.setdefault(job, []).append(frame.subject(Scope.ACCELERATOR, row))
            self._held = owners, held
        return self._held[1]

    async def _save(self, store: LineageStore, at: float) -> None:
        changes = self._watch.due()
        try:
            if changes.entities or changes.edges:
                await asyncio.to_thread(store.save, changes, at)
                self._watch.saved(changes)
            if time.monotonic() - self._pruned_at > _PRUNE_SECONDS:
                self._pruned_at = time.monotonic()
                await asyncio.to_thread(store.prune, at)
            self.trouble = ""
        except StoreError as error:
            self._saved_at = time.monotonic() + _RETRY_SECONDS - _SAVE_SECONDS
            if self.trouble != error.message:
                self.trouble = error.message
                _log.warning("%s", error)

    async def close(self, at: float) -> None:
        """Write what is left."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        if self._store is not None:
            await self._save(self._store, at)
            await asyncio.to_thread(self._store.close)


def _words(frame: Frame, held: Mapping[str, list[Subject]]) -> Mapping[str, Mapping[str, str]]:
    """By job: the runs of experiment trackers that its processes name."""
    view, found = frame.accelerators, {}
    for row in np.flatnonzero(view.last("run") > 0).tolist():
        job = frame.jobs.job_of(row)
        if job is not None and job.id in held and job.id not in found:
            runs = (run.partition(":") for run in view.text(row, "run").split(","))
            found[job.id] = {_TRACKERS[name]: run for name, _, run in runs if name in _TRACKERS}
    return found
