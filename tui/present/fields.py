"""Which columns a table has at a given width: fields by importance, shown in their fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tui.present.format import Align
from tui.present.rows import GAP, GUTTER, Column
from watchfloor.frame import View

_NOTE_LEAST = 26  # a quarter of a wide screen: what is the matter is what one came for
_UNTOLD = 10  # cells of a text whose length nobody told
_NOTHING_LONG: Mapping[str, int] = {}
_FIXED = frozenset({"state", "node"})  # stay when the table is scrolled sideways


@dataclass(frozen=True, slots=True)
class Field:
    """A possible column. Those with a low `rank` come first when the room is dealt out; rank 0 is always there."""

    name: str  # a metric of the catalogue, or "node", "note"
    title: str
    width: int
    rank: int
    align: Align = "right"
    letter: str = ""  # Shift + this letter sorts by it
    flexible: bool = False
    most: int = 0  # cells that it takes where its longest text needs them, before the others are dealt any


NODE_NAME = Field("node", "NODE", 6, 0, "left", "N", most=26)

ACCELERATOR_FIELDS: Sequence[Field] = (
    Field("state", "", 1, 0, "left", "S"),
    NODE_NAME,
    Field("rack", "RACK", 6, 6, "left", "R"),
    Field("name", "ACCEL", 6, 0, "left", most=12),
    Field("model", "MODEL", 22, 9, "left", "O"),
    Field("util", "UTIL%", 5, 0, letter="U"),
    Field("mem_util", "MEMBW%", 6, 11),
    Field("mem_used", "MEM", 6, 0, letter="E"),
    Field("mem", "MEM%", 5, 8),
    Field("temp", "TEMP", 5, 0, letter="T"),
    Field("temp_margin", "MARGIN", 6, 10),
    Field("power", "POWER", 6, 0, letter="P"),
    Field("power_limit", "LIMIT", 6, 13),
    Field("clock_sm", "SMCLK", 6, 3, letter="C"),
    Field("throttle", "THROTTLE", 8, 7, "left", "H"),
    Field("link_rx", "LINKRX", 6, 12, letter="L"),
    Field("pcie_rx", "PCIERX", 6, 14),
    Field("ecc_uncorrected", "ECCU", 5, 15),
    Field("xid", "XID", 5, 16, letter="X"),
    Field("user", "USER", 9, 4, "left", "W"),
    Field("job", "JOB", 12, 2, "left", "J", most=24),
    Field("note", "NOTE", _NOTE_LEAST, 0, "left", flexible=True),
)

NODE_FIELDS: Sequence[Field] = (
    Field("state", "", 1, 0, "left", "S"),
    NODE_NAME,
    Field("rack", "RACK", 6, 6, "left", "R"),
    Field("phase", "PHASE", 10, 4, "left", "H"),
    Field("age", "AGE", 6, 3, letter="A"),
    Field("accelerators", "ACCEL", 5, 0),
    Field("util", "UTIL%", 5, 0, letter="U"),
    Field("mem_share", "MEM%", 5, 2, letter="E"),
    Field("temp", "TEMP", 5, 0, letter="T"),
    Field("power", "POWER", 6, 0, letter="P"),
    Field("power_budget", "BUDGET", 6, 9),
    Field("cpu", "CPU%", 5, 1, letter="C"),
    Field("load1", "LOAD", 6, 7, letter="L"),
    Field("mem_used", "HOSTMEM", 7, 5),
    Field("net_rx", "NETRX", 6, 8),
    Field("net_tx", "NETTX", 6, 8),
    Field("disk_read", "DREAD", 6, 10),
    Field("disk_write", "DWRITE", 6, 10),
    Field("fs_used", "FS%", 5, 11),
    Field("skew", "SKEW", 6, 12),
    Field("round_trip", "RTT", 6, 13),
    Field("kernel", "KERNEL", 18, 14, "left"),
    Field("note", "NOTE", _NOTE_LEAST, 0, "left", flexible=True),
)


def columns_for(fields: Sequence[Field], width: int, longest: Mapping[str, int] = _NOTHING_LONG) -> list[Column]:
    """The columns that fit into `width` cells, the most important first, in the order of the fields. `longest` are the
    cells of the longest text, by the field's name.
    """
    note_width = max(_NOTE_LEAST, width // 4)
    wanted = sorted(fields, key=lambda field: field.rank)
    room, chosen = width - GUTTER + GAP, set[str]()
    for field in wanted:
        needs = _width(field, longest, note_width) + GAP
        if field.rank and needs > room:
            break
        chosen.add(field.name)
        room -= needs
    return [
        Column(
            field.name,
            field.title,
            _width(field, longest, note_width),
            field.align,
            field.flexible,
            field.name in _FIXED,
        )
        for field in fields
        if field.name in chosen
    ]


def longest_text(view: View, name: str) -> int:
    """Characters of the longest text that any row has of a metric."""
    there = np.flatnonzero(np.bincount(view.told(name).values.astype(np.intp) + 1)[1:])
    return max((len(view.texts[code]) for code in there.tolist()), default=0)


def _width(field: Field, longest: Mapping[str, int], note_width: int) -> int:
    if field.name == "note":
        return note_width
    return max(field.width, min(longest.get(field.name, _UNTOLD), field.most))
