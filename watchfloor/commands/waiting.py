"""What a command that reads the fleet once waits for: rates need two readings, and some come seldom."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from watchfloor.distinct import distinct
from watchfloor.frame import Frame
from watchfloor.model import Missing, Phase, Scope
from watchfloor.query import Query

SETTLE_SECONDS = 1.6  # rates need a second reading, which comes one period (1 s) after the first
SERVICE_SECONDS = 12.5  # inference servers are asked every 10 s, once the processes on the accelerators are known
RATE_SECONDS = 12.0  # the slowest counters of links are read every five seconds, and a rate needs two readings
_OF_LINKS = ("rx", "tx")
_OF_BOARDS = ("link_rx", "link_tx", "pcie_rx", "pcie_tx")
_RATES = frozenset((*_OF_LINKS, *_OF_BOARDS, "usage", "traffic"))


def settled(frame: Frame, seconds: float = SETTLE_SECONDS) -> bool:
    """Every node has failed once, or has been live for long enough to have rates and an answer of every sampler."""
    unseen = _without_processes(frame)
    return all(_node_settled(frame, node, seconds) and node not in unseen for node in range(len(frame.specs)))


def settled_with_jobs(frame: Frame) -> bool:
    """Likewise, and every source of jobs has answered once, or failed."""
    return settled(frame) and frame.jobs.asked


def _node_settled(frame: Frame, node: int, seconds: float) -> bool:
    status, told = frame.statuses[node], frame.specs[node].source is not None
    if status.phase is not Phase.LIVE:
        return status.phase in (Phase.BACKOFF, Phase.STOPPED) or (told and status.phase is Phase.STALE)
    # what a metrics server tells has its rates already
    return (
        bool(frame.detail[node].samplers) and not silent(frame, node) and (told or frame.at - status.since >= seconds)
    )


def silent(frame: Frame, node: int) -> list[str]:
    """The samplers of a node that have not answered yet, by name. Those behind a metrics server nobody can ask."""
    if frame.specs[node].source is not None:
        return []
    samplers = frame.detail[node].samplers
    return sorted(name for name, sampler in samplers.items() if not sampler.at and sampler.state == "ok")


def _without_processes(frame: Frame) -> set[int]:
    """Live nodes whose boards are told of, and not yet who uses them: that is looked at once the boards are known."""
    due = frame.accelerators.node[_not_yet(frame, Scope.ACCELERATOR, ("user",))]
    return {node for node in distinct(due).tolist() if frame.live[node] and frame.specs[node].source is None}


def about_link_rates(query: Query | None, columns: Collection[str] = ()) -> bool:
    """Whether what is asked for, or the rows of links that answer it, tell what flows over links."""
    names = {*columns, *(query.words if query else ())}
    asked = query is not None and query.scope is Scope.LINK
    return asked or not _RATES.isdisjoint(name.rpartition(".")[2] for name in names)


def rates_awaited(frame: Frame) -> bool:
    """Whether links that are up will tell rates soon: a sum over those that do already would look like all of it."""
    links, boards = frame.links, frame.accelerators
    links_due = _not_yet(frame, Scope.LINK, _OF_LINKS) & (links.last("up") == 1)
    nodes = np.concatenate([links.node[links_due], boards.node[_not_yet(frame, Scope.ACCELERATOR, _OF_BOARDS)]])
    heard = (frame.statuses[node] for node in distinct(nodes).tolist() if frame.live[node])
    return any(frame.at - status.since < RATE_SECONDS for status in heard)


def _not_yet(frame: Frame, scope: Scope, names: Collection[str]) -> np.ndarray:
    reasons = [frame.view(scope).reasons(name) == Missing.NOT_YET for name in names]
    return np.logical_or.reduce(reasons)
