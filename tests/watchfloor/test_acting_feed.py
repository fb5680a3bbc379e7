"""A console that acts, on this machine: plans are weighed and proposed on its frames, and signed with a real key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.governed import Person, person, plan, proposed
from watchfloor.actingfeed import ActingFeed
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.model import Finding, NodeSpec, Scope, State, Subject
from watchfloor.ports import Concern
from watchfloor.remedies import remedies

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


@pytest.fixture
def feed(anna: Person) -> Iterator[ActingFeed]:
    made, answered = ActingFeed([NodeSpec("here", local=True)]), threading.Event()

    def seen(frame: Frame) -> None:
        if frame.live.all():
            answered.set()

    made.start(seen)
    assert answered.wait(60), made.trouble()
    yield made
    made.stop()


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
