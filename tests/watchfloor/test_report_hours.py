"""Accelerator hours, what was lost and saved, energy and cost: small histories, worked out by hand."""

from __future__ import annotations

import pytest

from tests.support.ledgers import ANNA
from tests.support.reports import HOUR, SINCE, at, attempt, episode, history, rows, value
from tests.support.runstory import XID, drain, planned
from watchfloor.records.ledgerentry import Entry
from watchfloor.reporting import energy, hours
from watchfloor.reporting.downtime import node_times
from watchfloor.reporting.figures import Section
from watchfloor.reporting.kept import Energy, Kept, Node, Prices
from watchfloor.runs import RunRecord

NOBODY_TOLD = "nobody told how many accelerators"


def of(kept: Kept) -> Section:
    return hours.section(kept, node_times(kept))


def impact(job: str, hours_at: float, lost: float | None) -> Entry:
    time = f"2027-01-15T{int(hours_at):02}:{int(hours_at % 1 * 60):02}:00.0Z"
    body = {"job": job, "effect": "requeued"} | ({} if lost is None else {"gpu_hours_lost": lost})
    return Entry(0, "", "", time, "c1", "job-impact", ANNA, body)


def test_entries_are_of_the_day_of_these_histories() -> None:
    assert impact("slurm:1", 5.5, None).seconds == at(5.5)


def test_jobs_hours_are_those_within_the_window() -> None:
    """Four accelerators from -2 to 3, eight from 4 to 6, and one attempt of which nobody told."""
    runs = [attempt(-2, 3, "done"), attempt(4, 6, accelerators=8), attempt(1, 2, "done", accelerators=None)]
    section = of(history(attempts=runs))
    assert value(section, "delivered") == 4 * 3 + 8 * 2
    assert section.figures[0].basis == "2 attempts; 1 more of unknown accelerators"
    assert value(of(history(attempts=runs[2:])), "delivered") == NOBODY_TOLD


def test_what_is_lost_is_lost_since_the_last_checkpoint() -> None:
    """From the start of an attempt, also before the window, where no checkpoint is known; counted when it ends."""
    runs = [
        attempt(-3, 2, "node failed"),
        attempt(0, 6, "failed", cause="gpu-lost on n1", saved=at(4.5)),
        attempt(0, 4, "failed"),
        attempt(0, 5, "cancelled", cause="gpu-lost on n1"),
        attempt(-9, -1, "node failed"),
    ]
    section = of(history(attempts=runs))
    assert value(section, "lost_to_faults") == 4 * 5 + 4 * 1.5
    assert value(section, "lost_otherwise") == 4 * 4
    assert [row[3] for row in rows(section, "losses")] == [20, 6]


def test_what_an_act_ended_is_no_loss_to_a_fault() -> None:
    """A job that was requeued by a run at 5.5, and whose attempt ended at 5.4 with its node."""
    kept = history(attempts=[attempt(0, 5.4, "node failed")], entries=[impact("slurm:1", 5.5, 1.25)])
    assert (value(of(kept), "lost_to_faults"), value(of(kept), "lost_to_acts")) == (0, 1.25)
    late = history(attempts=[attempt(0, 5, "node failed")], entries=[impact("slurm:1", 5.5, 1.25)])
    assert value(of(late), "lost_to_faults") == 20


def test_losses_to_acts_that_nobody_knows_are_told() -> None:
    section = of(history(entries=[impact("slurm:1", 1, None), impact("slurm:2", 2, 3.0)]))
    (figure,) = [one for one in section.figures if one.key == "lost_to_acts"]
    assert (figure.figure.value, figure.basis) == (3.0, "1 job; 1 more of unknown loss, as the ledger tells")
    assert value(of(history(entries=[impact("slurm:1", 1, None)])), "lost_to_acts") == (
        "the ledger doesn't know how much the jobs lost"
    )
    assert value(of(history(lacks={"ledger": "there is no ledger at x"})), "lost_to_acts") == "there is no ledger at x"


