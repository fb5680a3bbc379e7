"""The daemon's round: what it proposes, carries out, takes up and refrains from, on the one road and on record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agents.carrying import Result
from agents.harness import Decision
from agents.holding import LEASE_SECONDS
from agents.past import Past, past_of, told_target
from agents.plan import make_plan
from agents.triggers import Incident, NotDone, asked_by
from agents.watchman import MOST_PLANS, Means, Watchman
from tests.support.road import ANNA, Killed, Nodes, Points, Road
from tests.support.watching import node, playbook
from watchfloor.change import Outcome, Plan, Ruling, Verdict
from watchfloor.commands.watch import _code
from watchfloor.exits import Exit
from watchfloor.model import Scope, Subject
from watchfloor.onlyone import only_one
from watchfloor.playbook import EventTrigger, Playbook, ScheduleTrigger, StepRule
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.report import Event
from watchfloor.runs import RunRecord
from watchfloor.stopping import resumed, stopped

WATCH = Who(Party.SERVICE, "watch")
FATAL = replace(
    playbook(EventTrigger(events=("xid",), codes=("79",)), "fatal", storm=3),
    steps=(StepRule("out", "drain", parameters={"value": "drained"}),),
)


@dataclass
class Told:
    lines: list[str] = field(default_factory=list)

    def refrained(self, one: NotDone) -> None:
        self.lines.append(f"{one.playbook} {one.why}")

    def proposed(self, incident: Incident, decision: Decision) -> None:
        self.lines.append(f"{incident.playbook.name} {decision.ruling}")

    def freed(self, decision: Decision) -> None:
        self.lines.append(f"{decision.run} {decision.ruling}")

    def ended(self, run: RunRecord, result: Result) -> None:
        self.lines.append(f"{run.run} {result.outcome}")


def watchman(road: Road, told: Told, *playbooks: Playbook, holder: str = "one") -> Watchman:
    def plan_for(incident: Incident, past: Past) -> Plan:
        asked = asked_by(incident, WATCH, road.now())
        return make_plan(incident.playbook, incident.targets, road.scene(), road.actions, asked)

    def held(run: str) -> bool:
        return any(one.run == run and one.holder != holder and one.until > road.now() for one in road.leases.all())

    means = Means(
        road.console(holder), road.floor, road, WATCH, road.book.keep, road.book.reader, plan_for,
        lambda plan: road.approved, held, lambda: None,
    )  # fmt: skip
    return Watchman(means, {one.name: one for one in playbooks or (FATAL,)}, told, "s1", UTC)


def xid(road: Road, name: str, code: int = 79) -> None:
    frame = road.fleet.fleet.frame()
    event = Event(road.now(), "kernel", "xid", f"XID {code}", f"GPU-{name}-0", code, "critical")
    frame.events.add(frame.node_index[name], event, np.float64(road.now()), f"GPU-{name}-0")  # as the fleet does


async def rounds(road: Road, man: Watchman, count: int, seconds: float = 1.0) -> None:
    for _ in range(count):
        road.fleet.now += seconds - 1.0
        await man.look(await road.floor.later(road.floor.frame()))
        while man._tasks:
            await asyncio.wait(list(man._tasks.values()))
            await asyncio.sleep(0)


async def test_a_fault_is_proposed_permitted_done_and_told(road: Road) -> None:
    told = Told()
    man = watchman(road, told)
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 30)
    assert road.nodes.log == ["dgx-02=drained"]
    assert told.lines == ["fatal permit", "r1 succeeded"]
    kinds = [kind for kind in road.kinds() if kind != "heartbeat"]
    assert kinds == ["proposed", "decided", "decided", "intent", "applied", "verified", "outcome"]
    (proposed,) = [entry for entry in road.entries() if entry.kind == "proposed"]
    assert (proposed.who, proposed.body["trigger"]) == (WATCH, "xid 79")
    assert proposed.body["samples"]["targets"] == ["node:dgx-02"]


async def test_what_has_ended_makes_room_for_what_waits_though_nothing_else_is_written(road: Road) -> None:
    """Nobody writes into the ledger between the end of the first and the next sign of life."""
    told = Told()
    one_at_a_time = replace(FATAL, guards=replace(FATAL.guards, at_once=1))
    man = watchman(road, told, one_at_a_time)
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 4)
    xid(road, "dgx-03")
    await rounds(road, man, 20)
    proposed = [line for line in told.lines if line.startswith("fatal ")]
    assert len(proposed) == 2, "that an interlock holds the second one back is another matter"


async def test_what_is_refrained_from_is_on_record(road: Road) -> None:
    told = Told()
    man = watchman(road, told)
    await rounds(road, man, 2)
    for n in range(1, 9):
        xid(road, f"dgx-0{n}")
    await rounds(road, man, 5)
    assert (road.nodes.log, told.lines) == ([], ["fatal storm"])
    (entry,) = [entry for entry in road.entries() if entry.kind == "refused"]
    assert (entry.body["why"], entry.body["what"], len(entry.subjects)) == ("storm", "fatal", 8)
    again = watchman(road, told)
    await rounds(road, again, 5)
    assert (road.nodes.log, told.lines) == ([], ["fatal storm"])  # a restart doesn't replay it


async def test_a_plan_that_the_next_moment_overtakes_is_made_anew(road: Road) -> None:
    """As where the jobs of a node become known between the plan and its beginning, soon after the daemon's start."""
    told, old = Told(), 3
    man = watchman(road, told)
    plan_for = man._means.plan_for

    def a_moment_old(incident: Incident, past: Past) -> Plan:
        nonlocal old
        made, old = plan_for(incident, past), old - 1
        return msgspec.structs.replace(made, state={**made.state, "dgx-02 jobs": "none yet"}) if old > 0 else made

    man._means = replace(man._means, plan_for=a_moment_old)
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 30)
    assert told.lines == ["fatal permit", "r1 refused", "fatal permit", "r2 refused", "fatal permit", "r3 succeeded"]
    assert road.nodes.log == ["dgx-02=drained"]
    assert (man.account.outcomes, man.account.refused) == ([Outcome.SUCCEEDED], [])


