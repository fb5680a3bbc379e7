"""`watchfloor report` as a person and a script use it, and its report as text, Markdown, JSON and a page."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.golden import same_as_golden
from tests.support.ledgers import beat, written
from tests.support.parts import ROOT
from tests.support.reports import HOSTILE, week
from tests.support.told import Told
from watchfloor.exits import Exit
from watchfloor.reporting.document import document
from watchfloor.reporting.figures import Figure, Report, Unit, known, missing
from watchfloor.reporting.markdown import markdown
from watchfloor.reporting.shown import share, shown
from watchfloor.reporting.text import fitted, text
from watchfloor.reporting.webpage import webpage
from watchfloor.schemas import schema_text
from watchfloor.snapshot.words import cells_wide

GOLDEN = ROOT / "tests" / "watchfloor" / "golden" / "report.txt"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return week(tmp_path_factory.mktemp("week") / "ledger.db")


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Told:
    """The command, where nothing is kept yet and no fleet file is near."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name, place in (("LEDGER", "ledger.db"), ("LINEAGE", "lineage.db"), ("SESSIONS", "sessions")):
        monkeypatch.setenv(f"WATCHFLOOR_{name}", str(tmp_path / place))
    return Told("report", capfd)


# -- as text


def test_a_report_as_it_is_printed(told: Report) -> None:
    same_as_golden(GOLDEN, text(told, UTC, 80))


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(told: Report, width: int) -> None:
    wide = [line for line in text(told, UTC, width).splitlines() if cells_wide(line) > width]
    assert wide == []


def test_columns_of_text_give_way_and_figures_never() -> None:
    assert fitted([40, 6, 20], [False, True, False], 60) == [26, 6, 20], "four before, two between"
    assert fitted([8, 90], [False, True], 60) == [8, 90]


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.0, "100 %"), (0.99999, "99.99 %"), (0.5, "50.00 %"), (0.000001, "0.01 %"), (0.0, "0 %")],
)
def test_only_all_of_it_is_a_hundred_percent(value: float, said: str) -> None:
    assert share(value) == said


def test_every_unit_has_words() -> None:
    assert [shown(known(1.0, unit), UTC) for unit in Unit]


def test_what_is_not_known_never_reads_as_nothing() -> None:
    assert shown(missing("nobody watched", Unit.COUNT), UTC) == "–" and shown(known(0), UTC) == "0"


# -- hostile names


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts += data


def test_a_page_holds_names_as_texts(told: Report) -> None:
    page = _Page()
    page.feed(webpage(told, UTC))
    assert not page.tags & {"img", "script", "iframe", "link"} and "<img src=x onerror=" in page.texts
    assert "\x1b" not in page.texts and "\u202e" not in page.texts


def test_markdown_holds_names_as_texts(told: Report) -> None:
    drawn = markdown(told, UTC)
    lines = [line for line in drawn.splitlines() if "onerror" in line]
    assert lines and "<img" not in drawn and "\x1b" not in drawn
    assert all(re.search(r"&gt;\\\|\\`\\\*\\_\\\[x\\\]\\\(y\\\)·", line) for line in lines)
    tables = [line for line in drawn.splitlines() if line.startswith("|---") or line.startswith("|--:")]
    assert tables, "rows of a table have as many cells as its head"
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 6 for line in lines if line.startswith("| ") and "12.0 h" in line)


def test_text_holds_no_escape_sequence(told: Report) -> None:
    assert HOSTILE not in text(told, UTC, None) and all(
        character.isprintable() or character == "\n" for character in text(told, UTC, None)
    )


# -- as JSON


def test_json_is_as_its_schema_says(told: Report) -> None:
    found = json.loads(json.dumps(document(told), allow_nan=False))
    schema = json.loads(schema_text("report"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema)
    (mttr,) = [
        row["mttr"]
        for row in found["sections"]["availability"]["tables"]["by_rack"]["rows"]
        if row["place"] == "lab/r2"
    ]
    assert mttr == {"value": None, "unit": "seconds", "missing": "no fault was seen from beginning to end"}


def test_a_figure_without_a_value_has_a_reason_and_each_of_its_own_a_basis(told: Report) -> None:
    figures = [one for section in told.sections for one in section.figures]
    cells = [cell for section in told.sections for table in section.tables for row in table.rows for cell in row]
    assert all(one.basis or one.figure.missing for one in figures)
    assert all((cell.value is None) == bool(cell.missing) for cell in cells if isinstance(cell, Figure))


# -- the command


def test_where_nothing_is_kept_it_says_so(report: Told) -> None:
    assert report() == Exit.NOT_KEPT and "nothing is kept of this time" in report.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json", "--html"), "more than one form"),
        (("--since", "1h", "--until", "2h"), "nothing lies between"),
        (("--since", "yesterday"), "'yesterday' is no time"),
        (("--fleet", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_what_cannot_be_meant_is_said(report: Told, words: tuple[str, ...], said: str) -> None:
    assert report(*words) == Exit.USAGE and said in report.out + report.err


def test_each_form_is_written_to_a_file(report: Told, tmp_path: Path) -> None:
    written(tmp_path / "ledger.db", [beat()])
    begins: dict[str, Any] = {"--json": "{", "--md": "# Report", "--html": "<!DOCTYPE html>"}
    for form, start in begins.items():
        assert report(form, "-o", "out") == Exit.OK and report.out == ""
        assert (tmp_path / "out").read_text("utf-8").startswith(start)
    assert report() == Exit.OK and report.out.startswith("REPORT  ")
    assert report("-o", "nowhere/out") == Exit.USAGE and "nowhere/out" in report.err


def test_the_time_that_is_meant_is_the_one_that_is_told(report: Told, tmp_path: Path) -> None:
    written(tmp_path / "ledger.db", [beat()])
    found = report.json("--since", "2h", "--until", "1h")
    assert found["until"] - found["since"] == pytest.approx(3600.0, abs=1.0)
    assert found["until"] == pytest.approx(time.time() - 3600.0, abs=60.0)
    assert found["sections"]["basis"]["tables"]["sources"]["rows"][0]["told"] == "0 entries, 0 runs"


def test_hosts_that_are_named_are_the_fleet(report: Told, tmp_path: Path) -> None:
    written(tmp_path / "ledger.db", [beat()])
    found = report.json("node[01-16]")
    assert found["sections"]["basis"]["figures"]["nodes"]["value"] == 16
