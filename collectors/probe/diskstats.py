"""Whole disks from /proc/diskstats: bytes read and written a second, share of time busy. Part of the host sampler."""

from .cells import NOT_YET, Missing, Rates, rounded

_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own sector size is
# what lies on top of disks or isn't one: counting it would count the same bytes twice
_NOT_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
_LIST_EVERY = 60


class Disks:
    """`sample` gives the totals, and renews `rows`: the detail "disks"."""

    def __init__(self, world) -> None:
        self._world = world
        self._rates = Rates()
        self._names = set()
        self._samples = 0
        self.rows = []

    def sample(self) -> dict:
        if self._samples % _LIST_EVERY == 0:
            self._names = whole_disks(self._world)
        self._samples += 1
        at = self._world.monotonic()
        counters = parse_diskstats(self._world.read("/proc/diskstats", keep=True), self._names)
        rates = {name: self._disk_rates(name, values, at) for name, values in counters.items()}
        self.rows = [_row(name, values) for name, values in rates.items() if _known(values)]
        return {"disk_read": _total(rates, 0), "disk_write": _total(rates, 1)}

    def _disk_rates(self, name: str, values: tuple, at: float) -> tuple:
        read, written, busy = values
        rate = self._rates.rate
        return (
            rate((name, "read"), read, at, _SECTOR_BYTES),
            rate((name, "write"), written, at, _SECTOR_BYTES),
            rate((name, "busy"), busy, at, 0.1),  # milliseconds a second -> percent
        )


def whole_disks(world) -> "set[str]":
    try:
        names = world.listdir("/sys/block")
    except OSError:
        return set()
    return {name for name in names if not name.startswith(_NOT_DISKS)}


def parse_diskstats(text: str, names: "set[str]") -> dict:
    """Name -> (sectors read, sectors written, milliseconds busy)."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 12 and words[2] in names:
            found[words[2]] = (int(words[5]), int(words[9]), int(words[12]))
    return found


def _known(values: tuple) -> bool:
    return not any(isinstance(value, Missing) for value in values)


def _total(rates: dict, index: int):
    """The sum over all disks; none at all is 0 bytes a second, one that isn't known yet makes the sum so."""
    values = [rate[index] for rate in rates.values()]
    return NOT_YET if any(isinstance(value, Missing) for value in values) else rounded(sum(values))


def _row(name: str, rates: tuple) -> dict:
    read, written, busy = rates
    return {
        "name": name,
        "read_bytes_per_second": rounded(read),
        "write_bytes_per_second": rounded(written),
        "busy_percent": min(100.0, round(busy, 1)),
    }
