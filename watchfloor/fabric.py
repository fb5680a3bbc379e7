"""The fabric: what is the matter with each link, beside what the checks find. Pure: arrays over a frame's link rows.

A link is *down* where it doesn't carry traffic and ought to, and where its board is lost; *unused* where nobody ever
saw it up, or somebody switched it off. It is *slow* where its line speed or width is below the best of both ends; a
board's PCIe link only under load, for boards step down when they rest. It is *uneven* where one direction carries
less than half of the other, or the whole link less than half (by share of line speed) of what its sisters carry on
average: ports of the scale-out fabric of one node, or NVLinks of one accelerator. Below 5 % of line speed nothing is
uneven. Ethernet and PCIe are never uneven: loading data goes one way. What is uneven may well be meant to be; it is
shown, and no finding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from watchfloor.blocks import by_blocks
from watchfloor.columns import Floats, Mask
from watchfloor.counters import COUNTERS
from watchfloor.derived import DERIVED
from watchfloor.frame import Frame, View
from watchfloor.lost import lost_boards
from watchfloor.model import Missing, Scope, State

Rows = NDArray[np.intp]

SCALE_UP = frozenset({"nvlink", "xgmi", "ici", "neuronlink", "gaudi", "xelink"})
SCALE_OUT = frozenset({"infiniband", "roce"})
# how kinds are shown beside one another: what most fabrics suffer from first
_ORDER = ("infiniband", "roce", "nvlink", "xgmi", "ici", "neuronlink", "gaudi", "xelink", "ethernet", "pcie")
CONGESTION = frozenset({"roce.cnp", "roce.slow_restart"})  # counted like errors, and no sign of a bad link
ERRORS = tuple(name for name in COUNTERS[Scope.LINK] if name not in CONGESTION)

UNEVEN_SHARE = 0.5  # of the other direction, of its sisters
UNEVEN_FROM = 5.0  # percent of line speed: below it traffic comes and goes as it likes
LEAST_SISTERS = 2
FULL_SPEED = 0.97  # of the best: sources round line speeds differently
LOADED_UTIL = 50.0  # percent: from here on a board's PCIe link ought to have its best generation
_ERROR_SECONDS = 60.0
_ERRORS_EVERY = 5.0  # seconds: counters are asked no oftener, a minute's errors don't change faster


class Oddity(IntEnum):
    """What stands out, the worst last."""

    NONE = 0
    UNEVEN = 1
    SLOW = 2
    DOWN = 3

    @property
    def label(self) -> str:
        return self.name.lower() if self else ""


@dataclass(frozen=True, eq=False)
class Kinds:
    """The kinds of links that there are; `of_row` is each row's place among `names`."""

    names: tuple[str, ...]
    of_row: NDArray[np.int8]

    @cached_property
    def even(self) -> Mask:
        """Links that ought to carry as much in one direction as in the other."""
        return self.among(SCALE_UP | SCALE_OUT)

    @cached_property
    def pcie(self) -> Mask:
        return self.among({"pcie"})

    def among(self, wanted: Collection[str]) -> Mask:
        return np.array([name in wanted for name in self.names], np.bool_)[self.of_row]


@dataclass(frozen=True, eq=False)
class Survey:
    """Every link of one frame; arrays by row of `frame.links`. Rates in B/s, shares in percent, NaN where unknown."""

    frame: Frame
    kinds: Kinds
    rx: Floats
    tx: Floats
    usage: Floats  # of the busier direction; of both together where these aren't told apart
    up: Mask
    down: Mask
    unused: Mask
    slow: Mask
    one_way: Mask  # uneven: one direction against the other
    sisters_usage: Mapping[int, float]  # of each row that is uneven against its sisters: their mean
    errors: Floats  # a minute, over the last minute
    absent: Mapping[int, Rows]  # lost boards that tell no scale-up links, and rows of links as they ought to have

    @cached_property
    def uneven(self) -> Mask:
        found = self.one_way.copy()
        found[list(self.sisters_usage)] = True
        return found

    @cached_property
    def oddity(self) -> NDArray[np.int8]:
        """Oddity of each row."""
        found = self.uneven.astype(np.int8) * np.int8(Oddity.UNEVEN)
        found[self.slow] = Oddity.SLOW
        found[self.down] = Oddity.DOWN
        return found

    @cached_property
    def rank(self) -> NDArray[np.int8]:
        """What to look at first, the worst largest: findings before oddities, down before slow before uneven.

        A link of which nothing is known any more is no worse than one that is well.
        """
        states = self.frame.links.states
        told = np.where(states > State.UNKNOWN, states, np.int8(0))
        return told * np.int8(10) + self.oddity


