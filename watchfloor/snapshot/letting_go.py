"""Nodes whose probes have let go of a driver for a while: what they told of their boards is missing meanwhile. Pure."""

from __future__ import annotations

from watchfloor.frame import Frame
from watchfloor.report import PAUSED
from watchfloor.snapshot.selection import is_read


def words(frame: Frame, node: int) -> str:
    """`let go of for a reset that anna asked for, until 12:03:04 UTC`, as the probe says it; "" where nothing is."""
    if not is_read(frame, node):
        return ""
    paused = (sampler for sampler in frame.detail[node].samplers.values() if sampler.state == PAUSED)
    return next((sampler.text or "let go of for a while" for sampler in paused), "")


def by_name(frame: Frame) -> dict[str, str]:
    """Of each such node, why nothing is told of its boards."""
    return {spec.name: said for node, spec in enumerate(frame.specs) if (said := words(frame, node))}


def lines(frame: Frame) -> list[str]:
    """`h100-01: its boards' driver was let go of for a reset that anna asked for, until 12:03:04 UTC`, one for each."""
    return [f"{name}: its boards' driver was {said}" for name, said in by_name(frame).items()]
