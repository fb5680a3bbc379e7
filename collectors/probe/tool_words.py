"""Words that vendors' tools print, as values. Compiled only where such a tool is asked."""

from .cells import FAILED_CODE, UNSUPPORTED, Missing

CUT_OFF = Missing(FAILED_CODE, "its row was cut off")


def text(word: str, absent: "tuple[str, ...]") -> "str | Missing":
    """`absent`: what the tool writes, in upper case, where it has nothing to tell."""
    return UNSUPPORTED if word.strip().upper() in absent else word.strip()


def number(word: str, absent: "tuple[str, ...]") -> "float | Missing":
    """Of "103", "131072 MiB", "29 C", "N/A"; words that are none of these are the reason."""
    if word.strip().upper() in absent:
        return UNSUPPORTED
    try:
        value = float(word.split(maxsplit=1)[0])
        return int(value) if value == int(value) else value
    except (ValueError, IndexError, OverflowError):
        return Missing(UNSUPPORTED.code, word)


def whole(heads: "list[str]", row: "list[str]") -> "dict[str, str]":
    """Column -> word of a row of CSV: before the cut, of one that was cut off; none of one that has too many."""
    if len(row) > len(heads):
        return {}
    return dict(zip(heads, row if len(row) == len(heads) else row[:-1]))
