"""The software of the fleet as a table: by layer, each thing with the version that most nodes have, then the others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tui.present.format import Text, meter
from tui.present.itemised import Itemised
from tui.present.line import Line, Piece, fitting, paragraphs, within
from tui.present.rows import Column
from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.compatibility import Clash
from watchfloor.frame import Frame
from watchfloor.hosts import folded
from watchfloor.model import Missing, State
from watchfloor.stack import Thing, Version, titles

_WIDE, _WIDEST = 110, 160
_BAR = 8
_INNER = "  "


def columns_for(room: int, rows: Sequence[Row] = ()) -> Sequence[Column]:
    """As many columns, and as wide, as `room` cells have space for and the rows need."""
    wide = room >= _WIDE
    names = (len(_INNER + title) for title in titles(_things(rows)).values())
    versions = (len(row.version.version) for row in rows if row.version is not None)
    return (
        Column("sign", "", 1, fixed=True),
        Column("name", "SOFTWARE", _between(26, names, room // 4) if wide else _between(16, names, 27), fixed=True),
        Column("version", "VERSION", _between(24, versions, room // 4) if wide else _between(14, versions, 20)),
        Column("count", "NODES", 9, "right"),
        *([Column("share", "SHARE", _BAR)] if wide else []),
        Column("group", "AMONG", 22 if room >= _WIDEST else 16 if wide else 8),
        Column("where", "WHERE", 16 if wide else 6, flexible=True),
    )


def _between(least: int, wanted: Iterable[int], most: int) -> int:
    return max(least, min(max(wanted, default=0), most))


@dataclass(frozen=True, slots=True)
class Row:
    """A layer's title (`thing` is None), or one version of a thing in one group; the majority's row comes first."""

    layer: str
    thing: Thing | None = None
    version: Version | None = None

    @property
    def identity(self) -> Hashable:
        if self.thing is None or self.version is None:
            return self.layer
        thing = self.thing
        return *thing.sort, thing.group, self.version.version, self.version.missing

    @property
    def is_majority(self) -> bool:
        return self.thing is not None and self.version is self.thing.majority


@dataclass(frozen=True, slots=True)
class Trouble:
    """What doesn't go together, by node and by what is involved."""

    by_part: Mapping[tuple[int, str, str], Clash]  # node, name, version
    pairs: int  # different rules that are broken

    @staticmethod
    def of(found: Iterable[tuple[int, Clash]]) -> Trouble:
        clashes = list(found)
        parts = {(node, row.name, row.version): clash for node, clash in clashes for row in clash.rows}
        return Trouble(parts, len({clash.rule.name for _, clash in clashes}))

    def at(self, thing: Thing, version: Version) -> tuple[Clash, list[int]] | None:
        """The worst clash that a version has part in, and on which nodes there are any."""
        if not self.by_part:
            return None
        found = {node: self.by_part.get((node, thing.name, version.version)) for node in version.nodes}
        clashes = {node: clash for node, clash in found.items() if clash is not None}
        return (max(clashes.values(), key=lambda clash: clash.rule.state), list(clashes)) if clashes else None


def rows_of(things: Sequence[Thing], trouble: Trouble, only_different: bool) -> list[Row]:
    """Things in the order of their layers, each layer under its title; groups that agree share a row."""
    found: list[Row] = []
    for thing in _joined(things, trouble):
        if only_different and not (thing.drift or _is_in_trouble(thing, trouble)):
            continue
        if not found or found[-1].layer != thing.layer:
            found.append(Row(thing.layer))
        found += [Row(thing.layer, thing, version) for version in thing.versions]
    return found


def _things(rows: Sequence[Row]) -> Iterable[Thing]:
    return (row.thing for row in rows if row.thing is not None)


def _is_in_trouble(thing: Thing, trouble: Trouble) -> bool:
    return any(trouble.at(thing, version) for version in thing.versions)


def _joined(things: Sequence[Thing], trouble: Trouble) -> list[Thing]:
    """The same things, where those of which all groups have one and the same version are one."""
    found: dict[Hashable, Thing] = {}
    for thing in things:
        plain = len(thing.versions) == 1 and not _is_in_trouble(thing, trouble)
        place: Hashable = (
            (*thing.sort, thing.majority.version, thing.majority.missing) if plain else (*thing.sort, thing.group)
        )
        known = found.get(place)
        found[place] = thing if known is None else _merged(known, thing)
    return list(found.values())


