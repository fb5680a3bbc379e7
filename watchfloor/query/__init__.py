"""The one query language: for the filter bar, triggers, `--where`, saved views. See docs/query.md.

    parse(text) -> Query          Query.mask(frame): the rows of frame.view(query.scope) where it is known to be true
    Watch(query).update(frame)    the same over successive frames, so that `for 2m` is known of every metric
    fields, complete              names and completions for people who type

Must not do: I/O, drawing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from watchfloor.errors import QueryError
from watchfloor.frame import Frame
from watchfloor.model import Scope
from watchfloor.query import grammar, tree
from watchfloor.query.bind import Binder, first_fitting
from watchfloor.query.complete import complete
from watchfloor.query.evaluate import Condition, Mask, Rows
from watchfloor.query.lasting import Lasts, Streaks
from watchfloor.query.names import SCOPES, fields, resolve

__all__ = ["Query", "Watch", "complete", "fields", "parse"]

_PREFIX = re.compile(rf"\s*({'|'.join(SCOPES)})\s*:(?!=)")
_BARE = re.compile(r"[^\s<>=!~()'\"+*&,%|]+")  # one word, of any characters that no operator needs
LONGEST_TEXT = 4000
_INFERRED = (Scope.ACCELERATOR, Scope.LINK, Scope.SERVICE, Scope.NODE, Scope.JOB)


@dataclass(frozen=True)
class Query:
    """A query that makes sense, ready to be asked of any frame. Not to be shared between threads."""

    text: str
    scope: Scope
    tree: tree.Tree
    condition: Condition = field(compare=False, repr=False)
    lasts: tuple[Lasts, ...] = field(compare=False, repr=False)

    @property
    def lasting(self) -> bool:
        """Whether it uses `for`: then a Watch knows more than a single frame does."""
        return bool(self.lasts)

    @property
    def words(self) -> frozenset[str]:
        """The names in it as written: of metrics, and of what stands for a text."""
        return frozenset(tree.words(self.tree))

    @property
    def searching(self) -> bool:
        """Whether it is a bare text: then it may as well be asked in another scope."""
        return isinstance(self.tree, tree.Text)

    def mask(self, frame: Frame) -> Mask:
        """The rows where it is known to be true. What lasts is asked of the frame's history, so far as that goes."""
        return self.condition.true(Rows(frame, self.scope))

    def __str__(self) -> str:
        """The query in full: scope named, brackets everywhere."""
        return f"{self.scope.value}: {self.tree}"


class Watch:
    """A query asked of one frame after the other. Frames must come in the order of their time, of one fleet."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self._streaks = Streaks(query.lasts)

    def update(self, frame: Frame) -> Mask:
        """The rows of this frame where the query is known to be true."""
        rows = Rows(frame, self.query.scope, self._streaks)
        self._streaks.see(rows)
        return self.query.condition.true(rows)


def parse(text: str, scope: Scope | None = None) -> Query:
    """A query over `scope`, or over the one that its prefix names ("node: …"), or the first of accelerator, link,
    service, node and job that knows its names. Raises QueryError, with the column within `text`.
    """
    if len(text) > LONGEST_TEXT:
        raise QueryError(f"a query of {len(text):,} characters", f"at most {LONGEST_TEXT:,}", query=text, column=1)
    prefix = _PREFIX.match(text)
    named = SCOPES[prefix[1]] if prefix else None
    if scope and named and scope is not named:
        raise QueryError(
            f"this is asked of {scope.value}s, not of {named.value}s", "leave out the prefix", query=text, column=1
        )
    wanted = scope or named
    scopes = (wanted,) if wanted else _INFERRED
    body = " " * prefix.end() + text[prefix.end() :] if prefix else text
    if not body.strip():
        raise QueryError("an empty query", "try util < 5", query=text, column=len(text) + 1)
    try:
        return _searching(text, body.strip(), scopes) or first_fitting(scopes, lambda at: _bound(text, body, at))
    except QueryError as error:
        error.query = text
        raise


def _searching(text: str, word: str, scopes: Sequence[Scope]) -> Query | None:
    """A word that is no metric of any scope is looked for in names; None where the text is something else."""
    if not _BARE.fullmatch(word) or any(resolve(word, scope) for scope in scopes):
        return None
    return Query(text, scopes[0], tree.Text(word), Binder(scopes[0], []).search(word), ())


def _bound(text: str, body: str, scope: Scope) -> Query:
    lasts: list[Lasts] = []
    found = grammar.read(body)
    return Query(text, scope, found, Binder(scope, lasts).condition(found), tuple(lasts))
