"""What processes were started from reaches their jobs: by node, accelerator and pid, and on into lineage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from tests.support.frames import settled
from watchfloor.frame import Frame
from watchfloor.jobs.model import Attempt, Job, JobState, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.moves import Moves
from watchfloor.jobs.provenance import Provenance, ProvenanceFinder
from watchfloor.jobs.roll import Roll
from watchfloor.jobs.view import Jobs
from watchfloor.lineage.graph import Graph, Kind, Relation
from watchfloor.lineage.sights import SIGHT_SECONDS, Sights
from watchfloor.lineage.watch import Watch
from watchfloor.model import Scope
from watchfloor.report import Origin, Process, Workload
from watchfloor.snapshot.jobs import JobReport

COMMIT = "26fdb5a8" * 5
IMAGE = "nvcr.io/nvidia/pytorch:24.07-py3"
LABELS = {"WANDB_PROJECT": "llm", "SLURM_JOB_ID": "4100", "CUDA_VISIBLE_DEVICES": "0"}


def job(number: int = 4100) -> Job:
    attempt = Attempt(1, JobState.RUNNING, "RUNNING", 1.0, None, ("dgx-01",))
    return Job(f"slurm:{number}", "alpha", "slurm", str(number), state=JobState.RUNNING, attempts=(attempt,))


def telling(frame: Frame, node: int = 0, image: str = IMAGE, start: int = 77, commit: str = COMMIT) -> Frame:
    """A rank on each of the first two accelerators of a node, and an editor that holds none."""
    keys = [frame.accelerators.keys[row] for row in frame.rows_of(Scope.ACCELERATOR, node)[:2].tolist()]
    work = [
        Workload(pid, 77, LABELS, run_ids={"wandb": "floor/llm/run7"}, directory="/home/mira/llm") for pid in (10, 11)
    ]
    processes = [Process(10 + at, "mira", "python3 train.py", accelerator=str(key)) for at, key in enumerate(keys)]
    details = {
        "processes": [*processes, Process(12, "mira", "vi")],
        "workloads": [*work, Workload(12, 5, directory="/home/mira/elsewhere")],
        "origins": [Origin(pid, start, image, commit, "/home/mira/llm") for pid in (10, 11)],
    }
    raw = {name: msgspec.json.encode(rows) for name, rows in details.items()}
    detail = list(frame.detail)
    detail[node] = replace(detail[node], details={**detail[node].details, **raw})
    return replace(frame, detail=tuple(detail))


def owners_of(frame: Frame, *rows: int) -> NDArray[np.int32]:
    owners = np.full(frame.accelerators.count, -1, np.int32)
    owners[list(rows)] = 0
    return owners


def with_jobs(frame: Frame, jobs: Sequence[Job], *rows: int) -> Frame:
    owners = owners_of(frame, *rows)
    provenance = ProvenanceFinder().find(frame, jobs, owners)
    return replace(frame, jobs=Jobs(jobs, owners=owners, provenance=provenance))


def test_a_job_is_told_with_what_its_processes_were_started_from() -> None:
    frame = telling(settled())
    found = ProvenanceFinder().find(frame, [job()], owners_of(frame, 0, 1))
    assert found == {
        "slurm:4100": Provenance(
            (IMAGE,), (COMMIT,), ("/home/mira/llm",), {"wandb": "floor/llm/run7"}, {"wandb project": "llm"}
        )
    }


def test_what_did_not_change_is_the_same_object() -> None:
    frame, finder = telling(settled()), ProvenanceFinder()
    jobs, owners = [job()], owners_of(settled(), 0, 1)
    found = finder.find(frame, jobs, owners)
    assert finder.find(frame, jobs, owners) is found
    assert finder.find(telling(settled()), list(jobs), owners.copy()) is found  # told again, word for word


def test_rows_that_shift_are_no_move() -> None:
    frame, finder = telling(settled()), ProvenanceFinder()
    found = finder.find(frame, [job()], owners_of(frame, 0, 1))
    owners = owners_of(frame, 0, 1)
    owners[owners == 0] = 1
    assert finder.find(frame, [job(1), job()], owners) is found


def test_a_job_that_takes_the_place_of_another_has_what_runs_there() -> None:
    frame, finder = telling(settled()), ProvenanceFinder()
    finder.find(frame, [job()], owners_of(frame, 0, 1))
    found = finder.find(frame, [job(4101)], owners_of(frame, 0, 1))
    assert list(found) == ["slurm:4101"]
    assert finder.find(frame, [job(4101)], owners_of(frame)) == {}


def test_another_image_is_another_word() -> None:
    frame, finder = telling(settled()), ProvenanceFinder()
    finder.find(frame, [job()], owners_of(frame, 0, 1))
    found = finder.find(telling(settled(), image="other:1"), [job()], owners_of(frame, 0, 1))
    assert found["slurm:4100"].images == ("other:1",)


def test_a_pid_that_is_another_process_by_now_tells_nothing_of_this_one() -> None:
    frame = telling(settled(), start=1)
    found = ProvenanceFinder().find(frame, [job()], owners_of(frame, 0, 1))
    assert found["slurm:4100"].images == () and found["slurm:4100"].directories == ("/home/mira/llm",)


def test_details_that_are_not_the_protocol_tell_nothing() -> None:
    frame = telling(settled())
    detail = list(frame.detail)
    detail[0] = replace(detail[0], details={"workloads": b"{", "origins": b"[1]", "processes": b"?"})
    frame = replace(frame, detail=tuple(detail))
    assert ProvenanceFinder().find(frame, [job()], owners_of(frame, 0, 1)) == {}


def test_json_of_jobs_has_it() -> None:
    frame, roll = telling(settled()), Roll()
    roll.answer(SourceAnswer(SourceStatus("alpha", "slurm", SourceState.OK), (job(),)))
    document = JobReport(replace(frame, jobs=roll.frame(frame))).document()
    (entry,) = [one for one in document["jobs"] if one["id"] == "slurm:4100"]  # type: ignore[attr-defined]
    assert entry["processes"]["images"] == (IMAGE,) and entry["processes"]["runs"] == {"wandb": "floor/llm/run7"}


def test_it_becomes_lineage() -> None:
    watch = Watch()
    Sights(watch).take(with_jobs(telling(settled()), [job()], 0, 1))
    changes = watch.due()
    graph = Graph(changes.entities, changes.edges)
    used = {(edge.cause.kind, edge.cause.id) for edge in graph.edges if edge.relation is Relation.USED}
    assert used == {(Kind.IMAGE, IMAGE), (Kind.COMMIT, COMMIT)}
    assert [one.key.id for one in graph.of_kind(Kind.TRACKED_RUN)] == ["wandb:floor/llm/run7"]
    attempt = graph.of_kind(Kind.ATTEMPT)[0]
    assert attempt.facts["working directory"] == "/home/mira/llm" and attempt.facts["wandb project"] == "llm"


def test_a_sight_of_the_same_is_no_news() -> None:
    watch, frame = Watch(), with_jobs(telling(settled()), [job()], 0, 1)
    sights = Sights(watch)
    sights.take(frame)
    watch.saved(watch.due())
    sights.take(replace(frame, at=frame.at + SIGHT_SECONDS))
    assert not watch.due()


def test_moves_are_known_by_the_ids_of_jobs() -> None:
    moves, owners = Moves(), np.array([0, 0, -1, 1], np.int32)
    assert moves.rows([job(1), job(2)], owners).tolist() == [0, 1, 3]
    assert moves.rows([job(2), job(1)], np.array([1, 1, -1, 0], np.int32)).tolist() == []
    assert moves.rows([job(2), job(1)], np.array([1, 0, -1, 0, 0], np.int32)).tolist() == [1, 4]
    assert moves.rows([], np.array([-1, -1, -1, -1, -1], np.int32)).tolist() == [0, 1, 3, 4]