class Surveyor:
    """Makes surveys of frame after frame, keeping what doesn't change between them."""

    def __init__(self) -> None:
        self._kinds: tuple[object, Kinds] | None = None
        self._sisters: tuple[object, object, Rows, Rows] | None = None
        self._owners: tuple[object, object, object, Rows] | None = None
        self._lost: tuple[object, object, Rows, Rows, Mapping[int, Rows]] | None = None
        self._below: tuple[list[Floats], Mask] | None = None
        self._errors: tuple[float, Floats] = (-_ERRORS_EVERY, np.empty(0))
        self._newest: Survey | None = None

    def knows(self, frame: Frame) -> bool:
        """Its survey is made already."""
        return self._newest is not None and self._newest.frame is frame

    def survey(self, frame: Frame) -> Survey:
        if self._newest is None or self._newest.frame is not frame:
            self._newest = self._survey(frame)
        return self._newest

    def _survey(self, frame: Frame) -> Survey:
        links, kinds = frame.links, self.kinds(frame)
        rx, tx, up, speed, both = (links.known(name) for name in ("rx", "tx", "up", "speed", "traffic"))
        usage = DERIVED[Scope.LINK]["usage"].alone([rx, tx, speed, both])
        with np.errstate(invalid="ignore"):
            down, unused = _down(frame, up == 0)
            one_way = by_blocks(_one_way, np.bool_, rx, tx, usage, kinds.even)
            sisters, slow = self._behind_sisters(frame, kinds, usage), self._slow(frame, kinds)
        of_lost, absent = self._of_lost(frame, kinds)
        down[of_lost], unused[of_lost] = up[of_lost] != 1, False
        errors = self._errors_of(frame)
        return Survey(frame, kinds, rx, tx, usage, up == 1, down, unused, slow, one_way, sisters, errors, absent)

    def kinds(self, frame: Frame) -> Kinds:
        codes = codes_of(frame.links, "kind")
        if self._kinds is None or self._kinds[0] is not codes:
            self._kinds = codes, _kinds(codes, frame.links.texts)
        return self._kinds[1]

    def _behind_sisters(self, frame: Frame, kinds: Kinds, usage: Floats) -> Mapping[int, float]:
        """The rows that carry much less than the others of their group, and the mean of these."""
        rows, starts = self._sister_groups(frame, kinds)
        if not rows.size:
            return {}
        own = usage[rows]
        known, stops = own == own, np.append(starts[1:], len(rows))
        count = np.add.reduceat(known.view(np.int8), starts, dtype=np.intp)
        total = np.add.reduceat(own if known.all() else np.where(known, own, 0.0), starts)
        lowest = np.fmin.reduceat(own, starts)
        suspect = (count > LEAST_SISTERS) & (lowest * count < UNEVEN_SHARE * total)  # most groups are even
        found: dict[int, float] = {}
        for group in np.flatnonzero(suspect).tolist():
            part = slice(int(starts[group]), int(stops[group]))
            mean = (total[group] - own[part]) / (count[group] - 1)
            behind = known[part] & (mean >= UNEVEN_FROM) & (own[part] < UNEVEN_SHARE * mean)
            found.update(zip(rows[part][behind].tolist(), mean[behind].tolist(), strict=True))
        return found

    def _sister_groups(self, frame: Frame, kinds: Kinds) -> tuple[Rows, Rows]:
        """The rows that have sisters, group after group, and where each group starts."""
        owners = codes_of(frame.links, "accelerator")
        kept = self._sisters
        if kept is None or kept[0] is not kinds or kept[1] is not owners:
            rows = np.flatnonzero(kinds.among({"nvlink", *SCALE_OUT}))
            is_rail = kinds.among(SCALE_OUT)[rows]
            owner = np.where(is_rail, 0, owners[rows].astype(np.int64) + 1)
            node = frame.links.node[rows].astype(np.int64)
            key = (node * len(kinds.names) + kinds.of_row[rows]) * (len(frame.links.texts) + 1) + owner
            order = np.argsort(key, kind="stable")
            starts = np.flatnonzero(np.diff(key[order], prepend=-1))
            kept = self._sisters = kinds, owners, rows[order], starts
        return kept[2], kept[3]

    def _of_lost(self, frame: Frame, kinds: Kinds) -> tuple[Rows, Mapping[int, Rows]]:
        """The links of lost boards, and those that such boards would have if they were as their neighbours."""
        owners, lost = codes_of(frame.links, "accelerator"), lost_boards(frame)
        kept = self._lost
        if kept is None or kept[0] is not kinds or kept[1] is not owners or not np.array_equal(kept[2], lost):
            kept = self._lost = kinds, owners, lost, *_links_of(frame, lost, owners, kinds.among(SCALE_UP))
        return kept[3], kept[4]

    def _slow(self, frame: Frame, kinds: Kinds) -> Mask:
        slow = self._below_best(frame.links).copy()
        resting = np.flatnonzero(slow & kinds.pcie)
        if resting.size:
            util = np.append(np.nan_to_num(frame.accelerators.known("util")), LOADED_UTIL)
            slow[resting] = util[self._owner_rows(frame, kinds)[resting]] >= LOADED_UTIL
        return slow

    def _below_best(self, links: View) -> Mask:
        pairs = [links.known("speed"), links.last("speed_max"), links.known("width"), links.last("width_max")]
        kept = self._below
        if kept is None or any(old is not new for old, new in zip(kept[0], pairs, strict=True)):
            kept = self._below = pairs, by_blocks(_is_below, np.bool_, *pairs)
        return kept[1]

    def _owner_rows(self, frame: Frame, kinds: Kinds) -> Rows:
        """By link: the row of the accelerator that a PCIe link belongs to; -1 for any other."""
        codes, boards = codes_of(frame.links, "accelerator"), frame.accelerators
        kept = self._owners
        if kept is None or kept[0] is not kinds or kept[1] is not codes or kept[2] is not boards.roster:
            found = np.full(frame.links.count, -1, np.intp)
            nodes, texts, node_of = boards.node.tolist(), frame.links.texts, frame.links.node
            row_of = {(node, boards.keys[row]): row for row, node in enumerate(nodes)}
            for row in np.flatnonzero(kinds.pcie & (codes > 0)).tolist():
                found[row] = row_of.get((int(node_of[row]), texts[int(codes[row])]), -1)
            kept = self._owners = kinds, codes, boards.roster, found
        return kept[3]

    def _errors_of(self, frame: Frame) -> Floats:
        at, errors = self._errors
        if not at <= frame.at < at + _ERRORS_EVERY or len(errors) != frame.links.count:
            errors = np.zeros(frame.links.count)
            for name in ERRORS:
                for row, by in frame.counters.grown(Scope.LINK, name, frame.at - _ERROR_SECONDS).items():
                    if row < len(errors):
                        errors[row] += by * 60.0 / _ERROR_SECONDS
            self._errors = frame.at, errors
        return errors


