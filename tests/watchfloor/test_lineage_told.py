"""Lineage as a person reads it, and as other programs do: tree, sentence, OpenLineage, DOT."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openlineage.client import event_v2
from openlineage.client.facet_v2 import dataset_type_dataset, job_type_job, ownership_job, parent_run

from tests.support import lineages
from tests.support.golden import same_as_golden
from tests.support.lineages import FIRST, FIRST_OVER, HELD, MINUTE, NAMES, SECOND, TEN, job
from watchfloor.jobs.model import Attempt, JobState
from watchfloor.lineage.answer import answer
from watchfloor.lineage.branch import lines
from watchfloor.lineage.dot import dot, quoted
from watchfloor.lineage.graph import Changes, Entity, Graph, Key, Kind
from watchfloor.lineage.openlineage import events
from watchfloor.lineage.openlineage_read import LineError, read_event, read_lines
from watchfloor.lineage.times import Times
from watchfloor.lineage.tree import tree
from watchfloor.lineage.watch import Watch

HERE = Path(__file__).parent
JOB = Key(Kind.JOB, "slurm:4242")
NOW = Times(TEN + 120 * MINUTE)
SCHEMA = json.loads((HERE / "fixtures" / "openlineage-run-event.schema.json").read_text("utf-8"))


def graph_of(*jobs: Any) -> Graph:
    watch = Watch()
    for number, one in enumerate(jobs):
        watch.update(TEN + number, [one], {"slurm:4242": HELD}, (), {}, NAMES)
    changes = watch.due()
    return Graph(changes.entities, changes.edges)


# -- people


def test_the_tree_of_a_story_reads_as_it_should() -> None:
    graph = lineages.repaired_graph()
    roots = [JOB, Key(Kind.NODE, "n2"), Key(Kind.USER, "alice"), Key(Kind.DATASET, "s3://data/tokens-v3")]
    roots += [Key(Kind.RUN, lineages.RUN), Key(Kind.FINDING, "xid-fatal@n2/GPU-2-3")]
    shown = ["\n".join((answer(graph, root, NOW), *lines(tree(graph, root, NOW)))) for root in roots]
    same_as_golden(HERE / "golden" / "lineage.txt", "\n\n".join(shown) + "\n")


def test_as_of_then_there_is_nothing_that_began_later_and_what_ended_later_goes_on() -> None:
    whole = lineages.repaired_graph()
    at = TEN + 98.5 * MINUTE  # a board falls off the bus half a minute later
    then = whole.as_of(at)
    assert then.entities and not {Kind.PLAN, Kind.RUN} & {key.kind for key in then.entities}
    known = [*then.entities.values(), *then.edges]
    assert all(one.start <= at and (one.end is None or one.end <= at) for one in known)
    ended_later = [key for key, one in whole.entities.items() if one.start <= at and one.end and one.end > at]
    assert all(then.entities[key].end is None for key in ended_later)


def test_what_happened_to_a_job_and_why() -> None:
    said = answer(lineages.graph(), JOB, NOW)
    assert said.startswith("attempt 1 ended with NODE_FAIL at 11:40: gpu3 of n2 had XID 79")
    assert "(11:39)" in said and said.endswith("attempt 2 runs on n[4-5] since 11:43")


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (Attempt(1, JobState.PENDING), "pending since 10:00"),
        (replace(FIRST, state=JobState.DONE, ended=TEN + 9 * MINUTE), "attempt 1 was done at 10:09"),
        (replace(FIRST, state=JobState.CANCELLED, ended=TEN + 9 * MINUTE), "attempt 1 was cancelled at 10:09"),
        (
            replace(FIRST, state=JobState.FAILED, told_state="FAILED", ended=TEN + 9 * MINUTE),
            "attempt 1 ended with FAILED at 10:09: no finding on what it held tells why",
        ),
        (
            replace(FIRST, state=JobState.TIMED_OUT, told_state="TIMEOUT", reason="TimeLimit", ended=TEN + 9 * MINUTE),
            "attempt 1 ended with TIMEOUT at 10:09: TimeLimit",
        ),
    ],
)
def test_the_answer_says_what_is_known_and_no_more(attempt: Attempt, said: str) -> None:
    assert answer(graph_of(job(attempt)), JOB, NOW) == said


def test_a_job_that_was_requeued_was_not_called_off_and_waits_again() -> None:
    requeued = replace(FIRST, state=JobState.CANCELLED, told_state="REQUEUED", ended=TEN + 9 * MINUTE)
    waiting = Attempt(2, JobState.PENDING, "PENDING")
    graph = graph_of(job(FIRST), job(waiting, requeued, reason="BeginTime"))
    assert answer(graph, JOB, NOW) == "attempt 1 was requeued at 10:09; pending again: BeginTime"
    told = list(lines(tree(graph, JOB, NOW)))
    assert told[0] == "job slurm:4242 train-llm (alice): pending" and told[1].endswith("(2 accelerators): requeued")


def test_a_job_waits_for_another_until_it_starts() -> None:
    waiting = job(Attempt(1, JobState.PENDING), dependency="afterok:4241(unfulfilled)")
    assert list(lines(tree(graph_of(waiting), JOB, NOW)))[1] == "└ waits for job slurm:4241"
    started = list(lines(tree(graph_of(waiting, job(FIRST, dependency="afterok:4241")), JOB, NOW)))
    assert started[1] == "├ waited for job slurm:4241"


def test_an_attempt_that_nobody_has_told_of_for_long_is_not_said_to_run() -> None:
    graph = graph_of(job(FIRST))
    old = [replace(entity, seen=TEN + 60 * MINUTE) for entity in graph.entities.values()]
    said = answer(Graph(old, graph.edges), JOB, Times(TEN + 600 * MINUTE))
    assert "runs" not in said and "last seen 11:00, its end is not known" in said


def test_an_attempt_of_which_its_scheduler_says_nothing_is_not_called_unknown() -> None:
    graph = graph_of(job(replace(FIRST, state=JobState.UNKNOWN, ended=None)))
    said = "\n".join(lines(tree(graph, JOB, NOW)))
    assert "is unknown" not in said and "how it stands is not known" in said


def test_many_attempts_are_summed_up() -> None:
    over = [
        replace(FIRST_OVER, number=number, started=TEN + number, ended=TEN + number + 0.5) for number in range(1, 6)
    ]
    said = answer(graph_of(job(replace(SECOND, number=6), *over)), JOB, NOW)
    assert said.startswith("3 earlier attempts; attempt 4")


def test_many_nodes_are_counted() -> None:
    names = tuple(f"{letters}-node-{number}" for number in range(7) for letters in ("alpha", "beta", "gamma"))
    graph = graph_of(job(replace(FIRST, nodes=tuple(f"{name}{i}x" for i, name in enumerate(names)))))
    assert "runs on 21 nodes (2 accelerators) since" in answer(graph, JOB, NOW)


def test_times_say_the_day_where_it_is_another_one() -> None:
    times = Times(TEN + 24 * 3600, ZoneInfo("Asia/Kolkata"))
    assert times.at(TEN + 24 * 3600) == "15:30"
    assert times.between(TEN, TEN + 3600) in ("Jan 14 15:30–16:30", "Jan 15 15:30–16:30")
    assert times.at(TEN - 400 * 86_400).split()[2].startswith("20")


# -- OpenLineage


FORMATS = jsonschema.FormatChecker()  # which checks these two only where further packages are installed


@FORMATS.checks("date-time", ValueError)
def _is_date_time(told: object) -> bool:
    """RFC 3339."""
    return not isinstance(told, str) or datetime.fromisoformat(told).tzinfo is not None


@FORMATS.checks("uri", ValueError)
def _is_uri(told: object) -> bool:
    return not isinstance(told, str) or bool(urlsplit(told).scheme and told.split() == [told])


def valid(event: Any) -> None:
    jsonschema.validate(event, SCHEMA, jsonschema.Draft202012Validator, format_checker=FORMATS)


def test_events_are_as_the_schema_wants_them() -> None:
    told = events(lineages.repaired_graph(), NOW)
    for event in told:
        valid(event)
    kinds = [(event["eventType"], event["job"]["name"]) for event in told]  # type: ignore[index]
    assert kinds == [
        ("START", "train-llm"),
        ("START", "train-llm.attempt"),
        ("FAIL", "train-llm.attempt"),
        ("START", "train-llm.attempt"),
        ("RUNNING", "train-llm"),
        ("RUNNING", "train-llm.attempt"),
    ]
    first, second = [told[2]["run"]["facets"], told[5]["run"]["facets"]]  # type: ignore[index]
    (act,) = first["watchfloor_acts"]["runs"]
    assert (act["run"], act["actions"], act["effect"]) == (lineages.RUN, "requeue_job", "requeued")
    assert "watchfloor_acts" not in second, "it was done before"


def test_events_pass_through_the_classes_that_openlineage_generates_from_its_schema() -> None:
    for event in events(lineages.graph(), NOW):
        told: Any = json.loads(json.dumps(event))
        run, named = told["run"], told["job"]
        built = event_v2.RunEvent(
            eventTime=told["eventTime"],
            producer=told["producer"],
            run=event_v2.Run(run["runId"]),
            job=event_v2.Job(named["namespace"], named["name"]),
            eventType=event_v2.RunState[told["eventType"]],
            inputs=[event_v2.InputDataset(**one) for one in told["inputs"]],
        )
        assert told["schemaURL"] == built.schemaURL
        for facet, kind in (("jobType", job_type_job.JobTypeJobFacet), ("ownership", ownership_job.OwnershipJobFacet)):
            _same_facet(kind, named["facets"][facet])
        for dataset in told["inputs"]:
            if "facets" in dataset:
                _same_facet(dataset_type_dataset.DatasetTypeDatasetFacet, dataset["facets"]["datasetType"])
        if "parent" in run["facets"]:
            _same_facet(parent_run.ParentRunFacet, run["facets"]["parent"])


def _same_facet(kind: Any, told: dict[str, Any]) -> None:
    """The generated class knows every field, and bears the same schema's address."""
    fields = {name: value for name, value in told.items() if not name.startswith("_")}
    assert kind(**fields)._schemaURL == told["_schemaURL"]


