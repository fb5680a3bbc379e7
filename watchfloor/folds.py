"""Links folded into rows that a person can look over: by node, rack, switch or all together, and always by kind. Pure.

A node's fold is *behind its peers* where its links of one kind carry less than half (by share of line speed) of what
they carry on average on the other nodes of its job. Nodes of a rack run what they run, so only a job makes peers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats, Mask
from watchfloor.fabric import SCALE_OUT, SCALE_UP, UNEVEN_FROM, UNEVEN_SHARE, Kinds, Oddity, Rows, Survey, codes_of
from watchfloor.frame import Frame
from watchfloor.model import Missing, State

Counts = NDArray[np.intp]

LEAST_PEERS = 2


class Grouping(StrEnum):
    """What links are folded by, beside their kind."""

    NODE = "node"
    RACK = "rack"
    SWITCH = "switch"  # leaf or switch at the other end
    KIND = "kind"


@dataclass(frozen=True, eq=False)
class Groups:
    """Which links are folded together. `place` is a group's node index, or the code of its rack's or switch's text."""

    grouping: Grouping
    of_row: Rows
    place: Counts
    kind: Counts  # place among the kinds' names
    kinds: Kinds

    @property
    def count(self) -> int:
        return len(self.place)

    def place_name(self, frame: Frame, group: int) -> str:
        """The node, rack or switch; "" where it isn't told."""
        place = int(self.place[group])
        if self.grouping is Grouping.KIND or place < 0:
            return ""
        return frame.specs[place].name if self.grouping is Grouping.NODE else frame.links.texts[place]

    def place_word(self, frame: Frame, group: int) -> str:
        """The same for people: in place of "", whether it is still being asked for."""
        name = self.place_name(frame, group)
        if name or self.grouping is not Grouping.SWITCH:
            return name or "not told"
        awaited = frame.links.reasons("switch")[self.rows(group)] == Missing.NOT_YET
        return "not yet" if awaited.any() else "not told"

    def kind_name(self, group: int) -> str:
        return self.kinds.names[self.kind[group]]

    def find(self, frame: Frame, kind: str, place: str) -> int | None:
        """The group of these names, None where there is none."""
        if kind not in self.kinds.names:
            return None
        of_kind = np.flatnonzero(self.kind == self.kinds.names.index(kind))
        if self.grouping is Grouping.NODE:
            of_kind = of_kind[self.place[of_kind] == frame.node_index.get(place, -1)]
        return next((group for group in of_kind.tolist() if self.place_name(frame, group) == place), None)

    def rows(self, group: int) -> Rows:
        """The links of a group."""
        order, starts = self.runs
        stop = int(starts[group + 1]) if group + 1 < len(starts) else len(self.of_row)
        return np.arange(starts[group], stop) if order is None else order[starts[group] : stop]

    @cached_property
    def runs(self) -> tuple[Rows | None, Rows]:
        """Rows group after group (None where they stand so as they are), and where each group starts among them."""
        in_order = bool((self.of_row[1:] >= self.of_row[:-1]).all())
        order = None if in_order else np.argsort(self.of_row, kind="stable")
        of_group = self.of_row if order is None else self.of_row[order]
        return order, np.flatnonzero(np.diff(of_group, prepend=-1))


@dataclass(frozen=True, eq=False)
class Folds:
    """The groups of one survey that have links in them; arrays by group. Rates are sums, NaN where nothing is known."""

    survey: Survey
    groups: Groups
    links: Counts
    up: Counts
    down: Counts
    unused: Counts
    slow: Counts
    uneven: Counts
    rx: Floats
    tx: Floats
    usage: Floats  # of the busiest link
    errors: Floats  # a minute
    behind_peers: Mask
    states: NDArray[np.int8]
    rank: NDArray[np.int8]
    worst: Rows  # the link to look at first, -1 where all are well
    absent: Counts  # of `links` and `down`: those that lost boards would have, and nobody tells of

    @cached_property
    def oddity(self) -> NDArray[np.int8]:
        found = np.where((self.uneven > 0) | self.behind_peers, np.int8(Oddity.UNEVEN), np.int8(Oddity.NONE))
        found[self.slow > 0] = Oddity.SLOW
        found[self.down > 0] = Oddity.DOWN
        return found

    def absent_words(self, group: int) -> Sequence[str]:
        """`18 links of gpu3, which is lost`, of each board whose links are absent."""
        frame, alone = self.survey.frame, self.groups.grouping is Grouping.NODE
        found = []
        for board, rows in self.survey.absent.items():
            if self.absent[group] and self.groups.of_row[rows[0]] == group:
                name = frame.accelerators.text(board, "name") or frame.accelerators.keys[board]
                node = "" if alone else f"{frame.specs[int(frame.accelerators.node[board])].name} "
                found.append(f"{len(rows)} links of {node}{name}, which is lost")
        return found

    def first(self, group: int) -> int:
        """A link of the group: what none of its links tells is missing for this one's reason."""
        return int(self.groups.rows(group)[0])


