"""Markup that can't be broken by what it holds: every text is escaped, unless it is markup already. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape as _escape

Attribute = str | float | None


class Html(str):
    """Markup. Whatever is no `Html` is a text, and is escaped where it is put into one."""

    __slots__ = ()


def escape(text: str) -> Html:
    """A text as markup. What could turn round or hide the text beside it (control characters, changes of the direction
    of writing) is a dot."""
    if isinstance(text, Html):
        return text
    shown = (character if character.isprintable() or character in "\n\t" else "·" for character in text)
    return Html(_escape("".join(shown)))


def tag(name: str, *inside: str, **attributes: Attribute) -> Html:
    """An element. An attribute that is None isn't there; `class_` is class, `stroke_width` is stroke-width."""
    told = "".join(
        f' {word.rstrip("_").replace("_", "-")}="{escape(number(value))}"'
        for word, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{told}>{joined(inside)}</{name}>")


def joined(parts: Iterable[str]) -> Html:
    return Html("".join(escape(part) for part in parts))


def number(value: str | float) -> str:
    """A number of an attribute, in few digits."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def paragraph(*inside: str) -> Html:
    return tag("p", *inside)


def preformatted(text: str) -> Html:
    """A text whose lines and blanks stay."""
    return tag("pre", text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[int] = ()) -> Html:
    """`numbers`: the places of columns that are set to the right."""
    head = tag("tr", *(_cell("th", place in numbers, text) for place, text in enumerate(header)))
    body = [tag("tr", *(_cell("td", place in numbers, text) for place, text in enumerate(row))) for row in rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="wide")


def _cell(name: str, is_number: bool, text: str) -> Html:
    return tag(name, text, class_="number" if is_number else None)


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """What something is, word by word."""
    return tag("dl", *(joined((tag("dt", word), tag("dd", value))) for word, value in pairs), class_="facts")


def listed(items: Iterable[str]) -> Html:
    return tag("ul", *(tag("li", item) for item in items))
