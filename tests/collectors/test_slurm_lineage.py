"""What a person does who wonders about a job: `watchfloor jobs` now and then, and at last `watchfloor lineage`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support import parts
from tests.support.slurm import Slurm, Watch, job
from watchfloor.jobs.model import JobState


def run(store: Path, *words: str) -> str:
    """A command of ours, whose lineage is kept in `store`."""
    env = os.environ | {"WATCHFLOOR_LINEAGE": str(store), "TZ": "UTC"}
    command = [sys.executable, "-m", "watchfloor", *words]
    done = subprocess.run(command, cwd=parts.ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


async def test_a_requeued_job_is_told_with_both_attempts_where_they_ran_and_why(slurm: Slurm, tmp_path: Path) -> None:
    fleet, store, mark = tmp_path / "fleet.yaml", tmp_path / "lineage.db", tmp_path / "begun"
    fleet.write_text(
        f"jobs:\n  lab: {{kind: slurm, via: local, conf: {slurm.conf}}}\nnodes: {{here: {{local: true}}}}\n"
    )
    number = slurm.submit(
        "--gres=gpu:2", "--requeue", "--nodelist=gpu002", "--comment=dataset=s3://data/tokens-v3",
        script=f"touch {mark}; sleep 600",
    )  # fmt: skip
    try:
        async with Watch(slurm.spec()) as watch:
            # once its script runs: what is requeued before that, Slurm may take a minute to clear away
            await watch.until(lambda answer: mark.exists())
            run(store, "jobs", "--fleet", str(fleet))
            slurm.run("scontrol", "requeue", str(number))
            await watch.until(
                lambda answer: (found := job(answer, number)) and found.attempt == 2 and found.state is JobState.PENDING
            )
            # elsewhere; and not at once: a credential of the second in which the last one was revoked is revoked, too
            slurm.run("scontrol", "update", f"jobid={number}", "ReqNodeList=gpu003", "StartTime=now+2")
            await watch.until(
                lambda answer: (
                    (found := job(answer, number))
                    and found.state is JobState.RUNNING
                    and found.attempts[0].told_state == "REQUEUED"
                )
            )
        run(store, "jobs", "--fleet", str(fleet))
        told = run(store, "lineage", str(number))
        document: dict[str, Any] = json.loads(run(store, "lineage", str(number), "--json"))
    finally:
        slurm.cancel_all()
    lines = told.splitlines()
    assert lines[2].startswith(f"job slurm:{number} wrap (root)")
    first = next(line for line in lines if "attempt 1 ran" in line)
    assert "on gpu002" in first and first.endswith("requeued")
    assert any("attempt 2 runs on gpu003 since" in line for line in lines)
    assert any("requeued as attempt 2" in line for line in lines)
    assert any("used dataset s3://data/tokens-v3" in line for line in lines)
    ran = {
        (edge["cause"]["id"], edge["effect"]["id"])
        for edge in document["edges"]
        if edge["relation"] == "ran on" and edge["effect"]["kind"] == "node"
    }
    assert ran == {(f"slurm:{number}#1", "gpu002"), (f"slurm:{number}#2", "gpu003")}


def _bin(folder: Path, **scripts: str) -> Path:
    """A folder with commands of its own in place of Slurm's."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


async def test_a_job_that_ended_while_nobody_looked_is_told_as_the_accounting_has_it(
    slurm: Slurm, tmp_path: Path
) -> None:
    store, go = tmp_path / "lineage.db", tmp_path / "go"
    # a queue that has forgotten it (Slurm's does after MinJobAge), once without accounting, and once with it
    queue = """case "$*" in *--json*) echo '{"jobs": []}';; *--version*) echo "slurm 22.05.8";; esac"""
    off = "echo 'Slurm accounting storage is disabled' >&2; exit 1"
    fleets: dict[str, Path] = {}
    for name, folder in (
        ("whole", None),
        ("off", _bin(tmp_path / "off", squeue=queue, sacct=off)),
        ("later", _bin(tmp_path / "later", squeue=queue)),
    ):
        fleets[name] = tmp_path / f"{name}.yaml"
        its = f", bin: {folder}" if folder else ""
        fleets[name].write_text(
            f"jobs:\n  lab: {{kind: slurm, via: local, conf: {slurm.conf}{its}}}\nnodes: {{here: {{local: true}}}}\n"
        )
    number = slurm.submit("--gres=gpu:2", script=f"while [ ! -e {go} ]; do sleep 0.1; done; exit 7")
    try:
        async with Watch(slurm.spec()) as watch:
            await watch.until(lambda answer: (one := job(answer, number)) and one.state is JobState.RUNNING)
            run(store, "jobs", "--fleet", str(fleets["whole"]))
            go.touch()
            ended = await watch.until(lambda answer: (one := job(answer, number)) and one.state is JobState.FAILED)
        slurm.wait(lambda: "FAILED" in slurm.run("sacct", "-nX", "-j", str(number), "--format=State"))
        run(store, "jobs", "--fleet", str(fleets["off"]))
        without = run(store, "lineage", str(number))
        run(store, "jobs", "--fleet", str(fleets["later"]))
        told: dict[str, Any] = json.loads(run(store, "lineage", str(number), "--json"))
        said = run(store, "lineage", str(number))
    finally:
        slurm.cancel_all()
    assert "its end is not known: the accounting of lab: the accounting tells nothing: " in without
    attempt = next(one for one in told["entities"] if one["id"] == f"slurm:{number}#1")
    known = job(ended, number)
    assert known is not None and attempt["end"] == known.ended
    assert attempt["facts"].items() >= {"state": "failed", "exit code": "7", "accelerators": "2"}.items()
    assert "(2 accelerators): failed, exit code 7" in said and said.rstrip().endswith("as the accounting of lab has it")