def _merged(one: Thing, other: Thing) -> Thing:
    left, right = one.majority, other.majority
    nodes = tuple(sorted({*left.nodes, *right.nodes}))
    where, users = (tuple(sorted({*a, *b})) for a, b in ((left.where, right.where), (left.users, right.users)))
    version = replace(left, nodes=nodes, where=where, users=users)
    return replace(one, group=f"{one.group}, {other.group}", versions=(version,), nodes=len(nodes))


class StackTable(Itemised[Row]):
    """Implements TableModel."""

    def __init__(
        self, frame: Frame, rows: Sequence[Row], trouble: Trouble, columns: Sequence[Column], glyphs: Glyphs = UNICODE
    ) -> None:
        super().__init__(rows, lambda row: row.identity)
        self.columns = columns
        self._frame, self._trouble, self._glyphs = frame, trouble, glyphs
        self._titles = titles(_things(rows))

    def cells(self, index: int) -> Sequence[Text]:
        row = self._rows[index]
        made = {"name": (row.layer, Token.TITLE)} if row.thing is None else self._made(row, row.thing)
        return [made.get(column.name, ("", Token.DIM)) for column in self.columns]

    def _made(self, row: Row, thing: Thing) -> Mapping[str, Text]:
        """Every cell of a version, by its column."""
        version = row.version or thing.majority
        share = len(version.nodes) / max(1, thing.nodes)
        return {
            "sign": self._sign(row, thing, version),
            "name": (_INNER + self._titles[thing.sort], Token.TEXT)
            if row.is_majority
            else (_INNER + "  also", Token.DIM),
            "version": self._version(row, thing, version),
            "count": _count(row, thing, version),
            "share": (meter(share, _BAR, self._glyphs) if share < 1 else "", Token.ACCENT),
            "group": (thing.group if row.is_majority else "", Token.DIM),
            "where": self._where(row, thing, version),
        }

    def _sign(self, row: Row, thing: Thing, version: Version) -> Text:
        state = self._state(row, thing, version)
        return (self._glyphs.states[state], STATE_TOKENS[state]) if state is not None else ("", Token.DIM)

    def _state(self, row: Row, thing: Thing, version: Version) -> State | None:
        found = self._trouble.at(thing, version)
        if found is not None:
            return found[0].rule.state
        if version.missing is not Missing.NO:
            return State.UNKNOWN
        if thing.drift:
            return None if row.is_majority else State.WARNING
        return State.OK if row.is_majority and len(thing.versions) == 1 else None

    def _version(self, row: Row, thing: Thing, version: Version) -> Text:
        if version.missing is not Missing.NO:
            return version.missing.label, Token.DIM
        odd = thing.drift and not row.is_majority
        return version.version, Token.WARNING if odd else Token.STRONG if row.is_majority else Token.TEXT

    def _where(self, row: Row, thing: Thing, version: Version) -> Text:
        found = self._trouble.at(thing, version)
        if found is not None:
            clash, nodes = found
            words = f"{names(self._frame, nodes)}: {beside(clash, thing.name)}: {clash.rule.why}"
            return words, STATE_TOKENS[clash.rule.state]
        if not row.is_majority or version.missing is not Missing.NO:
            words = f": {version.where[0]}" if version.missing is not Missing.NO and version.where else ""
            return names(self._frame, version.nodes) + words, Token.TEXT if thing.drift else Token.DIM
        return read_from(version), Token.DIM


def names(frame: Frame, nodes: Sequence[int]) -> str:
    return folded(frame.specs[node].name for node in nodes)


def read_from(version: Version) -> str:
    """Whose it is, and where it was read."""
    users = f"{', '.join(version.users)}: " if version.users else ""
    more = f" and {len(version.where) - 1} more" if len(version.where) > 1 else ""
    return f"{users}{version.where[0] if version.where else ''}{more}"


def beside(clash: Clash, name: str) -> str:
    """What else is part of a clash."""
    others = [f"{row.name} {row.version}" for row in clash.rows if row.name != name]
    return f"not with {' and '.join(others)}" if others else "known trouble"


