"""What is shown of a plan is all of it, and nothing in it can trick the screen of whoever signs."""

from __future__ import annotations

import msgspec

from watchfloor.change import Command, Impact, JobHit, On, Origin, Place, Plan, Risk, Step, Target, digest_of, plain
from watchfloor.change import read_plan as read
from watchfloor.model import Scope
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.snapshot.plan import plan_text

SLURM = Place(On.SCHEDULER, "alpha")
STEP = Step(
    "drain n2",
    "drain_node",
    Target(Scope.NODE, "n2"),
    Risk.TAKES_OUT,
    "drain n2 in alpha",
    deeds=(Command(SLURM, ("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=xid 79")),),
    undo=(Command(SLURM, ("scontrol", "update", "NodeName=n2", "State=RESUME"), sudo=True),),
    before={"state": "idle"},
    after={"state": "drained"},
)
PLAN = Plan(
    "drain-node",
    Who(Party.PERSON, "anna"),
    Origin("a person asked", finding="xid", subject="n2/0", samples={"xid": 79}),
    (STEP,),
    created=1_000.0,
    expires=1_000.0 + 4 * 3600,
    impact=Impact(
        (JobHit("slurm:42", "requeued", "mira", "train", 64, 12.5, "its start: no checkpoint is known"),),
        ("n2",),
        8,
        0.92,
        "in 12 min at the latest",
    ),
    state={"n2 boot": "b1", "n2 takes work": True},
    risk=Risk.TAKES_OUT,
)


def test_everything_that_is_done_is_shown() -> None:
    text = plan_text(PLAN, 1_060.0)
    for words in (
        "asked by person anna: a person asked",
        "found: xid on n2/0",
        "xid 79",
        "void in 4h",
        "state: idle → drained",
        "$ scontrol update NodeName=n2 State=DRAIN 'Reason=xid 79'   (scheduler alpha)",
        "undone by: sudo -n -- scontrol update NodeName=n2 State=RESUME",
        "takes out n2: 8 accelerators",
        "92% of the fleet",
        "job slurm:42 train of mira, 64 accelerators: requeued, 12.5 accelerator hours lost since its start",
        "n2 takes work: yes",
        PLAN.digest[:16],
    ):
        assert words in text, f"{words!r} in\n{text}"


def test_a_name_of_others_cannot_move_the_cursor() -> None:
    evil = msgspec.structs.replace(PLAN.impact.jobs[0], name="x\x1b[2J\r\nno job is harmed")
    text = plan_text(msgspec.structs.replace(PLAN, impact=Impact((evil,))), 0.0)
    assert "\x1b" not in text and "\r" not in text and "\nno job is harmed" not in text


def test_a_plan_comes_back_from_json_with_the_same_digest_and_any_change_has_another() -> None:
    assert read(plain(PLAN)) == PLAN and digest_of(read(plain(PLAN))) == PLAN.digest
    assert msgspec.structs.replace(PLAN, expires=PLAN.expires + 1).digest != PLAN.digest
    other = msgspec.structs.replace(STEP, deeds=(Command(SLURM, ("true",)),))
    assert msgspec.structs.replace(PLAN, steps=(other,)).digest != PLAN.digest
