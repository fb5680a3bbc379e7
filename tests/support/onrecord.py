"""The small fleet with findings on record: fresh and old ones, one that comes and goes, one acknowledged, one over."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from tests.support import frames
from watchfloor.frame import Frame
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.record import Acknowledgement, Record, Records
from watchfloor.report import Event

_HOT = Subject(Scope.ACCELERATOR, "dgx-01", "GPU-dgx-01-5")
_LOST = Subject(Scope.ACCELERATOR, "dgx-02", "GPU-dgx-02-3")
_OPINIONS = (
    ("XID 79", "2027-01-15 08:00:55 UTC, process 21120 python: GPU has fallen off the bus."),
    ("job", "slurm:4101"),
    ("nvidia", "reboot the node; then contact support"),
    ("gpud", "reboot the node; then have the hardware inspected"),
    ("healthagent", "an error"),
    ("gcm", "critical"),
)


@cache
def on_record() -> Frame:
    fleet = frames.SyntheticFleet()
    fleet.step(75)
    frame = fleet.frame()
    at = frame.at
    xid = Finding(
        _LOST,
        "xid-fatal",
        State.CRITICAL,
        "gpu3 of dgx-02 had XID 79: GPU has fallen off the bus; nvidia: reboot the node",
        _OPINIONS,
    )
    findings = (xid, *frame.findings)
    known = [Record(finding, at - 40 * number**3, at, number) for number, finding in enumerate(findings, 1)]
    known = [
        replace(record, ack=Acknowledgement("maria", at - 300, "ticket 4711"))
        if record.finding.subject == _HOT
        else record
        for record in known
    ]
    fan = Finding(_HOT, "temp-margin", State.CRITICAL, "gpu5 of dgx-01 is at the temperature that slows it down")
    known.append(Record(fan, at - 90_000, at - 7_200, 4, holds=False))
    event = Event(at - 20, "kernel", "xid", "GPU has fallen off the bus.", _LOST.key, 79, "critical")
    frame.events.add(frame.node_index["dgx-02"], event, at - 20)
    records = Records({record.key: record for record in known}, at)
    return replace(frame.with_findings(findings), records=records)
