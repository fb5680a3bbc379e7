"""What is found of each scenario of the demo, on whom, and what of it is over once the fault is: nothing more, no less.

The samplers, the console's fleet and the checks are the real ones, at a time that the test moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.floor import Floor, NodePlan, plan_floor
from collectors.simulator.hardware import SHAPES
from tests.support.forwarded import ForwardedDemo
from watchfloor.findings import SETTLED_SECONDS
from watchfloor.frame import Frame
from watchfloor.model import Finding, Scope

_NODES, _BESIDE = 32, 1
_AFTER = SETTLED_SECONDS + 30  # seconds: services are asked for twice a minute

Told = Mapping[str, set[str]]  # name of a node, board or link -> codes


@dataclass(frozen=True)
class Expected:
    """`stays`: what is told on after the fault is over, since it looks back at hours or minutes.

    `lasts`: seconds, where the incident goes on for as long as the demo.
    """

    told: Told
    stays: Told
    lasts: float = 0.0


_HOT = {"temp-margin", "temp-mem-high", "throttled", "throttle-time", "straggler"}
_LINK = {"link-crc-errors", "link-replays", "link-recoveries"}
_PORT = {"ib-symbol-errors", "ib-link-downed", "link-flapping"}
_RESET = {"mi300x-01/gpu1": {"event-hang", "event-reset", "event-memory-lost"}}

EXPECTED = {
    "thermal": Expected(
        {f"h100-01/gpu{board}": _HOT - ({"straggler"} if board < 6 else set()) for board in range(4, 8)},
        {f"h100-01/gpu{board}": {"throttle-time"} for board in range(4, 8)},
    ),
    "xid79": Expected({"h100-01/gpu3": {"accelerator-lost", "xid-fatal"}, "h100-01": {"node-refused"}}, {}),
    "nvlink": Expected(
        {"h100-01/gpu5": {"xid-fatal"}, "h100-01/gpu5/nvlink7": {"nvlink-down", *_LINK}},
        {"h100-01/gpu5": {"xid-fatal"}, "h100-01/gpu5/nvlink7": _LINK},
    ),
    "ibflap": Expected({"h100-01/mlx5_2/1": {"ib-port-down", *_PORT}}, {"h100-01/mlx5_2/1": _PORT}),
    "gaudiport": Expected(
        {f"gaudi3-01/hpu{card}/port7": {"gaudi-down", "link-fec-errors"} for card in (2, 3)},
        {f"gaudi3-01/hpu{card}/port7": {"link-fec-errors"} for card in (2, 3)},
    ),
    "ringhang": Expected(_RESET, _RESET),
    "hung": Expected({"h100-01": {"sampler-hung"}, "h100-01/gpu0": {"xid-fatal"}}, {"h100-01/gpu0": {"xid-fatal"}}),
    "nodelost": Expected({"h100-01": {"node-refused"}}, {}),
    "straggler": Expected({"h100-01/gpu1": {"throttled", "straggler"}}, {}),
    "services": Expected({"h100-01": {"fabricmanager-failed", "dcgm-failed"}}, {}),
    "idleheld": Expected({f"a100-01/gpu{board}": {"idle-held"} for board in range(4, 8)}, {}, lasts=620),
    "leftover": Expected({"a100-01": {"unkillable"}, "a100-01/gpu1": {"orphan-holder"}}, {}, lasts=320),
    "settings": Expected({"h100-01/gpu2": {"application-clock", "persistence-off", "straggler"}}, {}, lasts=90),
    "steady": Expected({}, {}, lasts=60),
    "xid95": Expected(
        {"h100-01/gpu1": {"xid-fatal", "ecc-uncorrected", "recovery-action"}, "h100-01": {"node-refused"}}, {}
    ),
    "offender": Expected({"h100-01/gpu2": {"xid-fatal"}}, {"h100-01/gpu2": {"xid-fatal"}}),  # four more times to go
    "sympathy": Expected(  # one burst, by its first board; one of the nodes has other software than the rest
        {"h100-01/gpu0": {"xid-burst"}, "h100-01/gpu6": {"xid-burst"}, "h100-03": {"version-drift"}},
        {"h100-01/gpu6": {"xid-burst"}, "h100-03": {"version-drift"}},
    ),
    "unused": Expected({f"a100-01/gpu{board}": {"idle-held"} for board in range(4)}, {}, lasts=620),
    "supply": Expected({}, {}, lasts=60),  # what a rack may draw is the fleet file's to say
}


def test_each_scenario_is_played() -> None:
    assert set(EXPECTED) == set(scenarios()) - {"mixed"}  # which is all of them at once


@pytest.mark.parametrize("scenario", EXPECTED)
def test_what_is_found_is_what_happens(scenario: str) -> None:
    expected, floor = EXPECTED[scenario], plan_floor(_NODES, seed=1)
    incidents = [_for(incident, expected.lasts) for incident in scenarios()[scenario].place(floor)]
    demo = ForwardedDemo(floor, incidents, _played(floor, incidents))
    ends = max((incident.first + incident.lasts for incident in incidents), default=expected.lasts)
    told: dict[str, set[str]] = {}
    frame = demo.step()
    while demo.at < ends + _AFTER:
        for finding in frame.findings:
            told.setdefault(_subject(frame, finding), set()).add(finding.code)
            assert finding.evidence, finding
        frame = demo.step()
    assert told == expected.told
    assert _held(frame, demo) == expected.stays


def _for(incident: Incident, lasts: float) -> Incident:
    return replace(incident, lasts=lasts) if lasts else incident


def _played(floor: Floor, incidents: Sequence[Incident]) -> list[NodePlan]:
    """The nodes that are struck with equal ones beside them; one of each shape where none is."""
    if not incidents:
        return [next(plan for plan in floor.nodes if plan.shape is shape) for shape in SHAPES.values()]
    struck = [incident.node for incident in incidents]
    equal = [plan for plan in floor.nodes if plan not in struck and plan.shape in [node.shape for node in struck]]
    return struck + equal[:_BESIDE]


def _held(frame: Frame, demo: ForwardedDemo) -> Told:
    found: dict[str, set[str]] = {}
    for record in demo.log.records.by_key.values():
        if record.holds:
            found.setdefault(_subject(frame, record.finding), set()).add(record.finding.code)
    return found


def _subject(frame: Frame, finding: Finding) -> str:
    """Its name as people know it, which its key needn't be."""
    subject, row = finding.subject, frame.row(finding.subject)
    assert row is not None and not finding.others
    return (
        subject.node if subject.scope is Scope.NODE else f"{subject.node}/{frame.view(subject.scope).text(row, 'name')}"
    )
