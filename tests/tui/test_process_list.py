"""The processes of a node on its page: whose rank and which run each is, or why that isn't known."""

from __future__ import annotations

import msgspec

from tui.present.panels import process_list
from watchfloor.fleet import Fleet
from watchfloor.model import Missing, NodeSpec
from watchfloor.report import Hello, Process, Report, Schema, Workload

_PROCESSES = [Process(pid, "mara", "python train.py", job="slurm:4242") for pid in (1, 2, 3, 4)]
_WORKLOADS = [
    Workload(1, 10, rank=0, run_ids={"wandb": "floor/moe/3fk2a9x1", "torchelastic": "job7"}),
    Workload(2, 10, missing=Missing.NOT_PERMITTED, words="Permission denied"),
    Workload(3, 10, directory="/"),
]


def test_ranks_and_runs_of_processes() -> None:
    fleet = Fleet([NodeSpec("train-01")], lambda: 1000.0)
    fleet.hello(0, Hello(1, "h", "b", 1000.0, "p"), 1000.0)
    fleet.schema(0, Schema(1, {}))
    told = {"processes": _PROCESSES, "workloads": _WORKLOADS}
    details = {name: msgspec.Raw(msgspec.json.encode(rows)) for name, rows in told.items()}
    fleet.report(0, Report(1, 1, 1000.0, True, details=details), 1000.0)
    listing = process_list(fleet.frame(), 0)
    names = [column.name for column in listing.columns]
    rows = [dict(zip(names, (text for text, _ in listing.cells(row)), strict=True)) for row in range(listing.count)]
    assert [row["rank"] for row in rows] == ["0", "n/p", "-", "-"]
    assert [row["run"] for row in rows] == ["wandb:3fk2a9x1 torchelastic:job7", "-", "-", "-"]
