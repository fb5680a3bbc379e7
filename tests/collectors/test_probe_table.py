"""What a sampler gives and the wire doesn't take: one cell without a value, not a node without a report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collectors.probe.cells import FAILED_CODE, LOST_CODE, UNSUPPORTED, Missing
from collectors.probe.table import Table
from watchfloor.frame import NodeDetail
from watchfloor.model import Missing as Reason
from watchfloor.report import Report, decode, note_key


def told(value: Any) -> Report:
    """A report with one cell beside a sound one, as the console reads it."""
    table = Table(["a"], ["util", "temp"])
    table.put("a", {"util": value, "temp": 40.5})
    cells, notes = table.take(full=True)
    named = {f"accelerator.{metric}": text for metric, text in notes.items()}
    line = {"t": "report", "n": 1, "generation": 1, "at": 0.0, "cells": {"accelerator": cells}, "notes": named}
    report = decode(json.dumps(line, allow_nan=False).encode())
    assert isinstance(report, Report)
    return report


_NO_NUMBERS = {
    "nan": float("nan"), "inf": float("inf"), "null": None, "list": [1], "object": {"value": 1}, "true": True,
    "large": 10**400, "low": -1e30,
}  # fmt: skip


@pytest.mark.parametrize("value", _NO_NUMBERS.values(), ids=_NO_NUMBERS)
def test_what_is_no_number_is_said_to_be_none(value: Any) -> None:
    report = told(value)
    cells = report.cells["accelerator"]
    assert (cells.p, cells.v) == ([1], [40.5])
    assert (cells.mp, cells.mc) == ([0], [FAILED_CODE])
    assert report.notes[note_key("accelerator.util", FAILED_CODE)].startswith("no value: ")


@pytest.mark.parametrize("text", ["x" * 10_000, "half \ud800 a pair"], ids=["long", "half"])
def test_texts_are_as_long_as_the_console_takes_and_of_whole_characters(text: str) -> None:
    shown = told(text).cells["accelerator"].x[0]
    assert len(shown) == min(len(text), 4096) and shown.startswith(text[:5])


def test_reasons_are_told_in_whole_characters() -> None:
    assert told(Missing(FAILED_CODE, "half \ud800")).notes == {note_key("accelerator.util", FAILED_CODE): "half ?"}
    said = told(Missing(FAILED_CODE, "xpu-smi: HF_TOKEN=plantedSecret isn't there")).notes
    assert said == {note_key("accelerator.util", FAILED_CODE): "xpu-smi: HF_TOKEN=*** isn't there"}


def test_the_words_of_one_reason_are_not_those_of_another() -> None:
    """A GPU that is lost says nothing of its neighbour, which never had such a thing."""
    table = Table(["a", "b"], ["fan"])
    table.put("a", {"fan": Missing(LOST_CODE, "GPU is lost")})
    table.put("b", {"fan": UNSUPPORTED})
    detail = NodeDetail(notes={f"accelerator.{key}": words for key, words in table.take(full=True)[1].items()})
    assert detail.note("accelerator.fan", Reason.LOST) == "GPU is lost"
    assert detail.note("accelerator.fan", Reason.UNSUPPORTED) == ""


def detail(table: Table, *reports: bool) -> NodeDetail:
    """What a console knows after full reports (True) and others."""
    notes: dict[str, str] = {}
    for full in reports:
        told = table.take(full)[1]
        notes = told if full else {**notes, **told}
    return NodeDetail(notes={f"accelerator.{key}": words for key, words in notes.items()})


def words(table: Table, known: NodeDetail) -> list[str]:
    return [known.note("accelerator.util", Reason.UNSUPPORTED, key) for key in table.keys]


def test_words_of_one_vendors_tool_are_not_told_of_the_boards_of_another() -> None:
    table = Table(["habana:1", "intel:1", "intel:2", "GPU-1"], ["util", "temp"])
    for key in ("intel:1", "intel:2"):
        table.put(key, dict.fromkeys(("util", "temp"), Missing(UNSUPPORTED.code, "xpu-smi is not installed")))
    known = detail(table, True)
    assert words(table, known) == ["", "xpu-smi is not installed", "xpu-smi is not installed", ""]
    assert len(known.notes) == 2  # what a family says alike is told once


def test_words_of_one_board_are_not_told_of_its_neighbour() -> None:
    table = Table(["intel:1", "intel:2"], ["util"])
    table.put("intel:2", {"util": Missing(UNSUPPORTED.code, "xpu-smi doesn't list it")})
    assert words(table, detail(table, True)) == ["", "xpu-smi doesn't list it"]


def test_words_that_change_between_full_reports_are_those_of_the_next_one() -> None:
    table = Table(["intel:1", "intel:2", "habana:1"], ["util"])
    reason = Missing(UNSUPPORTED.code, "asleep")
    table.put("intel:1", {"util": reason})
    table.take(full=True)
    for key in table.keys:  # all agree: it is told once
        table.put(key, {"util": reason})
    assert words(table, detail(table, False)) == ["asleep"] * 3
    table.put("habana:1", {"util": UNSUPPORTED})
    partial, whole = detail(table, False), detail(table, True)
    assert words(table, partial) == words(table, whole) == ["asleep", "asleep", ""]


def test_a_hundred_ports_with_words_of_their_own_are_no_flood() -> None:
    table = Table([f"ib:{port}" for port in range(109)], ["util"])
    for key in table.keys:
        table.put(key, {"util": Missing(UNSUPPORTED.code, f"no answer of {key}")})
    assert len(detail(table, True).notes) == 1


def test_a_full_report_leaves_out_what_is_unsupported_for_no_reason_of_its_own() -> None:
    table = Table(["a", "b"], ["util", "fan", "mig"])
    table.put("a", {"util": 0, "fan": UNSUPPORTED, "mig": Missing(UNSUPPORTED.code, "not this board")})
    assert table.take(full=True)[0] == {"p": [0], "v": [0], "mp": [2], "mc": [UNSUPPORTED.code]}
    table.put("a", {"util": UNSUPPORTED})
    assert table.take(full=False)[0] == {"mp": [0], "mc": [UNSUPPORTED.code]}  # it had a value
    assert table.take(full=True)[0] == {"mp": [2], "mc": [UNSUPPORTED.code]}
