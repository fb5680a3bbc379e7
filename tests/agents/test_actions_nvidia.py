"""Actions on boards: what they prepare, what keeps them from being done, what they make of nvidia-smi's words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.action import CannotPrepare, Scene
from agents.actions import _nvidia
from agents.actions.set_mig_layout import layout_of
from tests.support.acting import (
    NOW,
    FakeFloor,
    FakeHands,
    Machine,
    Values,
    answer,
    board,
    deaf,
    frame_of,
    prepared,
    replies,
    scene_of,
    seen,
    words,
)  # fmt: skip
from watchfloor.change import Done, Effect, Risk
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode
from watchfloor.model import Missing
from watchfloor.report import PAUSED, SamplerStatus

A, B = "GPU-aaaaaaaa-0000-0000-0000-000000000000", "GPU-bbbbbbbb-0000-0000-0000-000000000000"


def h100(uuid: str = A, **more: float | str | Missing) -> Values:
    return {
        "name": "gpu0", "vendor": "NVIDIA", "uuid": uuid, "model": "NVIDIA H100 80GB HBM3", "index": 0.0,
        "power_limit": 700.0, "power_min": 200.0, "power_max": 700.0, "clock_sm": 1980.0, "clock_sm_max": 1980.0,
        "processes": 0.0, "persistence": 0.0, "mig": 0.0, "links_max": 18.0, "recovery": 0.0, "ecc_uncorrected": 0.0,
        "partition_of": "", "profile": "", **more,
    }  # fmt: skip


def scene(*boards: Values, jobs: tuple[Job, ...] = (), silent: bool = False, **host: float | str | Missing) -> Scene:
    machine = Machine("n1", {str(one["uuid"]): one for one in boards}, {"uptime": 1000.0, **host}, silent=silent)
    nodes = (SchedulerNode("n1", "mixed"),)
    return scene_of(frame_of([machine], answer(jobs=jobs, nodes=nodes)))


JOB = Job(
    "slurm:7", "lab", "slurm", "7", user="maria", state=JobState.RUNNING, started=NOW - 60,
    allocations=(Allocation("n1", 1, (0,)),),
)  # fmt: skip


def test_a_power_limit_is_set_within_what_the_board_takes() -> None:
    action, step = prepared(scene(h100()), "set_power_limit", board(A), watts=450)
    assert words(step.deeds[0]) == f"sudo -n -- nvidia-smi -i {A} -pl 450"
    assert words(step.undo[0]) == f"sudo -n -- nvidia-smi -i {A} -pl 700"
    assert (step.before["power_limit"], step.after["power_limit"], step.risk) == (700.0, 450, Risk.SLOWS)
    assert action.precheck(scene(h100()), step) == ""
    assert action.precheck(scene(h100(power_limit=450.0)), step) == ""
    assert "is 600 W by now" in action.precheck(scene(h100(power_limit=600.0)), step)
    assert "not heard" in action.precheck(scene(h100(), silent=True), step)
    assert "no accelerator" in action.precheck(scene(h100(B)), step)


@pytest.mark.parametrize(
    ("told", "watts", "why"),
    [
        (h100(), 100, "from 200 to 700 W"),
        (h100(), 800, "from 200 to 700 W"),
        (h100(), 450.5, "whole number"),
        (h100(), 700, "already"),
        (h100(power_max=Missing.UNSUPPORTED), 450, "doesn't tell its power limits"),
        (h100(vendor="AMD"), 450, "is made by AMD"),
        (h100(partition_of=B), 450, "is a part of"),
        (h100(uuid=""), 450, "tells no UUID"),
    ],
)
def test_what_no_limit_can_be_set_on_is_told_why(told: dict[str, Any], watts: float, why: str) -> None:
    key = str(told["uuid"])
    with pytest.raises(CannotPrepare) as refused:
        prepared(scene(told), "set_power_limit", board(key), watts=watts)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("said", "effect"),
    [
        ("450.00\n", Effect.TOOK),
        ("700.00\n", Effect.NONE),
        ("600.00\n", Effect.UNKNOWN),
        ("[N/A]\n", Effect.UNKNOWN),
        ("No devices were found\n", Effect.UNKNOWN),
        ("", Effect.UNKNOWN),
    ],
)
async def test_a_power_limit_is_looked_at(said: str, effect: Effect) -> None:
    action, step = prepared(scene(h100()), "set_power_limit", board(A), watts=450)
    hands = FakeHands(replies(("power.limit", said)))
    assert (await seen(action, step, hands)).effect is effect
    assert hands.done == []
    assert (await seen(action, step, FakeHands(deaf))).effect is Effect.UNKNOWN


def test_power_is_given_back_and_never_taken_by_that() -> None:
    capped = scene(h100(power_limit=450.0))
    _, step = prepared(capped, "restore_power_limit", board(A))
    assert (step.after["power_limit"], step.risk) == (700, Risk.REVERSIBLE)
    _, step = prepared(capped, "restore_power_limit", board(A), watts=600)
    assert step.after["power_limit"] == 600
    with pytest.raises(CannotPrepare, match="has 450 W already"):
        prepared(capped, "restore_power_limit", board(A), watts=300)


async def test_clocks_show_what_they_can() -> None:
    action, step = prepared(scene(h100()), "set_clocks", board(A), most=1200)
    assert words(step.deeds[0]).endswith("-lgc 0,1200")
    for said, effect in (("1200", Effect.TOOK), ("1980", Effect.NONE), ("", Effect.UNKNOWN)):
        assert (await seen(action, step, FakeHands(replies(("clocks.sm", said))))).effect is effect
    action, idle = prepared(scene(h100(clock_sm=345.0)), "set_clocks", board(A), most=1200)
    assert (await seen(action, idle, FakeHands(replies(("clocks.sm", "345"))))).effect is Effect.UNKNOWN
    with pytest.raises(CannotPrepare, match="goes to 1980 MHz at the most"):
        prepared(scene(h100()), "set_clocks", board(A), most=2500)
    with pytest.raises(CannotPrepare, match="no range"):
        prepared(scene(h100()), "set_clocks", board(A), most=1000, least=1200)
    action, free = prepared(scene(h100()), "restore_clocks", board(A), held=1200)
    assert (await seen(action, free, FakeHands(replies(("clocks.sm", "1980"))))).effect is Effect.TOOK
    assert (await seen(action, free, FakeHands(replies(("clocks.sm", "1200"))))).effect is Effect.UNKNOWN


async def test_persistence_mode_goes_on_and_off() -> None:
    action, step = prepared(scene(h100()), "set_persistence", board(A))
    assert (words(step.deeds[0])[-5:], words(step.undo[0])[-5:]) == ("-pm 1", "-pm 0")
    assert (await seen(action, step, FakeHands(replies(("persistence_mode", "Enabled"))))).effect is Effect.TOOK
    assert (await seen(action, step, FakeHands(replies(("persistence_mode", "Disabled"))))).effect is Effect.NONE
    with pytest.raises(CannotPrepare, match="on already"):
        prepared(scene(h100(persistence=1.0)), "set_persistence", board(A))


# -- resets


async def test_a_board_is_reset_alone_where_that_is_possible_and_nobody_is_on_it() -> None:
    told = replace(scene(h100(recovery=1.0), h100(B)), who="anna of ops")
    action, step = prepared(told, "reset_accelerator", board(A))
    link = "/run/watchfloor-let-go"
    assert words(step.deeds[0]) == f"sudo -n -- ln -sfT watchfloor:150:anna-of-ops {link}"
    assert words(step.deeds[1]).startswith("python3 -c # watchfloor waits for its probes")
    assert words(step.deeds[2]) == f"sudo -n -- nvidia-smi -i {A} --gpu-reset"
    assert words(step.deeds[3]) == f"sudo -n -- ln -sfT watchfloor:0:anna-of-ops {link}"
    assert (step.risk, step.undo) == (Risk.TAKES_OUT, ())
    assert action.precheck(scene(h100(), h100(B, processes=3.0)), step) == ""
    assert "2 processes are on" in action.precheck(scene(h100(processes=2.0)), step)
    assert "isn't known whether" in action.precheck(scene(h100(processes=Missing.NOT_PERMITTED)), step)
    assert "job 7 of maria" in action.precheck(scene(h100(), jobs=(JOB,)), step)

    busy = FakeHands(replies(("--query-compute-apps", "4711, python\n")))
    (refused,) = await action.apply(step, busy, "run1.s1")
    assert "processes are on" in refused.stderr and busy.done == []
    idle = FakeHands()
    assert [done.ok for done in await action.apply(step, idle, "run1.s1")] == [True] * 4
    assert len(idle.done) == 4
    # begun before, in a run that was killed: nobody looks whether it may begin
    again = FakeHands(replies(("--query-compute-apps", "4711, python\n")), kept=dict(idle.kept))
    assert [done.ok for done in await action.apply(step, again, "run1.s1")] == [True] * 4
    assert again.done == []


@pytest.mark.parametrize(
    ("model", "manager", "boards"),
    [
        ("NVIDIA H100 80GB HBM3", "stopped", 1),
        ("NVIDIA A100-SXM4-80GB", "running", 1),
        ("NVIDIA A100-SXM4-80GB", "failed", 2),
        ("Tesla V100-SXM2-32GB", "", 2),
        ("NVIDIA RTX 6000 Ada Generation", "", 1),
        ("Quadro RTX 6000", "", 2),
    ],
)
def test_boards_that_cannot_be_reset_alone_go_together(model: str, manager: str, boards: int) -> None:
    told = scene(h100(model=model), h100(B, model=model), unit_fabricmanager=manager or Missing.UNSUPPORTED)
    action, step = prepared(told, "reset_accelerator", board(A))
    assert len(str(step.before["boards"]).split(",")) == boards
    busy = scene(h100(model=model), h100(B, model=model, processes=1.0))
    assert bool(action.precheck(busy, step)) is (boards == 2)


async def test_a_reset_that_the_driver_refuses_for_an_open_handle_says_whose_it_may_be() -> None:
    action, step = prepared(scene(h100(recovery=1.0)), "reset_accelerator", board(A))
    said = "GPU 00000000:1B:00.0 is currently in use by another process.\n1 device is currently being used by one"
    waited = ("waits for its probes", "after 20.0 s it is held by the probes 4711\n")
    hands = FakeHands(replies(("--gpu-reset", Done(255, stdout=said)), ("--query-compute-apps", ""), waited))
    *_, done, back = await action.apply(step, hands, "run.s1")
    assert done.exit_code == 255 and "held by the probes 4711" in done.stderr and "\n" not in done.stderr
    assert back.ok and words(hands.done[-1]).split()[-2].startswith("watchfloor:0:")
    assert [one.operation for one in (done, back)] == ["run.s1.2", "run.s1.3"]
    hands = FakeHands(replies(("--gpu-reset", Done(3, stderr="Insufficient Permissions"))))
    *_, done, _ = await action.apply(step, hands, "run.s2")
    assert done.stderr == "Insufficient Permissions"


async def test_a_reset_that_may_still_be_at_work_is_not_disturbed_by_probes() -> None:
    action, step = prepared(scene(h100(recovery=1.0)), "reset_accelerator", board(A))
    hands = FakeHands(replies(("--gpu-reset", Done(None, stderr="out of time")), ("--query-compute-apps", "")))
    assert [done.exit_code for done in await action.apply(step, hands, "run.s1")] == [0, 0, None]
    assert len(hands.done) == 3


def test_no_reset_is_planned_on_what_a_probe_told_before_it_let_go() -> None:
    told = scene(h100())
    detail = replace(told.frame.detail[0], samplers={"nvidia": SamplerStatus(PAUSED, "let go of for a reset")})
    with pytest.raises(CannotPrepare, match="has let go of the driver"):
        prepared(replace(told, frame=replace(told.frame, detail=[detail])), "reset_accelerator", board(A))


async def test_where_nobody_may_ask_the_probes_nothing_is_reset() -> None:
    action, step = prepared(scene(h100(recovery=1.0)), "reset_accelerator", board(A))
    no_rule = FakeHands(replies(("ln -sfT", Done(1, stderr="no rule")), ("--query-compute-apps", "")))
    (done,) = await action.apply(step, no_rule, "run.s1")
    assert done.stderr == "no rule" and len(no_rule.done) == 1


async def test_a_reset_shows_in_what_was_wrong_before() -> None:
    asked = scene(h100(recovery=1.0))
    action, step = prepared(asked, "reset_accelerator", board(A))
    hands = FakeHands(replies(("uncorrected", "0")))
    assert (await seen(action, step, hands, FakeFloor([asked.frame]))).effect is Effect.NONE
    assert (await seen(action, step, hands, FakeFloor([scene(h100()).frame]))).effect is Effect.TOOK
    errors = scene(h100(ecc_uncorrected=4.0))
    action, step = prepared(errors, "reset_accelerator", board(A))
    assert (await seen(action, step, hands, FakeFloor([errors.frame]))).effect is Effect.TOOK
    still = FakeHands(replies(("uncorrected", "4")))
    assert (await seen(action, step, still, FakeFloor([errors.frame]))).effect is Effect.NONE
    action, step = prepared(scene(h100()), "reset_accelerator", board(A))
    assert (await seen(action, step, hands, FakeFloor([errors.frame]))).effect is Effect.UNKNOWN


# -- MIG

_LISTED = f"""GPU 0: NVIDIA H100 80GB HBM3 (UUID: {A})
  MIG 3g.40gb     Device  0: (UUID: MIG-11111111-0000-0000-0000-000000000000)
  MIG 3g.40gb     Device  1: (UUID: MIG-22222222-0000-0000-0000-000000000000)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: {B})
  MIG 1g.10gb     Device  0: (UUID: MIG-33333333-0000-0000-0000-000000000000)
