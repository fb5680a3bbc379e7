"""When each node was seen to be well, and when not. Pure; docs/report.md has the definitions.

A fault of a node is a stretch in which one critical finding or several hold on it or on parts of it. Time in which
nobody watched, or the node could not be read, is neither up nor down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from watchfloor.findings import SETTLED_SECONDS
from watchfloor.reporting.kept import PAUSE_SECONDS, Episode, Kept, Window
from watchfloor.reporting.spans import Span, Spans, common, holds, total, united, without


@dataclass(frozen=True, slots=True)
class Fault:
    """`end` None: it held when it was told of last. `begin_seen`: somebody watched when it began."""

    span: Span
    open: bool
    codes: tuple[str, ...]
    begin_seen: bool
    watched: bool  # all through, as far as the window reaches

    @property
    def seconds(self) -> float:
        return self.span[1] - self.span[0]


@dataclass(frozen=True, slots=True)
class NodeTime:
    """One node within the window. `observed`: it was watched, and could be read or was told to be broken."""

    name: str
    window: Window
    observed: Spans
    down: Spans
    faults: tuple[Fault, ...]

    @property
    def observed_seconds(self) -> float:
        return total(self.observed)

    @property
    def up_seconds(self) -> float:
        return total(without(self.observed, self.down))

    @property
    def down_seconds(self) -> float:
        return total(common(self.observed, self.down))

    @property
    def failures(self) -> int:
        """Faults that were seen to begin in the window."""
        return sum(fault.begin_seen and self.window.has(fault.span[0]) for fault in self.faults)

    @property
    def found(self) -> int:
        """Faults that were there when watching began, or began again: nobody knows since when."""
        return sum(not fault.begin_seen and self.window.has(fault.span[0]) for fault in self.faults)

    @property
    def repairs(self) -> list[float]:
        """Seconds of the faults that ended in the window, and of which beginning and end were seen."""
        ended = (fault for fault in self.faults if not fault.open and self.window.has(fault.span[1]))
        return [fault.seconds for fault in ended if fault.begin_seen and fault.watched]

    @property
    def open(self) -> int:
        return sum(fault.open for fault in self.faults)


def node_times(kept: Kept) -> list[NodeTime]:
    """Of every node of the fleet, by name."""
    of_node = episodes_by_node(kept.episodes)
    return [
        node_time(node.name, kept.watched(node.name), of_node.get(node.name, ()), kept.window)
        for node in sorted(kept.nodes, key=lambda node: node.name)
    ]


def episodes_by_node(episodes: Iterable[Episode]) -> dict[str, list[Episode]]:
    ordered = sorted(episodes, key=lambda one: (one.node, one.start))
    return {node: list(those) for node, those in groupby(ordered, key=lambda one: one.node)}


def node_time(name: str, watched: Spans, episodes: Sequence[Episode], window: Window) -> NodeTime:
    """`watched`: by whomever, within the window or beyond."""
    inside = common(window.span, watched)
    episodes = [one for one in episodes if one.start < window.until and one.until(window.until) >= window.since]
    critical = [one for one in episodes if one.critical]
    down = united((_span(one, window) for one in critical), SETTLED_SECONDS)
    silent = united(_span(one, window) for one in episodes if one.is_silence)
    observed = without(inside, without(silent, down))
    faults = tuple(_fault(span, critical, inside, window) for span in down if span[1] >= window.since)
    return NodeTime(name, window, observed, down, faults)


def _span(one: Episode, window: Window) -> Span:
    """At least a second: what came and went at once was there."""
    return one.start, max(one.until(window.until), one.start + 1.0)


def _fault(span: Span, episodes: Sequence[Episode], watched: Spans, window: Window) -> Fault:
    of_it = [one for one in episodes if one.start <= span[1] and _span(one, window)[1] >= span[0]]
    is_open = any(one.end is None and one.until(window.until) >= span[1] for one in of_it)
    stretch = holds(watched, span[0])
    begin_seen = span[0] < window.since or (stretch is not None and _is_later(span[0], stretch, window))
    part = common((span,), window.span)
    all_through = total(common(part, watched)) >= total(part) - 1.0
    return Fault(span, is_open, tuple(dict.fromkeys(one.code for one in of_it)), begin_seen, all_through)


def _is_later(at: float, stretch: Span, window: Window) -> bool:
    """Whether it came a while after watching had begun: what is told at once may have been there before."""
    return at - stretch[0] > PAUSE_SECONDS or stretch[0] <= window.since