async def test_a_plan_that_is_overtaken_again_and_again_is_left(road: Road) -> None:
    told = Told()
    man = watchman(road, told)
    plan_for = man._means.plan_for
    never = {"dgx-02 jobs": "another each time"}
    man._means = replace(
        man._means, plan_for=lambda incident, past: msgspec.structs.replace(plan_for(incident, past), state=never)
    )
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 30)
    assert told.lines[-1] == f"r{MOST_PLANS} refused"
    assert (road.nodes.log, man.account.refused) == ([], ["moved"])


async def test_a_restart_neither_repeats_nor_forgets(road: Road) -> None:
    told = Told()
    man = watchman(road, told)
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 1)
    again = watchman(road, told)
    await rounds(road, again, 10)
    assert road.nodes.log == ["dgx-02=drained"]
    xid(road, "dgx-02", 79)
    await rounds(road, again, 120)
    assert road.nodes.log == ["dgx-02=drained"]


async def awaiting(road: Road, told: Told, playbook: Playbook = FATAL) -> Watchman:
    """One that has proposed what a person has to approve."""
    road.verdict = Verdict(Ruling.NEEDS_APPROVAL, approvals=1)
    man = watchman(road, told, playbook)
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 3)
    assert (road.nodes.log, told.lines) == ([], ["fatal needs-approval"])
    return man


async def test_a_run_that_was_approved_meanwhile_is_taken_up(road: Road) -> None:
    told = Told()
    man = await awaiting(road, told)
    approve(road)
    await rounds(road, man, 3)
    assert (road.nodes.log, told.lines[-1]) == (["dgx-02=drained"], "r1 succeeded")


