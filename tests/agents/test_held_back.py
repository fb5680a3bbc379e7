"""What an interlock holds back goes on while it is fresh or signed for; what still holds is proposed anew, and why."""

from __future__ import annotations

from dataclasses import replace

from agents.past import HeldBack, Past
from agents.plan import Asked, make_plan
from agents.watchman import Watchman
from tests.agents.test_watchman import FATAL, Told, approve, rounds, watchman, xid
from tests.support.road import ANNA, Road, origin
from tests.support.watching import Watched, board, engine, finding, fired, node, playbook
from watchfloor.change import Ruling, Verdict
from watchfloor.model import Scope
from watchfloor.playbook import EventTrigger, QueryTrigger
from watchfloor.stopping import resumed, stopped

COOLDOWN = 600.0
FRESH = 60.0  # for so long what is held back is looked at again and again
LASTING = replace(
    playbook(QueryTrigger('node == "dgx-02"'), "lasting", cooldown_seconds=COOLDOWN, fresh_seconds=FRESH),
    steps=FATAL.steps,
)
STRIDE = 13.0  # seconds between two looks: no gap, and few frames


async def rest(road: Road, man: object, seconds: float) -> None:
    await rounds(road, man, int(seconds / STRIDE) + 1, STRIDE)  # type: ignore[arg-type]


async def test_it_is_proposed_anew_after_its_cooldown_and_names_what_held_it_back(road: Road) -> None:
    told = Told()
    road.ledger.append(stopped(ANNA, "maintenance"))
    man = watchman(road, told, LASTING)
    await rest(road, man, 100.0)
    assert told.lines == ["lasting interlocked"]
    road.ledger.append(resumed(ANNA, "over"))
    await rest(road, man, 400.0)
    assert told.lines == ["lasting interlocked"], "it rests"
    await rest(road, man, 200.0)
    assert told.lines == ["lasting interlocked", "lasting permit", "r2 succeeded"]
    reasons = [entry.body["reason"] for entry in road.entries() if entry.kind == "proposed"]
    assert "run r1 was held back by global_stop: everything is stopped: maintenance" in reasons[1]
    assert "held back" not in reasons[0]


async def test_while_it_is_held_back_the_ledger_grows_by_one_proposal_a_cooldown(road: Road) -> None:
    told = Told()
    road.ledger.append(stopped(ANNA, "maintenance"))
    man = watchman(road, told, LASTING)
    await rest(road, man, 3.5 * COOLDOWN)
    assert told.lines == ["lasting interlocked"] * 4
    assert road.kinds().count("refused") == 0 and road.kinds().count("proposed") == 4


async def test_a_restart_knows_what_was_held_back(road: Road) -> None:
    told = Told()
    road.ledger.append(stopped(ANNA, "maintenance"))
    await rest(road, watchman(road, told, LASTING), 100.0)
    road.ledger.append(resumed(ANNA, "over"))
    again = watchman(road, told, LASTING)
    await rest(road, again, 400.0)
    assert told.lines == ["lasting interlocked"]
    await rest(road, again, 200.0)
    assert told.lines == ["lasting interlocked", "lasting permit", "r2 succeeded"]


OF_EVENTS = replace(FATAL, guards=replace(FATAL.guards, cooldown_seconds=COOLDOWN, fresh_seconds=FRESH))


async def held_back(road: Road, told: Told) -> Watchman:
    man = watchman(road, told, OF_EVENTS)
    await rounds(road, man, 2)
    road.ledger.append(stopped(ANNA, "maintenance"))
    xid(road, "dgx-02")
    await rest(road, man, 30.0)
    assert told.lines == ["fatal interlocked"] and not road.nodes.log
    return man


async def test_what_an_event_asked_for_goes_on_when_nothing_holds_it_back_while_it_is_fresh(road: Road) -> None:
    told = Told()
    man = await held_back(road, told)
    road.ledger.append(resumed(ANNA, "over"))
    await rest(road, man, 15.0)
    assert (told.lines[1:], road.nodes.log) == (["r1 permit", "r1 succeeded"], ["dgx-02=drained"])
    (_, freed, _) = [entry for entry in road.entries() if entry.kind == "decided"]
    assert freed.body["verdict"] == "permit"
    assert freed.body["reasons"][0].startswith("held back until now: everything is stopped: maintenance")
    assert man.account.rulings == [Ruling.PERMIT], "what is told by a single look's exit code"


