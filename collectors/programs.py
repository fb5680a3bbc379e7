"""The programs that are started on nodes to read them, and how the bytes of each become lines of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from collectors import payload
from collectors.stream import Budget, ErrorTail, LineStream
from watchfloor.errors import StreamError
from watchfloor.model import Problem
from watchfloor.report import Hello, Line, decode

if TYPE_CHECKING:
    from collectors.smi_loop import SmiLoopReader

_OURS = b'{"t"'  # with which the probe's lines begin
_NOISE_BYTES = 16 * 1024  # what a login shell may print before the probe speaks


class Reader(Protocol):
    """Bytes to lines of the protocol."""

    def feed(self, chunk: bytes, now: float) -> list[Line]:
        """Raises StreamError."""
        ...

    def unfinished(self) -> bool:
        """Whether a line has begun and not ended."""
        ...

    def noise(self) -> str:
        """Words that came in place of what can be read: the last line before the probe spoke, or what nvidia-smi wrote
        instead of rows; "" where there are none.
        """
        ...


class ProbeReader:
    """The probe's JSON lines. What a login shell prints before the first of them is skipped, up to a bound."""

    def __init__(self) -> None:
        self._stream = LineStream()
        self._noise = ErrorTail()
        self._noise_bytes = 0
        self._greeted = False

    def feed(self, chunk: bytes, now: float) -> list[Line]:
        lines = self._stream.feed(chunk, now)
        if not self._greeted:
            lines = self._without_noise(lines)
        return [decode(line) for line in lines]

    def _without_noise(self, lines: list[bytes]) -> list[bytes]:
        for index, line in enumerate(lines):
            begin = line.find(_OURS)
            if begin >= 0:  # it may stand behind a banner that doesn't end its line
                self._greeted = True
                return [line[begin:], *lines[index + 1 :]]
            self._noise.feed(line + b"\n")
            self._noise_bytes += len(line) + 1
        if self._noise_bytes > _NOISE_BYTES:
            raise StreamError(
                Problem.GARBAGE,
                f"something prints {self._noise_bytes} bytes before the probe speaks: {self.noise()[:60]!r}",
                "the login shell's start-up files on the node (~/.bashrc) must be quiet for `ssh HOST command`",
            )
        return []

    def unfinished(self) -> bool:
        return self._stream.unfinished > 0 and (self._greeted or _OURS in self._stream.rest)

    def noise(self) -> str:
        if self._greeted:
            return ""
        tail = ErrorTail()
        tail.feed(b"" if self.unfinished() else self._stream.rest)
        return tail.last_line or self._noise.last_line


class SmiReader:
    """The tables of the nvidia-smi loop, within the same budget as the probe's lines."""

    def __init__(self, reader: SmiLoopReader) -> None:
        self._budget = Budget()
        self._reader = reader
        self._greeted = False

    def feed(self, chunk: bytes, now: float) -> list[Line]:
        self._budget.charge(len(chunk), now)
        lines: list[Line] = [*self._reader.feed(chunk)]
        if not self._greeted:  # what a login shell prints before that means nothing
            while lines and not isinstance(lines[0], Hello):
                lines.pop(0)
            self._greeted = bool(lines)
        return lines

    def unfinished(self) -> bool:
        return False  # rows are small: a torn one is not worth a word

    def noise(self) -> str:
        return self._reader.said  # what a login shell prints the probe has told, which is started first


@dataclass(frozen=True, slots=True)
class Program:
    """What is started on a node, and how its output is read."""

    via: str  # as the node's status names it
    command: str
    reader: Callable[[], Reader]
    listens: bool  # takes the archive, settings and pings on its standard input


PROBE = Program("probe", payload.COMMAND, ProbeReader, listens=True)


def smi_loop() -> Program:
    """What runs where python3 is missing."""
    from collectors import smi_loop as loop  # noqa: PLC0415 (few fleets need it)

    return Program("nvidia-smi loop", loop.COMMAND, lambda: SmiReader(loop.SmiLoopReader()), listens=False)