"""


def divided(*profiles: str, processes: float = 0.0) -> Scene:
    parts = [
        h100(f"MIG-{number}", name=f"gpu0.{number}", partition_of=A, profile=profile, processes=processes)
        for number, profile in enumerate(profiles)
    ]
    return scene(h100(mig=1.0), *parts)


async def test_an_empty_board_is_divided_anew() -> None:
    action, step = prepared(divided("7g.80gb"), "set_mig_layout", board(A), layout="3g.40gb, 3g.40gb")
    assert [words(deed).partition(A)[2].strip() for deed in step.deeds] == ["-dci", "-dgi", "-cgi 3g.40gb,3g.40gb -C"]
    assert words(step.undo[-1]).endswith("-cgi 7g.80gb -C")
    assert action.precheck(divided("7g.80gb"), step) == ""
    assert "processes are on" in action.precheck(divided("7g.80gb", processes=1.0), step)
    assert (await seen(action, step, FakeHands(replies(("-L", _LISTED))))).effect is Effect.TOOK
    before = _LISTED.replace("3g.40gb     Device  0", "7g.80gb     Device  0").replace(
        "  MIG 3g.40gb     Device  1", "#"
    )
    hands = FakeHands(replies(("-L", before)))
    assert (await seen(action, step, hands)).effect is Effect.NONE
    assert [done.ok for done in await action.apply(step, hands, "run.s1")] == [True, True, True]
    moved = FakeHands(replies(("-L", _LISTED)))
    (refused,) = await action.apply(step, moved, "run.s1")
    assert "by now" in refused.stderr and moved.done == []


def test_layouts_that_are_none_or_are_there_are_refused() -> None:
    with pytest.raises(CannotPrepare, match="divided so already"):
        prepared(divided("3g.40gb", "3g.40gb"), "set_mig_layout", board(A), layout="3g.40gb,3g.40gb")
    with pytest.raises(CannotPrepare, match="is no layout"):
        prepared(divided("7g.80gb"), "set_mig_layout", board(A), layout="7g.80gb -i 0")
    with pytest.raises(CannotPrepare, match="MIG is not on"):
        prepared(scene(h100()), "set_mig_layout", board(A), layout="7g.80gb")
    _, step = prepared(divided("7g.80gb"), "set_mig_layout", board(A), layout="none")
    assert len(step.deeds) == 2


def test_what_nvidia_smi_prints_is_read() -> None:
    assert layout_of(_LISTED, A) == ["3g.40gb", "3g.40gb"]
    assert layout_of(_LISTED, B) == ["1g.10gb"]
    assert layout_of("", A) == []
    assert _nvidia.row_of("[Not Supported], 12.00, Enabled\n") == ["", "12.00", "Enabled"]
    assert _nvidia.pids_of("123, python\n[N/A], x\n456, a, b\n") == [123, 456]
