"""JSON from elsewhere whose texts move no cursor: what a node or a server says is printed, drawn and logged. Pure."""

from __future__ import annotations

import re

# control characters (C0, DEL, C1), line and paragraph separators, and what turns or joins the text around it
# (bidirectional marks, zero width), as escapes and as bytes; an escaped backslash comes first, for it escapes nothing
_ESCAPES = re.compile(
    rb"\\(?:\\|[bfnrt]|u00(?:[01][0-9a-fA-F]|7[fF]|[89][0-9a-fA-F])"
    rb"|u20(?:0[b-fB-F]|2[89a-eA-E]|6[0-9a-fA-F])|u[fF][eE][fF][fF])"
)
_BYTES = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf")
_BLANKS = frozenset((rb"\n", rb"\r", rb"\t"))


def harmless_words(text: str) -> str:
    """Likewise of a text that is no JSON."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


def harmless(text: bytes) -> bytes:
    """The same JSON with a question mark, or a space, for each character that would act on a terminal."""
    if b"\\" in text:
        text = _ESCAPES.sub(_sign, text)
    return text if text.isascii() and b"\x7f" not in text else _BYTES.sub(b"?", text)


def _sign(found: re.Match[bytes]) -> bytes:
    one = found.group()
    return one if one == rb"\\" else b" " if one in _BLANKS else b"?"
