"""dcgmi of simulated nodes with boards of NVIDIA's: `diag -r LEVEL -j`, at once, whatever the level.

What it finds is what is wrong just then: boards that are lost, and memory errors that ECC couldn't mend.
"""

from __future__ import annotations

import json

from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order

PROGRAM = "dcgmi"
_FAILED = 226  # as dcgmi ends where a test has failed (DCGM_ST_NVVS_ERROR, as a byte)


def on(shape: Shape) -> bool:
    return shape.vendor == "nvidia"


def act(order: Order) -> Ended:
    words = list(order.argv[1:])
    if words[:2] != ["diag", "-r"] or len(words) < 3 or words[2] not in "1234":
        return Ended(1, err="Error: simulated is `dcgmi diag -r LEVEL -j`, with a level of 1 to 4\n")
    faults, shape = order.machine.faults, order.machine.plan.shape
    if "nvidia-dcgm" in faults.services:
        return Ended(1, err="Error: unable to establish a connection to the specified host: localhost\n")
    ill = set(faults.lost) | set(faults.uncorrected)
    results = [
        {"entity_id": index, "status": "Fail" if index in ill else "Pass", "test": "memory"}
        for index in range(shape.boards)
    ]
    told = {"DCGM Diagnostic": {"level": int(words[2]), "test_results": results, "driver": shape.driver}}
    return Ended(_FAILED if ill else 0, json.dumps(told, indent=2) + "\n")
