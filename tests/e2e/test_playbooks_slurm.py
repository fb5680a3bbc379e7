"""The playbooks that a scheduler has a part in, from the fault to the effect on a real Slurm: its controller drains,
requeues, ends and resumes. The nodes that are watched over SSH, with their devices, are simulated.

Where a copy of a playbook is watched, durations are all that differs, and each is named in the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.simulator.fleet import DemoFleet
from tests.support.slurm import Slurm
from tests.support.trial import console, demo, permitted, repaired, signed_by_colleague, states, unused_after
from watchfloor.frame import Frame
from watchfloor.jobs.config import Work
from watchfloor.jobs.model import JobState
from watchfloor.model import NodeSpec

STRUCK, IDLE = 0, 1  # of the nodes: that of the incident, and the other one
SIMULATED = "40002"  # what the demo's own Slurm runs on both


def named_as_in(lab: Slurm, fleet: DemoFleet) -> Callable[[NodeSpec], NodeSpec]:
    """The simulated nodes under the names that Slurm has for its own."""
    names = dict(zip((spec.name for spec in fleet.specs), lab.node_names, strict=False))
    return lambda spec: replace(spec, name=names[spec.name])


def work_of(lab: Slurm, fleet: DemoFleet) -> Work:
    return replace(fleet.work, sources=(replace(lab.spec(), period_seconds=1.0),))


def runs_there(*jobs: int) -> Callable[[Frame], bool]:
    """Slurm has begun them and told so: it takes a moment after a job was submitted."""
    wanted = {f"slurm:{job}" for job in jobs}
    return lambda frame: wanted <= {job.id for job in frame.jobs.rows if job.state is JobState.RUNNING}


def node_state(lab: Slurm, node: str) -> str:
    return lab.run("sinfo", "--noheader", "--Node", f"--nodes={node}", "--partition=train", "--format=%T|%E").strip()


def job_record(lab: Slurm, job: int) -> dict[str, str]:
    words = lab.run("scontrol", "-o", "show", "job", str(job)).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


async def test_what_a_fatal_xid_took_out_returns_and_what_is_held_unused_is_reclaimed(
    lab: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of return-to-service it waits 1 s instead of half an hour. A job counts as unused after 3 s instead of 15 min,
    and is reclaimed 1 s after the notice instead of two hours; a person signs, as the shipped policies want it."""
    unused_after(monkeypatch, 3.0)
    every = {
        "fatal-xid": {},
        "return-to-service": {"for: 30m": "for: 1s"},
        "idle-held": {},
        "idle-reclaim": {"for: 2h": "for: 1s"},
    }
    struck, idle = lab.node_names[STRUCK], lab.node_names[IDLE]
    computing = lab.submit(f"--nodelist={struck}", "--requeue")
    holding = lab.submit(f"--nodelist={idle}", "--gres=gpu:8")
    policy = permitted("fatal-xid", "return-to-service")
    async with (
        demo(tmp_path, monkeypatch, "xid95", every, nodes=2, ahead=11.0, policy=policy) as fleet,
        console(fleet, every, named_as_in(lab, fleet), work_of(lab, fleet), runs_there(computing, holding)) as stage,
    ):
        stage.end(SIMULATED)
        out = await stage.run_of("fatal-xid")
        assert states(out) == dict.fromkeys(
            ("drain_node", "requeue_job", "collect_evidence", "open_ticket"), "verified"
        )
        assert node_state(lab, struck).startswith("drain") and "|watchfloor xid 95" in node_state(lab, struck)
        lab.wait(lambda: job_record(lab, computing)["JobState"] == "PENDING")
        assert job_record(lab, computing)["Restarts"] == "1", "nothing else has room for it: it asks for this node"

        await stage.run_of("idle-held")
        waits = await stage.proposal_of("idle-reclaim")
        assert waits.plan.steps[0].target.key == f"slurm:{holding}"
        assert (str(waits.ruling), job_record(lab, holding)["JobState"]) == ("needs-approval", "RUNNING")
        await signed_by_colleague(monkeypatch, tmp_path, waits.run)
        assert states(await stage.run_of("idle-reclaim")) == {"cancel_job": "verified", "notify": "verified"}
        assert job_record(lab, holding)["JobState"] == "CANCELLED"

        await repaired(stage, struck)
        back = await stage.run_of("return-to-service")
        assert states(back) == {"run_diagnostic": "verified", "resume_node": "verified"}
        state, reason = node_state(lab, struck).split("|")
        assert (state.rstrip("*"), reason) == ("idle", "none"), "the requeued job follows when Slurm lets it, in 2 min"
        assert [kind for kind, _ in stage.done()] == ["cancel", "file"], "the demo's own Slurm was told nothing"


async def test_a_repeat_offender_is_quarantined_and_nothing_returns_it(
    lab: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of return-to-service it would wait 1 s instead of half an hour: it doesn't come."""
    both = {"repeat-offender": {}, "return-to-service": {"for: 30m": "for: 1s"}}
    struck = lab.node_names[STRUCK]
    job = lab.submit(f"--nodelist={struck}")
    async with (
        demo(tmp_path, monkeypatch, "offender", both, nodes=2, ahead=812.0, policy=permitted(*both)) as fleet,
        console(fleet, both, named_as_in(lab, fleet), work_of(lab, fleet), runs_there(job)) as stage,
    ):
        run = await stage.run_of("repeat-offender")
        assert states(run) == {"drain_node": "verified", "open_ticket": "verified"}
        assert node_state(lab, struck).startswith("draining|watchfloor quarantine: finding")
        await stage.seen(lambda frame: not frame.jobs.scheduler[frame.node_index[struck]].takes_work)
        assert job_record(lab, job)["JobState"] == "RUNNING", "what runs there goes on"
        assert [one.plan.playbook for one in stage.told.proposals] == ["repeat-offender"]