def _count(row: Row, thing: Thing, version: Version) -> Text:
    some = len(version.nodes)
    if not row.is_majority:
        return str(some), Token.WARNING if thing.drift and version.missing is Missing.NO else Token.DIM
    return (f"all {some}", Token.DIM) if some == thing.nodes else (f"{some} of {thing.nodes}", Token.TEXT)


def summary_line(
    frame: Frame, things: Sequence[Thing], trouble: Trouble, silent: Sequence[int], width: int, glyphs: Glyphs
) -> Line:
    """What the table comes to: how much has drifted, what doesn't go together, who says nothing."""
    drifted = sum(thing.drift for thing in things)
    differ = ("thing differs", "things differ")[drifted != 1]
    clash = {0: "versions that are known to clash", 1: "pair of versions doesn't go together"}
    clashing = _tally(
        trouble.pairs, clash.get(trouble.pairs, "pairs of versions don't go together"), State.CRITICAL, glyphs
    )
    unknown = _unknown(f"nothing known of {names(frame, silent)}", glyphs) if silent else []
    few = _unknown(f"{len(silent)} unknown", glyphs) if silent else []
    ought = " where it ought to be equal" if drifted == 1 else " where they ought to be equal"
    variants = [
        [*_tally(drifted, words, State.WARNING, glyphs), *clashing, *last]
        for words, last in ((differ + ought, unknown), (differ, unknown), (differ, few))
    ]
    return fitting([lambda line=line: line for line in variants], width)


def _tally(count: int, words: str, state: State, glyphs: Glyphs) -> list[Piece]:
    shown = state if count else State.OK
    return [
        (f" {glyphs.states[shown]} ", STATE_TOKENS[shown]),
        (str(count or "no"), Token.STRONG if count else Token.DIM),
        (f" {words}  ", Token.DIM),
    ]


def _unknown(words: str, glyphs: Glyphs) -> list[Piece]:
    return [(f" {glyphs.states[State.UNKNOWN]} ", Token.UNKNOWN), (words, Token.DIM)]


def detail_lines(
    frame: Frame, row: Row | None, things: Sequence[Thing], trouble: Trouble, width: int, most: int
) -> Sequence[Line]:
    """The row under the cursor in at most so many lines; of a layer's title what the layer comes to."""
    if row is None:
        return []
    if row.thing is None or row.version is None:
        return [_layer_line(row.layer, [thing for thing in things if thing.layer == row.layer], trouble)]
    thing, version = row.thing, row.version
    shown = version.version or version.missing.label
    head = f"{thing.name} {shown} on {names(frame, version.nodes)}"
    found = trouble.at(thing, version)
    if found is None:
        lines = paragraphs(f"{head}; {read_from(version)}", width - 2)
    else:
        clash, nodes = found
        rule = clash.rule
        told = f"{names(frame, nodes)} has {clash.text}. What to do: {rule.advice}. Source: {rule.source}"
        lines = paragraphs(told, width - 2)
    return within([[(f" {line}", Token.DIM if found is None else Token.TEXT)] for line in lines], most, width)


def _layer_line(layer: str, things: Sequence[Thing], trouble: Trouble) -> Line:
    nodes = {node for thing in things for version in thing.versions for node in version.nodes}
    here = _many(len({thing.name for thing in things}), "thing")
    line: list[Piece] = [
        (f" {layer} ", Token.STRONG),
        (f"{here} on {_many(len(nodes), 'node')}", Token.DIM),
    ]
    drifted = sum(thing.drift for thing in things)
    clashing = sum(_is_in_trouble(thing, trouble) for thing in things)
    differ = "differs where it ought" if drifted == 1 else "differ where they ought"
    clash = "doesn't" if clashing == 1 else "don't"
    line += [(f"  {drifted} {differ} to be equal", Token.WARNING)] if drifted else []
    return [*line, *([(f"  {clashing} {clash} go with others", Token.CRITICAL)] if clashing else [])]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def query_of(frame: Frame, nodes: Sequence[int]) -> str:
    """A filter that lets these nodes through."""
    names = (f'"{frame.specs[node].name}"' for node in nodes)
    return f"node in ({', '.join(names)})"
