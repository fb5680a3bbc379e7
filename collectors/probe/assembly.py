"""Readings of all samplers -> schema and report, as the console's watchfloor/report.py reads them.

Must not do: threads, clocks, output.
"""

from .cells import FAILED_CODE, NOT_YET, TIMED_OUT, UNSUPPORTED, Missing
from .table import Table

NODE, ACCELERATOR, LINK = "node", "accelerator", "link"
SCOPES = (NODE, ACCELERATOR, LINK)


class Assembly:
    """Joins what the runners hold. Cells go by position; a change of subjects makes a new schema."""

    def __init__(self, runners: list) -> None:
        self._runners = runners
        self._generation = 0
        self._tables = {}
        self._shape = None  # what the tables were built for
        self._told = {}  # sampler -> (state, text) as last told
        self._details = {}
        self._details_changed = {}
        self.number = 0

    # -- in

    def renew(self, fresh: list) -> "dict | None":
        """Take in the readings of the runners that changed. The new schema where the subjects changed, else None."""
        for runner in fresh:
            if runner.reading is not None:
                self._take_details(runner.reading.details)
        shape = self._current_shape()
        if shape == self._shape:
            for runner in fresh:
                self._put(runner)
            return None
        keys_changed = self._shape is None or shape[0] != self._shape[0]
        self._shape = shape
        if keys_changed:
            self._generation += 1
            self._tables = {scope: Table(shape[0][scope], self._metrics(scope)) for scope in SCOPES}
        self._fill()
        return self._schema() if keys_changed else None

    def _current_shape(self) -> tuple:
        """The subjects of each scope, and which samplers have had their say: what the default of a cell hangs on."""
        keys = {NODE: {"": None}, ACCELERATOR: {}, LINK: {}}  # dictionaries for their order
        for runner in self._runners:
            if runner.reading is None:
                continue
            for scope in runner.kind.owns:
                keys[scope].update(dict.fromkeys(runner.reading.cells.get(scope, ())))
        return {scope: list(known) for scope, known in keys.items()}, [
            (runner.state, runner.reading is None) for runner in self._runners
        ]

    def _metrics(self, scope: str) -> "list[str]":
        found = {}
        for runner in self._runners:
            found.update(dict.fromkeys(runner.kind.metrics.get(scope, ())))
        return list(found)

    def _schema(self) -> dict:
        tables = {scope: {"keys": table.keys, "metrics": table.metrics} for scope, table in self._tables.items()}
        return {"t": "schema", "generation": self._generation, "tables": tables}

    def _fill(self) -> None:
        """Every cell anew: what its samplers say of it, else why nobody says anything."""
        for scope, table in self._tables.items():
            rows = {key: dict.fromkeys(table.metrics, UNSUPPORTED) for key in table.keys}
            for runner in self._runners:
                said = runner.reading.cells.get(scope, {}) if runner.reading is not None else {}
                silent = dict.fromkeys(runner.kind.metrics.get(scope, ()), _silence(runner))
                for key, row in rows.items():
                    if key in said:
                        row.update(said[key])
                    elif scope not in runner.kind.owns:
                        row.update(silent)
            for key, row in rows.items():
                table.put(key, row)

    def _put(self, runner) -> None:
        if runner.reading is None:
            return
        for scope, rows in runner.reading.cells.items():
            table = self._tables[scope]
            for key, cells in rows.items():
                table.put(key, cells)

    def _take_details(self, details: dict) -> None:
        for name, rows in details.items():
            if self._details.get(name) != rows:
                self._details[name] = self._details_changed[name] = rows

    # -- out

    def report(self, at: float, full: bool, period: float) -> dict:
        """The next report: what changed since the last one, or everything. `at` is the wall clock."""
        self.number += 1
        line = {"t": "report", "n": self.number, "generation": self._generation, "at": round(at, 3)}
        if full:
            line["full"] = True
        cells, notes = self._cells(full)
        parts = {
            "cells": cells,
            "samplers": self._statuses(full, period),
            "notes": notes,
            "details": self._details if full else self._details_changed,
        }
        line.update((name, part) for name, part in parts.items() if part)
        self._details_changed = {}
        return line

    def _cells(self, full: bool) -> "tuple[dict, dict]":
        cells, notes = {}, {}
        for scope, table in self._tables.items():
            changed, words = table.take(full)
            if changed:
                cells[scope] = changed
            for metric, text in words.items():
                notes[scope + "." + metric] = text
        return cells, notes

    def _statuses(self, full: bool, period: float) -> dict:
        found = {}
        for runner in self._runners:
            says = (runner.state, runner.text)
            if full or self._told.get(runner.name) != says:
                self._told[runner.name] = says
                found[runner.name] = _status(runner, period)
        return found


def _silence(runner) -> Missing:
    """Why a sampler that adds to other samplers' subjects says nothing of one."""
    if runner.state == "hung":
        return TIMED_OUT
    if runner.state == "failed":
        return Missing(FAILED_CODE, runner.text)
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
