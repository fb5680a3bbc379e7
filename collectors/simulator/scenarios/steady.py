"""Nothing goes wrong: jobs come and go."""

from collectors.simulator.faults import Scenario

SCENARIO = Scenario(
    "steady",
    "jobs come and go, nothing breaks",
    "the rhythm of jobs: compute, communication, checkpoints; the gap between two jobs in the same place",
    lambda floor: [],
)
