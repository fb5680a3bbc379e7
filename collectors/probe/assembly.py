"""Readings of all samplers -> schema and report, as the console's watchfloor/report.py reads them.

A sampler that said nothing new costs nothing here, and of one that did only what is not the very same is looked into.
Must not do: threads, clocks, output.
"""

from itertools import compress
from operator import is_not

from .cells import FAILED_CODE, NOT_YET, NOT_YET_CODE, TIMED_OUT, UNSUPPORTED, Missing, joined
from .outbox import Outbox
from .table import Table

NODE, ACCELERATOR, LINK, SERVICE = "node", "accelerator", "link", "service"
SCOPES = (NODE, ACCELERATOR, LINK, SERVICE)

_NOTHING = {}


class Assembly:
    """Joins what the runners hold. Cells go by position; a change of subjects makes a new schema."""

    def __init__(self, runners: list) -> None:
        self._runners = runners
        self._generation = 0
        self._tables = {}
        self._cells = {}  # sampler -> cells of its reading as they were put last
        self._standing = {}  # sampler -> what the defaults of cells hang on
        self._told = {}  # sampler -> (state, text) as last told
        self._untold = {}  # sampler -> runner whose state or text may be others by now
        self._details = {}  # name -> {sampler: rows}
        self._details_changed = set()
        self._outbox = Outbox()
        self.number = 0

    # -- in

    def renew(self, fresh: list) -> "dict | None":
        """Take in the readings of the runners that changed. The new schema where the subjects changed, else None."""
        for runner in fresh:
            self._untold[runner.name] = runner
            self._take_details(runner)
            if runner.events:
                self._outbox.put(runner.events)
                runner.events = []
        restated = [runner for runner in fresh if self._restated(runner)]
        moved = [(runner, scope) for runner in fresh for scope in self._moved(runner)]
        if not self._tables or any(scope in runner.kind.owns for runner, scope in moved):
            return self._begin_schema()
        if restated or moved:
            self._fill()
        else:
            for runner in fresh:
                self._put(runner)
        return None

    def _restated(self, runner) -> bool:
        """Whether the default of the cells that a sampler says nothing of is another one now."""
        standing = (runner.state, runner.reading is None)
        if self._standing.get(runner.name) == standing:
            return False
        self._standing[runner.name] = standing
        return True

    def _moved(self, runner) -> "list[str]":
        """Scopes in which a sampler speaks of other subjects than before."""
        before, now = self._cells.get(runner.name, _NOTHING), _cells(runner)
        if now is before:
            return []
        moved = [scope for scope, rows in now.items() if not _same_keys(rows, before.get(scope, _NOTHING))]
        return moved + [scope for scope, rows in before.items() if rows and scope not in now]

    def _begin_schema(self) -> dict:
        keys = {scope: {} for scope in SCOPES}  # dictionaries for their order
        metrics = {scope: {} for scope in SCOPES}
        keys[NODE][""] = None
        for runner in self._runners:
            for scope in runner.kind.owns:
                keys[scope].update(dict.fromkeys(_cells(runner).get(scope, ())))
            for scope, names in runner.kind.metrics.items():
                metrics[scope].update(dict.fromkeys(names))
        self._generation += 1
        filled = [scope for scope in SCOPES if metrics[scope]]
        self._tables = {scope: Table(list(keys[scope]), list(metrics[scope])) for scope in filled}
        self._fill()
        tables = {scope: {"keys": table.keys, "metrics": table.metrics} for scope, table in self._tables.items()}
        return {"t": "schema", "generation": self._generation, "tables": tables}

    def _fill(self) -> None:
        """Every cell anew: what its samplers say of it, else why nobody says anything."""
        held = self._held()
        for scope, table in self._tables.items():
            rows = {key: dict.fromkeys(table.metrics, UNSUPPORTED) for key in table.keys}
            for runner in self._runners:  # first, so that it never stands before what another one says of that cell
                if scope not in runner.kind.owns:
                    names, awaited = runner.kind.metrics.get(scope, ()), held if _follows(runner, scope) else ()
                    silent, due = dict.fromkeys(names, _silence(runner)), dict.fromkeys(names, NOT_YET)
                    for key, row in rows.items():
                        row.update(due if key in awaited else silent)
            for runner in self._runners:
                for key, said in _cells(runner).get(scope, _NOTHING).items():
                    if key in rows:
                        rows[key].update(joined(said))
            for key, row in rows.items():
                table.put(key, row)
        self._cells = {runner.name: _cells(runner) for runner in self._runners}

    def _held(self) -> set:
        """Accelerators whose processes are known."""
        return {key for runner in self._runners if runner.reading is not None for key in runner.reading.holders or ()}

    def _put(self, runner) -> None:
        before, now = self._cells.get(runner.name, _NOTHING), _cells(runner)
        for scope, rows in now.items():
            last = before.get(scope, _NOTHING)
            if rows is last:
                continue
            put = self._tables[scope].put
            for (key, row), known in _changed(rows, last):
                put(key, row, known)
        self._cells[runner.name] = now

    def _take_details(self, runner) -> None:
        if runner.reading is None:
            told = [name for name, by_sampler in self._details.items() if runner.name in by_sampler]
            news = {name: [] for name in told}
        else:
            news = runner.reading.details
        for name, rows in news.items():
            known = self._details.setdefault(name, {})
            if known.get(runner.name) != rows:
                known[runner.name] = rows
                self._details_changed.add(name)

    # -- out

    def report(self, at: float, full: bool, period: float) -> dict:
        """The next report: what changed since the last one, or everything. `at` is the wall clock."""
        self.number += 1
        at = round(at, 3)
        line = {"t": "report", "n": self.number, "generation": self._generation, "at": at}
        if full:
            line["full"] = True
        cells, notes = self._take_cells(full)
        news = {
            "cells": cells,
            "samplers": self._statuses(full, period),
            "notes": notes,
            "events": self._outbox.take(at),
            "details": self._take_changed_details(full),
        }
        line.update((name, part) for name, part in news.items() if part)
        return line

    def _take_cells(self, full: bool) -> "tuple[dict, dict]":
        cells, notes = {}, {}
        for scope, table in self._tables.items():
            changed, words = table.take(full)
            if changed:
                cells[scope] = changed
            for metric, text in words.items():
                notes[scope + "." + metric] = text
        return cells, notes

    def _take_changed_details(self, full: bool) -> dict:
        names = self._details if full else self._details_changed
        joined = {name: [row for rows in self._details[name].values() for row in rows] for name in names}
        self._details_changed = set()
        return joined

    def _statuses(self, full: bool, period: float) -> dict:
        asked = self._runners if full else self._untold.values()
        self._untold = {}
        found = {}
        for runner in asked:
            says = (runner.state, runner.text)
            if full or self._told.get(runner.name) != says:
                self._told[runner.name] = says
                found[runner.name] = _status(runner, period)
        return found


