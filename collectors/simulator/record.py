"""What was done to a demo's nodes and to its Slurm: a file to which every process of the demo adds, and which all read.

So a command that one process carries out shows in what the probe of another one reads next.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

FILE = "done.jsonl"
SLURM = -1  # in place of a node


class Kind(StrEnum):
    """What an entry is of; behind each what `what` and `value` are."""

    POWER_LIMIT = "power-limit"  # board, watts
    CLOCK = "clock"  # board, MHz at the most; "" where it goes free
    PERSISTENCE = "persistence"  # board, 1 or 0
    RESET = "reset"  # board
    LET_GO = "let-go"  # what monitors are asked by, as the link says it
    RESTART = "restart"  # service
    KILL = "kill"  # pid
    FILE = "file"  # path, text
    REBOOT = "reboot"
    DRAIN = "drain"  # node's name, reason
    RESUME = "resume"  # node's name
    COMMENT = "comment"  # node's name, text
    REQUEUE = "requeue"  # job
    HOLD = "hold"  # job
    RELEASE = "release"  # job
    CANCEL = "cancel"  # job
    SKIP = "skip"  # seconds: the demo's time goes on by so much at once


@dataclass(frozen=True, slots=True)
class Done:
    """`at`: seconds since the start of the demo. `node`: its index."""

    at: float
    kind: Kind
    node: int = SLURM
    what: str = ""
    value: str = ""


class Record:
    """`done` grows at its end. Without a file it is this process's alone."""

    def __init__(self, file: Path | None = None) -> None:
        self.done: list[Done] = []
        self.skipped = 0.0
        self._file = file
        self._read = 0

    def elapsed(self, now: float, began_at: float) -> float:
        """Seconds since the start of the demo, with what was skipped; takes up what others have added."""
        self.look()
        return now - began_at + self.skipped

    def look(self) -> None:
        """Take up what others have added."""
        if self._file is None:
            return
        try:
            size = self._file.stat().st_size
        except FileNotFoundError:
            return
        if size <= self._read:
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self._take(Done(**json.loads(line)))

    def add(self, one: Done) -> None:
        if self._file is None:
            self._take(one)
            return
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, json.dumps(asdict(one)).encode() + b"\n")  # one write: lines of others don't mix in
        finally:
            os.close(descriptor)
        self.look()

    def _take(self, one: Done) -> None:
        if one.kind == Kind.SKIP:
            self.skipped += float(one.value)
        self.done.append(one)
