"""The playbooks that come with watchfloor, each from the fault on a simulated node to the effect: over real SSH, by the
real probe and the real hands; what the devices and Slurm are is simulated.

Where a copy of a playbook is watched, durations are all that differs, and each is named in the test.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.trial import console, demo, permitted, repaired, signed_by_colleague, states, unused_after, watched
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec, Scope


async def test_a_fatal_xid_drains_requeues_keeps_evidence_opens_a_ticket_and_the_node_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of return-to-service it waits 1 s instead of half an hour for the node to stay well."""
    both = {"fatal-xid": {}, "return-to-service": {"for: 30m": "for: 1s"}}
    policy = permitted(*both)
    async with watched(demo(tmp_path, monkeypatch, "xid95", both, nodes=2, ahead=11.0, policy=policy), both) as stage:
        struck = stage.fleet.incidents[0].node.name
        run = await stage.run_of("fatal-xid")
        assert states(run) == dict.fromkeys(
            ("drain_node", "requeue_job", "collect_evidence", "open_ticket"), "verified"
        )
        job = next(step.target.key for step, _ in run.of_plan() if step.action == "requeue_job")
        (ticket,) = stage.fleet.posted()
        assert (ticket["path"], ticket["body"]["title"]) == ("/tickets", f"{struck}: xid 95")
        kinds = [kind for kind, _ in stage.done()]
        assert kinds == ["drain", "requeue", "file"]
        frame = await stage.seen(lambda frame: "drain" in frame.jobs.scheduler[frame.node_index[struck]].state)
        assert not frame.jobs.scheduler[frame.node_index[struck]].takes_work
        await stage.seen(lambda frame: frame.jobs.rows[frame.jobs.index[job]].attempt == 2)
        await repaired(stage, struck)
        back = await stage.run_of("return-to-service")
        assert states(back) == {"run_diagnostic": "verified", "resume_node": "verified"}
        await stage.seen(lambda frame: frame.jobs.scheduler[frame.node_index[struck]].takes_work)
        tale = [line.lstrip("│├└ ") for line in stage.lineage(job).splitlines()]
    wanted = ["job slurm:", "attempt 1 ran", "finding xid-fatal on", "led to plan", "verdict at", "carried out as run"]
    wanted += [f"drain {struck} in", "queue job", f"job {job.partition(':')[2]} ("]
    assert [word for word in wanted if not any(line.startswith(word) for line in tale)] == [], "\n".join(tale)
    assert f"run {run.run} of fatal-xid succeeded at" in tale[0]


async def test_a_service_that_failed_is_started_anew_also_beside_one_that_may_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits 1 s instead of 30 s. The fabric manager has failed as well, whose restart ends what computes."""
    one = {"service-repair": {"for: 30s": "for: 1s"}}
    async with watched(demo(tmp_path, monkeypatch, "services", one, ahead=60.0, policy=permitted(*one)), one) as stage:
        run = await stage.run_of("service-repair")
        assert [(step.parameters["unit"], str(record.state)) for step, record in run.of_plan()] == [
            ("nvidia-dcgm", "verified")
        ]
        assert stage.done() == [("restart", "nvidia-dcgm")]


async def test_a_hot_board_is_capped_before_it_slows_itself_down_and_restored_stepwise_when_it_is_cool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits 1 s instead of 30 s, and then 1 s instead of ten minutes before each step back. Each step is another
    console's: a probe that goes on asks for power limits every half minute only."""
    both = {"thermal-margin": {"for: 30s": "for: 1s"}, "thermal-restore": BACK}
    async with demo(tmp_path, monkeypatch, "thermal", both, ahead=40.0, policy=permitted(*both)) as fleet:
        async with console(fleet, ["thermal-margin"]) as stage:
            run = await stage.run_of("thermal-margin")
            assert states(run) == {"set_power_limit": "verified"}
        capped = stage.limits_set("h100-01")
        assert set(capped) <= {4, 5, 6, 7}, "the fans behind the others work"
        fleet.skip_to(280.0)  # the fans are replaced by then, and it has cooled down
        for _ in range(3):
            async with console(fleet, ["thermal-restore"]) as stage:
                await stage.run_of("thermal-restore")
        for cap, first, second, third in (stage.limits_set("h100-01")[board] for board in capped):
            assert cap < first < second < third == 700


BACK = {"for: 10m": "for: 1s", "every: 10m": "every: 1s", "cooldown: 9m": "cooldown: 1s"}


