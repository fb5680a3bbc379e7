"""What the vendors' tools printed, read from files: one tool a module, found by itself.

The same parsers as on a live node, over outputs that somebody saved or sent. A module here has

    MATCHES     a sentence: which outputs it reads
    matches(name, head) -> bool      by the file's path and its first 4 KiB of text
    read(name, text) -> Capture      raises Refused where the file is one of its own, and yet nothing is in it

Must not do: run anything, or guess: what no module claims is refused with a reason.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from watchfloor.report import Event, Software

HEAD_CHARACTERS = 4096
UNKNOWN = "no reader knows this output"


class Refused(Exception):
    """The file can't be read; the text says why, to a person."""


@dataclass(frozen=True)
class Capture:
    """What a file tells, in the shared vocabulary.

    `cells` {scope: {key: {metric: value or collectors.probe.cells.Missing}}}, as samplers give them.
    """

    tool: str  # "nvidia-smi -q -x 570.124.06"
    cells: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    stack: tuple[Software, ...] = ()
    notes: tuple[str, ...] = ()  # what else a person should know: "one of two cards is a fragment"

    @property
    def is_empty(self) -> bool:
        return not (any(self.cells.values()) or self.events or self.stack)


@cache
def readers() -> Mapping[str, ModuleType]:
    """Name -> module, of every module in this folder."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return {name: import_module(f"{__name__}.{name}") for name in names}


def read(name: str, data: bytes) -> Capture:
    """One file. Raises Refused."""
    if b"\0" in data:
        raise Refused("it is not text")
    text = data.decode("utf-8", "replace")
    if not text.strip():
        raise Refused("it is empty")
    for module in _claiming(name, text):
        capture = module.read(name, text)
        if capture.is_empty:
            raise Refused(f"{capture.tool}: nothing about accelerators, links, events or software is in it")
        return capture
    raise Refused(UNKNOWN)


def _claiming(name: str, text: str) -> Iterator[ModuleType]:
    return (module for module in readers().values() if module.matches(name, text[:HEAD_CHARACTERS]))
