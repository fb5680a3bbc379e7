"""What the runtime tells of its devices, as values of chips. Pure, but for remembering the histograms of last time.

Duty cycle is measured by chip, memory by core: values of the cores of a chip are added up, or their mean is taken.
"""

from .cells import NOT_YET_CODE, UNSUPPORTED, Missing, rounded
from .tpu_chips import matched
from .tpu_proto import Distribution
from .tpu_service import NOBODY

_MICROSECOND = 1e-6
_NOTHING_RAN = Missing(NOT_YET_CODE, "nothing was executed since the last look")


class Values:
    """`by_chip` for one service; it alone knows which histograms go on from the last answer."""

    def __init__(self) -> None:
        self._before = {}  # device -> Distribution

    def by_chip(self, points: "list | Missing", way: str, chips: list, held: list) -> dict:
        """Chip key -> value or Missing. `way`: "mean", "sum" or "latency" (99th percentile, in seconds)."""
        if isinstance(points, Missing):
            return {chip.key: points for chip in chips}
        numbered = [point for point in points if point.device >= 0]
        owners = matched([point.device for point in numbered], chips, held)
        if isinstance(owners, Missing):
            return {chip.key: owners for chip in chips}
        values = {}
        for point in numbered:
            values.setdefault(owners[point.device].key, []).append(self._value(point, way))
        return {chip.key: _joined(values[chip.key], way) if chip.key in values else NOBODY for chip in chips}

    def _value(self, point, way: str):
        """A number; of a histogram the percentile in seconds, None where it is empty."""
        value = point.value
        if isinstance(value, Distribution):
            before = self._before.get(point.device) if value.cumulative else None
            self._before[point.device] = value
            late = value.since(before).quantile(0.99)
            return None if late is None else late * _MICROSECOND
        return None if way == "latency" else value


def _joined(values: list, way: str):
    known = [value for value in values if value is not None]
    if way == "latency":
        return round(max(known), 6) if known else _NOTHING_RAN
    if not known:
        return UNSUPPORTED
    return rounded(sum(known) / len(known), 1) if way == "mean" else int(sum(known))