def approve(road: Road) -> None:
    from watchfloor.records.ledgerentry import Note  # noqa: PLC0415
    from watchfloor.records.ledgerwords import Approval  # noqa: PLC0415

    plan = next(entry.plan for entry in road.entries() if entry.kind == "proposed")
    road.ledger.append(Note(ANNA, Approval(reason="go on"), ("person:anna",), plan=plan))
    road.approved = True


async def test_what_was_approved_outside_of_its_window_begins_within_the_next_one(road: Road) -> None:
    told = Told()
    proposed = datetime.fromtimestamp(road.now(), UTC)
    windows = tuple(f"{hour % 24:02}:00-{hour % 24:02}:59" for hour in (proposed.hour, proposed.hour + 2))
    one = replace(FATAL, lifetime_seconds=8 * 3600.0, guards=replace(FATAL.guards, windows=windows))
    man = await awaiting(road, told, one)
    road.fleet.now += 3600.0
    approve(road)
    await rounds(road, man, 5)
    assert (road.nodes.log, told.lines) == ([], ["fatal needs-approval"])
    road.fleet.now += 3600.0
    await rounds(road, man, 5)
    assert (road.nodes.log, told.lines[1:]) == (["dgx-02=drained"], ["r1 succeeded"])


async def test_a_plan_that_an_earlier_watch_left_waiting_is_told_by_a_single_look(road: Road) -> None:
    await awaiting(road, Told(), replace(FATAL, lifetime_seconds=60.0))
    assert await single_look(road) == Exit.WAITS_FOR_APPROVAL
    approve(road)
    road.approved = False
    assert await single_look(road) == Exit.WAITS_FOR_APPROVAL, "what is on record doesn't count"
    road.fleet.now += 60.0
    assert await single_look(road) == Exit.OK, "it is void: no approval helps"


async def single_look(road: Road) -> int:
    man, stop = watchman(road, Told()), asyncio.Event()
    stop.set()
    await man.watch(stop, "1", 0.0)
    return _code(man.account)


async def test_a_plan_that_nobody_approved_in_time_is_over(road: Road) -> None:
    told = Told()
    man = await awaiting(road, told, replace(FATAL, lifetime_seconds=60.0))
    await rounds(road, man, 10, 10.0)
    assert told.lines == ["fatal needs-approval", "r1 refused"]
    assert road.kinds().count("outcome") == 1
    approve(road)
    await rounds(road, man, 10, 10.0)
    assert road.nodes.log == []


async def test_what_a_killed_watch_left_is_taken_up_when_its_lease_is_over(road: Road) -> None:
    told = Told()
    man = watchman(road, told, holder="killed")
    await rounds(road, man, 2)
    man._means.harness.__init__(road.console("killed", AfterTheAct(road.nodes))._desk)
    xid(road, "dgx-02")
    await man.look(await road.floor.later(road.floor.frame()))
    (task,) = man._tasks.values()
    with pytest.raises(Killed):
        await task
    assert road.nodes.log == ["dgx-02=drained"] and "outcome" not in road.kinds()
    again = watchman(road, told, holder="two")
    hold(road, "r1", "killed")
    await rounds(road, again, 5)
    assert "outcome" not in road.kinds()
    await rounds(road, again, 10, LEASE_SECONDS / 4)
    assert (road.nodes.log, road.kinds()[-1] if road.kinds()[-1] != "heartbeat" else "outcome") == (
        ["dgx-02=drained"], "outcome",
    )  # fmt: skip


class AfterTheAct(Points):
    """The console dies as soon as anything was done, before that is noted."""

    def __init__(self, nodes: Nodes) -> None:
        super().__init__()
        self._nodes = nodes

    def pass_by(self) -> None:
        if self._nodes.log:
            raise Killed


def hold(road: Road, run: str, holder: str) -> None:
    """As a killed console leaves it."""
    road.leases.take([f"run {run}"], run, holder, road.now(), LEASE_SECONDS)