def codes_of(view: View, name: str) -> NDArray[np.int32]:
    """The codes of a text as nodes told it last, -1 where they didn't; the same object while none tells anything."""
    return np.asarray(view.told(name).values, np.int32)


def _kinds(codes: NDArray[np.int32], texts: Sequence[str]) -> Kinds:
    present = np.flatnonzero(np.bincount(codes + 1)) - 1 if codes.size else np.empty(0, np.intp)
    named = {texts[code] if code >= 0 else "": code for code in present.tolist()}
    names = sorted(named, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    place = np.zeros(int(present.max(initial=-1)) + 2, np.int8)
    place[[named[name] + 1 for name in names]] = np.arange(len(names))
    return Kinds(tuple(names), place[codes + 1])


def _is_below(speed: Floats, best_speed: Floats, width: Floats, best_width: Floats) -> Mask:
    return (speed < FULL_SPEED * best_speed) | (width < FULL_SPEED * best_width)


def _one_way(rx: Floats, tx: Floats, usage: Floats, even: Mask) -> Mask:
    """One direction carries much less than the other."""
    return (np.minimum(rx, tx) < UNEVEN_SHARE * np.maximum(rx, tx)) & (usage >= UNEVEN_FROM) & even


def _down(frame: Frame, silent: Mask) -> tuple[Mask, Mask]:
    """Of the links that are known not to be up: those that ought to be, and the unused."""
    down, unused = np.zeros_like(silent), np.zeros_like(silent)
    rows = np.flatnonzero(silent)
    if rows.size:
        links = frame.links
        seen = (codes_of(links, "peer")[rows] > 0) | (links.last("ib.link_downed")[rows] > 0)
        seen |= links.last("carrier_changes")[rows] > 1  # a link that came up once has changed once
        off = np.array(["disabled" in links.text(row, "phys").casefold() for row in rows.tolist()])
        meant = (links.states[rows] >= State.WARNING) | (seen & ~off)
        down[rows], unused[rows] = meant, ~meant
    return down, unused


def _links_of(frame: Frame, boards: Rows, owners: NDArray[np.int32], scale_up: Mask) -> tuple[Rows, Mapping[int, Rows]]:
    """The links of these boards, and, of each that tells no scale-up link, those of the neighbour that has most."""
    found, absent = [np.empty(0, np.intp)], dict[int, Rows]()
    for board in boards.tolist():
        rows = frame.rows_of(Scope.LINK, int(frame.accelerators.node[board]))
        key = frame.accelerators.keys[board]
        mine = rows[[frame.links.texts[code] == key for code in owners[rows].tolist()]]
        found.append(mine)
        of_others = rows[scale_up[rows] & (owners[rows] > 0)]
        if of_others.size and not scale_up[mine].any():
            most = np.bincount(owners[of_others]).argmax()
            absent[board] = of_others[owners[of_others] == most]
    return np.concatenate(found), absent


def counts_errors(frame: Frame, row: int) -> bool:
    """Whether any error counter of a link can be read."""
    return any(frame.links.cell(row, name).missing is Missing.NO for name in ERRORS)
