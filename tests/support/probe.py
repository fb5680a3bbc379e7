"""The real probe as a child process, and a mirror of what its lines say."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from collectors import payload
from tests.support.patience import PATIENCE_SECONDS
from watchfloor.model import Missing
from watchfloor.report import Fault, Hello, Line, Pong, Report, SamplerStatus, Schema, decode, note_key


@dataclass(frozen=True)
class Without:
    """A cell that has no value; apart from Missing itself, which equals a number."""

    reason: Missing


NOT_YET, UNSUPPORTED, NOT_PERMITTED, TIMED_OUT, FAILED, LOST = (Without(reason) for reason in list(Missing)[1:7])

Cell = float | str | Without


class Mirror:
    """What a console knows after some lines: cells by scope, key and metric, samplers, notes, details."""

    def __init__(self) -> None:
        self.schema: Schema | None = None
        self.hello: Hello | None = None
        self.cells: dict[str, dict[str, dict[str, Cell]]] = {}
        self.samplers: dict[str, SamplerStatus] = {}
        self.notes: dict[str, str] = {}
        self.details: dict[str, bytes] = {}
        self.reports = 0

    def take(self, line: Line) -> None:
        if isinstance(line, Hello):
            self.hello = line
        elif isinstance(line, Schema):
            self.schema = line
            self.cells = {scope: {key: {} for key in table.keys} for scope, table in line.tables.items()}
        elif isinstance(line, Report):
            self._take_report(line)

    def _take_report(self, report: Report) -> None:
        assert self.schema is not None and report.generation == self.schema.generation
        self.reports += 1
        if report.full:
            for scope, table in self.schema.tables.items():
                self.cells[scope] = {key: dict.fromkeys(table.metrics, UNSUPPORTED) for key in table.keys}
        for scope, cells in report.cells.items():
            reasons = [Without(Missing(code)) for code in cells.mc]
            for positions, values in ((cells.p, cells.v), (cells.xp, cells.x), (cells.mp, reasons)):
                for position, value in zip(positions, values, strict=True):
                    self._put(scope, position, value)
        self.samplers.update(report.samplers)
        self.notes = dict(report.notes) if report.full else {**self.notes, **report.notes}
        self.details.update((name, bytes(raw)) for name, raw in report.details.items())

    def note(self, metric: str, without: Without) -> str:
        """The words for why "accelerator.temp_mem" has no value, where this is the reason."""
        return self.notes.get(note_key(metric, without.reason), "")

    def _put(self, scope: str, position: int, value: Cell) -> None:
        assert self.schema is not None
        table = self.schema.tables[scope]
        row, column = divmod(position, len(table.metrics))
        self.cells[scope][table.keys[row]][table.metrics[column]] = value

    def accelerator(self, key: str) -> dict[str, Cell]:
        return self.cells.get("accelerator", {}).get(key, {})

    def link(self, key: str) -> dict[str, Cell]:
        return self.cells.get("link", {}).get(key, {})

    @property
    def node(self) -> dict[str, Cell]:
        return self.cells.get("node", {}).get("", {})

    def state(self, sampler: str) -> str:
        status = self.samplers.get(sampler)
        return status.state if status is not None and status.text != "no answer yet" else ""


class RunningProbe:
    """A probe at work. Its lines are taken as they are waited for; `raw` has them as they came."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.mirror = Mirror()
        self.lines: list[Line] = []
        self.raw: list[bytes] = []
        self._arrived: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(line)
        self._arrived.put(None)

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def until(self, condition: Callable[[Mirror], object], patience: float = PATIENCE_SECONDS) -> Mirror:
        """Take lines until the condition holds; what it waited for is told by the line of the test."""
        deadline = time.monotonic() + patience
        while not condition(self.mirror):
            self.next(deadline - time.monotonic())
        return self.mirror

    def next(self, patience: float = PATIENCE_SECONDS) -> Line:
        line = self._arrived.get(timeout=max(0.01, patience))
        assert line is not None, f"the probe ended: {self.lines[-1:]}"
        self.raw.append(line)
        decoded = decode(line)
        assert not isinstance(decoded, Fault), decoded.text
        self.lines.append(decoded)
        self.mirror.take(decoded)
        return decoded

    def end(self) -> None:
        self.process.kill()
        self._reader.join()

    def pong(self) -> Pong:
        while True:
            line = self.next()
            if isinstance(line, Pong):
                return line


@contextlib.contextmanager
def running_probe(environment: dict[str, str] | None = None, period: float = 0.2) -> Iterator[RunningProbe]:
    """The probe, started as on a node (by its bootstrap, from its archive), ticking every `period` seconds."""
    command = [sys.executable, "-IBSu", "-c", payload.BOOTSTRAP]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, bufsize=0) as process:
        probe = RunningProbe(process)
        try:
            probe.send(payload.payload() + payload.settings_line(period, 0.05, 1000))
            yield probe
        finally:
            probe.end()
