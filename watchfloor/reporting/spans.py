"""Stretches of time: sorted, none touching another. Pure. Times in seconds since the epoch."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[float, float]
Spans = tuple[Span, ...]


def united(spans: Iterable[Span], pause: float = 0.0) -> Spans:
    """All of them as one; a pause of at most so many seconds between two is part of them. Empty ones are none."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if found and start - found[-1][1] <= pause:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return tuple(found)


def common(some: Spans, others: Spans) -> Spans:
    """What is in both."""
    found, place = [], 0
    for start, end in some:
        while place < len(others) and others[place][1] <= start:
            place += 1
        at = place
        while at < len(others) and others[at][0] < end:
            found.append((max(start, others[at][0]), min(end, others[at][1])))
            at += 1
    return tuple(found)


def without(some: Spans, others: Spans) -> Spans:
    """What is in the first and not in the second."""
    found = []
    for span in some:
        at = span[0]
        for gone_from, gone_to in common((span,), others):
            found.append((at, gone_from))
            at = gone_to
        found.append((at, span[1]))
    return tuple(span for span in found if span[0] < span[1])


def total(spans: Spans) -> float:
    """Seconds."""
    return sum(end - start for start, end in spans)


def holds(spans: Spans, at: float) -> Span | None:
    """The stretch that this moment is in, its ends included."""
    return next((span for span in spans if span[0] <= at <= span[1]), None)
