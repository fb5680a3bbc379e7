"""`watchfloor jobs`: who runs where, how well, and what waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from watchfloor import query, wiring
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.commands.snapshot import DEFAULT_TIMEOUT_SECONDS
from watchfloor.commands.waiting import settled_with_jobs
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit, of_fleet
from watchfloor.frame import Frame
from watchfloor.jobs.model import SourceState
from watchfloor.model import Scope
from watchfloor.places import lineage_place
from watchfloor.snapshot.jobdetail import detail
from watchfloor.snapshot.jobs import JobReport, meant
from watchfloor.snapshot.selection import failed_nodes


def jobs(
    *hosts: Hosts,
    source: Source = Source(),
    where: Annotated[str, Parameter(help="Only what this query is true for, such as 'util < 20 and nodes > 1'.")] = "",
    job: Annotated[str, Parameter(help="One job in full, over or not: its number, id or name.")] = "",
    all: Annotated[bool, Parameter(help="Those that are over, too.")] = False,
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds that slow nodes are waited for.")] = DEFAULT_TIMEOUT_SECONDS,
) -> int:
    """Read every node and ask every scheduler once; print the jobs (exit code 3: a part did not answer, 4: nobody).

    Schedulers are those of the fleet file, the one of --slurm, or the Slurm whose commands this machine has; what
    runs without one is listed as well.
    """
    if not timeout > 0:
        raise ConfigError(f"{timeout:g} seconds to wait", "a number above 0", file="--timeout")
    condition = query.parse(where, Scope.JOB) if where else None
    specs, work = source.floor(hosts)
    frame = asyncio.run(wiring.collect(specs, timeout, settled_with_jobs, work=replace(work, lineage=lineage_place())))
    mask = condition.mask(frame) if condition else np.ones(len(frame.jobs.rows), np.bool_)
    mask = mask & meant(frame.jobs.rows, job) if job else mask
    report = JobReport(frame, mask, over=all or bool(job))
    if json:
        output.write_json(report.document())
    elif job:
        output.write("\n".join(detail(frame, row) for row in np.flatnonzero(mask).tolist()))
    else:
        output.write(report.text())
    return _code(frame)


def _code(frame: Frame) -> Exit:
    """Nodes and schedulers alike: some did not answer, or none did."""
    failed = len(failed_nodes(frame)) + sum(status.state is not SourceState.OK for status in frame.jobs.sources)
    total = len(frame.specs) + len(frame.jobs.sources)
    return of_fleet(total - failed, failed)
