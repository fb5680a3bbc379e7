"""What runtimes tell of their devices, as values of chips. Pure, but for remembering the histograms of last time.

Duty cycle is measured by chip, memory by core: values of the cores of a chip are added up, or their mean is taken.
"""

from .cells import NOT_YET_CODE, UNSUPPORTED, Missing, rounded
from .tpu_chips import matched
from .tpu_proto import Distribution
from .tpu_service import NOBODY

_MICROSECOND = 1e-6
_MOST_KEPT = 64
_NOTHING_RAN = Missing(NOT_YET_CODE, "nothing was executed since the last look")


class Values:
    """`by_chip` for the services of one host; it alone knows which histograms go on from the last answer."""

    def __init__(self) -> None:
        self._before = {}  # (service, device) -> Distribution
        self._owners = {}  # what was told of which chips -> as `_owners` gives it: mostly the same again

    def by_chip(self, told: list, way: str, chips: list, held: list) -> dict:
        """Chip key -> value or Missing. `way`: "mean", "sum" or "latency" (99th percentile, in seconds).

        `told`: of each runtime (name of its service, its chips or an empty list, list of tpu_proto.Point or Missing);
        `held`: the chips that some process holds. What can't be told apart by the chips of a runtime is by order.
        """
        values = {chip.key: NOBODY for chip in chips}
        rest, unowned = list(chips), []
        for service, own, points in told:
            if not own:
                unowned.append((service, points))
                continue
            values.update(self._of_group([(service, points)], way, own, own, chips))
            rest = [chip for chip in rest if chip not in own]
        if unowned and rest:
            values.update(self._of_group(unowned, way, rest, [chip for chip in held if chip in rest], chips))
        return values

    def _of_group(self, told: list, way: str, chips: list, held: list, everyone: list) -> dict:
        """The values of `chips`, of what their runtimes tell."""
        found = {(service, point.device): point for service, points in told if isinstance(points, list)
                 for point in points if point.device >= 0}  # fmt: skip
        reasons = [points for _, points in told if isinstance(points, Missing)]
        if reasons and not found:
            return {chip.key: reasons[0] for chip in chips}
        key = tuple(found), tuple(chip.key for chip in chips), tuple(chip.key for chip in held)
        if key not in self._owners:
            if len(self._owners) > _MOST_KEPT:
                self._owners.clear()
            self._owners[key] = _owners(list(found), chips, held, everyone)
        owners = self._owners[key]
        if isinstance(owners, Missing):
            return {chip.key: owners for chip in chips}
        values = {}
        for at, point in found.items():
            if at in owners:
                values.setdefault(owners[at].key, []).append(self._value(at, point, way))
        return {chip.key: _joined(values[chip.key], way) if chip.key in values else NOBODY for chip in chips}

    def _value(self, at: tuple, point, way: str):
        """A number; of a histogram the percentile in seconds, None where it is empty."""
        value = point.value
        if isinstance(value, Distribution):
            before = self._before.get(at) if value.cumulative else None
            self._before[at] = value
            late = value.since(before).quantile(0.99)
            return None if late is None else late * _MICROSECOND
        return None if way == "latency" else value


def _owners(devices: "list[tuple]", chips: list, held: list, everyone: list) -> "dict | Missing":
    """(service, device) -> chip; or why that can't be told.

    Runtimes of one program count through all of its devices; those of several programs count each from 0, which leaves
    the order of their services; and a runtime may tell of its whole host.
    """
    services, numbers = sorted({service for service, _ in devices}), {device for _, device in devices}
    orders = [{at: (services.index(at[0]), at[1]) for at in devices},
              {at: (0, at[1]) for at in devices if at[0] == services[0]}]  # fmt: skip
    if len(numbers) == len(devices):
        orders.insert(0, {at: (0, at[1]) for at in devices})
    for found, using in ((chips, held), (everyone, [])):
        for places in orders:
            owners = matched(list(places.values()), found, using)
            if isinstance(owners, dict):
                return {at: owners[place] for at, place in places.items()}
    return matched(list(orders[0].values()), chips, held)


def _joined(values: list, way: str):
    known = [value for value in values if value is not None]
    if way == "latency":
        return round(max(known), 6) if known else _NOTHING_RAN
    if not known:
        return UNSUPPORTED
    return rounded(sum(known) / len(known), 1) if way == "mean" else int(sum(known))