async def test_what_waits_for_a_person_once_nothing_holds_it_back_is_told_so(road: Road) -> None:
    told = Told()
    road.verdict = Verdict(Ruling.NEEDS_APPROVAL, approvals=1)
    man = await held_back(road, told)
    road.ledger.append(resumed(ANNA, "over"))
    await rest(road, man, 15.0)
    assert (told.lines[1:], road.nodes.log) == (["r1 needs-approval"], [])


async def test_what_persons_signed_for_while_it_was_held_back_goes_on_however_old_it_is(road: Road) -> None:
    told = Told()
    road.verdict = Verdict(Ruling.NEEDS_APPROVAL, approvals=1)
    man = await held_back(road, told)
    approve(road)
    await rest(road, man, 2 * FRESH)
    assert told.lines == ["fatal interlocked"]
    road.ledger.append(resumed(ANNA, "over"))
    await rest(road, man, 15.0)
    assert (told.lines[1:], road.nodes.log) == (["r1 needs-approval", "r1 succeeded"], ["dgx-02=drained"])


async def test_a_plan_of_somebody_else_that_is_held_back_is_not_begun_by_the_watch(road: Road) -> None:
    told = Told()
    road.ledger.append(stopped(ANNA, "maintenance"))
    asked = Asked(ANNA, origin(), road.now())
    await road.console().propose(make_plan(FATAL, [node("dgx-02")], road.scene(), road.actions, asked))
    road.ledger.append(resumed(ANNA, "over"))
    await rest(road, watchman(road, told), 30.0)
    assert not told.lines and not road.nodes.log


async def test_what_has_moved_meanwhile_is_not_begun(road: Road) -> None:
    told = Told()
    man = await held_back(road, told)
    road.actions["drain"].why_not = "it is drained already"  # type: ignore[attr-defined]
    road.ledger.append(resumed(ANNA, "over"))
    await rest(road, man, 15.0)
    assert not road.nodes.log and told.lines[-1] == "r1 refused"


async def test_an_event_is_over_when_it_is_no_longer_fresh_and_never_comes_again(road: Road) -> None:
    told = Told()
    man = await held_back(road, told)
    await rest(road, man, 2 * FRESH)
    road.ledger.append(resumed(ANNA, "over"))
    await rest(road, man, 2 * COOLDOWN)
    assert told.lines == ["fatal interlocked"] and not road.nodes.log


def test_a_finding_that_still_holds_comes_again_however_long_it_has_held() -> None:
    trigger = EventTrigger(findings=("xid-fatal",))
    hot = playbook(trigger, "hot", Scope.ACCELERATOR, cooldown_seconds=COOLDOWN, fold_seconds=1.0)
    watched, past = Watched(), Past()
    machine = engine([hot], past)
    target = board("dgx-01", 0)
    machine.update(watched.second())
    watched.findings = [finding(target, "xid-fatal")]
    assert fired(machine.update(watched.second())) == [("hot", ("dgx-01/GPU-dgx-01-0",))]
    past.held["hot", target] = HeldBack("r1", "blast_radius: 2 nodes of rack r1 would be out")
    assert not fired(watched.rest(machine, 500.0))
    (incident,) = watched.rest(machine, 150.0)
    assert "run r1 was held back by blast_radius" in incident.reason  # type: ignore[union-attr]
    del past.held["hot", target]
    assert not fired(watched.rest(machine, 2 * COOLDOWN)), "it was answered"


def test_what_is_over_by_then_does_not_come_again() -> None:
    hot = playbook(EventTrigger(findings=("xid-fatal",)), "hot", cooldown_seconds=COOLDOWN)
    watched, past = Watched(), Past()
    machine = engine([hot], past)
    machine.update(watched.second())
    watched.findings = [finding(node("dgx-01"), "xid-fatal")]
    assert fired(machine.update(watched.second()))
    past.held["hot", node("dgx-01")] = HeldBack("r1", "blast_radius: full")
    watched.findings = []
    assert not fired(watched.rest(machine, 2 * COOLDOWN))
