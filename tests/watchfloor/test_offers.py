"""Which playbooks and actions fit, by what is true of a frame; held to the actions and policies that there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.action import actions
from tests.support.acting import Machine, answer, frame_of
from tests.support.onrecord import on_record
from tests.support.runstory import ANNA, XID, drain, planned
from watchfloor import query
from watchfloor.acting import Law
from watchfloor.change import Origin, Plan, Risk, Ruling, Step, Target
from watchfloor.fitting import Fit, Newest, fits, told
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState
from watchfloor.ledgerfollower import LedgerPicture
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.offers import newest_run, offers
from watchfloor.playbook import EventTrigger, Playbook, QueryTrigger, RunsTrigger, ScheduleTrigger, StepRule
from watchfloor.playbookshelf import shelf
from watchfloor.ports import Concern
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.remedies import every_name, names_of, of_playbooks, remedies
from watchfloor.risks import RISKS, risk_of
from watchfloor.runs import RunRecord

SHIPPED = shelf().playbooks
BOARD = Subject(Scope.ACCELERATOR, "n1", "GPU-1")
N1 = Subject(Scope.NODE, "n1")
JOB = Job(
    "slurm:42", "lab", "slurm", "42", "train", "maria", state=JobState.RUNNING, started=1.0,
    allocations=(Allocation("n1", 2, (0, 1)),),
)  # fmt: skip


def floor(margin: float = 30.0) -> Frame:
    def gpu(number: int, left: float) -> dict[str, float | str]:
        return {
            "name": f"gpu{number}", "uuid": f"GPU-{number}", "index": float(number), "vendor": "NVIDIA",
            "temp_margin": left, "util": 90.0,
        }  # fmt: skip

    boards = {"GPU-0": gpu(0, 30.0), "GPU-1": gpu(1, margin)}
    machines = [Machine("n1", boards, {"uptime": 5000.0}), Machine("n2", {"GPU-0": gpu(0, 30.0)}, {"uptime": 10.0})]
    return frame_of(machines, answer(jobs=[JOB]))


def never(subject: Subject) -> str:
    return ""


def fit(name: str, subject: Subject, frame: Frame, newest: Newest = never) -> Fit | None:
    found = {fit.playbook.name: fit for fit in fits(subject, SHIPPED, frame, newest)}
    return found.get(name)


def test_a_query_that_is_true_is_named_with_what_it_is_true_of_whoever_is_asked_about() -> None:
    hot = floor(margin=1.0)
    for asked in (BOARD, N1, Subject(Scope.JOB, "", "slurm:42")):
        found = fit("thermal-margin", asked, hot)
        assert found is not None and found.true and found.targets == (BOARD,)
        assert found.why.startswith("its trigger `temp_margin < 2 for 30s` is true of gpu1 of n1 now")
    (remedy,) = of_playbooks([found], Concern(N1), (), hot)
    assert remedy.target == 'node == "n1" and name == "gpu1"'
    assert query.parse(remedy.target, remedy.scope).mask(hot).tolist() == [False, True, False]


def test_a_query_that_is_not_true_is_offered_for_such_subjects_alone() -> None:
    cool = floor()
    found = fit("thermal-margin", BOARD, cool)
    assert found is not None and not found.true
    assert found.why == "it is for accelerators; `temp_margin < 2 for 30s` is not true of gpu1 of n1"
    assert fit("thermal-margin", N1, cool) is None
    assert fit("fatal-xid", BOARD, cool) is not None
    assert fit("idle-reclaim", Subject(Scope.ACCELERATOR, "n2", "GPU-0"), cool) is None  # nobody's


def test_what_follows_a_run_of_another_playbook_waits_for_that() -> None:
    before = fit("thermal-restore", BOARD, floor())
    assert before is not None and not before.true
    found = fit("thermal-restore", BOARD, floor(), lambda subject: "thermal-margin" if subject == BOARD else "")
    assert found is not None and found.true
    assert "`temp_margin > 8 for 10m, after thermal-margin or thermal-restore` is true of gpu1 of n1" in found.why


def test_an_event_of_today_is_a_reason_and_a_finding_is() -> None:
    frame = on_record()
    lost = Subject(Scope.ACCELERATOR, "dgx-02", "GPU-dgx-02-3")
    found = fit("fatal-xid", lost, frame)
    assert found is not None and found.true and found.targets == (Subject(Scope.NODE, "dgx-02"),)
    assert found.why.endswith("`xid in (79, 48, 95)` is true of dgx-02: xid 79 on gpu3 of dgx-02, 20s ago")
    other = fit("fatal-xid", Subject(Scope.NODE, "dgx-01"), frame)
    assert other is not None and not other.true
    burst = Finding(Subject(Scope.NODE, "dgx-01"), "xid-burst", State.WARNING, "13, 31 on three boards")
    found = fit("sympathetic-xid", Subject(Scope.NODE, "dgx-01"), replace(frame, findings=(burst,)))
    assert found is not None and found.why.endswith("is true of dgx-01: 13, 31 on three boards")


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (QueryTrigger("util <\n 5", 7200.0), "util < 5 for 2h"),
        (EventTrigger(("xid",)), "xid"),
        (EventTrigger((), (), ("xid-burst",)), "finding xid-burst"),
        (ScheduleTrigger("0 5 * * 1", "idle"), "0 5 * * 1 idle"),
        (RunsTrigger(5, 7 * 86_400.0), "5 runs within 7d"),
    ],
)
def test_triggers_are_told_as_people_read_them(
    trigger: QueryTrigger | EventTrigger | ScheduleTrigger | RunsTrigger, words: str
) -> None:
    assert told(trigger) == words


def test_what_fits_comes_first_then_single_actions_then_the_like() -> None:
    frame = on_record()
    finding = next(finding for finding in frame.findings if finding.code == "xid-fatal")
    offered = offers(Concern(finding.subject, finding, "gpu3"), frame, None)
    kinds = ["fits" if one.fits else "like" if one.watch else "action" for one in offered]
    assert kinds == sorted(kinds, key=["fits", "action", "like"].index) and set(kinds) == {"fits", "action", "like"}
    assert offered[0].name == "fatal-xid" and offered[0].risk == "R3"
    for remedy in offered:
        query.parse(remedy.target, remedy.scope)


def test_the_newest_run_on_a_node_is_that_which_began_to_change_it() -> None:
    plan = planned("fatal-xid", ANNA, XID, [drain("dgx-02", "XID 79")], 1.0)
    begun, waits = RunRecord("r2", plan=plan, begun=2.0), RunRecord("r3", plan=plan)
    node = Subject(Scope.NODE, "dgx-02")
    assert newest_run(None, node) == ""
    assert newest_run(LedgerPicture(Path(), runs=(waits,)), node) == ""
    both = LedgerPicture(Path(), runs=(waits, begun))
    assert newest_run(both, node) == "fatal-xid" and newest_run(both, N1) == ""


# -- held to what there is


def test_risks_are_those_of_the_actions_and_every_shipped_step_has_one() -> None:
    known = actions()
    assert {name: known[name].risk for name in RISKS} == RISKS
    assert {name.replace("-", "_") for name in every_name()} <= set(RISKS)
    assert {step.action for playbook in SHIPPED.values() for step in playbook.steps} <= set(RISKS)
    assert risk_of(SHIPPED["fatal-xid"]) is Risk.TAKES_OUT and risk_of(SHIPPED["rack-power"]) is None
    assert risk_of(Playbook("own", "", steps=(StepRule("1", "unheard_of"),))) is None


@pytest.mark.parametrize("name", [name for name, playbook in SHIPPED.items() if risk_of(playbook) is not None])
def test_what_watch_makes_of_a_shipped_playbook_is_what_the_shipped_policies_say(name: str) -> None:
    known, playbook = actions(), SHIPPED[name]
    targets = {Scope.NODE: Target(Scope.NODE, "n1"), Scope.JOB: Target(Scope.JOB, "", "slurm:42")}
    steps = [
        Step(rule.key, rule.action, targets[known[rule.action].scope], known[rule.action].risk, "")
        for rule in playbook.steps
    ]
    risk = max([playbook.risk, *(step.risk for step in steps)])
    plan = Plan(name, Who(Party.SERVICE, "watch"), Origin("test"), tuple(steps), 1.0, 2.0, risk=risk)
    ruling = Law(known).judge(plan, floor()).ruling
    (remedy,) = of_playbooks([Fit(playbook, (N1,), "", True)], Concern(N1), (), floor())
    alone = remedy.watch.startswith("`watch` carries it out by itself")
    assert alone is (ruling is Ruling.PERMIT), (ruling, remedy.watch)
    (own,) = of_playbooks([Fit(playbook, (N1,), "", True)], Concern(N1), (name,), floor())
    assert own.watch == "`watch` proposes it, and policy decides"


def test_what_fits_is_what_there_is_and_what_it_is_asked_for_is_a_query() -> None:
    known = {name.replace("_", "-"): action for name, action in actions().items()}
    board = Subject(Scope.ACCELERATOR, "n2", "GPU-1")
    found = [
        Concern(board, Finding(board, code, State.WARNING, "it is hot"), "gpu1")
        for code in ("xid-fatal", "temp-margin", "service-down", "job-on-faulty-node", "persistence-off", "unheard-of")
    ]
    asked = [Concern(board, None, "gpu1"), Concern(N1), Concern(Subject(Scope.JOB, "", "slurm:42"))]
    for concern in (*found, *asked):
        for remedy in remedies(concern):
            action = known[remedy.name]
            assert remedy.scope == action.scope, remedy.name
            query.parse(remedy.target, remedy.scope)
            must = {name for name, parameter in action.parameters.items() if parameter.default is None}
            assert must <= set(remedy.given), remedy.name
    job = Subject(Scope.JOB, "", "slurm:42")
    of_job = Concern(job, Finding(job, "job-on-faulty-node", State.WARNING, "it waits"))
    assert [(remedy.name, remedy.target) for remedy in remedies(of_job)] == [("requeue-job", 'id == "slurm:42"')]
    assert names_of("xid-repeated") == ["drain-node", "open-ticket"]
