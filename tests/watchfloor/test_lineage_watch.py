"""What is seen of jobs and findings becomes lineage: attempts, where they ran, what was found meanwhile."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.support import lineages
from tests.support.lineages import FIRST, FIRST_OVER, GPU, HELD, MINUTE, NAMES, SECOND, TEN, XID, job
from watchfloor.jobs.model import Attempt, Job, JobState
from watchfloor.lineage import watch as watching
from watchfloor.lineage.branch import lines
from watchfloor.lineage.graph import LONGEST_ID, Changes, Edge, Entity, Graph, Key, Kind, Relation
from watchfloor.lineage.times import Times
from watchfloor.lineage.tree import tree
from watchfloor.lineage.watch import NOTED_SECONDS, Watch
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record

ATTEMPT_1 = Key(Kind.ATTEMPT, "slurm:4242#1")
ATTEMPT_2 = Key(Kind.ATTEMPT, "slurm:4242#2")
FOUND = Key(Kind.FINDING, "xid-fatal@n2/GPU-2-3")


def graph_of(watch: Watch) -> Graph:
    changes = told_to_the_end(watch)
    return Graph(changes.entities, changes.edges)


def told_to_the_end(watch: Watch) -> Changes:
    """All that a store is to be told, portion by portion."""
    entities, edges = list[Entity](), list[Edge]()
    while changes := watch.due():
        entities += changes.entities
        edges += changes.edges
        watch.saved(changes)
    return Changes(tuple(entities), tuple(edges))


def only(edges: object) -> Edge:
    (edge,) = edges  # type: ignore[misc]
    return edge


def test_a_requeued_job_has_both_attempts_where_they_ran() -> None:
    graph = lineages.graph()
    ran = {(edge.cause, edge.effect.id): edge for edge in graph.edges if edge.relation is Relation.RAN_ON}
    assert {end for start, end in ran if start == ATTEMPT_1} == {"n2", "n3", "n2/GPU-2-3", "n3/GPU-3-0"}
    assert {end for start, end in ran if start == ATTEMPT_2} == {"n4", "n5"}
    assert {edge.end for (start, _), edge in ran.items() if start == ATTEMPT_1} == {FIRST_OVER.ended}
    requeue = only(graph.effects(ATTEMPT_1, Relation.REQUEUED_AS))
    assert (requeue.effect, requeue.start, requeue.facts["state"]) == (ATTEMPT_2, SECOND.started, "node failed")


def test_a_finding_concerns_the_attempt_that_held_its_subject_then() -> None:
    graph = lineages.graph()
    assert only(graph.effects(FOUND, Relation.DURING)).effect == ATTEMPT_1
    assert only(graph.causes(FOUND, Relation.FOUND_ON)).cause == Key(Kind.ACCELERATOR, "n2/GPU-2-3")
    assert graph.entities[FOUND].label == "xid-fatal on n2/gpu3"


@pytest.mark.parametrize(
    ("subject", "first", "last", "concerned"),
    [
        (Subject(Scope.NODE, "n2"), 50, None, True),
        (Subject(Scope.ACCELERATOR, "n2", "GPU-2-7"), 50, None, False),  # another job's, or idle
        (Subject(Scope.LINK, "n3", "mlx5_0"), 50, None, True),
        (Subject(Scope.NODE, "n9"), 50, None, False),
        (Subject(Scope.JOB, "", "slurm:4242"), 50, None, True),
        (Subject(Scope.JOB, "", "slurm:4243"), 50, None, False),
        (Subject(Scope.NODE, "n2"), 100.5, None, True),  # told half a minute after the end
        (Subject(Scope.NODE, "n2"), 104, None, False),
        (Subject(Scope.NODE, "n2"), -60, 1, False),  # over before it began
        (Subject(Scope.NODE, "n2"), -60, 5, True),
    ],
)
def test_time_and_place_say_whether_a_finding_concerns_an_attempt(
    subject: Subject, first: float, last: float | None, concerned: bool
) -> None:
    watch = Watch()
    until = TEN + MINUTE * (105 if last is None else last)
    record = Record(Finding(subject, "code", State.WARNING, "text"), TEN + first * MINUTE, until, 1, last is None)
    watch.update(TEN + 6 * MINUTE, [job(FIRST)], {"slurm:4242": HELD}, [record] if first < 6 else (), {}, NAMES)
    watch.update(TEN + 101 * MINUTE, [job(FIRST_OVER)], {}, [record] if first < 101 else (), {}, NAMES)
    watch.update(TEN + 105 * MINUTE, [job(FIRST_OVER)], {}, [record], {}, NAMES)
    during = [edge for edge in watch.due().edges if edge.relation is Relation.DURING]
    assert bool(during) == concerned


def test_an_attempt_that_is_told_late_still_meets_what_was_found() -> None:
    watch = Watch()
    xid = Record(XID, TEN + 50 * MINUTE, TEN + 50 * MINUTE)
    watch.update(TEN + 50 * MINUTE, [], {}, [xid], {}, NAMES)
    watch.update(TEN + 51 * MINUTE, [job(FIRST)], {}, [xid], {}, NAMES)
    assert only(graph_of(watch).effects(FOUND, Relation.DURING)).effect == ATTEMPT_1


def test_what_was_over_before_an_attempt_began_is_not_said_to_go_on_during_it() -> None:
    """A finding settles half a minute after it was seen last; meanwhile the job begins anew on the same board."""
    watch, again = Watch(), replace(SECOND, nodes=("n2", "n3"))
    began = again.started or 0.0
    held = {"slurm:4242": HELD}
    record = Record(XID, TEN + 99 * MINUTE, TEN + 99 * MINUTE)
    watch.update(TEN + 99 * MINUTE, [job(FIRST)], held, [record])
    watch.update(began + 1, [job(again, FIRST_OVER)], held, [replace(record, last=began + 1)])
    watch.update(began + 30, [job(again, FIRST_OVER)], held, [replace(record, last=began - 10, holds=False)])
    graph = graph_of(watch)
    during = [edge for edge in graph.edges if edge.relation is Relation.DURING]
    assert len(during) == 2 and all(edge.end == began - 10 for edge in during)
    shown = list(lines(tree(graph, Key(Kind.JOB, "slurm:4242"), Times(began + 60))))
    assert sum("finding xid-fatal" in line for line in shown) == 1


def test_a_finding_that_comes_again_tells_its_new_beginning() -> None:
    watch = Watch()
    over = Record(XID, TEN, TEN + MINUTE, 1, holds=False)
    watch.update(TEN + 2 * MINUTE, [], {}, [over], {}, NAMES)
    watch.update(TEN + 3 * MINUTE, [job(FIRST)], {"slurm:4242": HELD}, [over], {}, NAMES)
    again = replace(over, last=TEN + 60 * MINUTE, times=2, holds=True)
    watch.update(TEN + 60 * MINUTE, [job(FIRST)], {"slurm:4242": HELD}, [again], {}, NAMES)
    edge = only(graph_of(watch).effects(FOUND, Relation.DURING))
    assert (edge.start, edge.end) == (TEN + 60 * MINUTE, None)


def test_what_it_used_and_where_it_is_logged() -> None:
    graph = lineages.graph()
    used = {(edge.cause.kind, edge.cause.id) for edge in graph.causes(ATTEMPT_1, Relation.USED)}
    assert used == {
        (Kind.DATASET, "s3://data/tokens-v3"),
        (Kind.CHECKPOINT, "/scratch/ckpt/1000"),
        (Kind.IMAGE, "nvcr.io/nvidia/pytorch:24.07-py3"),
        (Kind.COMMIT, "26fdb5a8"),
    }
    assert only(graph.effects(ATTEMPT_1, Relation.LOGGED_AS)).effect == Key(Kind.TRACKED_RUN, "wandb:abc123")
    assert graph.entities[ATTEMPT_1].facts["SLURM_JOB_ID"] == "4242"


def test_a_run_is_named_once_by_its_fullest_name() -> None:
    watch = Watch()
    words = {"WANDB_RUN_ID": "abc123", "wandb": "team/llm/abc123", "torchelastic": "run-7"}
    watch.update(TEN, [job(FIRST)], words={"slurm:4242": words})
    logged = {edge.effect.id for edge in graph_of(watch).effects(ATTEMPT_1, Relation.LOGGED_AS)}
    assert logged == {"wandb:team/llm/abc123", "torchelastic:run-7"}


def test_no_secret_reaches_it() -> None:
    changes = lineages.watched().due()
    text = repr(changes)
    assert "secretsecret" not in text and "hf_abcdef" not in text
    assert graph_of(lineages.watched()).entities[ATTEMPT_1].facts["HF_TOKEN"] == "***"


def test_a_job_that_waits_has_no_attempt() -> None:
    watch = Watch()
    waiting = replace(job(Attempt(1, JobState.PENDING)), reason="Resources", dependency="afterok:4241:4240+5")
    watch.update(TEN, [waiting])
    graph = graph_of(watch)
    assert not graph.of_kind(Kind.ATTEMPT)
    awaited = {edge.cause.id for edge in graph.edges if edge.relation is Relation.WAITED_FOR}
    assert awaited == {"slurm:4241", "slurm:4240"}
    assert graph.entities[Key(Kind.JOB, "slurm:4241")].mentioned


def test_a_job_that_waits_for_a_task_of_an_array_waits_for_that_and_makes_up_no_other() -> None:
    """Slurm names tasks as people do (7_1); their ids are others."""
    watch = Watch()
    task = job(FIRST, id="slurm:9", number="7_1", array="7", array_tasks="1")
    told = "afterok:7_1(unfulfilled),aftercorr:8_*(unfulfilled),afterany:6_2"
    watch.update(TEN, [job(Attempt(1, JobState.PENDING), dependency=told), task])
    graph = graph_of(watch)
    awaited = [graph.entities[edge.cause] for edge in graph.edges if edge.relation is Relation.WAITED_FOR]
    assert {one.key.id: one.label for one in awaited} == {"slurm:9": "7_1", "slurm:8": "8", "slurm:6": "6"}
    assert [one.key.id for one in awaited if not one.mentioned] == ["slurm:9"]


def test_a_job_that_is_told_of_no_longer_is_over_and_nobody_saw_how() -> None:
    watch = Watch()
    watch.update(TEN + 3 * MINUTE, [job(FIRST)])
    watch.update(TEN + 9 * MINUTE, [])
    graph = graph_of(watch)
    assert graph.entities[ATTEMPT_1].end == TEN + 9 * MINUTE
    assert (
        graph.entities[ATTEMPT_1].facts["state"]
        == graph.entities[Key(Kind.JOB, "slurm:4242")].facts["state"]
        == "unknown"
    )


def test_an_attempt_that_another_took_the_place_of_has_ended() -> None:
    """A source that tells the present attempt alone."""
    watch = Watch()
    watch.update(TEN + 3 * MINUTE, [replace(job(FIRST), attempts=())], {"slurm:4242": HELD})
    watch.update(TEN + 104 * MINUTE, [replace(job(SECOND), attempts=())])
    graph = graph_of(watch)
    assert graph.entities[ATTEMPT_1].end == SECOND.started
    assert {edge.end for edge in graph.effects(ATTEMPT_1, Relation.RAN_ON)} == {SECOND.started}
    assert only(graph.effects(ATTEMPT_1, Relation.REQUEUED_AS)).effect == ATTEMPT_2


def test_an_end_that_is_not_told_is_when_it_was_seen_first() -> None:
    watch = Watch()
    over = replace(FIRST, state=JobState.DONE)
    for minute in (5, 6, 7):
        watch.update(TEN + minute * MINUTE, [replace(job(over), priority=float(minute))])
    assert graph_of(watch).entities[ATTEMPT_1].end == TEN + 5 * MINUTE


def test_only_what_changed_is_told_and_all_of_it_once_an_hour() -> None:
    watch = Watch()
    xid = Record(XID, TEN, TEN)
    jobs = [job(FIRST)]

    def look(at: float, record: Record) -> Changes:
        watch.update(at, jobs, {"slurm:4242": HELD}, [record], {}, NAMES)
        changes = watch.due()
        watch.saved(changes)
        return changes

    assert look(TEN, xid)
    moved = replace(xid, finding=replace(XID, text="its figures move"), last=TEN + 60)
    assert not look(TEN + 1, moved)
    assert not look(TEN + NOTED_SECONDS - 1, moved)
    assert look(TEN + NOTED_SECONDS, moved)


def test_what_changes_while_it_is_saved_is_told_again() -> None:
    watch = Watch()
    watch.update(TEN + 3 * MINUTE, [job(FIRST)])
    saving = watch.due()
    watch.update(TEN + 101 * MINUTE, [job(FIRST_OVER)])
    watch.saved(saving)
    assert ATTEMPT_1 in {entity.key for entity in watch.due().entities}


def test_what_no_store_takes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_WAITING", 100)
    watch = Watch()
    watch.update(TEN, [replace(job(FIRST), id=f"slurm:{number}") for number in range(200)])
    changes = watch.due()
    assert len(changes.entities) <= 50 and len(changes.edges) <= 50 and watch.lost > 0


def test_the_same_sights_make_the_same_lineage() -> None:
    assert lineages.watched().due() == lineages.watched().due()


def test_names_of_a_scheduler_become_those_of_the_fleet() -> None:
    watch = Watch()
    watch.update(TEN, [job(FIRST)], names=replace(NAMES, nodes={"n2": "site/n2"}))
    assert Key(Kind.NODE, "site/n2") in graph_of(watch).entities


def test_a_long_id_is_cut_and_stays_its_own() -> None:
    one, other = Key.of(Kind.IMAGE, "x" * 5000 + "a"), Key.of(Kind.IMAGE, "x" * 5000 + "b")
    assert one != other and len(one.id) == len(other.id) == LONGEST_ID
    assert GPU.node == "n2"


def test_ten_thousand_jobs_that_did_not_change_cost_little() -> None:
    watch = Watch()
    jobs = [replace(job(FIRST), id=f"slurm:{number}", number=str(number)) for number in range(10_000)]
    held = {one.id: HELD for one in jobs}
    watch.update(TEN, jobs, held)
    while watch.is_behind:
        watch.update(TEN + 1, jobs, held)
    assert len(graph_of(watch).of_kind(Kind.JOB)) == 10_000
    began = time.process_time()
    watch.update(TEN + 60, jobs, held)
    assert time.process_time() - began < 0.2  # seconds; anything that is told again takes more than that


def many(count: int) -> tuple[list[Job], dict[str, tuple[Subject, ...]], list[Record]]:
    """Jobs on a node each, with a finding on each node."""
    nodes = [f"n{number}" for number in range(count)]
    runs = [replace(FIRST, nodes=(node,)) for node in nodes]
    jobs = [job(one, id=f"slurm:{n}", number=str(n)) for n, one in enumerate(runs)]
    held = {one.id: tuple(Subject(Scope.ACCELERATOR, one.nodes[0], str(at)) for at in range(8)) for one in jobs}
    found = [Finding(Subject(Scope.NODE, node), "clock-skew", State.WARNING, "off") for node in nodes]
    return jobs, held, [Record(one, TEN + MINUTE, TEN + MINUTE) for one in found]


def test_a_first_sight_of_thousands_is_told_in_slices_and_whole_in_the_end() -> None:
    watch = Watch()
    jobs, held, records = many(1_500)
    sizes, told = list[int](), Changes()
    while not sizes or watch.is_behind:
        watch.update(TEN + 5 * MINUTE + len(sizes), jobs, held, records)
        slice_ = told_to_the_end(watch)
        sizes.append(len(slice_.entities) + len(slice_.edges))
        told = Changes(told.entities + slice_.entities, told.edges + slice_.edges)
    assert max(sizes) <= 2 * watching.MOST_TOLD + 100, "what one job or finding tells may stand over"
    during = {(edge.cause.id, edge.effect.id) for edge in told.edges if edge.relation is Relation.DURING}
    assert during == {(f"clock-skew@n{n}", f"slurm:{n}#1") for n in range(1_500)}
    assert {entity.key.id for entity in told.entities if entity.key.kind is Kind.JOB} == {one.id for one in jobs}


def test_a_finding_that_changes_while_it_waits_is_told_once_as_it_is() -> None:
    watch = Watch()
    jobs, held, records = many(1_500)
    watch.update(TEN + 5 * MINUTE, jobs, held, records)
    over = [*records[:-1], replace(records[-1], holds=False, last=TEN + 6 * MINUTE)]
    while watch.is_behind:
        watch.update(TEN + 6 * MINUTE, jobs, held, over)
    found = only(graph_of(watch).causes(Key(Kind.FINDING, "clock-skew@n1499"), Relation.FOUND_ON))
    assert found.end == TEN + 6 * MINUTE


def test_what_is_due_is_handed_over_in_portions_in_which_no_edge_comes_before_its_ends() -> None:
    watch = Watch()
    jobs, held, _ = many(400)
    watch.update(TEN, jobs, held)
    while watch.is_behind:
        watch.update(TEN + 1, jobs, held)
    known, portions = set[Key](), 0
    while changes := watch.due():
        assert len(changes.entities) + len(changes.edges) <= watching.MOST_DUE
        known.update(entity.key for entity in changes.entities)
        assert all(edge.cause in known and edge.effect in known for edge in changes.edges)
        watch.saved(changes)
        portions += 1
    assert portions > 2
