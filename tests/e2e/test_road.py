"""The whole road on a real Slurm, as a person walks it: plan, approval, drain, verification, audit."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.support import parts
from tests.support.slurm import Slurm
from watchfloor.errors import StoreError
from watchfloor.exits import Audit, Exit
from watchfloor.lineage.graph import Changes, Edge, Entity, Key, Kind, Relation, mention
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.records.lineage import LineageStore

NODE = "gpu002"


class Person:
    """Somebody with a home, a key and a console."""

    def __init__(self, folder: Path, lab: Slurm) -> None:
        self.folder, self.lab = folder, lab
        self.fleet = folder / "fleet.yaml"
        self.fleet.write_text(
            f"jobs:\n  lab: {{kind: slurm, via: local, conf: {lab.conf}, period: 1s}}\n"
            f"nodes: {{{NODE}: {{local: true}}}}\n"
        )
        (folder / "limits.yaml").write_text("rack_nodes: 4\ngroup_share: 100%\nhealthy_share: 20%\n")
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "bob")], check=True, timeout=30
        )
        key = (folder / "bob.pub").read_text().split()
        (folder / "allowed_signers").write_text(f"bob {key[0]} {key[1]}\n")

        self.env = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "WATCHFLOOR_SIGNERS": str(folder / "allowed_signers"),
            "WATCHFLOOR_LIMITS": str(folder / "limits.yaml"),
        }

    def __call__(self, *arguments: str, code: int = Exit.OK) -> str:
        command = [sys.executable, "-m", "watchfloor", *arguments]
        done = subprocess.run(
            command,
            cwd=parts.ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def run(self, *arguments: str, code: int = Exit.OK) -> str:
        return self("run", *arguments, "--fleet", str(self.fleet), code=code)


def state(lab: Slurm) -> str:
    return lab.run("sinfo", "--noheader", "--Node", f"--nodes={NODE}", "--partition=train", "--format=%T|%E").strip()


def test_a_node_is_drained_by_the_whole_road_and_every_step_is_accounted_for(lab: Slurm, tmp_path: Path) -> None:
    person = Person(tmp_path, lab)
    words = ("drain-node", "--target", f'node == "{NODE}"', "--set", "reason=xid 79", "--reason", "a fatal fault")

    job = lab.submit(f"--nodelist={NODE}")
    lab.wait(lambda: "R" in lab.run("squeue", "--noheader", "--format=%t"))
    literal = person.run("drain-node", "--target", f'node == "{NODE}"')
    assert f"drain {NODE} in lab: asked for by" in literal, "as the manual has it: no --set, no --reason"
    shown = person.run(*words)
    assert f"{NODE} jobs: slurm:{job} attempt 1" in shown, "by the scheduler's word: the node has no accelerators"
    assert "scontrol" in shown and "Nothing was changed" in shown and state(lab).startswith("mixed")
    kept = tmp_path / "state" / "watchfloor"
    assert not {"lineage.db", "findings.db"} & {file.name for file in kept.iterdir()}, "a dry run keeps nothing"

    waiting = person.run(*words, "--apply", code=Exit.WAITS_FOR_APPROVAL)
    assert state(lab).startswith("mixed")
    run = waiting.split("watchfloor approve ")[1].split()[0]

    saved_work(kept / "lineage.db", f"slurm:{job}")
    costs = person.run("requeue-job", "--target", f'id == "slurm:{job}"')
    assert "since the checkpoint at " in costs and "(/ckpt/500)" in costs

    still = person.run(run, "--apply", code=Exit.WAITS_FOR_APPROVAL)
    assert "not-approved" in still

    person("approve", run, "--reason", "seen it", "--key", str(tmp_path / "bob"), "--yes")
    done = person.run(run, "--apply")
    assert "succeeded" in done and state(lab).startswith("draining|xid 79")
    why = person("lineage", f"slurm:{job}")
    assert f"job slurm:{job}" in why and "a fatal fault" in why and "approved by bob" in why
    assert f"carried out as run {run}" in why and f"drain {NODE} in lab: xid 79: verified at" in why

    told = json.loads(person("show", run, "--json"))
    assert (told["outcome"], [step["state"] for step in told["steps"]]) == ("succeeded", ["verified"])
    assert "intact" in person("audit", "verify")
    copy = tmp_path / "copy.db"
    with sqlite3.connect(tmp_path / "state/watchfloor/ledger.db") as base:
        base.execute("VACUUM INTO ?", (str(copy),))
    data = copy.read_bytes()
    at = data.find(b"a fatal fault")
    copy.write_bytes(data[:at] + b"A" + data[at + 1 :])
    altered = person("audit", "verify", str(copy), code=Audit.ALTERED)
    assert f"entry {kinds(copy).index('proposed')} has been altered" in altered


def test_a_console_killed_in_the_middle_is_followed_by_one_that_repeats_nothing(lab: Slurm, tmp_path: Path) -> None:
    person = Person(tmp_path, lab)
    words = ("drain-node", "--target", f'node == "{NODE}"', "--reason", "xid 79")
    waiting = person.run(*words, "--apply", code=Exit.WAITS_FOR_APPROVAL)
    run = waiting.split("watchfloor approve ")[1].split()[0]
    person("approve", run, "--reason", "seen it", "--key", str(tmp_path / "bob"), "--yes")
    command = [sys.executable, "-m", "watchfloor", "run", run, "--apply", "--fleet", str(person.fleet)]
    ledger = tmp_path / "state/watchfloor/ledger.db"
    with subprocess.Popen(command, cwd=parts.ROOT, env=person.env, stdout=subprocess.DEVNULL) as console:
        lab.wait(lambda: "intent" in kinds(ledger))
        console.kill()
    done = person.run(run, "--apply")
    assert "succeeded" in done and state(lab).startswith("drained|xid 79")
    told = kinds(ledger)
    assert (told.count("intent"), told.count("outcome")) == (1, 1)
    assert "intact" in person("audit", "verify")


def test_who_waits_for_an_approval_hears_at_once_that_it_is_rejected_and_by_whom(lab: Slurm, tmp_path: Path) -> None:
    person = Person(tmp_path, lab)
    words = ("drain-node", "--target", f'node == "{NODE}"', "--set", "reason=xid 79", "--reason", "a fatal fault")
    command = [sys.executable, "-m", "watchfloor", "run", *words, "--apply", "--wait", "600", "--fleet"]
    ledger = tmp_path / "state/watchfloor/ledger.db"
    with subprocess.Popen(
        [*command, str(person.fleet)], cwd=parts.ROOT, env=person.env, stdout=subprocess.PIPE, text=True
    ) as console:
        lab.wait(lambda: proposed(ledger))
        (run,) = [told["run"] for told in json.loads(person("runs", "--json"))["runs"]]
        person("reject", run, "--reason", "not during the review", "--key", str(tmp_path / "bob"), "--yes")
        said, _ = console.communicate(timeout=60)
    assert console.returncode == Exit.DENIED and "rejected by bob: not during the review" in said
    assert "drain" not in state(lab) and kinds(ledger)[-2:] == ["refused", "recording"]


def proposed(ledger: Path) -> bool:
    """Whether there is a run that was decided on."""
    try:
        return "decided" in kinds(ledger)
    except StoreError:  # nothing is in it yet
        return False


def saved_work(place: Path, job: str) -> None:
    """Its trainer has told of a checkpoint."""
    store, attempt, saved = (
        LineageStore(str(place)),
        Key(Kind.ATTEMPT, f"{job}#1"),
        Key(Kind.CHECKPOINT, "/ckpt/500"),
    )
    now = time.time()
    ends = (mention(attempt, now), Entity(saved, now))
    store.save(Changes(ends, (Edge(attempt, saved, Relation.MADE, now),)), now)
    store.close()


def kinds(ledger: Path) -> list[str]:
    with LedgerReader(ledger) as reader:
        return [entry.kind for entry in reader.entries()]
