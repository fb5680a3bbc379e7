"""Samplers that hang on nodes that are read: what they tell is missing, though the conversation is well. Pure."""

from __future__ import annotations

from watchfloor.frame import Frame
from watchfloor.snapshot.selection import is_read


def hanging(frame: Frame, node: int) -> dict[str, str]:
    """By name: what the probe says of each sampler that hangs ("no answer for 12 s, state D")."""
    if not is_read(frame, node):
        return {}
    return {name: sampler.text for name, sampler in frame.detail[node].samplers.items() if sampler.state == "hung"}


def in_a_word(frame: Frame, node: int) -> str:
    """`nvidia hangs`, as long as a cell may be; "" where none does."""
    first = next(iter(hanging(frame, node)), "")
    return f"{first} hangs" if first else ""


def lines(frame: Frame) -> list[str]:
    """`h100-01: nvidia hangs: no answer for 24 s, state D; so do nvidia_gpm, nvidia_pcie`, one for each such node."""
    return [
        f"{frame.specs[node].name}: {_sentence(found)}"
        for node in range(len(frame.specs))
        if (found := hanging(frame, node))
    ]


def _sentence(found: dict[str, str]) -> str:
    (first, text), *others = found.items()
    told = f"{first} hangs" + (f": {text}" if text else "")
    if not others:
        return told
    return f"{told}; so {'do' if len(others) > 1 else 'does'} {', '.join(name for name, _ in others)}"
