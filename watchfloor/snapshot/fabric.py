"""The links of a frame as JSON-ready data and as text: what the fabric page shows, folded, and each node's matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from watchfloor.columns import Floats, Mask
from watchfloor.distinct import distinct
from watchfloor.fabric import Oddity, Surveyor, counts_errors
from watchfloor.folds import Folder, Grouping, fold
from watchfloor.frame import Frame
from watchfloor.model import Scope, State
from watchfloor.snapshot.selection import reasons_not_read, unread
from watchfloor.snapshot.words import scaled
from watchfloor.topology import Topology

FORMAT = "watchfloor.links/1"
_NAMED = 4  # links of a fold that stand out are named, the worst first, up to so many

Json = dict[str, object]


class FabricReport:
    """What one frame tells of its links. `passed` leaves links out; `only_odd` leaves only what stands out."""

    def __init__(
        self, frame: Frame, grouping: Grouping, passed: Mask | None = None, only_odd: bool = False, matrix: bool = False
    ) -> None:
        self._frame, self._grouping, self._matrix = frame, grouping, matrix
        self._survey = Surveyor().survey(frame)
        of_lost = passed
        if only_odd:
            odd = self._survey.rank > 0
            passed = odd if passed is None else odd & passed
        self._passed = passed
        self._folds = fold(self._survey, Folder().groups(self._survey, grouping), passed, of_lost)
        shown = np.flatnonzero(self._folds.links)
        self._shown = shown[np.argsort(-self._folds.rank[shown].astype(np.int16), kind="stable")].tolist()

    def document(self) -> Json:
        """Rates in B/s, shares in percent, errors a minute; null where nothing is known."""
        found: Json = {
            "format": FORMAT,
            "at": self._frame.at,
            "by": self._grouping.value,
            "folds": [self._fold(group) for group in self._shown],
            "not_read": reasons_not_read(self._frame),
        }
        if self._matrix:
            found["topologies"] = [self._topology(node) for node in self._nodes()]
        return found

    def _fold(self, group: int) -> Json:
        folds = self._folds
        counts = {
            name: int(getattr(folds, name)[group]) for name in ("links", "up", "down", "unused", "slow", "uneven")
        }
        return {
            **self._place(group),
            "kind": folds.groups.kind_name(group),
            "state": State(int(folds.states[group])).label,
            **counts,
            "behind_peers": bool(folds.behind_peers[group]),
            **{name: _known(getattr(folds, name), group) for name in ("rx", "tx", "usage")},
            "errors": self._errors(group),
            "stands_out": [self._link(row) for row in self._odd(group)],
        }

    def _errors(self, group: int) -> float | None:
        """A minute; None where none of the links counts any."""
        errors = float(self._folds.errors[group])
        return errors if errors or counts_errors(self._frame, self._folds.first(group)) else None

    def _place(self, group: int) -> Mapping[str, str | None]:
        if self._grouping is Grouping.KIND:
            return {}
        return {self._grouping.value: self._folds.groups.place_name(self._frame, group) or None}

    def _odd(self, group: int) -> Sequence[int]:
        """Rows of the fold that stand out or have findings, the worst first."""
        rank = self._survey.rank
        mask = (self._folds.groups.of_row == group) & (rank > 0)
        rows = np.flatnonzero(mask if self._passed is None else mask & self._passed)
        return rows[np.argsort(-rank[rows].astype(np.int16), kind="stable")].tolist()

    def _link(self, row: int) -> Json:
        links, survey = self._frame.links, self._survey
        return {
            "node": self._frame.specs[int(links.node[row])].name,
            "key": links.keys[row],
            "name": self._name(row),
            "is": Oddity(int(survey.oddity[row])).label or None,
            "state": State(int(links.states[row])).label,
            "peer": links.text(row, "peer") or None,
            "switch": links.text(row, "switch") or None,
            **{name: _known(getattr(survey, name), row) for name in ("rx", "tx", "usage")},
            "errors": float(survey.errors[row]) if counts_errors(self._frame, row) else None,
        }

    def _name(self, row: int) -> str:
        return self._frame.links.text(row, "name") or self._frame.links.keys[row]

    def _nodes(self) -> Iterator[int]:
        """Those with accelerators and a link that is shown."""
        of = self._frame.links.node if self._passed is None else self._frame.links.node[self._passed]
        for node in distinct(of).tolist():
            if self._frame.rows_of(Scope.ACCELERATOR, node).size:
                yield node

    def _topology(self, node: int) -> Json:
        topology = Topology(self._frame, node)
        return {
            "node": self._frame.specs[node].name,
            "accelerators": [board.name for board in topology.boards],
            "ports": [port.name for port in topology.ports],
            "pairs": [[pair.word for pair in row] for row in topology.pairs],
        }

    def text(self) -> str:
        head = [] if self._grouping is Grouping.KIND else [self._grouping.value.upper()]
        titles = [*head, "KIND", "STATE", "UP", "IN", "OUT", "MAX%", "ERR/m", "STANDS OUT"]
        lines = _aligned([titles, *(self._line(group) for group in self._shown)], len(head) + 2)
        if not self._shown:
            lines = ["nothing stands out" if self._passed is not None else "no link is known"]
        for node in self._nodes() if self._matrix else ():
            lines += ["", *self._matrix_lines(Topology(self._frame, node), self._frame.specs[node].name)]
        silent = unread(self._frame)
        return "\n".join([*lines, "", *silent] if silent else lines)

    def _line(self, group: int) -> Sequence[str]:
        folds = self._folds
        place = [folds.groups.place_word(self._frame, group) for _ in self._place(group)]
        used = int(folds.links[group] - folds.unused[group])
        up = f"{folds.up[group]}" if folds.up[group] or folds.down[group] or not used else "?"
        rates = [_rate(_known(values, group)) for values in (folds.rx, folds.tx)]
        usage, errors = _known(folds.usage, group), self._errors(group)
        return [
            *place, folds.groups.kind_name(group), State(int(folds.states[group])).label, f"{up}/{used}", *rates,
            "-" if usage is None else f"{usage:.0f}", _per_minute(errors),
            self._words(group),
        ]  # fmt: skip

    def _words(self, group: int) -> str:
        """`down mlx5_5/1, uneven mlx5_3/1 and 2 more`."""
        rows, alone = self._odd(group), self._grouping is Grouping.NODE
        found = [f"down {words}" for words in self._folds.absent_words(group)]
        for row in rows[:_NAMED]:
            node = "" if alone else f"{self._frame.specs[int(self._frame.links.node[row])].name} "
            word = Oddity(int(self._survey.oddity[row])).label or State(int(self._frame.links.states[row])).label
            found.append(f"{word} {node}{self._name(row)}")
        if self._folds.behind_peers[group]:
            found.append("behind the other nodes of its job")
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        return ", ".join(found) + more

    @staticmethod
    def _matrix_lines(topology: Topology, node: str) -> Sequence[str]:
        head = [node, *(other.name for other in topology.others)]
        rows = zip(topology.boards, topology.pairs, strict=True)
        return _aligned(
            [head, *([board.name, *(pair.word for pair in row)] for board, row in rows)], 1, last_left=False
        )


def _known(values: Floats, at: int) -> float | None:
    value = float(values[at])
    return value if value == value else None


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{scaled(value, 1000, 'kMGTPE')}B/s"


def _per_minute(errors: float | None) -> str:
    """Few errors are not none."""
    if errors is None:
        return "-"
    return "<1" if 0 < errors < 1 else f"{errors:.0f}"


def _aligned(rows: Sequence[Sequence[str]], texts: int, last_left: bool = True) -> list[str]:
    """Columns of one width each: the first `texts` and, where it is one, the last are words, the others numbers."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    left = {*range(texts), *([len(widths) - 1] if last_left else [])}
    return [
        "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
