"""The state of a session at one moment, and the frame that it is. Pure.

Moments are applied one after the other, from a key onwards; a frame may be made of any of them, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Picture
from watchfloor.counters import CounterLog, Reset
from watchfloor.errors import SessionError
from watchfloor.events import Entry, EventLog
from watchfloor.frame import Frame, NodeDetail, RowSubjects
from watchfloor.history import History
from watchfloor.jobs.model import Job, SchedulerNode, SourceStatus
from watchfloor.jobs.provenance import Provenance
from watchfloor.jobs.view import Jobs, JobView, Standing
from watchfloor.metrics import CATALOGUE
from watchfloor.model import NODE_SCOPES, Finding, NodeSpec, NodeStatus, Scope, Subject
from watchfloor.record import Record, Records
from watchfloor.report import DETAILS, Hello, SamplerStatus
from watchfloor.roster import Roster
from watchfloor.session import arrays, tables
from watchfloor.session.leaves import AGE, Found, Noted
from watchfloor.session.moment import Moment, TextPatch
from watchfloor.session.together import Listener
from watchfloor.view import View

_KINDS: Mapping[str, Any] = {
    "statuses": NodeStatus,
    "hello": Hello | None,
    "samplers": dict[str, SamplerStatus],
    "notes": dict[str, str],
    **{f"detail.{name}": bytes for name in DETAILS},
    "findings": Found,
    "records": Noted,
    "kept": str,
    "events": Entry,
    "resets": Reset,
    "jobs": Job,
    "sources": SourceStatus,
    "scheduler": SchedulerNode,
    "managers": str,
    "present": str,
    "provenance": Provenance,
}


_OF_NODES = {"hello", "samplers", "notes", *(f"detail.{name}" for name in DETAILS)}


class Stage:
    """`at`: console time of the last moment applied, 0 before the first."""

    def __init__(self, specs: Sequence[NodeSpec]) -> None:
        self._specs = specs
        self._node_index = {spec.name: index for index, spec in enumerate(specs)}
        self.number, self.at = 0, 0.0
        self._arrays: dict[str, NDArray[Any]] = {}
        self._texts: dict[str, list[str]] = {}
        self._tables: dict[str, dict[Any, Any]] = {}
        self._pictures: dict[str, Picture] = {}
        self._rosters: dict[Scope, Roster] = {}
        self._listeners: dict[str, Listener] = {}
        self._events = EventLog()
        self._detail = [NodeDetail() for _ in specs]

    def apply(self, moment: Moment) -> None:
        """Raises SessionError where it isn't what follows."""
        if moment.key:
            self._arrays, self._texts, self._tables = {}, {}, {}
            self._pictures, self._rosters, self._listeners = {}, {}, {}
        elif not self._arrays:
            raise SessionError("a moment of it can't be read: there is no whole one before it")
        for kind, told in moment.together.items():
            listener = self._listeners.setdefault(kind, Listener())
            for name, array in listener.take(told, self._arrays, self._arrays.get(f"{kind}.node")).items():
                self._put(name, array)
        for name, data in moment.arrays.items():
            self._put(name, arrays.patched(self._arrays.get(name), data))
        for name, change in moment.texts.items():
            self._texts[name] = self._told(name, change)
        try:
            self._tables |= {
                name: tables.patched(self._tables.get(name, {}), change, _KINDS[name])
                for name, change in moment.tables.items()
                if name in _KINDS  # a newer watchfloor may keep more
            }
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, AttributeError) as error:
            raise SessionError(f"a table of it can't be read: {error}") from error
        self._note_nodes(moment)
        if "events" in moment.tables:
            self._events = EventLog.of(self._tables["events"].values())
        self.number, self.at = moment.number, moment.at

    def _put(self, name: str, array: NDArray[Any]) -> None:
        self._arrays[name] = array
        self._pictures.pop(name.removesuffix("?"), None)

    def _note_nodes(self, moment: Moment) -> None:
        """What is known of the nodes of which anything was told, anew."""
        told = {key for name in _OF_NODES & moment.tables.keys() for key in moment.tables[name].told}
        for node in told:
            detail = {name: table[node] for name in DETAILS if (table := self._tables[f"detail.{name}"])[node]}
            hello, samplers, notes = (self._tables[name][node] for name in ("hello", "samplers", "notes"))
            self._detail[int(node)] = NodeDetail(hello, samplers, notes, detail)

    def _told(self, name: str, change: TextPatch) -> list[str]:
        """Frames made before keep the list that they have, as far as they know it."""
        before = self._texts.get(name, [])
        if change.kept == len(before):
            before.extend(change.more)
            return before
        return [*before[: change.kept], *change.more]

    def array(self, name: str) -> NDArray[Any] | None:
        """An array as it is now, by its name in the leaves; None where there is none."""
        return self._arrays.get(name)

    def resets(self) -> tuple[Reset, ...]:
        """Of counters, as the live console told them."""
        return self._sequence("resets")

    # -- the frame

    def frame(self, history: History, counters: CounterLog) -> Frame:
        """The frame of the moment, as it was recorded. Raises SessionError where something of it isn't there."""
        try:
            return self._frame(history, counters)
        except (KeyError, IndexError, ValueError) as error:
            raise SessionError(f"a moment of it can't be shown: {type(error).__name__}: {error}") from error

    def _frame(self, history: History, counters: CounterLog) -> Frame:
        live = self._arrays["live"]
        views = {scope: self._view(scope, live) for scope in NODE_SCOPES}
        frame = Frame(
            number=self.number,
            at=self.at,
            specs=self._specs,
            node_index=self._node_index,
            statuses=self._sequence("statuses"),
            live=live,
            detail=tuple(self._detail),
            nodes=views[Scope.NODE],
            accelerators=views[Scope.ACCELERATOR],
            links=views[Scope.LINK],
            services=views[Scope.SERVICE],
            history=history,
            counters=counters,
            events=self._events,
            replay=True,
            jobs=self._jobs(),
        )
        return self._judged(frame)

    def _view(self, scope: Scope, live: NDArray[np.bool_]) -> View:
        pictures = [self._picture(f"{scope}.{name}") for name in CATALOGUE[scope]]
        unlisted = self._picture(f"{scope}.unlisted", f"{scope}.unlisted")
        view = View(scope, self._roster(scope), pictures, unlisted, live, self._texts["texts"])
        if scope is Scope.NODE:
            view.own(AGE, self._arrays[f"{scope}.{AGE}"], self._arrays[f"{scope}.{AGE}?"])
        view.judge(self._arrays[f"{scope}.found"])
        return view

    def _picture(self, name: str, reasons: str = "") -> Picture:
        """The same object as long as nothing is told of it."""
        picture = self._pictures.get(name)
        if picture is None:
            picture = Picture(self._arrays[name], self._arrays[reasons or f"{name}?"])
            self._pictures[name] = picture
        return picture

    def _roster(self, scope: Scope) -> Roster:
        keys, node, before = self._texts[f"{scope}.keys"], self._arrays[f"{scope}.node"], self._rosters.get(scope)
        if before is None or before.keys is not keys or before.node is not node:
            before = self._rosters[scope] = Roster(len(node), keys, node)
        return before

    def _jobs(self) -> Jobs:
        keys = list(self._texts["job.keys"])
        columns = {name: self._picture(f"job.{name}") for name in CATALOGUE[Scope.JOB]}
        view = JobView(keys, self._texts["job.texts"], columns)
        told, owners, given = self._tables["jobs"], self._arrays["job:owners"], self._arrays["job:given"]
        managers = self._tables["managers"]
        index = {key: row for row, key in enumerate(keys)}
        present = frozenset(self._sequence("present"))
        standing = Standing(given, self._arrays["job:holding"], managers, present, index)
        rows, sources = [told[key] for key in keys], self._sequence("sources")
        return Jobs(rows, view, owners, sources, self._tables["scheduler"], standing, self._tables["provenance"])

    def _judged(self, frame: Frame) -> Frame:
        def finding_of(told: Found) -> Finding:
            others: Sequence[Subject] = told.others
            if told.scope:
                others = RowSubjects(frame, Scope(told.scope), np.frombuffer(told.rows, np.int32).astype(np.intp))
            return Finding(told.subject, told.code, told.state, told.text, told.evidence, others)

        def record_of(told: Noted) -> Record:
            return Record(finding_of(told.finding), told.first, told.last, told.times, told.holds, told.ack)

        kept = [record_of(told) for told in self._tables["records"].values()]
        records = Records({record.key: record for record in kept}, self.at, self._tables["kept"][0])
        return replace(frame, findings=tuple(map(finding_of, self._sequence("findings"))), records=records)

    def _sequence(self, name: str) -> tuple[Any, ...]:
        table = self._tables[name]
        return tuple(table[place] for place in range(len(table)))