async def test_what_can_not_be_planned_is_on_record_and_not_the_end(road: Road) -> None:
    told = Told()
    broken = replace(FATAL, steps=(StepRule("out", "no_such_action"),))
    man = watchman(road, told, broken)
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 3)
    assert told.lines == ["fatal cannot-plan"]


async def test_a_policy_that_denies_is_asked_once(road: Road) -> None:
    told = Told()
    road.verdict = Verdict(Ruling.DENY, ("nobody may",))
    man = watchman(road, told)
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 20)
    assert (road.nodes.log, told.lines) == ([], ["fatal deny"])


async def test_a_stop_holds_it_back_and_a_resume_lets_it_go_on(road: Road) -> None:
    told = Told()
    man = watchman(road, told)
    await rounds(road, man, 2)
    road.ledger.append(stopped(ANNA, "maintenance"))
    xid(road, "dgx-02")
    await rounds(road, man, 5)
    assert (road.nodes.log, told.lines) == ([], ["fatal interlocked"])
    road.ledger.append(resumed(ANNA, "over"))
    await rounds(road, man, 2)
    xid(road, "dgx-03")
    await rounds(road, man, 15)
    assert road.nodes.log == ["dgx-02=drained"], "the second one would be one too many of the rack"
    assert told.lines[1:] == ["r1 permit", "r1 succeeded", "fatal interlocked"]


async def test_it_begins_and_ends_on_record_and_gives_signs_of_life(road: Road) -> None:
    man, stop = watchman(road, Told()), asyncio.Event()
    watching = asyncio.create_task(man.watch(stop, "1.0", 5.0))
    async with asyncio.timeout(20):
        while not man.account.beats:
            await road.floor.later(road.floor.frame())
        stop.set()
        await watching
    kinds = road.kinds()
    assert (kinds[0], kinds[-1]) == ("session-start", "session-stop") and "heartbeat" in kinds
    (start, *_) = road.entries()
    assert start.body["mode"] == "watch" and start.body["facts"]["playbooks"] == {"fatal": ""}


async def test_a_schedule_that_was_due_while_no_watch_ran_is_told_at_its_start(road: Road) -> None:
    nightly = replace(playbook(ScheduleTrigger("0 * * * *", 'node == "dgx-02"'), "nightly"), steps=FATAL.steps)
    told = Told()
    man, stop = watchman(road, told, nightly), asyncio.Event()
    stop.set()
    await man.watch(stop, "1.0", 5.0)
    road.fleet.now += 2 * 3600.0 + 600.0
    await rounds(road, watchman(road, told, nightly), 3)
    assert told.lines == ["nightly missed"]


def test_one_watches_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "watch"
    with only_one(lock) as mine:
        assert mine == ""
        with only_one(lock) as other:
            assert other.startswith("pid ")
    with only_one(lock) as mine:
        assert mine == ""


# -- what the ledger remembers


async def test_the_past_is_what_the_ledger_tells(road: Road) -> None:
    man = watchman(road, Told())
    await rounds(road, man, 2)
    xid(road, "dgx-02")
    await rounds(road, man, 3)
    past = past_of(road.book.runs())
    assert set(past.proposed) == {("fatal", node("dgx-02"))}
    assert (past.newest[node("dgx-02")], [run.node for run in past.changed]) == ("fatal", ["dgx-02"])
    (did,) = past.done_to([node("dgx-02")])
    assert (did.action, did.after, did.playbook) == ("drain", {"value": "drained"}, "fatal")
    assert not past.done_to([node("dgx-03")]) and not past.open["fatal"]


@pytest.mark.parametrize(
    "subject",
    [node("n2"), Subject(Scope.ACCELERATOR, "n2", "GPU-1/a:b"), Subject(Scope.JOB, "", "slurm:alpha/42")],
)
def test_targets_are_read_as_they_were_told(subject: Subject) -> None:
    from agents.past import read_targets  # noqa: PLC0415

    assert read_targets([told_target(subject), "nonsense", "node:", 7]) == (subject,)
