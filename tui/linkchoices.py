"""What the operator has chosen to see of the links, and the keys and commands that choose it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

import numpy as np
from textual.binding import Binding, BindingType

from tui.base import Desk, hint_line
from tui.commands import Command, one_of
from tui.present.choice import Filter, Rows, Sort
from tui.present.fields import Field
from tui.present.folds import fold_fields
from tui.present.line import Line
from tui.present.links import LINK_FIELDS
from tui.present.rails import Layer, layers
from tui.present.style import Token
from tui.sorted import SortedPage, letters
from tui.tabled import TablePage
from watchfloor.columns import Mask
from watchfloor.fabric import Survey, Surveyor
from watchfloor.folds import Grouping
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject

_WORST = Sort("state")
_OF_NODE = frozenset({"node"})


class Look(StrEnum):
    """What the page shows."""

    FLEET = "fleet"
    NODE = "node"


class LinkChoices(TablePage, SortedPage):
    """The page without its drawing: a subclass draws by what is chosen here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "look", "the whole fleet, or one node"),
        Binding("t", "fold", "links folded, or one by one"),
        Binding("b", "grouping", "fold by node, rack, switch, or kind"),
        Binding("B", "ask('foldby ')", "pick what links are folded by", priority=True),
        Binding("x", "odd", "only what stands out, or everything"),
        Binding("m", "layer", "next layer of the map"),
        Binding("n", "step(1)", "next node"),
        Binding("p", "step(-1)", "previous node"),
        Binding("z", "window", "charts over a minute or half an hour"),
        *letters((*fold_fields(Grouping.NODE), *LINK_FIELDS)),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.look, self.grouping, self.drawn_layer = Look.FLEET, Grouping.NODE, Layer.RAILS
        self.folded, self.only_odd, self.half_hour = True, False, False
        self.sort = _WORST
        self.surveyor = Surveyor()

    def show_look(self) -> None:
        """Show the widgets of this look."""
        raise NotImplementedError

    def rows_shown(self, frame: Frame) -> Rows:
        return Rows.NODES

    def take_filter(self, text: str) -> None:
        """A query of links first: `state`, `kind` and `up` mean theirs. Raises QueryError."""
        self.filter = Filter(text, Scope.LINK) if text.strip() else None

    def matched(self, chosen: Filter, frame: Frame) -> tuple[int, int]:
        mask = chosen.links(frame)
        return int(np.count_nonzero(mask)), len(mask)

    def matching_links(self, survey: Survey) -> Mask | None:
        """Those that the filter lets through."""
        return self.filter.links(survey.frame) if self.filter else None

    def standing_out(self, survey: Survey, matching: Mask | None) -> Mask | None:
        """Of these, those that stand out, where only such are asked for."""
        if not self.only_odd:
            return matching
        odd = survey.rank > 0
        return odd if matching is None else odd & matching

    def node_of(self, frame: Frame) -> int:
        """The node of the selection; the first one where nothing is selected."""
        selected = self.desk.selected
        return frame.node_index.get(selected.node, 0) if selected else 0

    def fields(self) -> Sequence[Field]:
        if self.look is Look.NODE:
            return [field for field in LINK_FIELDS if field.name not in _OF_NODE]
        return fold_fields(self.grouping) if self.folded else LINK_FIELDS

    # -- keys

    def action_look(self) -> None:
        self.look_at(Look.NODE if self.look is Look.FLEET else Look.FLEET)

    def look_at(self, look: Look, link: Subject | None = None) -> None:
        """Show the fleet or the selected node, with the cursor on a link where one is given."""
        self.look, self.sort = look, _WORST
        self.show_look()
        self.table.focus()
        self.redraw()
        if link is not None:
            self.table.select(link)

    def action_fold(self) -> None:
        self.folded, self.sort = not self.folded, _WORST
        self.look_at(Look.FLEET)

    def action_grouping(self) -> None:
        every = list(Grouping)
        self.fold_by(every[(every.index(self.grouping) + 1) % len(every)])

    def fold_by(self, grouping: Grouping) -> None:
        self.grouping, self.folded = grouping, True
        self.look_at(Look.FLEET)

    def action_odd(self) -> None:
        self.only_odd = not self.only_odd
        self.redraw()

    def action_layer(self) -> None:
        frame = self.desk.frame
        offered = layers(self.surveyor.kinds(frame)) if frame is not None else ()
        if offered:
            at = offered.index(self.drawn_layer) if self.drawn_layer in offered else -1
            self.drawn_layer = offered[(at + 1) % len(offered)]
            self.redraw()

    def action_step(self, by: int) -> None:
        frame = self.desk.frame
        if frame is not None and self.look is Look.NODE:
            node = (self.node_of(frame) + by) % frame.nodes.count
            self.desk.selected = Subject(Scope.NODE, frame.specs[node].name)
            self.redraw()

    def action_window(self) -> None:
        self.half_hour = not self.half_hour
        self.redraw()

    @property
    def order(self) -> Sort:
        return self.sort

    def take_order(self, order: Sort) -> None:
        self.sort = order
        self.redraw()

    def go_back(self) -> bool:
        """Esc: the node view first, then the filter, then everything again."""
        if self.look is Look.NODE:
            self.look_at(Look.FLEET)
            return True
        if super().go_back():
            return True
        odd, self.only_odd = self.only_odd, False
        self.redraw()
        return odd

    # -- status and commands

    def facts(self) -> Sequence[Line]:
        frame = self.desk.frame
        if frame is None:
            return ()
        found = [self.filter_fact(frame)]
        if self.look is Look.NODE:
            found.append([("charts: ", Token.DIM), ("half hour" if self.half_hour else "minute", Token.TEXT)])
        else:
            how = ("links by ", self.grouping.value) if self.folded else ("single ", "links")
            found.append([(how[0], Token.DIM), (how[1], Token.TEXT)])
        if self.only_odd:
            found.append([("only what stands out", Token.MATCH)])
        return found

    def hints(self) -> Line:
        if self.look is Look.NODE:
            return hint_line("?", "help", "n/p", "node", "x", "stands out", "z", "charts", "Esc", "fleet", "q", "quit")
        return hint_line("?", "help", "/", "filter", "b", "by", "t", "links", "m", "map", "Enter", "node", "q", "quit")

    def own_commands(self) -> Sequence[Command]:
        return [
            Command("fabric", "the links of the fleet", lambda _: self.desk.go(self.slug, None)),
            Command("foldby", "fold the links of the fabric page", self._command_fold, lambda: list(Grouping), "WHAT"),
        ]

    def _command_fold(self, text: str) -> None:
        """Raises ConfigError."""
        self.grouping = Grouping(one_of(text, list(Grouping), "way to fold"))
        self.folded = True
        self.desk.go(self.slug, None)
