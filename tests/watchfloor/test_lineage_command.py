"""`watchfloor lineage`, what keeps it while a console runs, and what takes events by HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import lineages
from tests.support.lineages import FIRST, TEN, job
from tests.support.parts import ROOT
from watchfloor import cli, lineagekeeper
from watchfloor.errors import StoreError
from watchfloor.exits import Exit
from watchfloor.jobs.model import Attempt, JobState
from watchfloor.lineage.graph import Changes, Key, Kind, mention
from watchfloor.lineage.reach import Asked
from watchfloor.lineage.watch import Watch
from watchfloor.lineagekeeper import LineageKeeper
from watchfloor.lineagereceiver import PATH, serve
from watchfloor.places import lineage_place
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note
from watchfloor.records.lineage import LineageStore

EVENT: dict[str, Any] = {
    "eventType": "START",
    "eventTime": "2026-11-28T10:00:00Z",
    "producer": "https://example.org",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "01906a2c-0000-7000-8000-000000000001"},
    "job": {"namespace": "spark", "name": "tokenise"},
    "inputs": [{"namespace": "s3://data", "name": "raw"}],
}
RUN = Key(Kind.TRACKED_RUN, "openlineage:01906a2c-0000-7000-8000-000000000001")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store, which the command takes by itself."""
    monkeypatch.setenv("WATCHFLOOR_LINEAGE", str(tmp_path / "kept" / "lineage.db"))
    return lineage_place()


