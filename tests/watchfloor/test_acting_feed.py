"""A console that acts, on this machine: plans are weighed and proposed on its frames, and signed with a real key."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from tests.support.governed import ANNA, Person, person, plan, proposed
from watchfloor.actingfeed import ActingFeed
from watchfloor.change import Plan
from watchfloor.commands.run import myself
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.model import Finding, NodeSpec, Scope, State, Subject
from watchfloor.ports import Concern, Remedy
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.records.ledgerwords import Body, Outcome, Refused
from watchfloor.remedies import remedies
from watchfloor.runs import RunRecord

HERE = Subject(Scope.NODE, "here")
FOUND = Concern(HERE, Finding(HERE, "node-silent", State.WARNING, "here was silent"))


@pytest.fixture
def anna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Whose key this user's console signs with."""
    found = person(tmp_path, "anna@example.org")
    (tmp_path / "allowed_signers").write_text(found.line(), "utf-8")
    for name in ("POLICIES", "PEOPLE", "LIMITS"):
        monkeypatch.delenv(f"WATCHFLOOR_{name}", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    monkeypatch.setenv("WATCHFLOOR_SIGNERS", str(tmp_path / "allowed_signers"))
    monkeypatch.setenv("WATCHFLOOR_KEY", str(found.key))
    return found


TELL = Remedy("notify", "", Scope.NODE, 'node == "here"', {"text": "look at it"}, "")


class Webhook:
    """Where people are told: it answers once a test lets it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.asked, self.answers = threading.Event(), threading.Event()
        self.answers.set()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                webhook.heard.append(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.asked.set()
                webhook.answers.wait(60)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    made = Webhook()
    (tmp_path / "endpoints.yaml").write_text(f"notify: {{url: 'http://127.0.0.1:{made.server.server_port}/'}}\n")
    monkeypatch.setenv("WATCHFLOOR_ENDPOINTS", str(tmp_path / "endpoints.yaml"))
    yield made
    made.answers.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def feed(webhook: Webhook, anna: Person) -> Iterator[ActingFeed]:
    made = started()
    yield made
    made.stop()


def started() -> ActingFeed:
    made, answered = ActingFeed([NodeSpec("here", local=True)]), threading.Event()

    def seen(frame: Frame) -> None:
        if frame.live.all():
            answered.set()

    made.start(seen)
    assert answered.wait(60), made.trouble()
    return made


def test_a_plan_is_weighed_without_a_trace_then_proposed_and_decided(feed: ActingFeed, tmp_path: Path) -> None:
    follower = LedgerFollower(tmp_path / "ledger.db")
    evidence = next(remedy for remedy in remedies(FOUND) if remedy.name == "collect-evidence")
    weighed = feed.weigh(evidence, FOUND)
    assert weighed.plan.steps and weighed.plan.origin.finding == "node-silent"
    assert weighed.ruling in ("permit", "needs-approval", "deny", "interlocked")
    assert follower.look().runs == ()
    said = feed.propose(weighed)
    (run,) = follower.look().runs
    assert run.run == said.run and run.plan == weighed.plan and run.ruling == weighed.ruling == said.ruling
    assert not run.begun


def test_whose_signatures_count_is_on_record_with_what_is_decided_by_them(feed: ActingFeed, tmp_path: Path) -> None:
    signers = tmp_path / "allowed_signers"
    digest = sha256(signers.read_bytes()).hexdigest()
    feed.propose(feed.weigh(TELL, FOUND))
    with LedgerReader(tmp_path / "ledger.db") as reader:
        told = [entry.body for entry in reader.entries() if entry.kind == "configuration"]
        (decided,) = [entry.body for entry in reader.entries() if entry.kind == "decided"]
    assert digest in [body["digest"] for body in told if body["file"] == str(signers)]
    assert (decided["facts"]["signers"], decided["facts"]["signers_digest"]) == (str(signers), digest)


def test_why_there_is_no_plan_is_told(feed: ActingFeed) -> None:
    drain = next(remedy for remedy in remedies(FOUND) if remedy.name == "drain-node")
    with pytest.raises(Exception, match="here"):
        feed.weigh(drain, FOUND)


def test_signing_is_that_of_the_command_and_what_it_refuses_is_refused(anna: Person, tmp_path: Path) -> None:
    feed, wanted = ActingFeed([NodeSpec("here", local=True)]), plan("drain_node")
    proposed(tmp_path / "ledger.db", wanted)
    with pytest.raises(ConfigError, match="there is no reason"):
        feed.sign("r1", "approve", "  ")
    told = feed.sign("r1", "reject", "not now")
    assert "rejected by anna@example.org: not now" in told
    follower = LedgerFollower(tmp_path / "ledger.db")
    run = follower.look().run("r1")
    assert run is not None and run.rejected_by and run.given[-1].body["signature"]
    with pytest.raises(ConfigError, match=r"refused \(requester\)"):
        feed.sign("r1", "approve", "go on")
    run = follower.look().run("r1")
    assert run is not None and run.refusals[-1].why == "requester"


def test_before_the_collectors_are_there_nothing_is_weighed(anna: Person) -> None:
    feed = ActingFeed([NodeSpec("here", local=True)])
    with pytest.raises(ConfigError, match="not there yet"):
        feed.weigh(remedies(FOUND)[0], FOUND)


# -- carried out


def run_on_record(tmp_path: Path, run: str) -> RunRecord:
    found = LedgerFollower(tmp_path / "ledger.db").look().run(run)
    assert found is not None
    return found


def intents(tmp_path: Path) -> list[str]:
    """Who carried out what, as the ledger has it."""
    with LedgerReader(tmp_path / "ledger.db") as reader:
        return [entry.who.fingerprint for entry in reader.entries() if entry.kind == "intent"]


def test_what_is_permitted_is_carried_out_by_this_person_and_is_in_the_same_ledger(
    feed: ActingFeed, webhook: Webhook, tmp_path: Path
) -> None:
    weighed = feed.weigh(TELL, FOUND)
    assert weighed.ruling == "permit"
    put = feed.propose(weighed)
    assert put.said == f"run {put.run} may begin"
    assert f"run {put.run} succeeded" in feed.carry_out(put.run).result(60)
    record = run_on_record(tmp_path, put.run)
    assert record.outcome == "succeeded" and intents(tmp_path) == [myself().fingerprint]
    assert b"look at it" in webhook.heard[0]
    (step,) = record.steps.values()
    (applied,) = step.attempts[0].applied
    assert applied.argv[0] == "POST" and applied.argv[1].startswith("notify"), "what a review tells of it"
    assert "it is over" in feed.carry_out(put.run).result(60)


def test_what_waits_for_approval_is_not_begun_whatever_the_screen_thinks(feed: ActingFeed, tmp_path: Path) -> None:
    wanted = plan("drain_node")
    proposed(tmp_path / "ledger.db", wanted)
    told = feed.carry_out("r1").result(60)
    assert "run r1 refused" in told and not run_on_record(tmp_path, "r1").begun
    with pytest.raises(Exception, match="no run r2"):
        feed.carry_out("r2").result(60)


def test_a_run_that_is_left_stands_where_it_is_and_goes_on_from_there(
    webhook: Webhook, anna: Person, tmp_path: Path
) -> None:
    webhook.answers.clear()
    first = started()
    try:
        put = first.propose(first.weigh(TELL, FOUND))
        under_way = first.carry_out(put.run)
        assert webhook.asked.wait(60)
    finally:
        first.stop()
    with pytest.raises(CancelledError):
        under_way.result(60)
    record = run_on_record(tmp_path, put.run)
    assert record.begun and not record.outcome
    webhook.answers.set()
    second = started()
    try:
        assert f"run {put.run} " in second.carry_out(put.run).result(60)
    finally:
        second.stop()
    assert run_on_record(tmp_path, put.run).outcome and len(intents(tmp_path)) == 1


# -- signatures that are refused


def told_of(tmp_path: Path, body: Body, wanted: Plan) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.append(Note(ANNA, body, (), "r1", wanted.digest))


@pytest.mark.parametrize(
    ("word", "body", "left_seconds"),
    [
        ("expired", None, -1.0),
        ("moved", Refused(why="moved", text="since the plan was made, n1 was drained"), 600.0),
        ("over", Outcome(outcome="refused", text="over: another run did it"), 600.0),
    ],
)
def test_a_signature_that_comes_too_late_is_refused_with_its_reason_on_record(
    word: str, body: Body | None, left_seconds: float, anna: Person, tmp_path: Path
) -> None:
    now = time.time()
    bob = msgspec.structs.replace(ANNA, name="bob")
    wanted = msgspec.structs.replace(plan("drain_node", who=bob), created=now - 60, expires=now + left_seconds)
    proposed(tmp_path / "ledger.db", wanted)
    if body is not None:
        told_of(tmp_path, body, wanted)
    with pytest.raises(ConfigError, match=rf"refused \({word}\)"):
        ActingFeed([NodeSpec("here", local=True)]).sign("r1", "approve", "go on")
    assert run_on_record(tmp_path, "r1").refusals[-1].why == word


def test_a_key_that_nobody_knows_signs_nothing(anna: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = person(tmp_path, "stranger@example.org")
    monkeypatch.setenv("WATCHFLOOR_KEY", str(stranger.key))
    proposed(tmp_path / "ledger.db", plan("drain_node", who=msgspec.structs.replace(ANNA, name="bob")))
    with pytest.raises(ConfigError, match=r"refused \(unknown-key\)"):
        ActingFeed([NodeSpec("here", local=True)]).sign("r1", "approve", "go on")
    assert run_on_record(tmp_path, "r1").refusals[-1].why == "unknown-key"
