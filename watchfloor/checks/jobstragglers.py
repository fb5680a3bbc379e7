"""Stragglers within a job: accelerators that hold all the others of their job up, each with its reason.

Peers are the accelerators of one job, of one model. A clock is judged on its mean of the last minute; lanes, links and
the time of an execution as they are now. The reason is what the straggler has and most of its peers have not. Where a
whole node has less RDMA than the other nodes of a job, it is the node that lags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.checks._jobs import job_words
from watchfloor.checks._peers import enough, slow_rows
from watchfloor.checks._tools import Evidence, Rows, limit, named, report, suspects
from watchfloor.columns import Floats
from watchfloor.distinct import among, distinct, median
from watchfloor.frame import Frame
from watchfloor.history import History
from watchfloor.jobs.efficiency import Groups
from watchfloor.jobs.view import JOB_STRAGGLER
from watchfloor.metrics import Unit, throttle_reasons
from watchfloor.model import Finding, Scope, State

_AT = Scope.ACCELERATOR
_EVERY = 5.0  # seconds between two looks at all jobs
_RDMA = ("infiniband", "roce")
_IDLE_BIT, _SET_CLOCKS_BIT = 0x1, 0x2
_MOST_PORTS = 4
_METRICS = ("clock_sm", "util", "throttle", "temp", "power", "pcie_width", "links_up")

Lags = Mapping[int, Sequence[str]]  # row -> what it lags in, why
_Read = Callable[[Frame], tuple[Floats, str]]


@dataclass(frozen=True, slots=True)
class _Found:
    boards: Lags
    nodes: Mapping[int, tuple[str, int]]  # node -> its RDMA beside that of others, row of the job


def check(frame: Frame) -> Iterator[Finding]:
    found = _memory.of(frame)
    rows = np.array(sorted(row for row in found.boards if frame.jobs.owner_of(row) >= 0), np.intp)
    yield from report(
        frame,
        _AT,
        rows[frame.live[frame.accelerators.node[rows]]] if rows.size else rows,
        JOB_STRAGGLER,
        State.WARNING,
        lambda row: (
            f"{named(frame, _AT, row)}: {'; '.join(found.boards[row])}; "
            f"slows {job_words(frame, frame.jobs.owner_of(row))}"
        ),
        _METRICS,
        lambda row: _facts(frame, row),
    )
    yield from report(
        frame,
        Scope.NODE,
        np.array(sorted(node for node in found.nodes if frame.live[node]), np.intp),
        JOB_STRAGGLER,
        State.WARNING,
        lambda node: (
            f"{named(frame, Scope.NODE, node)}: {found.nodes[node][0]}; slows {job_words(frame, found.nodes[node][1])}"
        ),
    )


def _facts(frame: Frame, row: int) -> Evidence:
    rank = frame.accelerators.text(row, "rank")
    return (("job", frame.jobs.rows[frame.jobs.owner_of(row)].id), *((("rank", rank),) if rank else ()))


class _Memory:
    """What was found when all jobs were looked at last."""

    def __init__(self) -> None:
        self._of: tuple[History | None, object] = (None, None)
        self._asked = 0.0
        self._found = _Found({}, {})

    def of(self, frame: Frame) -> _Found:
        of = (frame.history, frame.jobs.owners)  # another job may have other rows
        same = of[0] is self._of[0] and of[1] is self._of[1]
        if not same or not 0 <= frame.at - self._asked < _EVERY:
            self._of, self._asked, self._found = of, frame.at, _found(frame)
        return self._found


def _found(frame: Frame) -> _Found:
    jobs = frame.jobs
    if not jobs.rows:
        return _Found({}, {})
    owners = np.concatenate([jobs.owners, np.full(frame.accelerators.count - len(jobs.owners), -1, np.int32)])
    groups = Groups(owners, len(jobs.rows))
    boards: dict[int, list[str]] = {}
    for job in _uneven_jobs(frame, groups).tolist():
        for row, words in _lagging(frame, jobs.accelerators_of(job)).items():
            boards.setdefault(row, []).extend(words)
    return _Found(boards, _short_of_rdma(frame, groups))


def _uneven_jobs(frame: Frame, groups: Groups) -> NDArray[np.intp]:
    """Jobs whose accelerators differ in anything that is compared: the few that are worth a closer look."""
    view = frame.accelerators
    busy = groups.take(view, "util") >= limit("straggler", "util", Unit.PERCENT)
    clock = np.where(busy, groups.take(view, "clock_sm"), np.nan)
    uneven = groups.lowest(clock) < enough(groups.highest(clock))
    for name in ("pcie_gen", "pcie_width"):
        lanes = np.where(busy, groups.take(view, name), np.nan)
        uneven |= groups.lowest(lanes) < groups.highest(lanes)
    links, steps = groups.take(view, "links_up"), groups.take(view, "exec_latency")
    uneven |= groups.lowest(links) < groups.highest(links)
    uneven |= groups.highest(steps) > groups.lowest(steps) * _slower_step()
    return np.flatnonzero(uneven & (groups.counts > limit("straggler", "peers")))


def _slower_step() -> float:
    return 1 + limit(JOB_STRAGGLER, "step", Unit.PERCENT) / 100


# -- one job


def _lagging(frame: Frame, rows: Rows) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row, slow in slow_rows(frame, rows).items():
        peers = _equal(frame, rows, row)
        figure = f"{slow.clock:,.0f} MHz against {slow.usual:,.0f}"
        found.setdefault(row, []).append(f"{figure}: {_reason(frame, row, peers)}")
    busy = rows[frame.accelerators.known("util")[rows] >= limit("straggler", "util", Unit.PERCENT)]
    for row, words in (*_fewer(frame, busy, _lanes), *_fewer(frame, rows, _links), *_late(frame, rows)):
        found.setdefault(row, []).append(words)
    return found


def _equal(frame: Frame, rows: Rows, row: int) -> Rows:
    model = frame.accelerators.last("model")
    return rows[(model[rows] == model[row]) & (rows != row)]


def _reason(frame: Frame, row: int, peers: Rows) -> str:
    """What it has and most of its peers have not."""
    told = [text for text in (_throttle(frame, row, peers), *_differences(frame, row, peers)) if text]
    return ", ".join(told) or "nothing tells why"


def _throttle(frame: Frame, row: int, peers: Rows) -> str:
    masks = frame.accelerators.known("throttle")
    if masks[row] != masks[row]:
        return ""
    theirs = masks[peers][~np.isnan(masks[peers])].astype(np.int64)
    own = int(masks[row])
    if not np.isnan(frame.accelerators.known("clock_sm_app")[row]):  # _differences tells of it, with figures
        own &= ~_SET_CLOCKS_BIT
    for bit in (1 << place for place in range(own.bit_length())):
        if bit == _IDLE_BIT or (len(theirs) and 2 * np.count_nonzero(theirs & bit) > len(theirs)):
            own &= ~bit
    return ", ".join(throttle_reasons(own))


def _differences(frame: Frame, row: int, peers: Rows) -> Iterator[str]:
    view = frame.accelerators
    hotter, less = limit(JOB_STRAGGLER, "hotter", Unit.CELSIUS), 1 - limit(JOB_STRAGGLER, "less", Unit.PERCENT) / 100
    for name, words in (("temp", "{:.0f} °C against {:.0f}"), ("temp_mem", "memory at {:.0f} °C against {:.0f}")):
        own, usual = _beside(view.known(name), row, peers)
        if own >= usual + hotter:
            yield words.format(own, usual)
    for name, words in (
        ("power_limit", "power limit {:,.0f} W against {:,.0f}"),
        ("clock_sm_app", "application clock {:,.0f} MHz against {:,.0f}"),
    ):
        own, usual = _beside(view.known(name), row, peers)
        if own < usual * less:
            yield words.format(own, usual)
    for name, words in (("ecc_uncorrected", "uncorrected"), ("ecc_corrected", "corrected")):
        since = frame.at - limit(JOB_STRAGGLER, "within", Unit.SECONDS)
        grown = frame.counters.grown(_AT, name, since).get(row, 0.0)
        if grown:
            yield f"{grown:,.0f} {words} memory errors within the hour"


def _beside(values: Floats, row: int, peers: Rows) -> tuple[float, float]:
    """Its value and the median of its peers', NaN where not known."""
    theirs = values[peers][~np.isnan(values[peers])]
    return float(values[row]), median(theirs) if len(theirs) else np.nan


