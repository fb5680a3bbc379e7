"""The playbooks that watchfloor comes with: the right plan comes out, and none where there should be none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from agents.action import Scene, actions
from agents.conditions import holds
from agents.past import Past
from agents.plan import CannotPlan, NothingToDo, make_plan, wished
from agents.triggers import Engine, Incident, asked_by
from tests.support.acting import Machine, Values, answer, frame_of, scene_of
from tests.support.watching import Watched, board, engine, finding, fired, node, refrained
from watchfloor.change import Plan, Risk, Value
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode
from watchfloor.model import Scope, Subject
from watchfloor.playbook import Did, Matter, QueryTrigger
from watchfloor.query import parse
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.repertoire import usable, wishes

WATCH = Who(Party.SERVICE, "watch")
SHIPPED = usable()
KNOWN = actions()
NAMES = ("n1", "n2", "n3")


def test_everything_that_they_name_is_there() -> None:
    assert set(SHIPPED) == {
        "fatal-xid", "service-repair", "thermal-margin", "thermal-restore", "idle-held", "idle-reclaim",
        "repeat-offender", "sympathetic-xid", "return-to-service", "rack-power", "rack-power-restore", "fabric-repair",
    }  # fmt: skip


# -- a laboratory in which actions can be prepared


def gpu(key: str, **values: float | str) -> Values:
    usual: dict[str, float | str] = {
        "name": f"gpu{key[-1]}", "vendor": "NVIDIA", "uuid": key, "index": float(key[-1]), "util": 90.0, "power": 600.0,
        "power_limit": 700.0, "power_min": 200.0, "power_max": 700.0, "temp_margin": 30.0, "processes": 1.0,
    }  # fmt: skip
    return {**usual, **values}


def lab(boards: Mapping[str, Mapping[str, Values]] | None = None, host: Values | None = None, state: str = "mixed",
        jobs: Sequence[Job] = (), budget: float | None = None) -> Scene:  # fmt: skip
    machines = [
        Machine(name, (boards or {}).get(name, {f"GPU-{name}-{n}": gpu(f"GPU-{name}-{n}") for n in range(2)}),
                {"uptime": 5000.0, **(host or {})})
        for name in NAMES
    ]  # fmt: skip
    nodes = [SchedulerNode(name, state, reason="watchfloor xid 79 watchfloor:abc" if "drain" in state else "")
             for name in NAMES]  # fmt: skip
    scene = scene_of(frame_of(machines, answer(jobs=jobs, nodes=nodes)))
    if budget is None:
        return scene
    specs = [replace(spec, rack="r1", site="s", rack_budget_watts=budget) for spec in scene.frame.specs]
    return Scene(replace(scene.frame, specs=specs), scene.homes)


def job(number: int, on: str, priority: float = 1.0, boards: tuple[int, ...] = (0, 1)) -> Job:
    return Job(
        f"slurm:{number}", "lab", "slurm", str(number), "train", "maria", state=JobState.RUNNING, started=1.0,
        priority=priority, allocations=(Allocation(on, len(boards), boards),),
    )  # fmt: skip


def plan(name: str, scene: Scene, *targets: Subject, trigger: str = "xid 79", done: Sequence[Did] = ()) -> Plan:
    playbook = SHIPPED[name]
    incident = Incident(playbook, trigger, targets, f"{trigger} on {targets[0]}", scene.frame.at)
    asked = asked_by(incident, WATCH, scene.frame.at)
    if not playbook.planner:
        return make_plan(playbook, targets, scene, KNOWN, asked)
    matter = Matter(scene.frame, targets, playbook.options, done)
    return wished(playbook, wishes(playbook, matter), scene, KNOWN, asked)


def steps(made: Plan) -> list[tuple[str, str]]:
    return [(step.action, str(step.target)) for step in made.steps]


# -- fatal XID


def test_a_fatal_xid_drains_requeues_keeps_evidence_and_opens_a_ticket() -> None:
    made = plan("fatal-xid", lab(jobs=[job(42, "n2")]), node("n2"))
    assert steps(made) == [
        ("drain_node", "n2"), ("requeue_job", "slurm:42"), ("collect_evidence", "n2"), ("open_ticket", "n2"),
    ]  # fmt: skip
    drain, requeue, evidence, ticket = made.steps
    assert "watchfloor xid 79" in str(drain.after["reason"])
    assert requeue.needs == (drain.key,) and evidence.only_if == "uptime > 0"
    assert ticket.parameters["title"] == "n2: xid 79"
    assert (made.risk, [hit.job for hit in made.impact.jobs]) == (Risk.TAKES_OUT, ["slurm:42"])


def test_a_node_that_is_drained_already_still_gets_its_ticket() -> None:
    made = plan("fatal-xid", lab(state="drained"), node("n2"))
    assert steps(made) == [("collect_evidence", "n2"), ("open_ticket", "n2")]


@pytest.mark.parametrize("code", [79, 48, 95])
def test_it_fires_on_each_of_its_codes(code: int) -> None:
    watched, machine = Watched(), engine([SHIPPED["fatal-xid"]])
    machine.update(watched.second())
    watched.xid("dgx-02", code)
    assert fired(machine.update(watched.second())) == [("fatal-xid", ("dgx-02",))]


@pytest.mark.parametrize("code", [13, 31, 43, 45, 63, 94, 154])
def test_it_does_not_fire_on_others(code: int) -> None:
    watched, machine = Watched(), Engine(list(SHIPPED.values()), Past())
    machine.update(watched.second())
    watched.xid("dgx-02", code)
    assert not fired(watched.rest(machine, 60))


def test_an_old_xid_a_storm_and_a_second_one_drain_nothing() -> None:
    watched, machine = Watched(), engine([SHIPPED["fatal-xid"]])
    watched.xid("dgx-01", 79, ago=3600.0)
    assert refrained(machine.update(watched.second())) == [("stale", ("dgx-01",))]
    watched.xid("dgx-02", 79)
    assert fired(machine.update(watched.second())) == [("fatal-xid", ("dgx-02",))]
    watched.rest(machine, 60)
    watched.xid("dgx-02", 48)
    assert refrained(machine.update(watched.second())) == [("cooldown", ("dgx-02",))]
    for n in range(3, 9):
        watched.xid(f"dgx-0{n}", 79)
    assert [why for why, _ in refrained(machine.update(watched.second()))] == ["storm"]


# -- services


def test_only_what_failed_is_started_anew() -> None:
    scene = lab(host={"unit_slurmd": "failed (exit-code)", "unit_munge": "running", "unit_dcgm": "restarting"})
    made = plan("service-repair", scene, node("n2"), trigger="services")
    assert [(step.action, step.parameters["unit"]) for step in made.steps] == [
        ("restart_service", "nvidia-dcgm"), ("restart_service", "slurmd"),
    ]  # fmt: skip
    assert made.risk is Risk.REVERSIBLE
    assert any("slurmd of n2 is failed" in why for why in made.origin.considered)
    with pytest.raises(NothingToDo):
        plan("service-repair", lab(host={"unit_slurmd": "running"}), node("n2"))


# -- heat


def heat(number: int) -> Subject:
    return Subject(Scope.ACCELERATOR, "n2", f"GPU-n2-{number}")


def capped(before: float, after: float, at: float = 1.0, action: str = "set_power_limit", gpu: int = 0) -> Did:
    return Did(at, "thermal-margin", action, heat(gpu), {"power_limit": before}, {"power_limit": after})


def watts(made: Plan) -> dict[str, Value]:
    return {step.target.key: step.parameters["watts"] for step in made.steps}


def limited(limit: float, **values: float) -> Scene:
    return lab({"n2": {"GPU-n2-0": gpu("GPU-n2-0", power_limit=limit, **values), "GPU-n2-1": gpu("GPU-n2-1")}})


def test_a_hot_board_is_given_less_than_it_draws_and_never_less_than_half() -> None:
    assert watts(plan("thermal-margin", lab(), heat(0))) == {"GPU-n2-0": 510}
    assert watts(plan("thermal-margin", limited(390.0, power=390.0), heat(0))) == {"GPU-n2-0": 350}
    with pytest.raises(NothingToDo):
        plan("thermal-margin", limited(350.0, power=350.0), heat(0))


def test_power_comes_back_in_three_steps_to_what_it_was_and_no_further() -> None:
    done = [capped(700, 400)]
    assert watts(plan("thermal-restore", limited(400.0), heat(0), done=done)) == {"GPU-n2-0": 500}
    done += [capped(400, 500, 2.0, "restore_power_limit"), capped(500, 600, 3.0, "restore_power_limit")]
    assert watts(plan("thermal-restore", limited(600.0), heat(0), done=done)) == {"GPU-n2-0": 700}
    done.append(capped(600, 700, 4.0, "restore_power_limit"))
    with pytest.raises(NothingToDo):
        plan("thermal-restore", limited(700.0), heat(0), done=done)


def test_a_limit_that_somebody_else_set_is_left_alone() -> None:
    for done in ([], [capped(700, 400)]):
        with pytest.raises(NothingToDo):
            plan("thermal-restore", limited(450.0), heat(0), done=done)


# -- idle


def test_who_holds_and_uses_nothing_is_told_once_and_later_asked_for_by_a_plan_that_needs_approval() -> None:
    held = Subject(Scope.JOB, "", "slurm:42")
    scene = lab(jobs=[job(42, "n2")])
    assert steps(plan("idle-held", scene, held, trigger="finding job-holds-unused")) == [("notify", "n2")]
    assert plan("idle-held", scene, held).risk is Risk.READ
    made = plan("idle-reclaim", scene, held)
    assert steps(made) == [("cancel_job", "slurm:42"), ("notify", "n2")]
    assert made.risk is Risk.SLOWS and made.steps[0].only_if == "util == 0"


@pytest.mark.parametrize(("util", "so"), [(0.0, True), (90.0, False)])
def test_a_job_is_reclaimed_only_while_it_still_uses_nothing(util: float, so: bool) -> None:
    """The step asks of the job, though accelerators know the same name."""
    boards = {f"GPU-n2-{at}": gpu(f"GPU-n2-{at}", util=util) for at in range(2)}
    scene = lab({"n2": boards}, jobs=[job(42, "n2")])
    held = Subject(Scope.JOB, "", "slurm:42")
    assert holds(plan("idle-reclaim", scene, held).steps[0].only_if, scene.frame, held) is so


def test_a_fabric_service_waits_for_an_empty_node_and_holds_up_no_other() -> None:
    scene = lab(host={"unit_fabricmanager": "failed: exit-code", "unit_dcgm": "failed: signal"})
    for name, unit, risk in (
        ("service-repair", "nvidia-dcgm", Risk.REVERSIBLE),
        ("fabric-repair", "nvidia-fabricmanager", Risk.SLOWS),
    ):
        made = plan(name, scene, node("n2"), trigger="services")
        assert [step.parameters["unit"] for step in made.steps] == [unit]
        assert made.risk is risk
    (trigger,) = SHIPPED["fabric-repair"].triggers
    assert isinstance(trigger, QueryTrigger)
    wanted = parse(trigger.query, Scope.NODE)
    busy, frame = (
        wanted.mask(scene.frame),
        lab(
            {"n2": {"GPU-n2-0": gpu("GPU-n2-0", processes=0.0)}}, host={"unit_fabricmanager": "failed: exit-code"}
        ).frame,
    )
    row = frame.node_index["n2"]
    assert (bool(busy[row]), bool(wanted.mask(frame)[row])) == (False, True)


def test_reclaiming_follows_on_a_notice_alone() -> None:
    trigger = SHIPPED["idle-reclaim"].triggers[0]
    assert getattr(trigger, "after", ()) == ("idle-held",)


# -- repeat offenders, and who returns


def test_a_repeat_offender_is_quarantined_and_return_to_service_does_not_follow() -> None:
    made = plan("repeat-offender", lab(), node("n2"), trigger="finding xid-repeated")
    assert steps(made) == [("drain_node", "n2"), ("open_ticket", "n2")]
    assert "quarantine" in str(made.steps[0].after["reason"])
    watched, machine = Watched(), engine([SHIPPED["repeat-offender"]])
    watched.findings = [finding(board("dgx-02", 1), "xid-repeated")]
    assert fired(machine.update(watched.second())) == [("repeat-offender", ("dgx-02",))]


def returning(newest: str, seconds: float) -> list[tuple[str, tuple[str, ...]]]:
    watched, past = Watched(), Past()
    past.newest[node("dgx-02")] = newest
    return fired(watched.rest(engine([SHIPPED["return-to-service"]], past), seconds))


def test_only_what_fatal_xid_took_out_returns_and_only_when_it_was_well_for_long() -> None:
    assert returning("fatal-xid", 1700.0) == []
    assert returning("fatal-xid", 1900.0) == [("return-to-service", ("dgx-02",))]
    assert returning("repeat-offender", 1900.0) == []


def test_it_is_examined_before_it_takes_work() -> None:
    made = plan("return-to-service", lab(state="idle+drain"), node("n2"), trigger="well")
    assert steps(made) == [("run_diagnostic", "n2"), ("resume_node", "n2")]
    assert made.steps[1].needs == (made.steps[0].key,)


# -- sympathetic XIDs


def test_a_burst_is_told_and_no_node_is_touched() -> None:
    watched, machine = Watched(), Engine(list(SHIPPED.values()), Past())
    machine.update(watched.second())
    for n in range(1, 9):
        for number in range(4):
            watched.xid(f"dgx-0{n}", 45, number)
    watched.findings = [finding(board("dgx-01", 0), "xid-burst", "XID 45 on 32 boards of 8 nodes")]
    assert fired(watched.rest(machine, 60)) == [("sympathetic-xid", ("dgx-01",))]
    made = plan("sympathetic-xid", lab(), node("n2"), trigger="finding xid-burst")
    assert (steps(made), made.risk) == ([("notify", "n2")], Risk.READ)


# -- rack power


def rack(priorities: tuple[float, float, float], budget: float, power: float = 600.0) -> Scene:
    boards = {name: {f"GPU-{name}-{n}": gpu(f"GPU-{name}-{n}", power=power) for n in range(2)} for name in NAMES}
    jobs = [job(40 + n, name, priority) for n, (name, priority) in enumerate(zip(NAMES, priorities, strict=True))]
    return lab(boards, jobs=jobs, budget=budget)


def test_work_of_low_priority_is_slowed_first() -> None:
    """Six boards draw 3,600 W; three quarters of 4,400 W are 3,300 W: two boards of low priority give 150 W each."""
    made = plan("rack-power", rack((5.0, 1.0, 9.0), 4400.0), node("n1"), trigger="finding rack-power-budget")
    assert watts(made) == {"GPU-n2-0": 450, "GPU-n2-1": 450}
    assert made.origin.considered == ("rack r1 draws 3.6 kW of its budget of 4.4 kW",)


def test_the_next_priority_follows_only_where_that_is_not_enough() -> None:
    made = plan("rack-power", rack((5.0, 1.0, 9.0), 3733.4), node("n1"))  # to 2,800 W: 800 W less, and 500 W a job
    assert watts(made) == {"GPU-n2-0": 350, "GPU-n2-1": 350, "GPU-n1-0": 450, "GPU-n1-1": 450}


def test_a_rack_within_its_budget_and_one_without_are_left_alone() -> None:
    for budget in (6000.0, 0.0):
        with pytest.raises(NothingToDo):
            plan("rack-power", rack((1.0, 1.0, 1.0), budget), node("n1"))


def test_power_comes_back_to_high_priority_first_as_far_as_there_is_room() -> None:
    boards = {name: {f"GPU-{name}-0": gpu(f"GPU-{name}-0", power=390.0, power_limit=400.0)} for name in NAMES}
    jobs = [job(40 + n, name, float(n), (0,)) for n, name in enumerate(NAMES)]
    done = [
        Did(1.0, "rack-power", "set_power_limit", Subject(Scope.ACCELERATOR, name, f"GPU-{name}-0"),
            {"power_limit": 700.0}, {"power_limit": 400.0})
        for name in NAMES
    ]  # fmt: skip
    targets = [node(name) for name in NAMES]
    scene = lab(boards, jobs=jobs, budget=2000.0)  # 1,170 W drawn, 1,400 W allowed: two of three may go to 500 W
    assert watts(plan("rack-power-restore", scene, *targets, done=done)) == {"GPU-n3-0": 500, "GPU-n2-0": 500}
    with pytest.raises(NothingToDo):
        plan("rack-power-restore", lab(boards, jobs=jobs, budget=1700.0), *targets, done=done)


def test_what_can_not_be_prepared_is_left_out_and_that_is_told() -> None:
    boards = {"n2": {"GPU-n2-0": gpu("GPU-n2-0", vendor="AMD"), "GPU-n2-1": gpu("GPU-n2-1")}}
    made = plan("thermal-margin", lab(boards), heat(0), heat(1))
    assert list(watts(made)) == ["GPU-n2-1"]
    assert any("left out" in why for why in made.origin.considered)
    with pytest.raises(CannotPlan):
        plan("thermal-margin", lab(boards), heat(0))
