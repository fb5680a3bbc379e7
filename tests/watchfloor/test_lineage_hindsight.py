"""What a scheduler's accounting tells of jobs that ended while nobody watched, in lineage and in a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.lineages import FIRST, HELD, MINUTE, NAMES, TEN, WORDS, job
from watchfloor.jobs.model import Attempt, JobState, Recalled
from watchfloor.lineage.answer import answer
from watchfloor.lineage.branch import lines
from watchfloor.lineage.graph import Graph, Key, Kind, Relation
from watchfloor.lineage.hindsight import OTHERS, hindsight
from watchfloor.lineage.reach import Asked
from watchfloor.lineage.times import Times
from watchfloor.lineage.tree import tree
from watchfloor.lineage.watch import Watch
from watchfloor.records.lineage import LineageStore
from watchfloor.reporting.fromlineage import attempts_of
from watchfloor.reporting.kept import Window

JOB = Key(Kind.JOB, "slurm:4242")
WHO = "the accounting of cluster"
SEEN = TEN + 60 * MINUTE  # by the last console
NOW = TEN + 600 * MINUTE
ENDED = TEN + 100 * MINUTE
FAILED = replace(FIRST, state=JobState.FAILED, told_state="FAILED", ended=ENDED, exit_code=3, accelerators=16)
AGAIN = Attempt(
    2, JobState.DONE, "COMPLETED", ENDED + 3 * MINUTE, ENDED + 9 * MINUTE, ("n4",), 0, accelerators=8
)  # fmt: skip
WAITING = Attempt(1, JobState.PENDING, "PENDING")


@pytest.fixture
def store(tmp_path: Path) -> LineageStore:
    return LineageStore(str(tmp_path / "lineage.db"))


def seen(store: LineageStore, attempt: Attempt) -> None:
    """By a console that is killed then."""
    watch = Watch()
    watch.update(SEEN, [job(attempt)], {"slurm:4242": HELD}, (), {"slurm:4242": WORDS}, NAMES)
    store.save(watch.due(), SEEN)


def recalled(store: LineageStore, *attempts: Attempt, text: str = "") -> Graph:
    """What is on record once the accounting has told."""
    (asked,) = store.unended(0.0, 10)
    one, known = store.job(asked)
    assert one is not None
    found = hindsight(Recalled(asked, WHO, attempts, text), one, known, NAMES, NOW)
    store.save(found.changes, NOW)
    store.close_edges(found.ends)
    return store.around(Asked(JOB))


def told(graph: Graph) -> list[str]:
    times = Times(NOW)
    return [answer(graph, JOB, times), *lines(tree(graph, JOB, times))]


def test_how_it_ended_is_told_with_who_told_it_and_nothing_of_it_goes_on(store: LineageStore) -> None:
    seen(store, FIRST)
    graph = recalled(store, FAILED)
    said = told(graph)
    assert said[0] == "attempt 1 ended with FAILED at 11:40: no finding on what it held tells why"
    assert said[2].endswith(
        "attempt 1 ran 10:02–11:40 on n[2-3] (2 accelerators): failed, exit code 3, as the accounting of cluster has it"
    )
    assert (graph.entities[JOB].end, graph.entities[JOB].facts["state"]) == (ENDED, "failed")
    attempt = Key(Kind.ATTEMPT, "slurm:4242#1")
    about = [edge for edge in graph.edges if attempt in (edge.cause, edge.effect)]
    assert len(about) > 5 and {edge.end for edge in about} == {ENDED}
    assert store.unended(0.0, 10) == []


def test_an_attempt_that_nobody_saw_at_all_is_told_and_counted_with_its_accelerators(store: LineageStore) -> None:
    seen(store, FIRST)
    graph = recalled(store, replace(FAILED, told_state="REQUEUED", state=JobState.CANCELLED), AGAIN)
    assert "requeued as attempt 2 at 11:43" in "\n".join(told(graph))
    second = next(line for line in told(graph) if "attempt 2 ran" in line)
    assert "11:43–11:49 on n4 (8 accelerators): done" in second
    assert graph.entities[JOB].facts["state"] == "done"
    kept = {one.number: one for one in attempts_of(graph, Window(TEN, NOW))}
    assert (kept["1"].accelerators, kept["2"].accelerators, kept["2"].nodes) == (2, 8, ("n4",))


def test_a_job_that_waited_and_ran_meanwhile_is_told(store: LineageStore) -> None:
    seen(store, WAITING)
    stranger = replace(FAILED, started=TEN - 900 * MINUTE, ended=TEN - 800 * MINUTE)
    graph = recalled(store, stranger, FAILED)
    assert [line for line in told(graph) if "attempt 1 ran 10:02–11:40 on n[2-3] (16 accelerators): failed" in line]
    assert graph.entities[JOB].facts["state"] == "failed"


def test_a_job_that_was_called_off_while_it_waited_had_no_attempt(store: LineageStore) -> None:
    seen(store, WAITING)
    graph = recalled(store, Attempt(1, JobState.CANCELLED, "CANCELLED", None, ENDED))
    assert told(graph)[0] == "cancelled since 10:00"
    assert graph.entities[JOB].end == ENDED and not graph.of_kind(Kind.ATTEMPT)


@pytest.mark.parametrize(
    ("attempts", "text", "why"),
    [
        ((), "it has no such job", "it has no such job"),
        ((replace(FAILED, started=TEN - 900 * MINUTE),), "", OTHERS),  # ids began anew meanwhile
    ],
)
def test_what_the_accounting_can_not_tell_is_said_with_why(
    store: LineageStore, attempts: tuple[Attempt, ...], text: str, why: str
) -> None:
    seen(store, FIRST)
    graph = recalled(store, *attempts, text=text)
    assert told(graph)[0].endswith(f"last seen 11:00, its end is not known: the accounting of cluster: {why}")
    assert graph.entities[JOB].end is None


def test_of_a_job_that_waited_too(store: LineageStore) -> None:
    seen(store, WAITING)
    said = told(recalled(store, text="it has no such job"))
    assert said[0] == (
        "pending when it was seen last, 11:00; more is not known: the accounting of cluster: it has no such job"
    )


def test_an_attempt_that_is_there_after_all_runs(store: LineageStore) -> None:
    seen(store, FIRST)
    recalled(store, text="it has no such job")
    watch = Watch()
    watch.update(NOW, [job(FIRST)], {"slurm:4242": HELD}, (), {}, NAMES)
    store.save(watch.due(), NOW)
    assert "attempt 1 runs on n[2-3]" in told(store.around(Asked(JOB)))[0]


def test_a_reason_that_holds_no_longer_is_not_told(store: LineageStore) -> None:
    """How it ended wasn't known when it left the queue, and is a minute later."""
    watch = Watch()
    lost = replace(FIRST, state=JobState.UNKNOWN, reason="it has left the queue; how it ended isn't known")
    for at, attempt in ((SEEN, lost), (SEEN + MINUTE, FAILED)):
        watch.update(at, [job(attempt)], {}, (), {}, NAMES)
        store.save(watch.due(), at)
    said = "\n".join(told(store.around(Asked(JOB))))
    assert "failed, exit code 3" in said and "isn't known" not in said


def test_what_went_on_with_other_jobs_goes_on(store: LineageStore) -> None:
    watch = Watch()
    other = replace(job(FIRST), id="slurm:4243", number="4243")
    watch.update(SEEN, [job(FIRST), other], {"slurm:4242": HELD}, (), {}, NAMES)
    store.save(watch.due(), SEEN)
    one, known = store.job("slurm:4242")
    assert one is not None
    found = hindsight(Recalled("slurm:4242", WHO, (FAILED,)), one, known, NAMES, NOW)
    store.save(found.changes, NOW)
    store.close_edges(found.ends)
    ran = [edge for edge in store.around(Asked(Key(Kind.JOB, "slurm:4243"))).edges if edge.relation is Relation.RAN_ON]
    assert ran and all(edge.end is None for edge in ran)
    assert store.unended(0.0, 10) == ["slurm:4243"]