@pytest.fixture
def story(place: str) -> str:
    store = LineageStore(place)
    store.save(lineages.watched().due(), time.time())
    store.close()
    return place


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.run(["lineage", *words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


# -- the command


def kept_in_ledger(place: Path, *told: list[Any]) -> None:
    """Entries as they are told, each at its time."""
    at = [0]
    with Ledger(place, "console", lambda: at[0]) as ledger:
        for entry in (entry for every in told for entry in every):
            at[0] = int(entry.seconds * 1e9)
            body = entry.told()
            assert body is not None
            ledger.append(Note(entry.who, body, entry.subjects, entry.run, entry.plan))


def test_a_job_is_told_with_the_plan_its_approval_and_the_run_that_drained_its_node(
    story: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    _, out, err = run(capsys, "4242")
    assert "led to plan" not in out and f"there is no ledger at {tmp_path / 'ledger.db'}" in err
    kept_in_ledger(tmp_path / "ledger.db", lineages.entries())
    _, out, err = run(capsys, "4242")
    assert err == "" and f"; run {lineages.RUN} of fatal-xid succeeded at " in out.splitlines()[0]
    found, plan, needs, approved, permit, done, drained, requeued, lost = [
        line for line in out.splitlines() if line.startswith("│ ├ finding") or line.startswith("│ │")
    ]
    assert "finding xid-fatal on n2/gpu3" in found and "led to plan" in plan and "of fatal-xid at" in plan
    assert "needs-approval (1 needed): it takes a node out; policy takes-out.needs-a-person" in needs
    assert "approved by anna at" in approved and "seen the log, go on" in approved and "permit" in permit
    assert "(doesn't count, not-signed: " in approved, "whose word it is, only a signature says"
    assert f"carried out as run {lineages.RUN}" in done and "succeeded" in done
    assert "drain n2 in alpha: xid 79: verified" in drained and "requeue job 4242 from n2: verified" in requeued
    assert "job 4242 (alice) requeued, 3.2 accelerator hours lost" in lost
    assert f"by run {lineages.RUN}" in out.splitlines()[-2]


@pytest.mark.parametrize("word", [lineages.RUN, f"run:{lineages.RUN}", lineages.RUN[:5], "plan:{plan}", "slurm:4242"])
def test_what_only_the_ledger_knows_is_told_from_it(
    place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str
) -> None:
    """The store is empty: of the job and the finding no more than their ids are known."""
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    kept_in_ledger(tmp_path / "ledger.db", lineages.entries())
    code, out, _ = run(capsys, word.format(plan=lineages.REPAIR.digest[:12]))
    assert code == Exit.OK and "approved by anna at" in out and f"carried out as run {lineages.RUN}" in out
    assert ("finding xid-fatal on n2/GPU-2-3" in out) == (word != "slurm:4242")


def test_a_ledger_that_cannot_be_read_is_told_and_the_rest_is_answered(
    story: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database, but something that somebody has put there" * 100)
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    code, out, err = run(capsys, "4242")
    assert code == Exit.OK and out.startswith("attempt 1 ended with NODE_FAIL")
    assert "of plans, approvals and runs the newest may lack: " in err
    assert "ledger.db" in json.loads(run(capsys, "4242", "--json")[1])["lacking"]


@pytest.mark.parametrize("word", ["4242", "slurm:4242", "job:4242", "job:slurm:4242"])
def test_a_job_is_told_by_any_of_its_names(story: str, capsys: pytest.CaptureFixture[str], word: str) -> None:
    code, out, _ = run(capsys, word)
    assert code == Exit.OK
    assert out.startswith("attempt 1 ended with NODE_FAIL") and "├ attempt 1 ran" in out


def test_a_job_is_found_by_what_its_user_calls_it(story: str, capsys: pytest.CaptureFixture[str]) -> None:
    by_number, by_name = run(capsys, "4242"), run(capsys, "train-llm")
    assert by_name[0] == Exit.OK and by_name[1] == by_number[1] == run(capsys, "job:train-llm")[1]
    assert run(capsys, "TRAIN-LLM")[0] == Exit.USAGE and run(capsys, "train%")[0] == Exit.USAGE, "neither is its name"


def test_jobs_that_are_called_alike_are_listed(story: str, capsys: pytest.CaptureFixture[str]) -> None:
    other, called = Watch(), 'of "mira", 100%'
    names = {number: "train-llm" if number == 4300 else called for number in range(4300, 4300 + 12)}
    other.update(TEN, [job(FIRST, id=f"slurm:{number}", number=str(number), name=names[number]) for number in names])
    store = LineageStore(story)
    store.save(other.due(), time.time() - 60.0)
    store.close()
    code, out, err = run(capsys, "train-llm")
    assert code == Exit.USAGE and out == ""
    assert "2 jobs are called 'train-llm': slurm:4242 (alice, running), slurm:4300 (alice, running)" in err
    assert "ask for one of them by its id" in err
    assert run(capsys, "slurm:4300")[0] == Exit.OK
    assert "more than 10 jobs are called" in run(capsys, called)[2]


def test_the_number_of_an_array_is_that_of_all_its_tasks(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Slurm gives the last task the array's number as its id."""
    ids = {"4200_1": "slurm:4201", "4200_2": "slurm:4202", "4200_3": "slurm:4200"}
    ends = {"4200_1": JobState.DONE, "4200_2": JobState.FAILED, "4200_3": JobState.RUNNING}
    tasks = [job(replace(FIRST, state=ends[name]), id=ids[name], number=name, array="4200") for name in ids]
    watch = Watch()
    watch.update(TEN, tasks)
    store = LineageStore(place)
    store.save(watch.due(), time.time())
    store.close()
    code, _, err = run(capsys, "4200")
    assert code == Exit.USAGE
    assert "job 4200 is an array of 3 tasks on record: 1 failed (4200_2), 1 done, 1 running" in err
    assert "ask for one of them, as 4200_" in err
    assert [run(capsys, name)[0] for name in (*ids, *ids.values())] == [Exit.OK] * 6


def test_tasks_of_an_array_that_wait_are_counted_one_by_one(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Slurm tells them as one."""
    names = {"4200_[4-7,9%2]": "slurm:4200", "4200_1": "slurm:4201"}
    states = {"4200_[4-7,9%2]": JobState.PENDING, "4200_1": JobState.DONE}
    watch = Watch()
    watch.update(
        TEN, [job(replace(FIRST, state=states[name]), id=names[name], number=name, array="4200") for name in names]
    )
    store = LineageStore(place)
    store.save(watch.due(), time.time())
    store.close()
    assert "job 4200 is an array of 6 tasks on record: 1 done, 5 pending" in run(capsys, "4200")[2]


def test_who_asks_makes_no_store(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "4242")
    assert code == Exit.USAGE and "4242" in err
    assert not Path(place).parent.exists()


def test_why_a_job_waited_is_no_fact_of_it_once_it_runs(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    waits = job(
        Attempt(1, JobState.PENDING, "PENDING"), reason="Priority", labels={"expected start": "2027-01-01T00:00:00Z"}
    )
    store = LineageStore(place)
    told = []
    for sight in (waits, job(FIRST)):
        watch = Watch()
        watch.update(TEN, [sight])
        store.save(watch.due(), time.time())
        told.append(json.loads(run(capsys, "4242", "--json")[1])["entities"][0]["facts"])
    store.close()
    assert {"reason", "expected start"} <= told[0].keys()
    assert not {"reason", "expected start"} & told[1].keys() and "" not in told[1].values()


def test_what_only_other_programs_made_is_answered_with_their_runs(
    place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(EVENT))
    code, out, _ = run(capsys, "s3://data/raw", "--import", str(file), "--since", "3650d")
    assert code == Exit.OK
    assert out.startswith(
        "1 run of other programs; no job that was seen has to do with it\n\ndataset s3://data/raw\n└ used by"
    )


@pytest.mark.parametrize("word", ["n2", "alice", "n2/gpu3", "s3://data/tokens-v3", "run:wandb:abc123"])
def test_others_are_told_too(story: str, capsys: pytest.CaptureFixture[str], word: str) -> None:
    code, out, _ = run(capsys, word, "--since", "3650d")
    assert code == Exit.OK and out


def test_json_holds_answer_tree_and_graph(story: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "4242", "--json")
    told = json.loads(out)
    assert code == Exit.OK and told["format"] == "watchfloor.lineage/1"
    assert told["root"] == {"kind": "job", "id": "slurm:4242"} and told["answer"].startswith("attempt 1")
    assert {"requeued as", "ran on", "during", "found on"} <= {edge["relation"] for edge in told["edges"]}
    assert told["tree"]["children"] and told["cut"] is False


def test_events_go_out_and_come_in_again(story: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, out, _ = run(capsys, "4242", "--openlineage")
    file, other = tmp_path / "events.jsonl", str(tmp_path / "other.db")
    file.write_text(out)
    assert run(capsys, "--import", str(file), "--store", other)[0] == Exit.OK
    assert run(capsys, "--import", str(file), "--store", other)[0] == Exit.OK
    code, again, _ = run(capsys, "4242", "--store", other)
    assert code == Exit.OK and "attempt 1 ran" in again and "used dataset s3://data/tokens-v3" in again


def test_dot_is_a_graph(story: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "4242", "--dot")
    assert code == Exit.OK and out.startswith("digraph lineage {")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("4243",), "did you mean '4242'"),
        (("user:4242",), "nothing is on record of 'user:4242'"),
        ((), "the lineage of what"),
        (("4242", "--dot", "--json"), "more than one form"),
        (("4242", "--since", "yesterday"), "yesterday"),
        (("nope", "--since", "3parsec"), "'3parsec' needs one of the units us, ms, s, m, min, h, d"),
        (("--listen", "127.0.0.1:0", "--since", "3parsec"), "'3parsec' needs one of the units"),
        (("--import", "/nowhere/x"), "No such file"),
        (("--listen", "nowhere"), "no address"),
    ],
)
def test_what_cannot_be_told_says_why(
    story: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    code, out, err = run(capsys, *words)
    assert code == Exit.USAGE and said in out + err


def test_a_wrong_line_is_named_and_nothing_is_taken(
    place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(EVENT) + "\n{}\n")
    code, out, _ = run(capsys, "--import", str(file), "--json")
    error = json.loads(out)["error"]
    assert code == Exit.USAGE and (error["file"], error["line"]) == (str(file), 2)
    assert run(capsys, "tokenise")[0] == Exit.USAGE


def test_a_store_that_cannot_be_used_has_its_own_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database, and longer than the header of one" * 10)
    code, out, _ = run(capsys, "4242", "--json", "--store", str(tmp_path / "file"))
    assert code == Exit.NOT_KEPT
    assert "lineage is not kept in" in json.loads(out)["error"]["message"]


def test_another_meaning_of_the_word_is_told(story: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = LineageStore(story)
    store.save(Changes((mention(Key(Kind.USER, "n2"), 1.0),)), time.time())
    store.close()
    _, out, err = run(capsys, "n2", "--since", "3650d")
    assert "node n2" in out and "KIND:n2" in err


# -- the keeper


async def test_what_is_watched_is_kept(place: str) -> None:
    keeper = LineageKeeper(place)
    keeper.watch.update(TEN, [job(FIRST)])
    keeper.save()
    await keeper.close()
    assert keeper.trouble == "" and not keeper.watch.due()
    store = LineageStore(place)
    assert store.find("4242", [Kind.JOB])
    store.close()


async def test_a_locked_store_is_told_and_tried_again(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineagekeeper, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr("watchfloor.records.databases._WAIT_SECONDS", 0.1)
    keeper = LineageKeeper(place)
    keeper.watch.update(TEN, [job(FIRST)])
    await _saved(keeper)
    other = sqlite3.connect(place)
    other.execute("BEGIN IMMEDIATE")
    keeper.watch.update(TEN + 1, [lineages.job(lineages.FIRST_OVER)])
    await _saved(keeper)
    assert "locked" in keeper.trouble and keeper.watch.due()
    other.rollback()
    other.close()
    await _saved(keeper)
    assert keeper.trouble == "" and not keeper.watch.due()
    await keeper.close()


async def _saved(keeper: LineageKeeper) -> None:
    keeper.save()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))


async def test_without_a_store_it_lasts_as_long_as_the_program() -> None:
    keeper = LineageKeeper(None)
    keeper.watch.update(TEN, [job(FIRST)])
    keeper.save()
    await keeper.close()
    assert keeper.watch.due()


# -- the receiver


class Receiver:
    def __init__(self, place: str) -> None:
        self.store = LineageStore(place)
        self.broken = False
        self.http = serve(self._take, "127.0.0.1", 0)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def _take(self, told: Changes) -> None:
        if self.broken:
            raise StoreError("the disk is full", "make room")
        self.store.save(told, time.time())

    def post(self, body: bytes, path: str = PATH, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http.server_address[1], timeout=10)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def receiver(place: str) -> Iterator[Receiver]:
    made = Receiver(place)
    yield made
    made.http.shutdown()
    made.http.server_close()
    made.store.close()


def test_an_event_by_http_is_kept(receiver: Receiver) -> None:
    assert receiver.post(json.dumps(EVENT).encode()) == (201, "")
    over = {**EVENT, "eventType": "COMPLETE", "eventTime": "2026-11-28T11:00:00Z"}
    assert receiver.post(json.dumps([over, EVENT]).encode())[0] == 201
    kept = receiver.store.around(Asked(RUN)).entities[RUN]
    assert kept.end is not None and kept.end - kept.start == 3600.0 and kept.facts["state"] == "complete"


@pytest.mark.parametrize(
    ("body", "path", "headers", "status"),
    [
        (b"{}", PATH, {}, 400),
        (b"[", PATH, {}, 400),
        (b"{}", "/elsewhere", {}, 404),
        (b"{}", PATH, {"Content-Type": "text/plain"}, 415),  # what a page of the web could make a browser send
        (b"{}", PATH, {"Content-Length": "99999999999999999999"}, 413),
        (b"{}", PATH, {"Content-Length": "-1"}, 411),
    ],
)
def test_what_is_no_event_is_refused(
    receiver: Receiver, body: bytes, path: str, headers: dict[str, str], status: int
) -> None:
    told, why = receiver.post(body, path, **headers)
    assert told == status and json.loads(why)["error"]


def test_a_store_in_trouble_is_told_to_who_sends(receiver: Receiver) -> None:
    receiver.broken = True
    status, why = receiver.post(json.dumps(EVENT).encode())
    assert status == 503 and "the disk is full" in why


def test_the_command_listens_until_it_is_told_to_end(place: str) -> None:
    command = [sys.executable, "-m", "watchfloor", "lineage", "--listen", "127.0.0.1:0", "--store", place]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        host, _, path = address.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("POST", f"/{path}", json.dumps(EVENT), {"Content-Type": "application/json"})
        assert connection.getresponse().status == 201
        connection.close()
        process.send_signal(2)
        assert process.wait(20) == Exit.INTERRUPTED