def test_ids_of_runs_are_the_same_whoever_exports_them() -> None:
    one, other = events(lineages.graph(), NOW), events(lineages.graph(), Times(NOW.now + 60))
    assert {event["run"]["runId"] for event in one} == {event["run"]["runId"] for event in other}  # type: ignore[index]
    assert len({event["run"]["runId"] for event in one}) == 3  # type: ignore[index]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (JobState.DONE, "COMPLETE"),
        (JobState.FAILED, "FAIL"),
        (JobState.OUT_OF_MEMORY, "FAIL"),
        (JobState.CANCELLED, "ABORT"),
        (JobState.PREEMPTED, "ABORT"),
        (JobState.UNKNOWN, "OTHER"),
    ],
)
def test_each_ending_has_its_event(state: JobState, kind: str) -> None:
    graph = graph_of(job(replace(FIRST, state=state, ended=TEN + 9 * MINUTE)))
    told = [event["eventType"] for event in events(graph, NOW) if str(event["job"]["name"]).endswith(".attempt")]  # type: ignore[index]
    assert told == ["START", kind]


def test_our_own_events_come_back_as_what_they_were_made_of() -> None:
    told = events(lineages.graph(), NOW)
    changes = read_lines(json.dumps(event).encode() for event in told)
    back = {entity.key for entity in changes.entities}
    assert {JOB, Key(Kind.ATTEMPT, "slurm:4242#1"), Key(Kind.ATTEMPT, "slurm:4242#2"), Key(Kind.NODE, "n2")} <= back
    assert Key(Kind.DATASET, "s3://data/tokens-v3") in back and Key(Kind.USER, "alice") in back
    checkpoint = Key(Kind.CHECKPOINT, "/scratch/ckpt/1000")
    assert checkpoint in lineages.graph().entities and checkpoint in back, "what was a checkpoint is one again"
    assert Key(Kind.DATASET, checkpoint.id) not in back


