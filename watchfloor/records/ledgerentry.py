"""An entry of the ledger: what is told, and how it stands in the file. Frozen, pure.

    {"entry":{"body":{…},"host":"c1","kind":"applied","plan":"…","run":"…","subjects":["node:n2"],
              "time":"2026-11-28T18:45:38.123456789Z","who":{"kind":"person","name":"anna"}},
     "number":7,"prev":"…"}

on one line, in canonical JSON (RFC 8785). `prev` is the hash of the entry before, as RFC 6962 hashes a leaf; the first
has 64 zeros. Number and `prev` are known only when it is written, so they stand last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from watchfloor.records.ledgerclean import clean, clean_word
from watchfloor.records.ledgerwords import BODIES, Body

MOST_SUBJECTS = 4_096  # of one entry
FIRST_PREV = "0" * 64


class Party(StrEnum):
    PERSON = "person"
    SERVICE = "service"
    AGENT = "agent"


class Who(msgspec.Struct, frozen=True, omit_defaults=True):
    """`name`: the account of the operating system, a service's name, an agent's client."""

    kind: Party
    name: str
    fingerprint: str = ""  # of the SSH key, as in SHA256:…
    model: str = ""  # of an agent
    on_behalf_of: str = ""
    prompt: str = ""  # digest of what an agent was asked


class Note(msgspec.Struct, frozen=True):
    """What is to be kept. `subjects`: as `node`, `accelerator`, `job` and `person` name them."""

    who: Who
    body: Body
    subjects: tuple[str, ...] = ()
    run: str = ""
    plan: str = ""  # digest


class Entry(msgspec.Struct, frozen=True):
    """What is kept."""

    number: int
    digest: str  # of its bytes, as a leaf of the tree
    prev: str
    time: str  # RFC 3339, UTC, to the nanosecond
    host: str
    kind: str  # one of `Kind`, unless a newer watchfloor wrote it
    who: Who
    body: Mapping[str, Any]
    subjects: tuple[str, ...] = ()
    run: str = ""
    plan: str = ""

    @property
    def seconds(self) -> float:
        """Its time, since the epoch."""
        return seconds_of(self.time)

    def told(self) -> Body | None:
        """Its body as the struct of its kind; None where it was cut, or is of a newer watchfloor."""
        try:
            return msgspec.convert(self.body, BODIES[self.kind])
        except (KeyError, msgspec.ValidationError):
            return None


def node(name: str) -> str:
    return f"node:{name}"


def accelerator(on: str, key: str) -> str:
    return f"accelerator:{on}/{key}"


def job(source: str, key: str) -> str:
    return f"job:{source}:{key}"


def person(name: str) -> str:
    return f"person:{name}"


# -- as bytes


def told(note: Note, time_ns: int, host: str) -> bytes:
    """What the entry will hold apart from its place: without secrets, bounded, canonical."""
    parts = [b'{"body":', clean(_plain(note.body)), b',"host":', clean_word(host)]
    parts += b',"kind":', clean_word(note.body.kind)
    if note.plan:
        parts += b',"plan":', clean_word(note.plan)
    if note.run:
        parts += b',"run":', clean_word(note.run)
    if note.subjects:
        parts += b',"subjects":[', b",".join(map(clean_word, _bounded(note.subjects))), b"]"
    parts += b',"time":"', time_of(time_ns).encode(), b'","who":', _who(note.who), b"}"
    return b"".join(parts)


def _bounded(subjects: tuple[str, ...]) -> tuple[str, ...]:
    over = len(subjects) - MOST_SUBJECTS
    return (*subjects[:MOST_SUBJECTS], f"more:{over}") if over > 0 else subjects


def _plain(body: Body) -> dict[str, Any]:
    return msgspec.to_builtins(body, builtin_types=(bytes,), str_keys=True, enc_hook=str)


@lru_cache(maxsize=256)
def _who(who: Who) -> bytes:
    words = sorted(msgspec.to_builtins(who).items())
    return b"{" + b",".join(clean_word(name) + b":" + clean_word(word) for name, word in words) + b"}"


def placed(told_bytes: bytes, number: int, prev: str) -> bytes:
    """The entry as it is kept and hashed."""
    return b'{"entry":%b%b' % (told_bytes, place(number, prev))


def place(number: int, prev: str) -> bytes:
    """How the bytes of an entry at this place end."""
    return b',"number":%d,"prev":"%b"}' % (number, prev.encode())


def read(kept: bytes, digest: str) -> Entry:
    """Raises ValueError where the bytes are no entry."""
    try:
        whole = json.loads(kept)
        entry = {**whole.pop("entry"), **whole, "digest": digest}
        return msgspec.convert(entry, Entry)
    except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from error


def subjects_of(told_of: Sequence[str], kind: str) -> list[str]:
    """The names of the subjects of one kind."""
    return [name for each in told_of for word, _, name in (each.partition(":"),) if word == kind]


def time_of(ns: int) -> str:
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{fraction:09d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def seconds_of(time: str) -> float:
    """Raises ValueError."""
    whole, _, fraction = time.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction or 0}")
