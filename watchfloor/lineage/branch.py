"""A tree of lineage: one line, and what hangs on it; equal lines as one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from watchfloor.hosts import folded as folded_hosts
from watchfloor.lineage.graph import Key
from watchfloor.lineage.times import Times

_LONGEST_NAMES = 60  # characters
_FEW_TIMES = 5  # that the same thing came: each has a line with its times


@dataclass(frozen=True, slots=True)
class Branch:
    """One line, and what hangs on it, from when until when; `until` is None where it goes on or nobody saw it end.

    `state` is that of a job, an attempt (watchfloor.jobs.model.JobState), a finding (watchfloor.model.State, in words),
    a run or a step; "" of anything else. `alike`: what it has in common with lines that say the same of something else
    (`on`), "" where it stands for itself. `folds`: its children are such lines, each of them.
    """

    key: Key
    at: float
    text: str
    children: tuple[Branch, ...] = ()
    state: str = ""
    until: float | None = None
    alike: str = ""
    on: str = ""
    folds: bool = False


def by_time(branches: Iterable[Branch]) -> tuple[Branch, ...]:
    return tuple(sorted(branches, key=lambda branch: (branch.at, branch.key)))


def lines(branch: Branch) -> Iterator[str]:
    """The tree drawn with lines, the root first."""
    yield branch.text
    yield from _below(branch, "")


def _below(branch: Branch, indent: str) -> Iterator[str]:
    for number, child in enumerate(branch.children, 1):
        last = number == len(branch.children)
        yield f"{indent}{'└' if last else '├'} {child.text}"
        if not child.folds:
            yield from _below(child, indent + ("  " if last else "│ "))


def folded(branch: Branch, times: Times) -> Branch:
    """The same tree with what says the same of several things as one line, which stands where the first of them was."""
    groups: dict[str, list[Branch]] = {}
    for child in branch.children:
        if child.alike and not child.children:
            groups.setdefault(child.alike, []).append(child)
    found: list[Branch] = []
    for child in branch.children:
        every = groups.get(child.alike, [child]) if not child.children else [child]
        if len(every) == 1 or (len(every) <= _FEW_TIMES and len({one.on for one in every}) == 1):
            found.append(folded(child, times))
        elif child is every[0]:
            found.append(_as_one(every, times))
    return replace(branch, children=tuple(found))


def _as_one(every: list[Branch], times: Times) -> Branch:
    """`finding power-brake on n2/gpu[0-4], 5 times, first 10:00, last 10:40: gpu0 of n2 is …`."""
    first, last = every[0], max(branch.at for branch in every)
    what = first.alike.partition("\n")[0]
    ends = [branch.until for branch in every]
    until = None if None in ends else max(end for end in ends if end is not None)
    said = first.text.partition(": ")[2]
    when = f"first {times.at(first.at)}, last {times.at(last)}" if last > first.at else f"at {times.at(first.at)}"
    text = f"{what} on {_names(every)}, {len(every)} times, {when}{': ' if said else ''}{said}"
    return replace(first, text=text, children=tuple(every), until=until, folds=True)


def _names(every: list[Branch]) -> str:
    names = list(dict.fromkeys(branch.on for branch in every))
    text = folded_hosts(names)
    return text if len(text) <= _LONGEST_NAMES else f"{names[0]} and {len(names) - 1} more"
