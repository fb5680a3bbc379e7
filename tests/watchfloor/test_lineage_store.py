"""Lineage kept: the same in an SQLite file and in a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import lineages
from tests.support.postgres import PostgresServer, running_postgres
from watchfloor.errors import ConfigError, StoreError
from watchfloor.lineage.graph import Changes, Edge, Entity, Graph, Key, Kind, Relation, mention
from watchfloor.lineage.reach import Asked
from watchfloor.records.databases import database, readable
from watchfloor.records.lineage import LineageStore

JOB = Key(Kind.JOB, "slurm:4242")
NODE = Key(Kind.NODE, "n2")
DAY = 86_400.0
NOW = lineages.TEN + 2 * 3600


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place of each kind."""
    return str(tmp_path / "lineage.db") if request.param == "sqlite" else request.getfixturevalue("emptied")


@pytest.fixture
def emptied(server: PostgresServer) -> str:
    """The address of a database without tables of ours."""
    address = server.address
    base = database(address, ())
    base.write([(f"DROP TABLE IF EXISTS {table}", [()]) for table in
                ("lineage_entity", "lineage_edge", "lineage_version")])  # fmt: skip
    base.close()
    return address


@pytest.fixture
def opened(place: str) -> Iterator[Callable[[], LineageStore]]:
    made: list[LineageStore] = []

    def store() -> LineageStore:
        made.append(LineageStore(place))
        return made[-1]

    yield store
    for one in made:
        one.close()


def told(graph: Graph) -> tuple[object, object]:
    """What a graph says, without when a store was told of it, and without facts that are over."""
    entities = {
        key: replace(one, seen=None, mentioned=False, facts={name: fact for name, fact in one.facts.items() if fact})
        for key, one in graph.entities.items()
    }
    return entities, {(edge.key, edge.start, edge.end, tuple(sorted(edge.facts.items()))) for edge in graph.edges}


def test_who_only_reads_makes_nothing_and_writes_nothing(place: str, opened: Callable[[], LineageStore]) -> None:
    reader = LineageStore(place, readable)
    assert not reader.around(Asked(JOB)).entities and reader.find("4242", [Kind.JOB]) == []
    assert place.startswith("postgresql://") or not Path(place).exists()
    story = lineages.watched().due()
    opened().save(story, NOW)
    assert told(reader.around(Asked(JOB))) == told(opened().around(Asked(JOB)))
    with pytest.raises(StoreError):
        reader.save(story, NOW)
    reader.close()


def test_what_was_saved_is_there_for_another_console(opened: Callable[[], LineageStore]) -> None:
    story = lineages.watched().due()
    opened().save(story, NOW)
    kept = opened().around(Asked(JOB))
    whole = Graph(story.entities, story.edges)
    about_boards = {Relation.HAS}  # of nodes, which a job's lineage ends at
    expected = Graph(story.entities, (edge for edge in whole.edges if edge.relation not in about_boards))
    assert told(kept)[1] == told(expected)[1]
    assert told(kept)[0].items() <= told(whole)[0].items()  # type: ignore[attr-defined]
    assert not kept.cut


def test_what_two_consoles_saw_is_there_once(opened: Callable[[], LineageStore]) -> None:
    mine, theirs = opened(), opened()
    story = lineages.watched().due()
    for number in range(3):
        mine.save(story, NOW + number)
        theirs.save(story, NOW + number)
    once = opened().around(Asked(JOB))
    assert len({edge.key for edge in once.edges}) == len(once.edges)
    assert told(once) == told(mine.around(Asked(JOB)))