async def test_a_job_that_holds_boards_and_uses_none_is_told_of_and_reclaimed_once_a_person_has_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as unused after 3 s instead of 15 min, and is reclaimed 1 s after the notice instead of two hours.
    Policies are those that come with watchfloor: ending somebody's job asks for an approval."""
    unused_after(monkeypatch, 3.0)
    both = {"idle-held": {}, "idle-reclaim": {"for: 2h": "for: 1s"}}
    async with watched(demo(tmp_path, monkeypatch, "unused", both, nodes=4), both) as stage:
        await stage.run_of("idle-held")
        waits = await stage.proposal_of("idle-reclaim")
        assert (str(waits.ruling), stage.done()) == ("needs-approval", [])
        job = waits.plan.steps[0].target.key.removeprefix("slurm:")
        await signed_by_colleague(monkeypatch, tmp_path, waits.run)
        run = await stage.run_of("idle-reclaim")
        assert states(run) == {"cancel_job": "verified", "notify": "verified"}
        assert stage.done() == [("cancel", job)]
        notice, end = (posted["body"]["text"] for posted in stage.fleet.posted())
        assert "asked to be ended or used" in notice and end.startswith(f"slurm:{job} was ended")


async def test_a_board_with_five_fatal_xids_has_its_node_quarantined_and_nothing_returns_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of return-to-service it would wait 1 s instead of half an hour: it doesn't come."""
    both = {"repeat-offender": {}, "return-to-service": {"for: 30m": "for: 1s"}}
    async with watched(
        demo(tmp_path, monkeypatch, "offender", both, nodes=2, ahead=812.0, policy=permitted(*both)), both
    ) as stage:
        run = await stage.run_of("repeat-offender")
        assert states(run) == {"drain_node": "verified", "open_ticket": "verified"}
        struck = stage.fleet.incidents[0].node.name
        frame = await stage.seen(lambda frame: not frame.jobs.scheduler[frame.node_index[struck]].takes_work)
        assert frame.jobs.scheduler[frame.node_index[struck]].reason.startswith("watchfloor quarantine: finding")
        (ticket,) = stage.fleet.posted()
        assert ticket["body"]["title"] == f"{struck} is quarantined"
        assert [kind for kind, _ in stage.done()] == ["drain"]


async def test_xids_that_follow_from_a_program_are_one_notice_and_touch_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All playbooks that act on XIDs watch, as they are."""
    every = {"sympathetic-xid": {}, "fatal-xid": {}, "repeat-offender": {}}
    async with watched(
        demo(tmp_path, monkeypatch, "sympathy", every, nodes=2, policy=permitted(*every)), every
    ) as stage:
        stage.fleet.skip_to(29.5)  # everything is known by then: which job ran where, too
        run = await stage.run_of("sympathetic-xid")
        assert states(run) == {"notify": "verified"}
        frame = await stage.seen(lambda frame: any("8 boards of 2 nodes" in one.text for one in frame.findings))
        (notice,) = stage.fleet.posted()
        assert "of job slurm:40002, and no XID that would explain it" in notice["body"]["text"]
        assert stage.done() == [] and all(node.takes_work for node in frame.jobs.scheduler.values())
        assert [one.plan.playbook for one in stage.told.proposals] == ["sympathetic-xid"]


async def test_a_rack_close_to_its_power_budget_slows_what_matters_least_and_gives_back_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the step back it waits 1 s instead of ten minutes; it is another console's, as above."""
    both = {"rack-power": {}, "rack-power-restore": BACK}

    def racked(spec: NodeSpec) -> NodeSpec:
        """Nodes with work of several priorities in one rack."""
        return replace(spec, rack="r1")

    def rests(frame: Frame) -> bool:
        """Of the boards of the job that was ended, none draws more than one without work."""
        rows = frame.rows_of(Scope.ACCELERATOR, frame.node_index["h100-01"])
        return all(float(frame.accelerators.cell(row, "power").value or 999.0) < 100.0 for row in rows.tolist())

    async with demo(tmp_path, monkeypatch, "supply", both, nodes=4, policy=permitted(*both)) as fleet:
        async with console(fleet, ["rack-power"], racked) as stage:
            await stage.run_of("rack-power")
        h100, a100, l40s = (stage.limits_set(name) for name in ("h100-01", "a100-01", "l40s-01"))
        assert {watts for every in l40s.values() for watts in every} <= {175.0}, "what matters least gives all it can"
        assert a100 == {board: [200.0] for board in range(4)}
        assert len(h100) == 8
        assert all(350 < watts < 700 for (watts,) in h100.values()), "what matters most only what is still wanted"
        stage.end("40002")
        async with console(fleet, ["rack-power-restore"], racked, when=rests) as stage:
            await stage.run_of("rack-power-restore")
        assert stage.limits_set("a100-01") == {board: [200.0, 267.0] for board in range(4)}, "a third of the way"