class Folder:
    """Makes groups and keeps them as long as no link is added or called otherwise."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], Groups] | None = None

    def groups(self, survey: Survey, grouping: Grouping) -> Groups:
        links, nodes = survey.frame.links, survey.frame.nodes
        key = (survey.kinds, grouping, codes_of(links, "switch"), codes_of(nodes, "rack"))
        if self._kept is None or any(old is not new for old, new in zip(self._kept[0], key, strict=True)):
            self._kept = key, _groups(survey, grouping)
        return self._kept[1]


def _groups(survey: Survey, grouping: Grouping) -> Groups:
    frame, kinds = survey.frame, survey.kinds
    places = _places(frame, grouping).astype(np.intp)
    width = max(1, len(kinds.names))
    key = (places + 1) * width + kinds.of_row
    present = np.flatnonzero(np.bincount(key)) if key.size else np.empty(0, np.intp)
    at = np.zeros(int(present[-1]) + 1 if present.size else 0, np.intp)
    at[present] = np.arange(len(present))
    return Groups(grouping, at[key], present // width - 1, present % width, kinds)


def _places(frame: Frame, grouping: Grouping) -> NDArray[np.int32]:
    match grouping:
        case Grouping.NODE:
            return frame.links.node
        case Grouping.RACK:
            codes = codes_of(frame.nodes, "rack")[frame.links.node]
        case Grouping.SWITCH:
            codes = codes_of(frame.links, "switch")
        case Grouping.KIND:
            return np.zeros(frame.links.count, np.int32)
    return np.where(codes > 0, codes, np.int32(-1))


class _Runs:
    """Arrays by row as one number a group. What stands together is summed ten times faster than what is picked out."""

    def __init__(self, groups: Groups, passed: Mask | None) -> None:
        self._order, self._starts = groups.runs
        self._passed: Mask | None = None
        self.sizes: Counts = np.diff(self._starts, append=len(groups.of_row))
        if passed is not None:
            self._passed = self._arranged(passed)
            self.sizes = self._counted(self._passed)

    def number(self, mask: Mask) -> Counts:
        arranged = self._arranged(mask)
        return self._counted(arranged if self._passed is None else arranged & self._passed)

    def sums(self, values: Floats) -> tuple[Floats, Counts]:
        """The sum of the values that are known, and how many these are."""
        known = self._known(values)
        found = np.add.reduceat(known, self._starts)
        if not np.isnan(found).any():
            return found, self.sizes
        told = known == known
        return np.add.reduceat(np.where(told, known, 0.0), self._starts), self._counted(told)

    def total(self, values: Floats) -> Floats:
        """The sum of the values that are known, NaN where none is."""
        found, known = self.sums(values)
        return np.where(known == 0, np.nan, found)

    def most(self, values: Floats) -> Floats:
        return np.fmax.reduceat(self._known(values), self._starts)

    def worst(self, states: NDArray[np.int8]) -> NDArray[np.int8]:
        arranged = self._arranged(states)
        if self._passed is not None:
            arranged = arranged * self._passed
        return np.maximum.reduceat(arranged, self._starts)

    def _arranged(self, by_row: NDArray) -> NDArray:
        return by_row if self._order is None else by_row.take(self._order)

    def _known(self, values: Floats) -> Floats:
        arranged = self._arranged(values)
        return arranged if self._passed is None else np.where(self._passed, arranged, np.nan)

    def _counted(self, arranged: Mask) -> Counts:
        return np.add.reduceat(arranged.view(np.int8), self._starts, dtype=np.intp)


def fold(survey: Survey, groups: Groups, passed: Mask | None = None, of_lost: Mask | None = None) -> Folds:
    """`passed` leaves links out; a group without any link has 0 of them. `of_lost` does so with those that lost boards
    would have, by the rows that these are like.
    """
    runs = _Runs(groups, passed)
    states = runs.worst(survey.frame.links.states)
    behind_peers = _behind_peers(survey, groups, runs)
    worst, rank = _worst(survey, groups, passed)
    uneven = Oddity.UNEVEN * (behind_peers & (rank % 10 == Oddity.NONE))
    absent = _absent(survey, groups, of_lost)
    ranked = (rank + uneven).astype(np.int8)
    return Folds(
        survey,
        groups,
        links=runs.sizes + absent,
        up=runs.number(survey.up),
        down=runs.number(survey.down) + absent,
        unused=runs.number(survey.unused),
        slow=runs.number(survey.slow),
        uneven=runs.number(survey.uneven),
        rx=runs.total(survey.rx),
        tx=runs.total(survey.tx),
        usage=runs.most(survey.usage),
        errors=runs.sums(survey.errors)[0],
        behind_peers=behind_peers,
        states=states,
        rank=np.where(absent > 0, np.maximum(ranked, np.int8(Oddity.DOWN)), ranked),
        worst=worst,
        absent=absent,
    )


def by_kind(folds: Folds) -> Folds:
    """Folds of any grouping as one a kind."""
    survey, kinds = folds.survey, folds.groups.kinds
    of_fold, count = folds.groups.kind, len(kinds.names)
    told, order = folds.links > 0, np.argsort(folds.rank, kind="stable")
    groups = Groups(Grouping.KIND, kinds.of_row.astype(np.intp), np.zeros(count, np.intp), np.arange(count), kinds)

    def number(counts: Counts) -> Counts:
        return np.bincount(of_fold, weights=counts, minlength=count).astype(np.intp)

    def total(values: Floats) -> Floats:
        known = told & (values == values)
        summed = np.bincount(of_fold[known], weights=values[known], minlength=count)
        return np.where(np.bincount(of_fold[known], minlength=count) > 0, summed, np.nan)

    busiest, states, rank = np.full(count, np.nan), np.full(count, State.OK, np.int8), np.zeros(count, np.int8)
    np.fmax.at(busiest, of_fold, folds.usage)
    np.maximum.at(states, of_fold, folds.states)
    np.maximum.at(rank, of_fold, folds.rank)
    worst = np.full(count, -1, np.intp)
    worst[of_fold[order]] = folds.worst[order]  # of several the last, which ranks highest, stays
    return Folds(
        survey, groups, *(number(part) for part in (folds.links, folds.up, folds.down, folds.unused, folds.slow)),
        uneven=number(folds.uneven), rx=total(folds.rx), tx=total(folds.tx), usage=busiest,
        errors=np.nan_to_num(total(folds.errors)), behind_peers=np.zeros(count, np.bool_), states=states, rank=rank,
        worst=worst, absent=number(folds.absent),
    )  # fmt: skip


def _absent(survey: Survey, groups: Groups, of_lost: Mask | None) -> Counts:
    """By group: the links that lost boards would have in it."""
    found = np.zeros(groups.count, np.intp)
    for rows in survey.absent.values():
        shown = rows if of_lost is None else rows[of_lost[rows]]
        np.add.at(found, groups.of_row[shown], 1)
    return found


def _worst(survey: Survey, groups: Groups, passed: Mask | None) -> tuple[Rows, NDArray[np.int8]]:
    """By group: its link of the highest rank, -1 where none is odd, and that rank."""
    rank = survey.rank
    odd = np.flatnonzero(rank)
    if passed is not None:
        odd = odd[passed[odd]]
    odd = odd[np.argsort(rank[odd], kind="stable")]
    worst, ranks = np.full(groups.count, -1, np.intp), np.zeros(groups.count, np.int8)
    worst[groups.of_row[odd]] = odd  # of several the last, which ranks highest, stays
    ranks[groups.of_row[odd]] = rank[odd]
    return worst, ranks


def _behind_peers(survey: Survey, groups: Groups, runs: _Runs) -> Mask:
    """By group: whether a node's links of this kind carry much less than those of the other nodes of its job."""
    if groups.grouping is not Grouping.NODE:
        return np.zeros(groups.count, np.bool_)
    job = _jobs(survey.frame)[groups.place]
    if not np.any(job >= 0):
        return np.zeros(groups.count, np.bool_)
    sums, known = runs.sums(survey.usage)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums / known
        speaks = np.array([name in SCALE_UP | SCALE_OUT for name in groups.kinds.names], np.bool_)[groups.kind]
        peers = np.flatnonzero((job >= 0) & (mean == mean) & speaks)
        of_job = np.unique(job[peers] * len(speaks) + groups.kind[peers], return_inverse=True)[1]
        others = np.bincount(of_job)[of_job] - 1
        mean_of_others = (np.bincount(of_job, weights=mean[peers])[of_job] - mean[peers]) / others
    found = np.zeros(groups.count, np.bool_)
    found[peers] = (
        (others >= LEAST_PEERS)
        & (mean_of_others >= UNEVEN_FROM)
        & (mean[peers] < UNEVEN_SHARE * mean_of_others)
    )  # fmt: skip
    return found


def _jobs(frame: Frame) -> Counts:
    """By node: the code of the one job on its accelerators, -1 where there is none, or several."""
    boards = frame.accelerators
    jobs = boards.codes("job")
    on = jobs > 0
    least, most = np.full(frame.nodes.count, np.iinfo(np.intp).max), np.full(frame.nodes.count, -1)
    np.minimum.at(least, boards.node[on], jobs[on])
    np.maximum.at(most, boards.node[on], jobs[on])
    return np.where(least == most, most, -1)
