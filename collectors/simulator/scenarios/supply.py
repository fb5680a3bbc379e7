"""Short of power: most of the feeds are lost, and every node may draw less than it does."""

from __future__ import annotations

from collectors.simulator.faults import Scenario

SCENARIO = Scenario(
    "supply",
    "feeds are lost, and racks are at what is left of their power budgets",
    "the finding `rack-power-budget` of nearly every rack",
    lambda floor: [],
    supply=0.42,
)
