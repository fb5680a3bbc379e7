"""Jobs that ended while nobody looked: what is asked of the accounting, and what is made of its answers."""

from __future__ import annotations

from dataclasses import replace

from collectors.sources._slurm import accounts
from collectors.sources._slurm.accounts import Account
from collectors.sources._slurm.commands import MOST_IDS
from collectors.sources._slurm.recall import MOST_TRIES, NO_JOB, RUNS_THERE, Recall
from watchfloor.jobs.model import Attempt, JobState, Recalled

# sacct of Slurm 22.05, as it is asked here: a job that was requeued and failed, and one that is gone by now
TABLE = """JobIDRaw|State|ExitCode|Start|End|NodeList|Reason|NTasks|AllocTRES
7|REQUEUED|0:0|1795370127|1795370133|gpu[001-002]|None||billing=4,cpu=4,gres/gpu:h100=16,gres/gpu=16,mem=200M,node=2
7.batch|CANCELLED|0:15|1795370127|1795370133|gpu001||1|cpu=2,gres/gpu:h100=8,gres/gpu=8,mem=100M,node=1
7|FAILED|3:0|1795370200|1795370300|gpu003|BeginTime||billing=2,cpu=2,gres/gpu:h100=8,gres/gpu=8,mem=100M,node=1
9|COMPLETED|0:0|1795370127|1795370133|gpu004|None||billing=2,cpu=2,mem=100M,node=1
"""
RUNS = Attempt(1, JobState.RUNNING, "RUNNING", 100.0, nodes=("a",))
ENDED = replace(RUNS, state=JobState.FAILED, told_state="FAILED", ended=200.0, exit_code=3)
WHO = "the accounting of lab"


def test_the_accounting_tells_how_many_accelerators_an_attempt_held() -> None:
    found, unread = accounts.of_table(TABLE)
    assert unread == 0
    assert [(one.told_state, one.accelerators) for one in found[7].attempts] == [("REQUEUED", 16), ("FAILED", 8)]
    assert found[9].attempts[0].accelerators is None, "where none are counted nobody knows whether there were any"


def test_what_an_attempt_waited_for_is_not_why_it_ended() -> None:
    """sacct(1): "The last reason a job was blocked from running …, even if the job ran to completion"."""
    found, _ = accounts.of_table(TABLE + "11|PENDING|0:0|Unknown|Unknown|None assigned|Dependency||\n")
    assert [one.reason for one in found[7].attempts] == ["", ""]
    assert found[11].attempts[0].reason == "Dependency"


def test_the_accounting_tells_them_as_json_too() -> None:
    told = b"""{"jobs": [{"job_id": 7, "state": {"current": "FAILED"}, "time": {"start": 1, "end": 2}, "nodes": "a",
        "tres": {"allocated": [{"type": "cpu", "name": null, "count": 4}, {"type": "gres", "name": "gpu", "count": 16},
        {"type": "gres", "name": "gpu:h100", "count": 16}]}}]}"""
    assert accounts.of_json(told)[7].attempts[0].accelerators == 16


def test_only_what_is_not_queued_is_asked_about_and_only_jobs_of_this_cluster() -> None:
    recall = Recall("lab", "alpha")
    recall.ask(["slurm:alpha/7", "slurm:alpha/8", "slurm:9", "slurm:beta/7", "pod:1234", "slurm:alpha/x"])
    assert len(recall) == 2
    assert recall.wanted({"slurm:alpha/8"}) == [7]


def test_a_job_is_told_once_with_what_the_accounting_has() -> None:
    recall = Recall("lab")
    recall.ask(["slurm:7", "slurm:8"])
    told = recall.learn([7, 8], {7: Account((ENDED,))})
    assert told == (Recalled("slurm:7", WHO, (ENDED,)), Recalled("slurm:8", WHO, (), NO_JOB))
    assert recall.wanted(()) == [] and len(recall) == 0


def test_an_accounting_that_has_not_heard_of_the_end_is_asked_again_and_not_for_ever() -> None:
    recall = Recall("lab")
    recall.ask(["slurm:7"])
    for _ in range(MOST_TRIES - 1):
        assert recall.learn(recall.wanted(()), {7: Account((RUNS,))}) == ()
    assert recall.learn([7], {7: Account((RUNS,))}) == (Recalled("slurm:7", WHO, (), RUNS_THERE),)
    assert recall.wanted(()) == []


def test_where_the_accounting_is_away_that_is_said_once_and_it_is_asked_again() -> None:
    recall = Recall("lab")
    recall.ask(["slurm:7"])
    assert recall.failed(recall.wanted(()), "it is away") == (Recalled("slurm:7", WHO, (), "it is away"),)
    assert recall.failed(recall.wanted(()), "it is away") == ()
    assert len(recall) == 0, "nobody waits for it"
    assert recall.learn(recall.wanted(()), {7: Account((ENDED,))}) == (Recalled("slurm:7", WHO, (ENDED,)),)


def test_a_question_is_no_longer_than_may_be() -> None:
    recall = Recall("lab")
    recall.ask(f"slurm:{number}" for number in range(1, 1000))
    first = recall.wanted(())
    assert len(first) == MOST_IDS and len(recall) == 999
    recall.learn(first, {})
    assert not set(first) & set(recall.wanted(()))
