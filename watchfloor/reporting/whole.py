"""A report, made of what was kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from watchfloor.reporting import acts, basis, changes, energy, faults, hours, reliability
from watchfloor.reporting.downtime import node_times
from watchfloor.reporting.figures import Report
from watchfloor.reporting.kept import Kept


def report(kept: Kept, made: float, zone: tzinfo, facts: Mapping[str, str]) -> Report:
    """`made`: now; `zone`: whose midnights part the days."""
    times = node_times(kept)
    sections = (
        reliability.section(kept, times, zone),
        faults.by_code(kept),
        faults.lemons(kept, times),
        hours.section(kept, times),
        energy.section(kept),
        acts.section(kept),
        acts.refusals(kept),
        changes.section(kept),
        basis.section(kept),
    )
    return Report(kept.window.since, kept.window.until, made, sections, facts)
