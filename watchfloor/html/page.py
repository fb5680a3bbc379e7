"""A page: its title, what it is about in short, sections with a table of contents. Pure.

A content security policy in the page itself forbids scripts and everything from elsewhere, whatever got into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from watchfloor.html.markup import Html, escape, joined, tag

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Section:
    """`body`: markup; a text is escaped."""

    heading: str
    body: str


def page(title: str, sections: Sequence[Section], lead: str = "") -> str:
    """The whole file. `lead`: what stands under the title, markup or a text."""
    head = joined(
        (
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'),
            tag("title", title),
            Html(f"<style>{_style()}</style>"),
        )
    )
    contents = tag("nav", *(tag("a", each.heading, href=f"#s{at}") for at, each in enumerate(sections, 1)))
    body = [
        tag("section", tag("h2", each.heading), escape(each.body), id=f"s{at}") for at, each in enumerate(sections, 1)
    ]
    top = tag("header", tag("h1", title), tag("div", lead, class_="lead") if lead else "")
    main = tag("main", top, contents if len(sections) > 1 else "", *body)
    return f"<!DOCTYPE html>\n{tag('html', tag('head', head), tag('body', main), lang='en')}\n"


@cache
def _style() -> str:
    return Path(__file__).with_name("page.css").read_text("utf-8")
