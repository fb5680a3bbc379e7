"""The host itself: processors, memory, pressure, disks, and what it is, from /proc; without one, through psutil."""

from . import diskstats
from .cells import NOT_YET, UNSUPPORTED, Missing, Reading, from_oserror, rounded
from .portable import Portable

_AVERAGES_EVERY = 3  # samples; the kernel renews load every 5 s and pressure every 2
_VOLUMES_EVERY = 2  # memory and disks
_DISKS_EVERY = 5  # samples between two details of the disks


class Sampler:
    period, deadline = 1.0, 5.0
    metrics = {
        "node": (
            "hostname boot_id kernel os cpu_model cpu cpu_iowait cpus load1 load5 load15 blocked mem_used mem_total "
            "swap_used swap_total pressure_cpu pressure_mem pressure_io disk_read disk_write uptime"
        ).split()
    }
    owns = ()
    lasting = ("hostname", "boot_id", "kernel", "os", "cpu_model", "cpus", "mem_total", "swap_total")
    awaited, follows_holders = True, False

    def __init__(self, world, board) -> None:
        self._figures = Linux(world) if world.exists("/proc/stat") else Portable(world)
        self._samples = 0

    def sample(self) -> Reading:
        cells = self._figures.sample()
        show_disks = self._samples % _DISKS_EVERY == _VOLUMES_EVERY  # the first look knows no rates
        self._samples += 1
        return Reading({"node": {"": cells}}, {"disks": self._figures.disks} if show_disks else None)


class Linux:
    """The figures of /proc; `disks` are the rows of the detail "disks"."""

    def __init__(self, world) -> None:
        self._world = world
        self._identity = identity(world)
        self._times = None
        self._disks = diskstats.Disks(world)
        self._averages = {}
        self._volumes = {}
        self._booted = world.monotonic() - float(world.read("/proc/uptime").split()[0])
        self._samples = 0

    @property
    def disks(self) -> list:
        return self._disks.rows

    def sample(self) -> tuple:
        """The cells, in parts: most of the time half of them are the very same."""
        if self._samples % _AVERAGES_EVERY == 0:
            uptime = int(self._world.monotonic() - self._booted)
            self._averages = dict(self._load(), uptime=uptime, **self._pressure())
        if self._samples % _VOLUMES_EVERY == 0:
            self._volumes = dict(self._memory(), **self._disks.sample())
        self._samples += 1
        return self._identity, self._averages, self._volumes, self._processors()

    def _processors(self) -> dict:
        stat = parse_stat(self._world.read("/proc/stat", keep=True))
        before, self._times = self._times, stat["times"]
        busy, iowait = shares(before, self._times)
        return {"cpu": busy, "cpu_iowait": iowait, "cpus": stat["cpus"], "blocked": stat["blocked"]}

    def _load(self) -> dict:
        words = self._world.read("/proc/loadavg", keep=True).split()
        return {"load1": float(words[0]), "load5": float(words[1]), "load15": float(words[2])}

    def _memory(self) -> dict:
        return parse_meminfo(self._world.read("/proc/meminfo", keep=True))

    def _pressure(self) -> dict:
        return {"pressure_" + short: self._one_pressure(name) for short, name in _PRESSURES}

    def _one_pressure(self, name: str):
        try:
            return parse_pressure(self._world.read("/proc/pressure/" + name, keep=True))
        except OSError as error:
            return from_oserror(error)


_PRESSURES = (("cpu", "cpu"), ("mem", "memory"), ("io", "io"))


def identity(world) -> dict:
    """What doesn't change while the probe runs."""
    return {
        "hostname": world.hostname(),
        "boot_id": _text(world.read, "/proc/sys/kernel/random/boot_id", str.strip),
        "kernel": world.uname().release,
        "os": _text(world.read, "/etc/os-release", parse_os_release),
        "cpu_model": _text(world.first_page, "/proc/cpuinfo", parse_cpuinfo),
    }


def _text(read, path: str, parse) -> "str | Missing":
    try:
        return parse(read(path)) or UNSUPPORTED
    except OSError as error:
        return from_oserror(error)


def parse_os_release(text: str) -> str:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip().strip("\"'")
    return ""


def parse_cpuinfo(text: str) -> str:
    """The processor's name; on ARM, where there is none, its implementer and part numbers."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    if "model name" in found or "Processor" in found:
        return found.get("model name") or found["Processor"]
    if "CPU part" in found:
        return "ARM implementer %s part %s" % (found.get("CPU implementer", "?"), found["CPU part"])
    return ""


def parse_stat(text: str) -> dict:
    """`times` in jiffies: user nice system idle iowait irq softirq steal; the number of `cpus`; `blocked` processes."""
    times = [int(word) for word in text.partition("\n")[0].split()[1:9]]
    _, told, blocked = text.rpartition("\nprocs_blocked ")
    return {
        "times": times,
        "cpus": text.count("\ncpu"),
        "blocked": int(blocked.split(None, 1)[0]) if told else UNSUPPORTED,
    }


def shares(before: "list[int] | None", now: "list[int]") -> tuple:
    """Percent of CPU time that was not idle, and that waited for I/O, between two looks at the times."""
    if before is None:
        return NOT_YET, NOT_YET
    deltas = [max(0, new - old) for old, new in zip(before, now)]  # iowait of a core may go backwards
    total = sum(deltas)
    if not total:
        return NOT_YET, NOT_YET
    idle, iowait = deltas[3], deltas[4]
    return round(100.0 * (total - idle - iowait) / total, 1), round(100.0 * iowait / total, 1)


def parse_meminfo(text: str) -> dict:
    """Bytes. MemAvailable is missing before Linux 3.14."""
    total, available = _bytes(text, "MemTotal:"), _bytes(text, "MemAvailable:")
    swap, free = _bytes(text, "SwapTotal:"), _bytes(text, "SwapFree:")
    return {
        "mem_total": total,
        "mem_used": UNSUPPORTED if total is None or available is None else total - available,
        "swap_total": UNSUPPORTED if swap is None else swap,
        "swap_used": UNSUPPORTED if swap is None or free is None else swap - free,
    }


def _bytes(text: str, name: str) -> "int | None":
    """One figure of /proc/meminfo; four of its fifty lines are wanted, at every tick."""
    at = text.find(name)
    return None if at < 0 else 1024 * int(text[at + len(name) : text.find("kB", at)])


def parse_pressure(text: str) -> float:
    """`some avg10` in percent: "some avg10=0.12 avg60=…"."""
    return rounded(float(text.split("avg10=", 1)[1].split(maxsplit=1)[0]), 2)
