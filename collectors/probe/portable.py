"""Host figures where the kernel has no /proc, through psutil if it is installed. Part of the host sampler.

It serves a console's own machine; fleets run Linux, where /proc costs less and tells more.
"""

from .cells import NOT_YET, Absent, Rates, rounded


class Portable:
    """`sample` gives the cells of the node that psutil knows; what it doesn't know is unsupported."""

    def __init__(self, world) -> None:
        try:
            self._psutil = world.psutil()
        except ImportError as error:
            raise Absent("/proc/stat not found, and psutil is not installed") from error
        self._world = world
        self._rates = Rates()
        self._asked = False
        self.disks = []  # it tells of all disks together only

    def sample(self) -> dict:
        memory, swap = self._psutil.virtual_memory(), self._psutil.swap_memory()
        load = self._psutil.getloadavg()
        percent = self._psutil.cpu_percent(None)  # since the last call: the first one means nothing
        cells = {
            "hostname": self._world.hostname(),
            "kernel": self._world.uname().release,
            "os": self._world.uname().sysname,
            "cpu": percent if self._asked else NOT_YET,
            "cpus": self._world.cpus(),
            "load1": round(load[0], 2),
            "load5": round(load[1], 2),
            "load15": round(load[2], 2),
            "mem_total": memory.total,
            "mem_used": memory.total - memory.available,
            "swap_total": swap.total,
            "swap_used": swap.used,
            "uptime": int(self._world.now() - self._psutil.boot_time()),
        }
        self._asked = True
        cells.update(self._disks())
        return cells

    def _disks(self) -> dict:
        counters = self._psutil.disk_io_counters()
        if counters is None:  # no disks
            return {"disk_read": 0, "disk_write": 0}
        at = self._world.monotonic()
        return {
            "disk_read": rounded(self._rates.rate("read", counters.read_bytes, at)),
            "disk_write": rounded(self._rates.rate("write", counters.write_bytes, at)),
        }
