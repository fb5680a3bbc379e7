"""Which jobs are on a node: by whose its accelerators are, and by what its scheduler says. Pure.

A job that has no accelerator is hit by a reboot as any other.
"""

from __future__ import annotations

from watchfloor.frame import Frame
from watchfloor.model import Scope


def jobs_on_node(frame: Frame, node: int) -> set[int]:
    """Rows of the jobs on a node of this index."""
    by_boards = {frame.jobs.owner_of(row) for row in frame.rows_of(Scope.ACCELERATOR, node).tolist()} - {-1}
    scheduler, manager = frame.jobs.scheduler.get(node), frame.jobs.managers.get(node)
    if scheduler is None:
        return by_boards
    told = {
        row
        for row, job in enumerate(frame.jobs.rows)
        if job.source == manager and job.state.holds_nodes and scheduler.name in job.nodes
    }
    return by_boards | told
