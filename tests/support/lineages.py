"""A story for lineage: job 4242 runs on two nodes, a board of one falls off the bus, and it is requeued elsewhere."""

from __future__ import annotations

from dataclasses import replace

from watchfloor.jobs.model import Allocation, Attempt, Job, JobState
from watchfloor.lineage.graph import Graph
from watchfloor.lineage.jobwords import Names
from watchfloor.lineage.watch import Watch
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record

MINUTE = 60.0
TEN = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 10 * 3600  # ten o'clock (UTC) of a day

GPU = Subject(Scope.ACCELERATOR, "n2", "GPU-2-3")
OTHER_GPU = Subject(Scope.ACCELERATOR, "n3", "GPU-3-0")
HELD = (GPU, OTHER_GPU)
XID = Finding(GPU, "xid-fatal", State.CRITICAL, "gpu3 of n2 had XID 79: the board has fallen off the bus")
WORDS = {"WANDB_RUN_ID": "abc123", "SLURM_JOB_ID": "4242", "GIT_COMMIT": "26fdb5a8", "HF_TOKEN": "hf_secretsecret"}

_SHORT = {GPU: "n2/gpu3", OTHER_GPU: "n3/gpu0"}
NAMES = Names(of=lambda subject: _SHORT.get(subject, str(subject)))

FIRST = Attempt(1, JobState.RUNNING, "RUNNING", TEN + 2 * MINUTE, None, ("n2", "n3"))
FIRST_OVER = replace(FIRST, state=JobState.NODE_FAILED, told_state="NODE_FAIL", ended=TEN + 100 * MINUTE)
SECOND = Attempt(2, JobState.RUNNING, "RUNNING", TEN + 103 * MINUTE, None, ("n4", "n5"))


def job(attempt: Attempt, *earlier: Attempt, **told: object) -> Job:
    base = Job(
        id="slurm:4242",
        source="cluster",
        kind="slurm",
        number="4242",
        name="train-llm",
        user="alice",
        account="research",
        state=attempt.state,
        told_state=attempt.told_state,
        submitted=TEN,
        started=attempt.started,
        ended=attempt.ended,
        allocations=tuple(Allocation(node) for node in attempt.nodes),
        attempt=attempt.number,
        attempts=(*earlier, attempt),
        comment="dataset=s3://data/tokens-v3 checkpoint=/scratch/ckpt/1000",
        command="python train.py --hf-token hf_abcdefghijklmnop",
        image="nvcr.io/nvidia/pytorch:24.07-py3",
    )
    return replace(base, **told)  # type: ignore[arg-type]


def watched() -> Watch:
    """The story as a console sees it, from ten to a quarter to twelve."""
    watch = Watch()
    watch.update(TEN + 3 * MINUTE, [job(FIRST)], {"slurm:4242": HELD}, (), {"slurm:4242": WORDS}, NAMES)
    xid = Record(XID, TEN + 99 * MINUTE, TEN + 99 * MINUTE)
    watch.update(TEN + 99 * MINUTE, [job(FIRST)], {"slurm:4242": HELD}, [xid], {}, NAMES)
    waiting = Attempt(2, JobState.PENDING, "PENDING")
    watch.update(TEN + 101 * MINUTE, [job(waiting, FIRST_OVER)], {}, [xid], {}, NAMES)
    watch.update(TEN + 104 * MINUTE, [job(SECOND, FIRST_OVER)], {}, [xid], {}, NAMES)
    return watch


def graph() -> Graph:
    changes = watched().due()
    return Graph(changes.entities, changes.edges)
