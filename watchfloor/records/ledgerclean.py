"""What a caller tells, made fit to be kept for ever: without secrets, of bounded size, sayable in canonical JSON. Pure.

A ledger that refuses an entry because of its contents would leave an act unaccounted for. So nothing is refused here:
what is too long is cut and says so, what JSON can't say becomes text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

from watchfloor.records.ledgerjson import canonical, exact
from watchfloor.redact import redact, redact_value, redact_words, suspicious

MOST_BYTES = 1_048_576  # of a body: the plan for some thousand nodes
MOST_WORD = 1_024  # characters
MOST_TEXT = 16_384  # characters of one text in it
_SHOWN = 2_048  # characters of what is longer

_BLANK = "\ue000"  # stands for a blank within a word: of private use, and no blank to any pattern

_SIGNATURE = re.compile(r"-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+\n-----END SSH SIGNATURE-----\n?\Z")


def clean(body: Mapping[str, Any]) -> bytes:
    """A body as it is kept. What is cut says how long it was, and the digest of what it was (secrets apart).

    What was cleaned once stays as it is. So a plan whose digest is to hold for what the ledger keeps is digested as
    `clean` gives it.
    """
    try:
        written = canonical(body)
    except (ValueError, TypeError):
        body = _sayable(body)
        written = canonical(body)
    if suspicious(written.decode()):
        body = {name: _redacted(name, value) for name, value in body.items()}
        written = canonical(body)
    return written if len(written) <= MOST_TEXT else _bounded(canonical(_cut(body)))


def _bounded(whole: bytes) -> bytes:
    if len(whole) <= MOST_BYTES:
        return whole
    digest, excerpt = sha256(whole).hexdigest(), whole[:_SHOWN].decode("utf-8", "ignore")
    return canonical({"cut": {"bytes": len(whole), "sha256": digest, "excerpt": excerpt}})


@lru_cache(maxsize=4_096)  # the same few hosts, nodes, runs and persons, over and over
def clean_word(word: str) -> bytes:
    """A name, a host, a subject, as canonical JSON."""
    return canonical(redact(_utf8(word))[:MOST_WORD])


def _sayable(value: Any) -> Any:  # noqa: PLR0911 - one line a type
    if isinstance(value, str):
        return value if value.isascii() else _utf8(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if exact(value) else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {_utf8(str(name)): _sayable(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_sayable(part) for part in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return _utf8(str(value))


def _utf8(told: str) -> str:
    """Half of a surrogate pair, as file names bring it, has no bytes in UTF-8."""
    return told.encode("utf-8", "replace").decode()


def _redacted(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value if _SIGNATURE.match(value) else redact_value(name, value)
    if isinstance(value, dict):
        return {within: _redacted(within, part) for within, part in value.items()}
    if isinstance(value, list | tuple):
        if value and all(isinstance(part, str) for part in value):
            return _words(value)
        return [_redacted(name, part) for part in value]
    return value


def _words(words: Sequence[str]) -> list[str]:
    """A command's words: what one of them holds, and what one says of the next. A secret may hold blanks."""
    whole = [redact(word).replace(" ", _BLANK) for word in words]
    shown = redact_words(whole).split(" ")
    return [word.replace(_BLANK, " ") for word in shown]


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        if len(value) <= MOST_TEXT:
            return value
        whole = value.encode()
        return f"{value[:_SHOWN]}… (cut: {len(whole)} bytes, sha256 {sha256(whole).hexdigest()})"
    if isinstance(value, dict):
        return {name: _cut(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(part) for part in value]
    return value