def test_what_was_down_counts_each_accelerator_once() -> None:
    """Two boards of eight, 1–3 and 2–4, and the whole node 3–4: 2 + 1 + 8 hours. A link takes none."""
    board = {"scope": "accelerator"}
    kept = history(
        [
            episode(1, 3, part="GPU-1", **board),
            episode(2, 4, part="GPU-2", **board),
            episode(3, 4, code="node-hung"),
            episode(6, 9, code="link-down", scope="link", part="mlx5_0:1"),
        ]
    )
    assert value(of(kept), "down") == 2 + 1 + 8


def test_a_node_of_unknown_size_is_told() -> None:
    kept = history([episode(3, 4)], nodes=[Node("n1")])
    (figure,) = [one for one in of(kept).figures if one.key == "down"]
    assert figure.figure.value == 0 and figure.basis.endswith("of 1 node that were down nobody knows how many it has")


def acted(begun: float, outcome: str = "succeeded") -> dict[str, RunRecord]:
    plan = planned("fatal-xid", ANNA, XID, [drain("n1", "XID 79")], SINCE)
    return {"r1": RunRecord("r1", plan=plan, proposed=at(begun), begun=at(begun), outcome=outcome)}


def test_what_acts_saved_is_held_against_faults_of_the_same_code_without_one() -> None:
    """Three faults of four hours that nobody acted upon; one of a node of eight was over after one hour with an act."""
    others = [episode(start, start + 4, node=f"n{start + 2}") for start in range(3)]
    nodes = [Node(f"n{number}", accelerators=8) for number in range(1, 5)]
    kept = history([episode(1, 2), *others], nodes=nodes, runs=acted(1.5))
    assert value(of(kept), "saved") == 8 * (4 - 1)
    assert value(of(history([episode(1, 2), *others[:2]], nodes=nodes, runs=acted(1.5))), "saved") == (
        "no code of theirs came 3 times without an act, to compare with"
    )
    nobody = "no fault ended with an act that succeeded"
    assert value(of(history([episode(1, 2), *others], nodes=nodes, runs=acted(1.5, "failed"))), "saved") == nobody
    assert value(of(history([episode(1, 2), *others], nodes=nodes)), "saved") == nobody


def test_accounts_and_what_their_hours_cost() -> None:
    runs = [attempt(0, 2, "done"), attempt(3, 4, "node failed"), attempt(0, 1, account="", user="ada")]
    priced = history(attempts=runs, prices=Prices({"n1": 2.5}))
    assert rows(of(priced), "by_account") == [("lab", 2, 12, 4, 30.0), ("ada", 1, 4, 0, 10.0)]
    assert rows(of(history(attempts=runs)), "by_account")[0][4] == (
        "no price of an accelerator hour is known: prices in the fleet file"
    )


# -- energy


def test_energy_is_what_was_recorded() -> None:
    """Three kWh of two accelerators in two hours, half of them by counters; an hour of a third tells nothing."""
    drawn = {"n1": Energy(3 * 3.6e6, 2 * HOUR, 2 * HOUR, HOUR)}
    section = energy.section(history(energy=drawn, prices=Prices(kwh=0.3)))
    assert (value(section, "energy"), value(section, "energy_cost")) == (3.0, pytest.approx(0.9))
    assert section.figures[0].basis == "4.0 accelerator hours that were recorded; 50 % by the boards' own counters"
    assert rows(section, "by_rack") == [("lab/r1", 3.0, 750.0, 0.8, pytest.approx(0.9))]


def test_energy_that_nobody_recorded_is_missing() -> None:
    section = energy.section(history(lacks={"recordings": "nothing of this time is recorded in x"}))
    assert value(section, "energy") == "nothing of this time is recorded in x" and section.tables == ()
    silent = energy.section(history(energy={"n1": Energy(unknown_seconds=HOUR)}))
    assert value(silent, "energy") == "no recording tells of the draw of any accelerator"


def test_a_price_that_nobody_gave_is_missing() -> None:
    section = energy.section(history(energy={"n1": Energy(3.6e6, HOUR)}))
    assert value(section, "energy_cost") == "no price of a kWh was given: --kwh-price"
