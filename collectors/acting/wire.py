"""The lines between console and hands, typed. What they mean stands at the top of `collectors/hands/main.py`. Pure."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from watchfloor.errors import StreamError
from watchfloor.model import Problem

VERSION = 1
LONGEST_LINE = 8 * 2**20  # that the node takes


class Greeting(msgspec.Struct, tag_field="t", tag="hands", frozen=True):
    version: int
    boot: str
    monotonic: float  # the node's, when it said so
    host: str = ""
    user: str = ""


class Ended(msgspec.Struct, tag_field="t", tag="done", frozen=True):
    """`exit` None: nobody knows how it ended; `note` says why."""

    id: int
    exit: int | None
    out: str
    err: str
    seconds: float
    note: str = ""


class Refused(msgspec.Struct, tag_field="t", tag="refused", frozen=True):
    """Surely nothing was begun. `status`: what a shell would have said, 0 where it was not about the program."""

    id: int
    text: str
    transient: bool = False
    status: int = 0


class Unheard(msgspec.Struct, tag_field="t", tag="unheard", frozen=True):
    id: int


class Noted(msgspec.Struct, tag_field="t", tag="ok", frozen=True):
    id: int


class Fault(msgspec.Struct, tag_field="t", tag="fault", frozen=True):
    text: str


Answer = Ended | Refused | Unheard | Noted
_decoder = msgspec.json.Decoder(Greeting | Ended | Refused | Unheard | Noted | Fault)


def decode(line: bytes) -> Greeting | Answer | Fault:
    """Raises StreamError (GARBAGE)."""
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise StreamError(Problem.GARBAGE, f"not a line of the hands: {line[:60]!r} ({error})") from error


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
