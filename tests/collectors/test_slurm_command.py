"""What `watchfloor jobs` and the terminal make of a real Slurm: all that squeue lists, and telemetry without it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from collectors.sources._slurm import values
from tests.support import parts
from tests.support.patience import PATIENCE_SECONDS
from tests.support.slurm import KIND, Slurm
from watchfloor.frame import Frame
from watchfloor.jobs.config import Work
from watchfloor.jobs.model import SourceState
from watchfloor.model import NodeSpec
from watchfloor.wiring import LiveFeed

# as squeue calls them: id, name, user, account, partition, state, nodes, time limit, GRES, submitted, start, reason
FIELDS = ("%i", "%j", "%u", "%a", "%P", "%T", "%N", "%l", "%b", "%V", "%S", "%r")


@pytest.fixture
def lab(slurm: Slurm) -> Iterator[Slurm]:
    yield slurm
    slurm.cancel_all()


def listed(lab: Slurm) -> dict[str, list[str]]:
    """What squeue prints, by id."""
    lines = lab.run("squeue", "--noheader", f"--format={'|'.join(FIELDS)}").splitlines()
    return {line.split("|")[0]: line.split("|") for line in lines}


def told(lab: Slurm, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """`watchfloor jobs` by a fleet file that names the source and no period."""
    fleet = folder / "fleet.yaml"
    fleet.write_text(f"jobs:\n  lab: {{kind: slurm, via: local, conf: {lab.conf}}}\nnodes: {{here: {{local: true}}}}\n")
    command = [sys.executable, "-m", "watchfloor", "jobs", "--fleet", str(fleet), *more]
    return subprocess.run(command, cwd=parts.ROOT, capture_output=True, text=True, timeout=50, check=True)


def as_squeue(job: dict[str, Any]) -> list[object]:
    """One of our jobs, in the fields of squeue."""
    nodes = len(job["nodes"]) or job["nodes_wanted"]
    started = job["started"]
    return [
        job["number"], job["name"], job["user"], job["account"], job["queue"], job["told_state"], job["nodes"],
        job["time_limit_seconds"], (job["accelerators_wanted"] or 0) / nodes, job["submitted"], started, job["reason"],
    ]  # fmt: skip


def as_ours(line: list[str]) -> list[object]:
    """A line of squeue, in our units. A job that waits has no start: Slurm says when it expects one."""
    number, name, user, account, partition, state, nodes, limit, gres, submitted, started, reason = line
    held = values.accelerators(gres)
    runs = state == "RUNNING"
    return [
        number, name, user, account, partition, state, list(values.hosts(nodes)), values.duration(limit),
        held.count if held else 0, datetime.fromisoformat(submitted).timestamp(),
        datetime.fromisoformat(started).timestamp() if runs else None, "" if reason == "None" else reason,
    ]  # fmt: skip


def test_the_command_lists_what_squeue_lists_field_by_field(lab: Slurm, tmp_path: Path) -> None:
    first = lab.submit("--nodes=2", f"--gres=gpu:{KIND}:4", "--time=2:00:00", "--job-name=pretrain")
    lab.submit("--gres=gpu:2", "--time=1-12:00:00", "--job-name=two words", "--qos=normal")
    lab.submit("--hold", "--job-name=one", f"--gres=gpu:{KIND}:2", "--nodes=2")
    lab.submit("--hold", "--job-name=two", "--array=0-3%2", "--partition=debug", "--time=20")
    lab.submit(f"--dependency=afterok:{first}", "--job-name=evaluate")
    lab.wait(lambda: sum(line[5] == "RUNNING" for line in listed(lab).values()) == 2)
    ours = {job["number"]: job for job in json.loads(told(lab, tmp_path, "--json").stdout)["jobs"]}
    theirs = listed(lab)
    assert {number for number, job in ours.items() if job["kind"] == "slurm"} == theirs.keys() and len(theirs) == 5
    for number, line in theirs.items():
        assert as_squeue(ours[number]) == as_ours(line)
    detail = told(lab, tmp_path, "--job", str(first)).stdout
    assert f"job {first} pretrain of root: running" in detail and f"{first}.batch: running" in detail


def test_a_heterogeneous_job_is_listed_as_squeue_does_each_part_with_its_steps(lab: Slurm, tmp_path: Path) -> None:
    submitted = lab.run(
        "sbatch", "--parsable", "--output=/dev/null", "--mem=100", "--job-name=ten words\nand two", "--gres=gpu:1", ":",
        "--gres=gpu:2", "--mem=100", "--job-name=worker", "--wrap", "srun --overlap --het-group=0,1 sleep 600",
    )  # fmt: skip
    number = submitted.partition(";")[0]
    lab.wait(lambda: lab.run("squeue", "--steps", "--noheader", "--format=%j").splitlines().count("sleep") == 2)
    ours = {job["number"]: job for job in json.loads(told(lab, tmp_path, "--json").stdout)["jobs"]}
    called = set(lab.run("squeue", "--noheader", "--format=%i").splitlines())
    assert called == {f"{number}+0", f"{number}+1"} <= ours.keys()
    steps = {name: [step["number"] for step in ours[name]["steps"]] for name in called}
    assert steps == {f"{number}+0": ["0", "batch"], f"{number}+1": ["0"]}
    table = told(lab, tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in table if line.startswith(number)] == [f"{number}+0", f"{number}+1"]
    assert told(lab, tmp_path, "--job", number).stdout.startswith(f"job {number}+0 ten words and two of root: running")


def test_a_suspended_job_has_run_as_long_as_squeue_says(lab: Slurm, tmp_path: Path) -> None:
    number = str(lab.submit())
    running = ("squeue", "--noheader", f"--jobs={number}", "--format=%T|%M")
    lab.wait(lambda: lab.run(*running) == "RUNNING|0:01")
    lab.run("scontrol", "suspend", number)
    lab.wait(lambda: int(lab.run("date", "+%s")) - json.loads(lab.run("squeue", "--json"))["jobs"][0]["start_time"] > 4)
    (job,) = (job for job in json.loads(told(lab, tmp_path, "--json").stdout)["jobs"] if job["number"] == number)
    assert job["state"] == "suspended"
    assert job["figures"]["elapsed"] == values.duration(lab.run(*running).partition("|")[2])
    assert job["figures"]["time_left"] == job["time_limit_seconds"] - job["figures"]["elapsed"]


class Watcher:
    """Keeps every frame, and waits for one."""

    def __init__(self, feed: LiveFeed) -> None:
        self.frames: list[Frame] = []
        self._changed = threading.Condition()
        feed.start(self._take)

    def _take(self, frame: Frame) -> None:
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def until(self, is_so: Callable[[Frame], bool]) -> Frame:
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.frames) and is_so(self.frames[-1]), PATIENCE_SECONDS)
            return self.frames[-1]


def test_without_its_controller_jobs_age_and_telemetry_goes_on(lab: Slurm) -> None:
    number = lab.submit()
    lab.wait(lambda: listed(lab)[str(number)][5] == "RUNNING")
    spec = replace(lab.spec(timeout_seconds=2.0), period_seconds=5.0)
    feed = LiveFeed([NodeSpec("here", local=True)], work=Work((spec,)))
    watcher = Watcher(feed)
    try:
        before = watcher.until(lambda frame: bool(frame.live[0]) and f"slurm:{number}" in frame.jobs.index)
        lab.stop_controller()
        seen = len(watcher.frames)
        failed = watcher.until(lambda frame: frame.jobs.sources[0].state is SourceState.FAILED)
        later = watcher.until(lambda frame: frame.number >= failed.number + 6)
    finally:
        feed.stop()
        lab.start_controller()
    assert all(frame.live[0] for frame in watcher.frames[seen:]), "no frame in which the node was not heard"
    uptimes = [float(frame.nodes.known("uptime")[0]) for frame in (before, failed, later)]
    assert uptimes == sorted(uptimes) and uptimes[0] < uptimes[-1]
    status = later.jobs.sources[0]
    assert later.jobs.rows[later.jobs.index[f"slurm:{number}"]].id == f"slurm:{number}"
    assert status.text and "scontrol ping" in status.advice
    assert status.at == failed.jobs.sources[0].at <= failed.at, "the time of the last answer stands, and its age grows"
