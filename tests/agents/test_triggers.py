"""When playbooks fire: on what is new, once, after a rest, within bounds; and what is told where they don't."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.past import Past
from agents.triggers import Engine, Incident, NotDone
from tests.support.watching import Watched, board, engine, finding, fired, node, playbook, refrained
from watchfloor.model import Missing, Scope, Subject
from watchfloor.playbook import EventTrigger, QueryTrigger, RunsTrigger, ScheduleTrigger
from watchfloor.record import Record
from watchfloor.report import Event

FATAL = playbook(EventTrigger(events=("xid",), codes=("79", "48")), "fatal", storm=3, cooldown_seconds=600.0)
HOT = playbook(QueryTrigger("temp_margin < 2", 3.0, "temp_margin > 8"), "hot", Scope.ACCELERATOR, storm=20)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def seconds(machine: Engine, watched: Watched, count: int) -> list[Incident | NotDone]:
    """What so many frames lead to, one a second."""
    return [one for _ in range(count) for one in machine.update(watched.second())]


# -- events


def test_an_event_fires_once_in_the_frame_in_which_it_is_seen(watched: Watched) -> None:
    machine = engine([FATAL])
    assert not seconds(machine, watched, 2)
    watched.xid("dgx-02", 79, gpu=3, text="GPU has fallen off the bus")
    (found,) = machine.update(watched.second())
    assert isinstance(found, Incident)
    assert (found.playbook.name, found.targets, found.trigger) == ("fatal", (node("dgx-02"),), "xid 79")
    assert found.reason == "xid 79 on dgx-02/GPU-dgx-02-3: GPU has fallen off the bus"
    assert not seconds(machine, watched, 30)


def test_an_event_that_is_read_before_its_board_is_known_fires_once_it_is(watched: Watched) -> None:
    """The kernel log is there before the driver has told where its boards are."""
    machine = engine([replace(FATAL, scope=Scope.ACCELERATOR)])
    frame = watched.frame()
    event = Event(watched.now - 0.2, "kernel", "xid", "GPU has fallen off the bus", "0000:1b:00", 79, "critical")
    frame.events.add(frame.node_index["dgx-02"], event, watched.now - 0.2)
    assert not seconds(machine, watched, 3)
    frame.events.own(frame.node_index["dgx-02"], lambda device: "GPU-dgx-02-3")
    assert fired(seconds(machine, watched, 1)) == [("fatal", ("dgx-02/GPU-dgx-02-3",))]
    assert not seconds(machine, watched, 3)


def test_what_began_before_the_limit_never_fires_and_that_is_told_once(watched: Watched) -> None:
    """A restart must not replay yesterday's fault: the kernel's log is told anew from its start."""
    watched.xid("dgx-02", 79, ago=3600.0)
    watched.xid("dgx-03", 79, ago=301.0)
    watched.xid("dgx-05", 79, ago=2 * 86_400.0)
    machine = engine([FATAL])
    found = seconds(machine, watched, 20)
    assert not fired(found)
    assert refrained(found) == [("stale", ("dgx-02", "dgx-03"))] or refrained(found) == [
        ("stale", ("dgx-03", "dgx-02"))
    ]
    again = engine([FATAL], machine.past)  # a restart, with what the ledger knows
    assert not seconds(again, watched, 5)


def test_an_event_that_was_answered_before_a_restart_is_not_answered_again(watched: Watched) -> None:
    watched.xid("dgx-02", 79, ago=20.0)
    watched.xid("dgx-03", 79, ago=20.0)
    past = Past()
    past.begun("fatal", [node("dgx-02")], watched.now - 15.0)
    assert fired(seconds(engine([FATAL], past), watched, 15)) == [("fatal", ("dgx-03",))]


def test_a_second_fault_within_the_cooldown_is_told_and_not_answered(watched: Watched) -> None:
    machine = engine([FATAL])
    watched.xid("dgx-02", 79)
    assert fired(seconds(machine, watched, 1)) == [("fatal", ("dgx-02",))]
    watched.rest(machine, 100)
    watched.xid("dgx-02", 48)
    found = seconds(machine, watched, 1)
    assert (fired(found), refrained(found)) == ([], [("cooldown", ("dgx-02",))])
    watched.rest(machine, 500)
    watched.xid("dgx-02", 48)
    assert fired(seconds(machine, watched, 1)) == [("fatal", ("dgx-02",))]


def test_the_cooldown_outlasts_a_restart(watched: Watched) -> None:
    past = Past()
    past.begun("fatal", [node("dgx-02")], watched.now - 300.0)
    machine = engine([FATAL], past)
    seconds(machine, watched, 2)
    watched.xid("dgx-02", 79)
    assert refrained(seconds(machine, watched, 1)) == [("cooldown", ("dgx-02",))]
    watched.rest(machine, 300)
    watched.xid("dgx-02", 79)
    assert fired(seconds(machine, watched, 1)) == [("fatal", ("dgx-02",))]


# -- folding and storms


def test_several_boards_of_one_node_are_one_incident(watched: Watched) -> None:
    machine = engine([FATAL])
    for gpu in range(4):
        watched.xid("dgx-02", 79, gpu)
    found = seconds(machine, watched, 1)
    watched.xid("dgx-02", 79, 3, ago=0.1, text="once more")
    found += seconds(machine, watched, 20)
    assert (fired(found), refrained(found)) == ([("fatal", ("dgx-02",))], [])


def test_what_follows_within_the_window_is_gathered(watched: Watched) -> None:
    many = replace(FATAL, guards=replace(FATAL.guards, most_targets=4))
    machine = engine([many])
    watched.xid("dgx-01", 79)
    assert fired(seconds(machine, watched, 1)) == [("fatal", ("dgx-01",))]
    watched.xid("dgx-02", 79)
    assert not seconds(machine, watched, 2)
    watched.xid("dgx-03", 79)
    assert fired(seconds(machine, watched, 10)) == [("fatal", ("dgx-02", "dgx-03"))]


def test_a_plan_has_no_more_targets_than_the_playbook_says(watched: Watched) -> None:
    machine = engine([FATAL])
    for name in ("dgx-01", "dgx-02", "dgx-03"):
        watched.xid(name, 79)
    assert sorted(fired(seconds(machine, watched, 1))) == [("fatal", (f"dgx-0{n}",)) for n in (1, 2, 3)]


def test_a_storm_is_told_and_nothing_is_proposed(watched: Watched) -> None:
    machine = engine([FATAL])
    for n in range(1, 9):
        watched.xid(f"dgx-0{n}", 79)
    (found,) = seconds(machine, watched, 1)
    assert isinstance(found, NotDone)
    assert (found.why, len(found.targets)) == ("storm", 8) and "8 targets at once" in found.text
    watched.xid("l40-01", 79)
    assert refrained(seconds(machine, watched, 15)) == [("storm", ("l40-01",))]
    watched.xid("l40-02", 79)  # the storm is over
    assert fired(seconds(machine, watched, 1)) == [("fatal", ("l40-02",))]


def test_what_becomes_a_storm_after_its_first_is_held_back(watched: Watched) -> None:
    machine = engine([FATAL])
    watched.xid("dgx-01", 79)
    assert len(fired(seconds(machine, watched, 1))) == 1
    for n in range(2, 9):
        watched.xid(f"dgx-0{n}", 79)
    found = seconds(machine, watched, 30)
    assert not fired(found) and [why for why, _ in refrained(found)] == ["storm"]


def test_runs_at_once_are_bounded_and_what_waits_too_long_is_given_up(watched: Watched) -> None:
    one = replace(FATAL, guards=replace(FATAL.guards, at_once=1, fresh_seconds=60.0))
    machine = engine([one])
    watched.xid("dgx-01", 79)
    watched.xid("dgx-02", 79)
    watched.xid("dgx-03", 79)
    assert len(fired(seconds(machine, watched, 5))) == 1
    machine.past.open["fatal"] = 0  # its run is over
    assert len(fired(seconds(machine, watched, 5))) == 1
    found = watched.rest(machine, 70)
    assert (fired(found), [why for why, _ in refrained(found)]) == ([], ["busy"])


# -- sympathetic XIDs

FOLLOWER = playbook(EventTrigger(events=("xid",), codes=("45", "79")), "follower", storm=100)


def test_an_xid_that_follows_another_on_its_node_is_folded(watched: Watched) -> None:
    machine = engine([FOLLOWER])
    watched.xid("dgx-02", 79, gpu=1)
    for gpu in range(4):
        watched.xid("dgx-02", 45, gpu)
    found = seconds(machine, watched, 30)
    assert fired(found) == [("follower", ("dgx-02",))]
    assert isinstance(found[0], Incident) and found[0].trigger == "xid 79"
    assert refrained(found) == [("cooldown", ("dgx-02",))] or refrained(found) == [("sympathetic", ("dgx-02",))]


def test_the_root_may_be_told_after_what_follows_it(watched: Watched) -> None:
    machine = engine([playbook(EventTrigger(events=("xid",), codes=("45",)), "follower")])
    watched.xid("dgx-02", 45)
    assert not seconds(machine, watched, 3)
    watched.xid("dgx-02", 31)
    found = seconds(machine, watched, 10)
    assert (fired(found), refrained(found)) == ([], [("sympathetic", ("dgx-02",))])


def test_one_crash_that_ends_a_job_on_many_nodes_touches_none_of_them(watched: Watched) -> None:
    """NVSentinel issue 1629: XID 45 flagged 77 healthy nodes after one crash."""
    machine = engine([FOLLOWER])
    for n in (1, 2):  # they share the job slurm:4100
        watched.xid(f"dgx-0{n}", 45)
    found = seconds(machine, watched, 30)
    assert not fired(found)
    assert [(why, sorted(names)) for why, names in refrained(found)] == [("sympathetic", ["dgx-01", "dgx-02"])]
    assert any(isinstance(one, NotDone) and "slurm:4100" in one.text for one in found)


def test_one_alone_is_for_its_playbook(watched: Watched) -> None:
    machine = engine([FOLLOWER])
    watched.xid("dgx-02", 45)
    assert fired(seconds(machine, watched, 15)) == [("follower", ("dgx-02",))]


def test_a_folded_xid_starts_no_cooldown(watched: Watched) -> None:
    machine = engine([FOLLOWER])
    watched.xid("dgx-01", 45)
    watched.xid("dgx-02", 45)
    seconds(machine, watched, 30)
    watched.xid("dgx-02", 79)
    assert fired(seconds(machine, watched, 1)) == [("follower", ("dgx-02",))]


# -- findings

LOST = playbook(EventTrigger(findings=("lost",)), "lost")


def test_a_finding_fires_when_it_is_first_seen(watched: Watched) -> None:
    machine = engine([LOST])
    seconds(machine, watched, 2)
    watched.findings = [finding(board("dgx-02", 3), "lost", "it is lost")]
    found = seconds(machine, watched, 5)
    assert fired(found) == [("lost", ("dgx-02",))]
    assert isinstance(found[0], Incident) and found[0].reason == "it is lost"


def test_a_finding_of_old_does_not_fire_after_a_restart(watched: Watched) -> None:
    watched.findings = [finding(board("dgx-02", 3), "lost")]
    watched.log.load([Record(watched.findings[0], watched.now - 4000.0, watched.now - 2.0)])
    found = seconds(engine([LOST]), watched, 30)
    assert (fired(found), refrained(found)) == ([], [("stale", ("dgx-02",))])


def test_a_finding_that_had_come_again_before_a_restart_does_not_fire(watched: Watched) -> None:
    watched.findings = [finding(board("dgx-02", 3), "lost")]
    watched.log.load([Record(watched.findings[0], watched.now - 9000.0, watched.now - 2.0, times=2)])
    assert not seconds(engine([LOST]), watched, 30)


def test_a_finding_that_came_right_before_a_restart_fires(watched: Watched) -> None:
    watched.findings = [finding(board("dgx-02", 3), "lost")]
    watched.log.load([Record(watched.findings[0], watched.now - 30.0, watched.now - 2.0)])
    assert fired(seconds(engine([LOST]), watched, 3)) == [("lost", ("dgx-02",))]


def test_a_finding_that_is_over_and_comes_again_fires_again(watched: Watched) -> None:
    brief = replace(LOST, guards=replace(LOST.guards, cooldown_seconds=10.0))
    machine = engine([brief])
    watched.findings = [finding(node("dgx-02"), "lost")]
    assert len(fired(seconds(machine, watched, 3))) == 1
    watched.findings = []
    assert not seconds(machine, watched, 5)
    watched.findings = [finding(node("dgx-02"), "lost")]
    assert not seconds(machine, watched, 5)  # away for a moment is not over
    watched.findings = []
    watched.rest(machine, 60)
    watched.findings = [finding(node("dgx-02"), "lost")]
    assert len(fired(seconds(machine, watched, 2))) == 1


# -- queries


def heat(watched: Watched, name: str, gpu: int, margin: float | Missing, count: int, machine: Engine) -> list[object]:
    found: list[object] = []
    for _ in range(count):
        watched.fleet.step(1)
        watched.tell(name, gpu, {"temp_margin": margin})  # pyright: ignore[reportArgumentType]
        found += machine.update(watched.frame())
    return found


def test_a_query_fires_when_it_has_held_for_so_long_and_once_until_it_is_over(watched: Watched) -> None:
    machine = engine([replace(HOT, guards=replace(HOT.guards, cooldown_seconds=0.0))])
    assert not heat(watched, "dgx-01", 2, 1.0, 3, machine)
    (found,) = heat(watched, "dgx-01", 2, 1.0, 1, machine)
    assert isinstance(found, Incident) and found.targets == (board("dgx-01", 2),)
    assert not heat(watched, "dgx-01", 2, 1.0, 30, machine)
    assert not heat(watched, "dgx-01", 2, 5.0, 5, machine)  # between the two: not yet over
    assert not heat(watched, "dgx-01", 2, 1.0, 10, machine)
    assert not heat(watched, "dgx-01", 2, 9.0, 2, machine)
    assert len(heat(watched, "dgx-01", 2, 1.0, 5, machine)) == 1


def test_what_is_not_known_is_neither_true_nor_over(watched: Watched) -> None:
    machine = engine([replace(HOT, guards=replace(HOT.guards, cooldown_seconds=0.0))])
    assert not heat(watched, "dgx-01", 2, 1.0, 2, machine)
    assert not heat(watched, "dgx-01", 2, Missing.TIMED_OUT, 2, machine)
    assert not heat(watched, "dgx-01", 2, 1.0, 3, machine)  # it had to hold without a break
    assert len(heat(watched, "dgx-01", 2, 1.0, 1, machine)) == 1
    assert not heat(watched, "dgx-01", 2, Missing.TIMED_OUT, 5, machine)
    assert not heat(watched, "dgx-01", 2, 1.0, 10, machine)


def test_a_query_that_was_answered_before_a_restart_waits_until_it_is_over(watched: Watched) -> None:
    past = Past()
    past.begun("hot", [board("dgx-01", 2)], watched.now - 90_000.0)
    machine = engine([HOT], past)
    assert not heat(watched, "dgx-01", 2, 1.0, 20, machine)
    assert not heat(watched, "dgx-01", 2, 9.0, 2, machine)
    assert len(heat(watched, "dgx-01", 2, 1.0, 5, machine)) == 1


def test_a_query_may_fire_again_and_again_after_certain_playbooks_only(watched: Watched) -> None:
    back = playbook(QueryTrigger("temp_margin > 8", 2.0, after=("hot", "back"), every_seconds=30.0), "back",
                    Scope.ACCELERATOR, cooldown_seconds=20.0, storm=100)  # fmt: skip
    past = Past()
    machine = engine([back], past)
    assert not seconds(machine, watched, 10)
    past.newest[board("dgx-01", 2)] = "hot"
    assert fired(seconds(machine, watched, 5)) == [("back", ("dgx-01/GPU-dgx-01-2",))]
    past.newest[board("dgx-01", 2)] = "back"
    assert len(fired(seconds(machine, watched, 65))) == 2
    past.newest[board("dgx-01", 2)] = "quarantine"
    assert not seconds(machine, watched, 65)


def test_a_query_outside_of_its_windows_is_told_once_and_fires_when_one_opens(watched: Watched) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    opens = datetime.fromtimestamp(watched.now + 120, UTC)
    window = f"{opens:%H:%M}-{(opens.hour + 2) % 24:02}:00"
    late = replace(HOT, guards=replace(HOT.guards, windows=(window,)))
    machine = engine([late])
    found = heat(watched, "dgx-01", 2, 1.0, 30, machine)
    assert [one.why for one in found if isinstance(one, NotDone)] == ["window"]
    assert len(found) == 1
    assert [type(one) for one in heat(watched, "dgx-01", 2, 1.0, 120, machine)] == [Incident]


# -- runs


def test_a_node_that_had_to_be_acted_upon_so_often_fires_once(watched: Watched) -> None:
    from agents.past import Changed  # noqa: PLC0415

    often = playbook(RunsTrigger(3, 1000.0, ("fatal",)), "often")
    past = Past()
    machine = engine([often], past)
    past.changed = [Changed(watched.now - 10 * n, "fatal", "dgx-02") for n in range(2)]
    past.changed += [Changed(watched.now - 5, "back", "dgx-02"), Changed(watched.now - 2000, "fatal", "dgx-02")]
    assert not seconds(machine, watched, 3)
    past.changed.append(Changed(watched.now, "fatal", "dgx-02"))
    assert fired(seconds(machine, watched, 10)) == [("often", ("dgx-02",))]


# -- schedules and clocks

NIGHTLY = playbook(ScheduleTrigger("0 * * * *", 'node == "dgx-02"'), "nightly")


def to_the_hour(watched: Watched, before: int) -> None:
    """So many seconds before the next full hour."""
    watched.fleet.now = (watched.now // 3600 + 1) * 3600 - before
    watched.fleet.step(1)


def test_a_schedule_fires_once_when_it_is_due(watched: Watched) -> None:
    to_the_hour(watched, 10)
    machine = engine([NIGHTLY])
    assert not seconds(machine, watched, 8)
    assert fired(seconds(machine, watched, 120)) == [("nightly", ("dgx-02",))]


def test_what_was_due_while_nobody_watched_is_told_and_not_made_up_for(watched: Watched) -> None:
    to_the_hour(watched, 1800)
    past = Past()
    past.up = watched.now - 3 * 3600.0
    (found,) = seconds(engine([NIGHTLY], past), watched, 5)
    assert isinstance(found, NotDone) and found.why == "missed" and "3 times while nobody watched" in found.text
    assert not seconds(engine([NIGHTLY]), watched, 5)  # where nobody ever watched, nothing was missed


def test_a_clock_that_is_set_forward_misses_and_one_set_back_repeats_nothing(watched: Watched) -> None:
    to_the_hour(watched, 5)
    machine = engine([NIGHTLY])
    assert len(fired(seconds(machine, watched, 10))) == 1
    watched.fleet.now -= 30.0
    assert not seconds(machine, watched, 60)
    watched.fleet.now += 2.5 * 3600.0
    found = seconds(machine, watched, 5)
    assert (fired(found), [why for why, _ in refrained(found)]) == ([], ["missed"])


def test_setting_the_clock_neither_opens_nor_closes_a_cooldown(watched: Watched) -> None:
    machine = engine([FATAL])
    watched.xid("dgx-02", 79)
    seconds(machine, watched, 1)
    watched.fleet.now += 86_400.0
    seconds(machine, watched, 3)
    watched.xid("dgx-02", 79, text="anew")
    assert refrained(seconds(machine, watched, 1)) == [("cooldown", ("dgx-02",))]
    watched.fleet.now -= 2 * 86_400.0
    watched.rest(machine, 600)
    watched.xid("dgx-02", 79, text="and again")
    assert fired(seconds(machine, watched, 2)) == [("fatal", ("dgx-02",))]


def test_an_event_of_the_future_is_a_wrong_clock(watched: Watched) -> None:
    machine = engine([FATAL])
    watched.xid("dgx-02", 79, ago=-3600.0)
    assert refrained(seconds(machine, watched, 2)) == [("clock", ("dgx-02",))]


def test_jobs_are_targets_of_playbooks_of_jobs(watched: Watched) -> None:
    held = playbook(EventTrigger(findings=("held",)), "held", Scope.JOB)
    machine = engine([held])
    watched.findings = [finding(Subject(Scope.JOB, "", "slurm:1"), "held")]
    assert fired(seconds(machine, watched, 2)) == [("held", ("slurm:1",))]
