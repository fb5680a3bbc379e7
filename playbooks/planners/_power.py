"""What the planners of power share: boards with their draw and limits, what each had before it was capped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from watchfloor.change import Value
from watchfloor.frame import Frame
from watchfloor.model import Missing, Scope, Subject
from watchfloor.playbook import Did, Wish

ALIKE_WATTS = 2.0  # limits are set in whole watts, and told with rounding


@dataclass(frozen=True, slots=True)
class Board:
    """Watts. `draw` None: not known just now."""

    row: int
    subject: Subject
    limit: float
    lowest: float
    highest: float
    draw: float | None


def boards_of(frame: Frame, targets: Iterable[Subject]) -> list[Board]:
    """The boards that are meant, or that hang on the nodes that are meant; those without limits are left out."""
    rows: dict[int, None] = {}
    for target in targets:
        node = frame.node_index.get(target.node)
        if target.scope is Scope.ACCELERATOR and (row := frame.row(target)) is not None:
            rows[row] = None
        elif target.scope is Scope.NODE and node is not None:
            rows.update(dict.fromkeys(frame.rows_of(Scope.ACCELERATOR, node).tolist()))
    return [board for row in rows if (board := _board(frame, row)) is not None]


def _board(frame: Frame, row: int) -> Board | None:
    limit, lowest, highest, draw = (number(frame, row, f"power{name}") for name in ("_limit", "_min", "_max", ""))
    if limit is None or lowest is None or highest is None:
        return None
    return Board(row, frame.subject(Scope.ACCELERATOR, row), limit, lowest, highest, draw)


def number(frame: Frame, row: int, metric: str) -> float | None:
    """Of an accelerator; None where it isn't known just now."""
    cell = frame.accelerators.cell(row, metric)
    return float(cell.value) if cell.missing is Missing.NO and isinstance(cell.value, int | float) else None


@dataclass(frozen=True, slots=True)
class Capped:
    """A board that watchfloor capped and has not given everything back to. Watts."""

    board: Board
    before: float  # its limit before the first cap
    lowest: float  # the lowest that it was capped to since

    def next(self, steps: int) -> int:
        """The limit after one step of so many back; rounded up, so that the last step gives back all of it."""
        return ceil(min(self.before, self.board.limit + max(1.0, (self.before - self.lowest) / steps)))


def capped(boards: Iterable[Board], done: Sequence[Did]) -> Iterator[Capped]:
    """A board whose limit is no longer what watchfloor set it to last is somebody else's affair."""
    for board in boards:
        before, lowest, last = 0.0, 0.0, 0.0
        for did in done:
            if did.target != board.subject or did.action not in ("set_power_limit", "restore_power_limit"):
                continue
            was, last = (_watts(said) for said in (did.before, did.after))
            if did.action == "set_power_limit":
                before, lowest = (before, min(lowest, last)) if before else (was, last)
            elif last >= before - ALIKE_WATTS:
                before = 0.0
        if before and abs(board.limit - last) <= ALIKE_WATTS and board.limit < before - ALIKE_WATTS:
            yield Capped(board, before, lowest)


def _watts(said: Mapping[str, Value]) -> float:
    found = said.get("power_limit", 0.0)
    return float(found) if isinstance(found, int | float) else 0.0


def cap(board: Board, watts: float, why: str) -> Wish:
    return Wish("set_power_limit", board.subject, {"watts": round(watts)}, why)


def give_back(one: Capped, steps: int, why: str) -> Wish:
    return Wish("restore_power_limit", one.board.subject, {"watts": one.next(steps)}, why)


def share(options: Mapping[str, Value], name: str) -> float:
    """An option in percent, as a share."""
    return float(options[name]) / 100


# -- racks


@dataclass(frozen=True, slots=True)
class Rack:
    """`budget`: watts, the rack's own or that of all of its nodes; only racks that have one."""

    name: str
    nodes: tuple[str, ...]
    budget: float

    def boards(self, frame: Frame) -> list[Board]:
        return boards_of(frame, [Subject(Scope.NODE, node) for node in self.nodes])


def racks_of(frame: Frame, targets: Iterable[Subject]) -> list[Rack]:
    """The racks of these targets, each once. A rack is one of its site."""
    places = {
        (spec.site, spec.rack): None
        for target in targets
        if (node := frame.node_index.get(target.node)) is not None and (spec := frame.specs[node]).rack
    }
    found = (_rack(frame, site, rack) for site, rack in places)
    return [rack for rack in found if rack.budget > 0]


def _rack(frame: Frame, site: str, rack: str) -> Rack:
    members = [spec for spec in frame.specs if (spec.site, spec.rack) == (site, rack)]
    own = next((spec.rack_budget_watts for spec in members if spec.rack_budget_watts is not None), None)
    budgets = [spec.power_budget_watts for spec in members]
    known = own if own is not None else sum(watts or 0.0 for watts in budgets) if all(budgets) else 0.0
    return Rack(rack, tuple(spec.name for spec in members), known)
