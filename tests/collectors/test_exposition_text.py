"""The text exposition format: every shape of a line, and what is no line at all."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe.exposition import parse


def one(line: str) -> tuple[str, dict[str, str], float, float | None]:
    page = parse(line + "\n")
    assert (page.broken, len(page.samples)) == (0, 1)
    sample = page.samples[0]
    return sample.name, sample.labels, sample.value, sample.at


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("up 1", ("up", {}, 1.0, None)),
        ("up{} 1", ("up", {}, 1.0, None)),
        ('a:b_c{x="1",y="2",} -1.5e3', ("a:b_c", {"x": "1", "y": "2"}, -1500.0, None)),
        ('a { x = "1" , y="2" }  3  ', ("a", {"x": "1", "y": "2"}, 3.0, None)),
        (r'a{path="C:\\dir\n\"x\", {}=1"} 2', ("a", {"path": 'C:\\dir\n"x", {}=1'}, 2.0, None)),
        ("a 1 1700000000500", ("a", {}, 1.0, 1_700_000_000.5)),
        ('a_bucket{le="+Inf"} 7 # {trace_id="x"} 0.4 1700000000', ("a_bucket", {"le": "+Inf"}, 7.0, None)),
        ("a +Inf", ("a", {}, math.inf, None)),
        ("a -Inf", ("a", {}, -math.inf, None)),
        ("a .5", ("a", {}, 0.5, None)),
    ],
)
def test_lines(line: str, sample: tuple[str, dict[str, str], float, float | None]) -> None:
    assert one(line) == sample


def test_nan_is_a_value() -> None:
    assert math.isnan(one("a NaN")[2])


def test_openmetrics_tells_seconds_and_its_end() -> None:
    page = parse("# TYPE a counter\n# UNIT a seconds\na_total 1 1700000000.5\n# EOF\n")
    assert page.complete and page.samples[0].at == 1_700_000_000.5 and page.kinds == {"a": "counter"}


@pytest.mark.parametrize(
    "line",
    ["a", "a{", 'a{x="1" 1', 'a{x="1} 1', "a{x=1} 1", "a 1_000", "a 0x10", "a one", "a 1 2 3", "1a 1",
     '{"a"} 1', "a 1e",
     "a infinityx", 'a{x="1"}} 1', "é 1", "a" + " " * 70_000 + "1"],
)  # fmt: skip
def test_what_is_no_line_is_counted(line: str) -> None:
    page = parse(f"{line}\nb 1\n")
    assert (page.broken, [sample.name for sample in page.samples]) == (1, ["b"])


def test_what_is_not_wanted_is_passed_over_by_its_name() -> None:
    page = parse("a 1\nb{broken 1\nc 3", lambda name: name in ("a", "c"))
    assert (page.broken, [sample.name for sample in page.samples]) == (0, ["a", "c"])


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    parse(text)


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), st.text(max_size=20), max_size=4))
def test_labels_come_back_as_they_were_written(labels: dict[str, str]) -> None:
    escaped = (text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for text in labels.values())
    written = ",".join(f'{name}="{text}"' for name, text in zip(labels, escaped, strict=True))
    if "\r" not in written:  # others end a line for some readers; the format knows \n alone
        assert one(f"a{{{written}}} 1")[1] == labels


@pytest.mark.parametrize(
    "line",
    [
        'a{x="' + "\\" * 60_000,
        "a{" + 'x="1",' * 10_000,
        "a " + "1" * 60_000,
        "a " + "1" * 60_000 + "x",
        "a 1" + "." * 60_000,
        "#" * 60_000,
    ],
)
def test_hostile_lines_cost_linear_time(line: str) -> None:
    began = time.process_time()
    parse("\n".join([line] * 10))
    assert time.process_time() - began < 1.0


def test_of_a_hostile_page_only_so_much_is_kept() -> None:
    page = parse("# TYPE a gauge\n# TYPE b gauge\na 1\na 2\na 3\n\n", most=1)
    assert (len(page.samples), page.broken, page.kinds) == (1, 2, {"a": "gauge"})
