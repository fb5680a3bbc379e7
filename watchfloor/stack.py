"""The software of the fleet by layer: which version of each thing is on which nodes, and where they drifted apart.

Rows come from the probes (the detail "stack") and from what accelerators tell of driver and firmware. What is installed
on a node and what a user's process has mapped are two things, even under one name: users may choose, nodes of one group
ought to be equal.

Must not do: I/O, drawing, judging (see watchfloor.checks.drift).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import is_not

import numpy as np
from numpy.typing import NDArray

from watchfloor.errors import StreamError
from watchfloor.frame import Frame
from watchfloor.model import Missing
from watchfloor.report import Software, decode_detail

LAYERS = (
    "firmware", "driver", "os", "network", "runtime", "collective", "library", "compiler", "framework", "server",
    "container", "scheduler",
)  # fmt: skip
_RANK = {layer: rank for rank, layer in enumerate(LAYERS)}
_BOARD_COLUMNS = ("vendor", "model", "driver", "firmware", "runtime")
# what the driver of a vendor's boards is called among kernel modules
_DRIVERS = {"nvidia": "nvidia", "amd": "amdgpu", "aws": "neuron", "habana": "habanalabs"}

_NOTHING = b"[]"
_FEW_NODES, _PATIENCE_SECONDS = 500, 5.0

Rows = tuple[Software, ...]
Nodes = NDArray[np.bool_]
Numbers = tuple[int, ...]
Sort = tuple[str, str, bool]  # layer and name of a thing, and whether a process has mapped it


def numbers(version: str) -> Numbers:
    """What is compared of a version: 2.6.0+cu124 and 2.6.0.dev1 are (2, 6, 0)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


class Grouping(StrEnum):
    """Which nodes are held against one another."""

    GROUP = "group"  # the inventory's node groups, each kind of accelerator apart
    MODEL = "model"  # the accelerators' model
    JOB = "job"  # the nodes of one job
    RACK = "rack"
    SITE = "site"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a thing, or the reason why there is none, and the nodes (indices, ascending) that have it."""

    version: str
    nodes: tuple[int, ...]
    missing: Missing = Missing.NO
    where: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing in one group of nodes. `versions`: that of most nodes first; those that can't be told come last.

    Within a group, what the nodes themselves have ought to be equal; within a job, what runs for it.
    """

    layer: str
    name: str
    running: bool  # mapped by a process, rather than part of the node
    group: str
    versions: tuple[Version, ...]
    nodes: int  # that have it
    drift: bool  # it ought to be equal, and isn't

    @property
    def sort(self) -> Sort:
        return self.layer, self.name, self.running

    @property
    def majority(self) -> Version:
        return self.versions[0]


def decoded(raw: bytes) -> Rows:
    """The rows of one node. What isn't as the protocol says is nothing."""
    try:
        return tuple(row for row in decode_detail("stack", raw) if isinstance(row, Software))
    except StreamError:
        return ()


class Stacks:
    """The rows of every node, kept from frame to frame. `changed` counts up whenever any of them did."""

    def __init__(self) -> None:
        self.rows: list[Rows] = []  # by node; equal nodes share one object
        self.changed = 0
        self._raw: list[bytes] = []
        self._boards: list[NDArray[np.float64]] = []
        self._of_boards: Mapping[int, Rows] = {}
        self._joined: dict[tuple[bytes, Rows], Rows] = {}  # thousands of equal nodes send equal bytes

    def update(self, frame: Frame) -> bool:
        """Take in a frame; whether anything is another than before."""
        raw = [detail.details.get("stack", _NOTHING) for detail in frame.detail]
        before, self._raw = self._raw, raw
        if not self._take_boards(frame) and len(raw) == len(before) and all(map(_same, raw, before)):
            return False
        known, self._joined = self._joined, {}
        rows = [self._join(one, self._of_boards.get(node, ()), known) for node, one in enumerate(raw)]
        changed = len(rows) != len(self.rows) or any(map(is_not, rows, self.rows))
        self.rows = rows
        self.changed += changed
        return changed

    def _take_boards(self, frame: Frame) -> bool:
        view = frame.accelerators
        columns = [view.last(name) for name in _BOARD_COLUMNS]
        if len(columns) == len(self._boards) and all(map(_equal, columns, self._boards)):
            return False
        self._boards = columns
        self._of_boards = _board_rows(frame)
        return True

    def _join(self, raw: bytes, boards: Rows, known: Mapping[tuple[bytes, Rows], Rows]) -> Rows:
        key = raw, boards
        joined = self._joined.get(key) or known.get(key)
        if joined is None:
            own = decoded(raw)
            names, versions = {row.name for row in own}, {(row.layer, row.version) for row in own if not row.user}
            new = (row for row in boards if row.name not in names and (row.layer, row.version) not in versions)
            joined = (*own, *new)
        self._joined[key] = joined
        return joined


