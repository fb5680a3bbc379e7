"""What is on record of findings: when each was first and last seen, whether it holds, who has acknowledged it. Frozen.

Times are console time, in seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from watchfloor.model import Finding, Subject

RecordKey = tuple[Subject, str]  # whom it is about, and its code


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has seen it and needs no more reminding."""

    by: str
    at: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A finding over time. `last` is exact once it is over, and no older than a minute while it holds."""

    finding: Finding  # as it was told last
    first: float
    last: float
    times: int = 1  # how often it came
    holds: bool = True
    ack: Acknowledgement | None = None

    @property
    def key(self) -> RecordKey:
        return self.finding.subject, self.finding.code


@dataclass(frozen=True, slots=True)
class Records:
    """Everything that is on record at one time. `trouble` says why it isn't kept on disk, "" where it is or needn't."""

    by_key: Mapping[RecordKey, Record] = field(default_factory=dict)
    at: float = 0.0
    trouble: str = ""

    def of(self, finding: Finding) -> Record | None:
        return self.by_key.get((finding.subject, finding.code))

    def acknowledged(self, finding: Finding) -> bool:
        record = self.of(finding)
        return record is not None and record.ack is not None
