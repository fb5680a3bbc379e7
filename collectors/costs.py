"""What the probe costs a node: the costs that samplers tell of themselves, and of single questions to a driver.

Must not do: connect.
"""

from __future__ import annotations

from statistics import fmean

from collectors.transports.ssh import WallClock
from watchfloor.fleet import Fleet
from watchfloor.model import NodeSpec, NodeStatus, Phase
from watchfloor.report import Cost, Report, SamplerStatus, decode_detail


class Meter(Fleet):
    """A fleet of one that remembers every answer of every sampler."""

    def __init__(self, spec: NodeSpec) -> None:
        super().__init__([spec], WallClock.now)
        self._answers: dict[str, dict[float, SamplerStatus]] = {}  # sampler -> by the time of the answer
        self.status(0, NodeStatus(Phase.LIVE))

    def report(self, node: int, report: Report, received_at: float) -> None:
        super().report(node, report, received_at)
        for name, status in report.samplers.items():
            if status.at and status.state == "ok":
                self._answers.setdefault(name, {})[status.at] = status

    def rows(self) -> list[Cost]:
        """A row for each sampler that works, with an empty `call`; behind it those of its questions."""
        raw = self.frame().detail[0].details.get("costs")
        calls = [row for row in (decode_detail("costs", raw) if raw else []) if isinstance(row, Cost)]
        found: list[Cost] = []
        for name, answers in sorted(self._answers.items()):
            found.append(_mean(name, list(answers.values())))
            found += [row for row in calls if row.sampler == name]
        return found


def _mean(name: str, answers: list[SamplerStatus]) -> Cost:
    """Of all answers but the first one, which has opened drivers and files.

    The longest wait is left out where there are others: a node that is busy may have let it wait for a processor.
    """
    usual = answers[1:] or answers
    cpu = fmean(answer.cpu for answer in usual)
    waits = sorted(max(0.0, answer.cost - answer.cpu) for answer in usual)
    waited = fmean(waits[:-1] or waits)
    return Cost(name, "", round(cpu + waited, 6), round(cpu, 6), usual[-1].period)
