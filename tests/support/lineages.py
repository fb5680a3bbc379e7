"""A story for lineage: job 4242 runs on two nodes, a board of one falls off the bus, and it is requeued elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from tests.support import runstory
from watchfloor.change import Impact, JobHit, Origin, Plan, plain
from watchfloor.jobs.model import Allocation, Attempt, Job, JobState
from watchfloor.lineage.acts import graph_of
from watchfloor.lineage.graph import Graph
from watchfloor.lineage.jobwords import Names
from watchfloor.lineage.watch import Watch
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Record
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledgerentry import Entry, time_of
from watchfloor.runs import APPROVALS, RunRecord, fold

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


# -- what was done about it

GONE = Origin(
    "xid 79 on n2/GPU-2-3: GPU has fallen off the bus", "xid 79", "", "node:n2",
    {"targets": ["node:n2"], "findings": ["xid-fatal@n2/GPU-2-3"]},
)  # fmt: skip
REQUEUED = Impact((JobHit("slurm:4242", "requeued", "alice", "train-llm", 2, 3.2, "its start"),), ("n2",), 8)
DRAIN, REQUEUE = runstory.drain("n2", "xid 79"), runstory.requeue("n2", "4242")
REPAIR = runstory.planned("fatal-xid", runstory.CRON, GONE, [DRAIN, REQUEUE], TEN + 99 * MINUTE, REQUEUED)
RUN = "r8d41f00c3e"


def told_of(run: str, plan: Plan, *told: runstory.Told) -> Iterator[Entry]:
    """As a ledger has it; `told` with seconds since ten o'clock in the place of those before now."""
    digest = plan.digest
    for number, (at, who, body) in enumerate(told):
        time, said = time_of(int((TEN + at) * 1e9)), msgspec.to_builtins(body)
        named = "" if body.kind in APPROVALS else run
        yield Entry(number, f"{number:064x}", "", time, "console", body.kind, who, said, (), named, digest)


def repaired() -> list[RunRecord]:
    return list(fold(entries()).values())


def entries() -> list[Entry]:
    """A board has fallen off the bus: of the run that drained its node and requeued the job."""
    cron, minute = runstory.CRON, MINUTE
    body = words.Proposed(reason=GONE.reason, playbook=REPAIR.playbook, plan=plain(REPAIR))
    needs = words.Decided(
        verdict="needs-approval", reasons=["it takes a node out"], policies=["takes-out.needs-a-person"], approvals=1
    )
    permit = words.Decided(verdict="permit", reasons=["approvals: anna"])
    hit = words.JobImpact(job="slurm:4242", effect="requeued", user="alice", gpu_hours_lost=3.2)
    told = [
        (99.1 * minute, cron, body), (99.1 * minute, cron, needs),
        (99.5 * minute, runstory.ANNA, words.Approval(reason="seen the log, go on")), (99.6 * minute, cron, permit),
        *([(99.6 * minute + at, who, one) for at, who, one in runstory.done(DRAIN, 0.0, RUN)]),
        (99.8 * minute, cron, words.Verified(step="drain", result="took-effect", text="n2 is drain")),
        *([(99.9 * minute + at, who, one) for at, who, one in runstory.done(REQUEUE, 0.0, RUN)]),
        (100.2 * minute, cron, words.Verified(step="requeue", result="took-effect", text="restarted once")),
        (100.3 * minute, cron, hit), (100.3 * minute, cron, words.Outcome(outcome="succeeded", text="2 steps")),
    ]  # fmt: skip
    return list(told_of(RUN, REPAIR, *told))


def repaired_graph() -> Graph:
    """The story, and what was done about it."""
    acts, whole = graph_of(repaired()), graph()
    done = {key: one for key, one in acts.entities.items() if not one.mentioned}
    return Graph({**acts.entities, **whole.entities, **done}.values(), [*whole.edges, *acts.edges])
