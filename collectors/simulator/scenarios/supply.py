"""Short of power: one of two feeds is lost, and every node may draw much less than it does."""

from __future__ import annotations

from collectors.simulator.faults import Scenario

SCENARIO = Scenario(
    "supply",
    "one of the two feeds is lost: racks are close to what is left of their power budgets",
    "the finding `rack-power-budget` of nearly every rack",
    lambda floor: [],
    supply=0.55,
)