def _cells(runner) -> dict:
    return _NOTHING if runner.reading is None else runner.reading.cells


def _same_keys(rows: dict, last: dict) -> bool:
    """In whatever order; that it is another one is rare, and costs more to find out."""
    return rows is last or list(rows) == list(last) or rows.keys() == last.keys()


def _changed(rows: dict, last: dict):
    """((key, row), row before) of those that are not the very same; in C, since most of a hundred links are."""
    if list(rows) != list(last):
        return [((key, row), last.get(key, ())) for key, row in rows.items()]
    pairs = zip(rows.items(), last.values())
    return compress(pairs, map(is_not, rows.values(), last.values()))


def _follows(runner, scope: str) -> bool:
    """It will speak of the accelerators whose processes are known, and may not have come to it."""
    return scope == ACCELERATOR and runner.kind.follows_holders and runner.state == "ok"


def _silence(runner) -> Missing:
    """Why a sampler that adds to other samplers' subjects says nothing of one."""
    if runner.state == "hung":
        return TIMED_OUT
    if runner.state == "failed":
        return Missing(FAILED_CODE, runner.text)
    if runner.state == "paused":
        return Missing(NOT_YET_CODE, runner.text)
    return NOT_YET if runner.reading is None and runner.state == "ok" else UNSUPPORTED


def _status(runner, period: float) -> dict:
    return {
        "state": runner.state,
        "text": runner.text,
        "at": round(runner.answered_at, 3),
        "cost": round(runner.cost, 6),
        "cpu": round(runner.cpu, 6),
        "period": runner.period(period),
    }