def _lanes(frame: Frame) -> tuple[Floats, str]:
    """Of PCIe, as generation × width: a lane of the next generation is twice as fast."""
    view = frame.accelerators
    return 2.0 ** view.known("pcie_gen") * view.known("pcie_width"), "PCIe"


def _links(frame: Frame) -> tuple[Floats, str]:
    return frame.accelerators.known("links_up"), "scale-up links"


def _fewer(frame: Frame, rows: Rows, read: _Read) -> Iterator[tuple[int, str]]:
    """Those that have less than the median of equal ones."""
    values, what = read(frame)
    model = frame.accelerators.last("model")
    for one in distinct(model[rows]):
        equal = rows[(model[rows] == one) & ~np.isnan(values[rows])]
        if len(equal) <= limit("straggler", "peers"):
            continue
        ordered = equal[np.argsort(values[equal], kind="stable")]
        usual = int(ordered[len(ordered) // 2])
        for row in equal[values[equal] < values[usual]].tolist():
            yield row, f"{what} {_shown(frame, row, what)} against {_shown(frame, usual, what)}"


def _shown(frame: Frame, row: int, what: str) -> str:
    view = frame.accelerators
    if what == "PCIe":
        return f"{view.known('pcie_gen')[row]:.0f}.0 x{view.known('pcie_width')[row]:.0f}"
    return f"{view.known('links_up')[row]:.0f} up"


def _late(frame: Frame, rows: Rows) -> Iterator[tuple[int, str]]:
    """Those whose executions take longer, where the runtime tells how long one takes."""
    steps = frame.accelerators.known("exec_latency")
    known = rows[~np.isnan(steps[rows])]
    if len(known) <= limit("straggler", "peers"):
        return
    usual = median(steps[known])
    for row in known[steps[known] > usual * _slower_step()].tolist():
        yield row, f"a step of {steps[row] * 1000:,.1f} ms against {usual * 1000:,.1f}"


# -- what a node has in common


def _short_of_rdma(frame: Frame, groups: Groups) -> dict[int, tuple[str, int]]:
    """Nodes whose RDMA ports together are slower than those of most nodes of their job."""
    links = frame.links
    ports = suspects(links, "rdma-ports", ("kind",), lambda kind: among(kind, _rdma(links.texts, kind)))
    if not ports.size:
        return {}
    rates = np.where(links.known("up")[ports] == 1, np.nan_to_num(links.known("speed")[ports]), 0.0)
    total = np.bincount(links.node[ports], rates, frame.nodes.count).astype(np.float64)
    count = np.bincount(links.node[ports], minlength=frame.nodes.count).astype(np.float64)
    pairs = distinct(groups.owner.astype(np.int64) * frame.nodes.count + frame.accelerators.node[groups.rows])
    owner, node = np.divmod(pairs, frame.nodes.count)
    owner, node = owner[frame.live[node]], node[frame.live[node]]
    found: dict[int, tuple[str, int]] = {}
    fastest = np.zeros(groups.jobs)
    np.maximum.at(fastest, owner, total[node])
    for job in distinct(owner[total[node] < fastest[owner]]).tolist():
        nodes = node[owner == job]
        usual = median(total[nodes])
        alike = nodes[count[nodes] == median(count[nodes])]  # of other machines nobody expects as much
        for slow in alike[total[alike] < usual * (1 - limit(JOB_STRAGGLER, "less", Unit.PERCENT) / 100)].tolist():
            if len(alike) > limit("straggler", "peers"):
                words = f"RDMA of {total[slow] / 1e9:,.0f} GB/s against {usual / 1e9:,.0f}{_worst(frame, ports, slow)}"
                found[slow] = words, job
    return found


def _rdma(texts: Sequence[str], kinds: Floats) -> list[int]:
    return [int(code) for code in distinct(kinds[kinds > 0]) if texts[int(code)] in _RDMA]


def _worst(frame: Frame, ports: Rows, node: int) -> str:
    """` (mlx5_3/1 down)`: those of its ports that are down, or slower than its fastest."""
    links = frame.links
    mine = ports[links.node[ports] == node]
    speed, up = np.nan_to_num(links.known("speed")[mine]), links.known("up")[mine]
    down = [f"{links.text(row, 'name')} down" for row in mine[up == 0].tolist()]
    slow = mine[(up == 1) & (speed < speed.max(initial=0.0))].tolist()
    told = [*down, *(f"{links.text(row, 'name')} at {links.known('speed')[row] / 1e9:,.1f} GB/s" for row in slow)]
    return f" ({', '.join(told[:_MOST_PORTS])})" if told else ""


_memory = _Memory()