def test_what_is_known_later_counts_and_the_earliest_beginning(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    store.save(Changes((Entity(JOB, 100.0, None, "4242", {"state": "running", "user": "alice"}),)), 200.0)
    store.save(Changes((Entity(JOB, 150.0, 300.0, "", {"state": "done"}),)), 300.0)
    store.save(Changes((Entity(JOB, 90.0, None, "late", {"state": "running", "queue": "a"}),)), 250.0)
    store.save(Changes((mention(JOB, 400.0),)), 400.0)
    kept = store.around(Asked(JOB)).entities[JOB]
    assert (kept.start, kept.end, kept.label, kept.seen) == (90.0, 300.0, "4242", 400.0)
    assert kept.facts == {"state": "done", "user": "alice", "queue": "a"}


def test_from_a_node_and_a_user(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    store.save(lineages.watched().due(), NOW)
    node = store.around(Asked(NODE))
    assert {one.key.id for one in node.of_kind(Kind.ATTEMPT)} == {"slurm:4242#1", "slurm:4242#2"}
    assert Key(Kind.ACCELERATOR, "n2/GPU-2-3") in node.entities
    assert Key(Kind.FINDING, "xid-fatal@n2/GPU-2-3") in node.entities
    assert store.around(Asked(Key(Kind.USER, "alice"))).of_kind(Kind.ATTEMPT)
    assert Key(Kind.NODE, "n4") not in store.around(Asked(NODE, until=lineages.TEN + 3600)).entities


def test_a_time_range_leaves_out_what_was_over(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    store.save(lineages.watched().due(), NOW)
    late = store.around(Asked(NODE, since=lineages.TEN + 110 * lineages.MINUTE))
    assert not [edge for edge in late.edges if edge.relation is Relation.RAN_ON]


def test_a_question_has_a_bound(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    store.save(lineages.watched().due(), NOW)
    graph = store.around(Asked(JOB, most=5))
    assert graph.cut and len(graph.edges) == 5


def test_a_word_finds_what_people_mean(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    store.save(lineages.watched().due(), NOW)
    assert [one.key for one in store.find("4242", [Kind.JOB, Kind.NODE])] == [JOB]
    assert [one.key for one in store.find("slurm:4242", [Kind.JOB])] == [JOB]
    assert [one.key for one in store.find("n2/gpu3", [Kind.ACCELERATOR])] == [Key(Kind.ACCELERATOR, "n2/GPU-2-3")]
    assert store.find("4243\0", [Kind.JOB]) == []
    assert "4242" in store.names([Kind.JOB], 10)


def test_a_job_is_found_by_its_users_name_however_often_it_was_told(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    for at in (NOW, NOW + 1):  # what is told again is merged by the database
        store.save(lineages.watched().due(), at)
        assert [one.key for one in store.jobs_named("train-llm", 10)] == [JOB]
    assert store.jobs_named("TRAIN-LLM", 10) == store.jobs_named("train%", 10) == store.jobs_named("alice", 10) == []


def test_the_old_is_forgotten_with_its_edges(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    old = Entity(Key(Kind.JOB, "old"), NOW - 100 * DAY, NOW - 95 * DAY)
    held = Edge(old.key, NODE, Relation.RAN_ON, NOW - 100 * DAY, NOW - 1)
    store.save(Changes((old, mention(NODE, NOW)), (held,)), NOW)
    store.save(lineages.watched().due(), NOW)
    before = told(store.around(Asked(JOB)))
    assert store.prune(NOW) == 2
    assert store.find("old", [Kind.JOB]) == []
    assert not [edge for edge in store.around(Asked(NODE)).edges if edge.cause == old.key]
    assert told(store.around(Asked(JOB))) == before
    assert store.prune(NOW) == 0


def test_what_nobody_saw_end_is_forgotten_once_it_is_long_unseen(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    store.save(Changes((Entity(JOB, NOW - 100 * DAY),)), NOW - 95 * DAY)
    store.prune(NOW)
    assert store.find("slurm:4242", [Kind.JOB]) == []


def test_rows_are_bounded_and_the_oldest_go(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    jobs = [Entity(Key(Kind.JOB, f"slurm:{number}"), 0.0, float(number)) for number in range(50)]
    store.save(Changes(tuple(jobs)), 60.0)
    store.prune(60.0, rows=20)
    assert sorted(store.names([Kind.JOB], 100)) == sorted(f"slurm:{number}" for number in range(30, 50))


def test_odd_texts_are_kept(opened: Callable[[], LineageStore]) -> None:
    store = opened()
    odd = "a'b\"c;--\\ \0 \ud800 ü 漢 %s ? {}"
    key = Key.of(Kind.JOB, odd * 100)
    store.save(Changes((Entity(key, 1.0, None, odd, {odd: odd, "null": "null"}),)), 2.0)
    store.save(Changes((Entity(key, 1.0, None, odd, {"x": "y"}),)), 3.0)
    (kept,) = store.find(odd, [Kind.JOB])
    assert kept.facts["x"] == "y" and "漢 %s ? {}" in kept.facts[next(name for name in kept.facts if "漢" in name)]


def _save_forever(place: str, started: object) -> None:
    store = LineageStore(place)
    for number in range(1_000_000):
        store.save(Changes((Entity(JOB, 1.0, None, "", {"a": str(number), "b": str(number)}),)), float(number))
        started.set()  # type: ignore[attr-defined]


def test_a_kill_leaves_whole_saves(place: str) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    writer = context.Process(target=_save_forever, args=(place, started))
    writer.start()
    assert started.wait(30)
    os.kill(writer.pid or 0, signal.SIGKILL)
    writer.join(10)
    store = LineageStore(place)
    kept = store.around(Asked(JOB)).entities[JOB]
    assert kept.facts["a"] == kept.facts["b"]
    store.save(Changes((Entity(JOB, 1.0, 2.0),)), 1e9)
    store.close()


def _save_often(place: str, first: int) -> None:
    store = LineageStore(place)
    for number in range(20):
        keys = [Key(Kind.JOB, f"slurm:{(first + at) % 40}") for at in range(40)]
        store.save(Changes(tuple(Entity(key, float(number)) for key in sorted(keys))), float(number))
    store.close()


def test_consoles_that_start_and_write_at_once_wait_for_one_another(place: str) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_save_often, args=(place, first)) for first in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(40)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    store = LineageStore(place)
    assert len(store.names([Kind.JOB], 100)) == 40
    store.close()


def test_a_newer_one_is_left_alone(opened: Callable[[], LineageStore], place: str) -> None:
    opened().save(Changes((mention(JOB, 1.0),)), 1.0)
    base = database(place, ())
    base.write([("INSERT INTO lineage_version (version) VALUES (?)", [(99,)])])
    base.close()
    with pytest.raises(StoreError, match="newer watchfloor"):
        opened().around(Asked(JOB))


# -- trouble


def test_a_locked_file_is_told_and_written_later(tmp_path: Path) -> None:
    store = LineageStore(str(tmp_path / "lineage.db"))
    changes = Changes((mention(JOB, 1.0),))
    store.save(changes, 1.0)
    other = sqlite3.connect(tmp_path / "lineage.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"lineage\.db: database is locked"):
        store.save(changes, 2.0)
    other.rollback()
    other.close()
    store.save(changes, 3.0)
    assert store.around(Asked(JOB)).entities[JOB].seen == 3.0
    store.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file" / "lineage.db"), "/dev/full"):
        with pytest.raises(StoreError, match="lineage is not kept in"):
            LineageStore(place).save(Changes((mention(JOB, 1.0),)), 1.0)


def test_a_lost_database_is_told_and_comes_back(server: PostgresServer, emptied: str) -> None:
    store = LineageStore(server.address)
    store.save(lineages.watched().due(), NOW)
    server.stop()
    try:
        with pytest.raises(StoreError, match="lineage is not kept in postgresql://"):
            store.save(lineages.watched().due(), NOW)
    finally:
        server.start()
    store.save(lineages.watched().due(), NOW)
    assert store.around(Asked(JOB)).entities
    store.close()


def test_an_error_shows_no_password(tmp_path: Path) -> None:
    store = LineageStore(f"postgresql://me:hidden-word@/base?host={tmp_path}")
    with pytest.raises(StoreError) as error:
        store.save(Changes((mention(JOB, 1.0),)), 1.0)
    assert "hidden-word" not in str(error.value) and "me:***@" in str(error.value)


def test_without_its_library_postgresql_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(ConfigError, match="postgres"):
        LineageStore("postgresql://host/base")


def test_jobs_that_nobody_saw_end_are_found_and_what_went_on_with_them_is_closed(
    opened: Callable[[], LineageStore],
) -> None:
    store, changes = opened(), lineages.watched().due()
    store.save(changes, NOW)
    attempts = {one.key: one for one in changes.entities if one.key.kind is Kind.ATTEMPT}
    assert store.unended(NOW - DAY, 10) == ["slurm:4242"] and store.unended(NOW + 1, 10) == []
    job, known = store.job("slurm:4242")
    assert job is not None and job.key == JOB and {one.key for one in known} == attempts.keys()
    second = Key(Kind.ATTEMPT, "slurm:4242#2")
    store.close_edges({second: NOW})
    ran = [edge for edge in store.around(Asked(JOB)).edges if second == edge.cause]
    assert ran and {edge.end for edge in ran} == {NOW}
    over = [replace(one, end=NOW, facts={"state": "done"}) for one in (job, *known)]
    store.save(Changes(tuple(over)), NOW + 1)
    assert store.unended(NOW - DAY, 10) == []
    store.save(Changes((replace(over[1], facts={"state": "unknown"}),)), NOW + 2)
    assert store.unended(NOW - DAY, 10) == ["slurm:4242"]
