"""A frame as JSON, table and exposition: complete, without NaN, missing values with their reasons."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.support.frames import hosts_only, settled
from tests.support.golden import same_as_golden
from tests.support.parts import program
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import Finding, Missing, Scope, State, Subject
from watchfloor.query import parse
from watchfloor.snapshot.document import document
from watchfloor.snapshot.exposition import exposition, series_name
from watchfloor.snapshot.selection import select
from watchfloor.snapshot.table import table
from watchfloor.snapshot.words import duration, scaled

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def frame() -> Frame:
    return settled()


def _read(frame: Frame, where: str = "") -> dict:
    found = document(select(frame, parse(where) if where else None))
    return json.loads(json.dumps(found, allow_nan=False))


def _validate(found: dict) -> None:
    schema = json.loads((files("watchfloor.schemas") / "snapshot.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema)


@pytest.mark.parametrize("where", ["", "util > 50", "node: cpu > 10", "up == false"])
def test_the_document_is_what_its_schema_says(frame: Frame, where: str) -> None:
    _validate(_read(frame, where))


def test_the_document_of_hosts_without_accelerators_is_too() -> None:
    _validate(_read(hosts_only()))


def test_the_document_with_a_finding_of_a_job_is_too(frame: Frame) -> None:
    faulty = Finding(
        Subject(Scope.JOB, "", "slurm:7"), "job-on-faulty-node", State.WARNING, "job 7 runs on what is faulty"
    )
    _validate(_read(replace(frame, findings=(*frame.findings, faulty))))


def test_every_metric_is_a_value_or_a_reason(frame: Frame) -> None:
    found = _read(frame)
    for node in found["nodes"]:
        _is_whole(node, Scope.NODE)
        for accelerator in node["accelerators"]:
            _is_whole(accelerator, Scope.ACCELERATOR)
        for link in node["links"]:
            _is_whole(link, Scope.LINK)


def _is_whole(subject: dict, scope: Scope) -> None:
    names = [*subject["values"], *subject["missing"]]
    assert sorted(names) == sorted(CATALOGUE[scope])


def test_a_lost_accelerator_keeps_its_reason_and_its_last_value(frame: Frame) -> None:
    node = next(node for node in _read(frame)["nodes"] if node["name"] == "dgx-02")
    lost = next(board for board in node["accelerators"] if board["key"] == "GPU-dgx-02-3")
    assert lost["state"] == "critical"
    assert "temp" not in lost["values"]
    assert lost["missing"]["temp"]["reason"] == "lost"
    assert lost["missing"]["temp"]["last"] > 0


def test_the_drivers_words_are_kept(frame: Frame) -> None:
    node = next(node for node in _read(frame)["nodes"] if node["name"] == "l40-01")
    assert node["accelerators"][0]["missing"]["xid"] == {
        "reason": "not permitted",
        "note": "event set: Insufficient Permissions",
    }


def test_flags_are_booleans_and_counts_whole_numbers(frame: Frame) -> None:
    link = _read(frame, "up == false")["nodes"][0]["links"][0]
    assert link["values"]["up"] is False
    assert isinstance(_read(frame)["nodes"][0]["values"]["cpus"], int)


def test_a_query_selects_rows_and_hides_no_node_that_could_not_be_read(frame: Frame) -> None:
    found = _read(frame, 'node == "dgx-01" and util > 0')
    assert [node["name"] for node in found["nodes"]] == ["dgx-01", "dgx-04", "l40-03"]
    assert found["summary"]["accelerators"]["shown"] == len(found["nodes"][0]["accelerators"]) > 0
    assert found["summary"]["nodes"] == {"total": 13, "read": 11, "failed": 2}
    assert found["nodes"][1]["accelerators"] == []
    assert found["nodes"][2]["status"]["problem"] == "host key changed"


def test_a_query_about_nodes_brings_their_accelerators(frame: Frame) -> None:
    found = _read(frame, 'node: name == "dgx-01"')
    assert len(found["nodes"][0]["accelerators"]) == 8


def test_the_table(frame: Frame) -> None:
    same_as_golden(GOLDEN / "table.txt", table(select(frame)) + "\n")


def test_the_table_of_nodes(frame: Frame) -> None:
    same_as_golden(GOLDEN / "table-nodes.txt", table(select(frame, parse("node: cpu >= 0"))) + "\n")


def test_the_table_fits_the_terminal(frame: Frame) -> None:
    lines = table(select(frame), width=80).splitlines()
    body = lines[: lines.index("")]
    assert max(len(line) for line in body) <= 80
    assert any(line.startswith("not shown, the terminal is too narrow:") for line in lines)


def test_columns_by_name_of_the_row_or_of_its_node(frame: Frame) -> None:
    text = table(select(frame), ["node", "rack", "node.cpu", "temp"])
    assert text.splitlines()[0].split() == ["NODE", "RACK", "CPU%", "TEMP"]


def test_an_unknown_column_names_its_neighbour(frame: Frame) -> None:
    with pytest.raises(ConfigError, match="did you mean temp"):
        table(select(frame), ["tempp"])


def test_colour_marks_states_and_only_where_asked(frame: Frame) -> None:
    assert "\x1b[31m" in table(select(frame), colour=True)
    assert "\x1b" not in table(select(frame))


def test_series_have_names_of_their_own() -> None:
    names = [series_name(m) for t in CATALOGUE.values() for m in t.values() if m.kind is not Kind.TEXT]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"watchfloor_[a-z0-9_]+", name) for name in names)
    metric = CATALOGUE[Scope.ACCELERATOR]["temp"]
    assert series_name(metric) == "watchfloor_accelerator_temperature_celsius"


def test_counters_and_only_counters_end_in_total() -> None:
    for metric in [metric for rows in CATALOGUE.values() for metric in rows.values()]:
        assert series_name(metric).endswith("_total") == (metric.kind is Kind.COUNTER), metric.name


def test_an_exposed_family_stands_together_with_help_and_type(frame: Frame) -> None:
    seen: list[str] = []
    for line in exposition(select(frame)).splitlines():
        if line.startswith("# TYPE "):
            seen.append(line.split()[2])
        elif not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9_]+\{.*\} -?[0-9.e+-]+", line), line
            assert line.startswith(seen[-1] + "{")
    assert len(set(seen)) == len(seen)


def test_a_missing_value_has_no_sample_but_a_reason(frame: Frame) -> None:
    lost = [line for line in exposition(select(frame)).splitlines() if 'key="GPU-dgx-02-3"' in line]
    assert not [line for line in lost if "temperature_celsius" in line]
    assert [line for line in lost if 'metric="temp",reason="lost"' in line]


def test_command_lines_are_never_exposed(frame: Frame) -> None:
    assert "train.py" not in exposition(select(frame))


def test_promtool_finds_nothing_to_say(frame: Frame) -> None:
    promtool = program("promtool", "prometheus")
    text = exposition(select(frame)).encode()
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (512, "512"), (1023, "1023"), (1024, "1K"), (85.5e9, "79.6G"), (1073741823, "1G")]
)
def test_bytes_in_three_figures(value: float, shown: str) -> None:
    assert scaled(value, 1024, "KMGTPE") == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.3, "0.3s"), (59, "59s"), (300, "5m"), (7200, "2h"), (200_000, "2d"), (-3.0, "-3s")]
)
def test_durations_in_one_unit(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_every_reason_has_a_code(frame: Frame) -> None:
    text = table(select(frame), list(CATALOGUE[Scope.ACCELERATOR]))
    codes = {code for name in CATALOGUE[Scope.ACCELERATOR] for code in frame.accelerators.reasons(name).tolist()}
    used = set(map(Missing, codes)) - {Missing.NO, Missing.LOST, Missing.STALE}
    assert all(reason.label in text for reason in used)