BASE = {"_producer": "https://example.org/etl", "_schemaURL": "https://example.org/facet.json#/$defs/Facet"}
FOREIGN: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2026-11-28T10:00:00.000+01:00",
    "producer": "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/spark",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {
        "runId": "01906a2c-0000-7000-8000-000000000001",
        "facets": {
            "parent": {
                **BASE,
                "run": {"runId": "01906a2c-0000-7000-8000-000000000002"},
                "job": {"namespace": "airflow", "name": "nightly.tokenise"},
            }
        },
    },
    "job": {"namespace": "spark", "name": "tokenise"},
    "inputs": [{"namespace": "s3://data", "name": "raw"}],
    "outputs": [{"namespace": "s3://data", "name": "tokens-v3"}],
}


def test_a_foreign_run_leads_from_its_inputs_to_its_outputs() -> None:
    valid(FOREIGN)
    changes = read_lines([json.dumps(FOREIGN).encode(), b"\n"])
    graph = Graph(changes.entities, changes.edges)
    run = Key(Kind.TRACKED_RUN, "openlineage:01906a2c-0000-7000-8000-000000000001")
    assert graph.entities[run].end == 1_795_856_400.0
    shown = list(lines(tree(graph, run, NOW)))
    assert shown[0] == "openlineage run tokenise"
    assert any("used dataset s3://data/raw" in line for line in shown)
    assert any("made dataset s3://data/tokens-v3" in line for line in shown)
    assert any("started by openlineage run nightly.tokenise" in line for line in shown)
    # the dataset is the one that a job's comment names
    assert Key(Kind.DATASET, "s3://data/tokens-v3") in lineages.graph().entities


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"run": {"runId": "7"}}, "run.runId is no UUID"),
        ({"run": []}, "run is no JSON object"),
        ({"eventTime": "yesterday"}, "eventTime is no date"),
        ({"eventTime": "2026-11-28T10:00:00"}, "no offset"),
        ({"eventType": "GO"}, "eventType is 'GO'"),
        ({"job": {"namespace": "x"}}, r"job\.name is no text"),
        ({"inputs": [7]}, "a dataset is no JSON object"),
        ({"inputs": [{}] * 1001}, "inputs is no list of 1000"),
        ({"outputs": {}}, "outputs is no list"),
        ({"producer": "somebody"}, "producer is no URI"),
        ({"schemaURL": 7}, "schemaURL is no text"),
        ({"job": {"namespace": "x", "name": "y", "facets": {"sql": {}}}}, r"job\.facets\.sql\._producer is no text"),
    ],
)
def test_what_is_wrong_with_an_event_is_said_with_its_line(change: dict[str, Any], why: str) -> None:
    with pytest.raises(LineError, match=f"line 2: .*{why}"):
        read_lines([json.dumps(FOREIGN).encode(), json.dumps({**FOREIGN, **change}).encode()])


