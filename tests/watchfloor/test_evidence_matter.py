"""What a bundle is of: which nodes and jobs a run concerns."""

from __future__ import annotations

import pytest

from tests.support import runstory
from watchfloor.change import Origin
from watchfloor.evidence.matter import answers, of_run
from watchfloor.runs import RunRecord


@pytest.mark.parametrize("subject", ["n2/gpu3", "node:n2", "accelerator:n2/gpu3", "job:slurm:41", ""])
def test_a_run_concerns_the_node_of_its_finding_whoever_told_of_it(subject: str) -> None:
    origin = Origin("XID 79", "xid in (79)", "xid-fatal", subject)
    plan = runstory.planned("drain-node", runstory.ANNA, origin, [runstory.drain("n2", "xid 79")], 1e9)
    record = RunRecord("r1", plan.digest, plan, proposed=1e9)
    assert of_run(record, ()).nodes == ("n2",) and answers(record, "xid-fatal", ["n2"], None)