def may_wait(frame: Frame, since: float) -> bool:
    """Whether what was worked out at `since` (console time) is fresh enough: in a large fleet some node always changes,
    and to look at thousands of nodes anew takes tens of milliseconds.
    """
    return len(frame.specs) > _FEW_NODES and 0.0 <= frame.at - since < _PATIENCE_SECONDS


def _same(one: bytes, other: bytes) -> bool:
    return one is other or one == other


def _equal(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one is other or np.array_equal(one, other, equal_nan=True)


def _board_rows(frame: Frame) -> Mapping[int, Rows]:
    """Node -> what its accelerators tell of driver, firmware and runtime, each once."""
    texts = frame.accelerators.texts
    found: dict[int, set[Software]] = defaultdict(set)
    for node, *codes in _runs(frame, *_BOARD_COLUMNS):
        vendor, model, driver, firmware, runtime = (_text(texts, code) for code in codes)
        found[node].update(_told(vendor, model, driver, firmware, runtime))
    return {node: tuple(sorted(rows)) for node, rows in found.items()}


def _runs(frame: Frame, *names: str) -> list[list[int]]:
    """Node and codes (-1: none) of these text columns, for every accelerator that differs from the one before it."""
    view = frame.accelerators
    codes = [np.nan_to_num(view.last(name), nan=-1.0).astype(np.intp) for name in names]
    table = np.stack([view.node.astype(np.intp), *codes])
    differs = np.ones(table.shape[1], np.bool_)
    differs[1:] = (table[:, 1:] != table[:, :-1]).any(axis=0)
    return table[:, differs].T.tolist()


def _text(texts: Sequence[str], code: int) -> str:
    return texts[code] if code >= 0 else ""


def _told(vendor: str, model: str, driver: str, firmware: str, runtime: str) -> Iterable[Software]:
    if driver:
        name = _DRIVERS.get(vendor.lower(), f"{vendor.lower()} driver".strip())
        yield Software("driver", name, driver, where="accelerators: driver")
    if firmware:
        yield Software("firmware", model or "board", firmware, where="accelerators: firmware")
    name, _, version = runtime.partition(" ")
    if version and name != "CUDA":  # of CUDA it is the highest that the driver serves, so it says nothing more
        yield Software("runtime", name.lower(), version, where="accelerators: runtime")


def groups(frame: Frame, grouping: Grouping) -> Mapping[str, list[int]]:
    """Label -> nodes, in the inventory's order; a node may run several jobs, and one without a label is left out."""
    found: dict[str, list[int]] = {}
    for node, labels in enumerate(_labels(frame, grouping)):
        for label in labels:
            found.setdefault(label, []).append(node)
    return found


def _labels(frame: Frame, grouping: Grouping) -> Sequence[Sequence[str]]:
    specs = frame.specs
    match grouping:
        case Grouping.FLEET:
            return [("fleet",)] * len(specs)
        case Grouping.SITE:
            return [(spec.site,) if spec.site else () for spec in specs]
        case Grouping.RACK:
            return [(spec.rack,) if spec.rack else () for spec in specs]
        case Grouping.JOB:
            jobs = _of_boards(frame, "job")
            return [sorted({job for text in jobs[node] for job in text.split(",")}) for node in range(len(specs))]
        case Grouping.MODEL:
            return [_model(frame, node, models) for node, models in enumerate(_of_boards(frame, "model"))]
    return _kinds(frame)


def _model(frame: Frame, node: int, models: set[str]) -> Sequence[str]:
    """What a node is by its accelerators; nothing where it was never heard."""
    if models:
        return (" + ".join(sorted(models)),)
    return ("no accelerators",) if frame.detail[node].hello is not None else ()


def _kinds(frame: Frame) -> Sequence[Sequence[str]]:
    """The inventory's group, with the model where a group has several; the model where there is no group."""
    labels = [_model(frame, node, models) for node, models in enumerate(_of_boards(frame, "model"))]
    of_group: dict[str, set[str]] = defaultdict(set)
    for spec, label in zip(frame.specs, labels, strict=True):
        of_group[spec.group].update(label)
    return [
        (spec.group,) if spec.group and len(of_group[spec.group]) < 2
        else tuple(f"{spec.group}, {model}" for model in label) if spec.group else label
        for spec, label in zip(frame.specs, labels, strict=True)
    ]  # fmt: skip


def _of_boards(frame: Frame, column: str) -> Sequence[set[str]]:
    """The texts of one column of each node's accelerators, as last known."""
    found: list[set[str]] = [set() for _ in frame.specs]
    for node, code in _runs(frame, column):
        if text := _text(frame.accelerators.texts, code):
            found[node].add(text)
    return found


def things(frame: Frame, stacks: Stacks, grouping: Grouping, passed: Nodes | None = None) -> list[Thing]:
    """Every thing in every group, by layer and name. `passed`: which nodes count. Of jobs only what runs for them."""
    found: list[Thing] = []
    owners = _owners(frame) if grouping is Grouping.JOB else None
    for group, nodes in groups(frame, grouping).items():
        counted = nodes if passed is None else [node for node in nodes if passed[node]]
        found += _things(group, _alike(counted, stacks.rows), None if owners is None else owners[group])
    return sorted(found, key=lambda thing: (_RANK.get(thing.layer, len(LAYERS)), thing.name.lower(), thing.running))


def titles(found: Iterable[Thing]) -> Mapping[Sort, str]:
    """What things are called: of those that stand among them both as installed and as in use, which of the two."""
    sorts = {thing.sort for thing in found}
    return {
        (layer, name, running): f"{name} ({'in use' if running else 'installed'})"
        if (layer, name, not running) in sorts
        else name
        for layer, name, running in sorts
    }


def _owners(frame: Frame) -> Mapping[str, set[str]]:
    """Job -> the users whose processes it has on accelerators."""
    found: dict[str, set[str]] = defaultdict(set)
    texts = frame.accelerators.texts
    for _, job, user in _runs(frame, "job", "user"):
        for name in _text(texts, job).split(","):
            found[name].update(_text(texts, user).split(","))
    return found


def _alike(nodes: Sequence[int], rows: Sequence[Rows]) -> Iterable[tuple[Rows, list[int]]]:
    """Nodes by their rows: equal ones share the object."""
    found: dict[int, list[int]] = defaultdict(list)
    for node in nodes:
        found[id(rows[node])].append(node)
    return [(rows[members[0]], members) for members in found.values()]


def _things(group: str, alike: Iterable[tuple[Rows, list[int]]], owners: set[str] | None) -> Iterable[Thing]:
    """`owners`: whose processes count, and nothing else; None: all of it."""
    found: dict[tuple[str, str, bool], dict[tuple[str, int], list[tuple[Software, list[int]]]]] = {}
    for rows, members in alike:
        for row in rows:
            if owners is None or row.user in owners:
                versions = found.setdefault((row.layer, row.name, bool(row.user)), {})
                versions.setdefault((row.version, row.missing), []).append((row, members))
    for (layer, name, running), versions in found.items():
        told = sorted((_version(*key, entries) for key, entries in versions.items()), key=_by_share)
        apart = sum(not version.missing for version in told) > 1
        count = len({node for version in told for node in version.nodes})
        yield Thing(layer, name, running, group, tuple(told), count, apart and running is (owners is not None))


def _version(version: str, missing: int, entries: Sequence[tuple[Software, list[int]]]) -> Version:
    nodes = sorted({node for _, members in entries for node in members})
    where = sorted({row.where for row, _ in entries if row.where})
    users = sorted({row.user for row, _ in entries if row.user})
    return Version(version, tuple(nodes), Missing(missing), tuple(where), tuple(users))


def _by_share(version: Version) -> tuple[bool, int, tuple[int, ...], str]:
    """Of most nodes first; of equally many the newest."""
    newest = tuple(-part for part in numbers(version.version))
    return version.missing is not Missing.NO, -len(version.nodes), newest, version.version


def untold(stacks: Stacks) -> list[int]:
    """Nodes of which no row is known: not heard yet, or read in a way that doesn't tell."""
    return [node for node, rows in enumerate(stacks.rows) if not rows]


def models(frame: Frame) -> Sequence[set[str]]:
    """The models of each node's accelerators."""
    return _of_boards(frame, "model")