WHOLE: dict[str, Any] = {
    **FOREIGN,
    "job": {**FOREIGN["job"], "facets": {"sql": {**BASE, "query": "select 1"}}},
    "inputs": [{**FOREIGN["inputs"][0], "facets": {"schema": BASE}, "inputFacets": {"quality": BASE}}],
    "outputs": [{**FOREIGN["outputs"][0], "facets": {"schema": BASE}, "outputFacets": {"size": BASE}}],
}


def _ways(told: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """To everything within an event."""
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for name, part in items:
        yield (*way, name)
        yield from _ways(part, (*way, name))


@pytest.mark.parametrize("way", list(_ways(WHOLE)), ids=lambda way: ".".join(map(str, way)))
@pytest.mark.parametrize("other", ["gone", None, 7, "some words", [], {}], ids=repr)
def test_what_the_schema_does_not_allow_is_not_accepted(way: tuple[Any, ...], other: object) -> None:
    event = json.loads(json.dumps(WHOLE))
    *before, last = way
    place = reduce(lambda told, name: told[name], before, event)
    if other == "gone":
        del place[last]
    else:
        place[last] = other
    try:
        valid(event)
    except jsonschema.ValidationError:
        with pytest.raises(ValueError, match=r" (is|has) "):
            read_event(json.dumps(event).encode())


@pytest.mark.parametrize("text", [b"{", b"[" * 100_000, b"null", b"\xff\xfe", b'{"a": 1}', b"x" * 2_000_000])
def test_what_is_no_event_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_event(text)


def test_secrets_in_foreign_events_are_not_kept() -> None:
    dataset = {"namespace": "postgres://me:pw-secret@host", "name": "table?password=pw-secret"}
    told = read_event(json.dumps({**FOREIGN, "inputs": [dataset]}).encode())
    assert "pw-secret" not in repr(told)


# -- DOT


@given(st.text(max_size=80))
def test_a_quoted_text_is_one_token(text: str) -> None:
    inner = quoted(text)[1:-1]
    assert "\n" not in inner and '"' not in inner.replace("\\\\", "").replace('\\"', "")


def test_a_graph_is_drawn_with_every_entity_and_edge(tmp_path: Path) -> None:
    graph = lineages.graph()
    evil = Entity(Key(Kind.IMAGE, 'a"]; b -> "\\'), TEN)
    text = dot(Graph([*graph.entities.values(), evil], graph.edges), NOW)
    drawn = [key for key in graph.entities if key.kind is not Kind.EPISODE]  # those are told by their finding
    assert text.count("shape=") == len(drawn) + 1
    assert text.count(" -> ") == len(graph.edges) + 2  # twice in the label and the tooltip of the odd one
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg", "-o", str(tmp_path / "x.svg")], input=text.encode(), check=True, timeout=30)


def test_nothing_at_all_is_an_empty_graph() -> None:
    assert Changes() == read_lines([]) and not events(Graph([], []), NOW) and "digraph" in dot(Graph([], []), NOW)
