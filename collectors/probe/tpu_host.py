"""The TPU chips of a host: which they are, who holds them, and what their runtime tells.

libtpu serves its metrics for as long as a framework runs (`tpu_runtimes` finds where). Nobody there means that no
program works on the chips: their values are not yet known, which is no error.
"""

from . import pcie, tpu_chips
from .cells import UNSUPPORTED_CODE, Absent, Missing, Reading, trouble
from .device_files import DeviceFiles
from .tpu import PCIE
from .tpu_runtimes import Runtimes
from .tpu_service import NOBODY
from .tpu_values import Values

_SLOW_EVERY = 5  # samples
_SECONDS, _LEAST_SECONDS = 3.0, 0.25  # for the answers of all services, and of one
_LOOK_EVERY = 30
# (metric, what the runtime calls it, how the values of a chip's cores become one)
_QUICK = (
    ("util", "tpu.runtime.tensorcore.dutycycle.percent", "mean"),
    ("mem_used", "tpu.runtime.hbm.memory.usage.bytes", "sum"),
    ("dram_active", "tpu.runtime.hbm.utilization.percent", "mean"),
)
_SLOW = (
    ("mem_total", "tpu.runtime.hbm.memory.total.bytes", "sum"),
    ("queue", "hlo.queue.size.gauge", "sum"),
    ("exec_latency", "hlo.execution.timing.distribution.microseconds", "latency"),
)
_SILENT = "the program that holds the chip serves no metrics; looked at %s"


class TpuHost:
    """The chips of one host, from one sample to the next."""

    def __init__(self, world) -> None:
        self._world = world
        self._values = Values()
        self._files = DeviceFiles(world)
        self._runtimes = Runtimes(world)
        self._chips = []
        self._known = {}  # chip key -> identity
        self._links = {}  # key -> cells of the PCIe link of a chip
        self._live = {}  # chip key -> cells
        self._samples = 0

    def sample(self) -> Reading:
        if self._samples % _LOOK_EVERY == 0:
            self._enumerate()
        self._files.look([chip.path for chip in self._chips])
        held = {chip.key: self._files.holders(chip.path) for chip in self._chips}
        failed = self._ask(_QUICK + _SLOW if self._samples % _SLOW_EVERY == 0 else _QUICK, held)
        self._samples += 1
        listed = {key: pids if isinstance(pids, Missing) else [(pid, -1, "compute") for pid in pids]
                  for key, pids in held.items()}  # fmt: skip
        accelerators = {key: (self._known[key], live) for key, live in self._live.items()}
        return Reading({"accelerator": accelerators, "link": self._links}, None, listed, trouble=failed)

    def _enumerate(self) -> None:
        self._chips = tpu_chips.chips(self._world)
        if not self._chips:
            raise Absent("no TPU among the devices of Google (vendor 1ae0) on the PCI bus")
        self._known, self._links = {}, {}
        for chip in self._chips:
            link = pcie.link_cells(self._world, chip.address)
            self._links["pcie:%s:0" % chip.key] = dict(link, name=chip.name + "/pcie", accelerator=chip.key)
            self._known[chip.key] = _identity(chip, link)
        self._live = {chip.key: self._live.get(chip.key, {}) for chip in self._chips}

    def _ask(self, metrics: tuple, held: dict) -> str:
        """Renew the cells; the words of the services where they fail altogether."""
        answers = self._answers([name for _, name, _ in metrics], self._runtimes.look(len(self._chips), held))
        if all(NOBODY in told.values() for _, told in answers):
            metrics = _QUICK + _SLOW
        used = [chip for chip in self._chips if held[chip.key]]
        cells = {chip.key: dict(self._live[chip.key]) for chip in self._chips}
        whose = [(runtime.place, runtime.chips(self._chips, held), told) for runtime, told in answers]
        for metric, name, way in metrics:
            told = [(place, chips, told.get(name, NOBODY)) for place, chips, told in whose]
            for key, value in self._values.by_chip(told, way, self._chips, used).items():
                cells[key][metric] = self._silent(held[key]) if value is NOBODY else value
        for key, pids in held.items():
            cells[key]["processes"] = pids if isinstance(pids, Missing) else len(pids)
        self._live = cells
        reasons = [reason for _, told in answers for reason in told.values()]
        return trouble(reasons[0]) if reasons and reasons.count(reasons[0]) == len(reasons) else ""

    def _silent(self, pids: "list[int] | Missing") -> Missing:
        """Why a chip of which no runtime tells has no value; `pids` hold it."""
        if isinstance(pids, Missing) or not pids:
            return NOBODY
        return Missing(UNSUPPORTED_CODE, _SILENT % _ports(self._runtimes.looked_at))

    def _answers(self, names: "list[str]", runtimes: list) -> "list[tuple]":
        """(runtime, metric -> list of tpu_proto.Point or Missing); one that hangs leaves a moment for the others."""
        until, found = self._world.monotonic() + _SECONDS, []
        for runtime in runtimes:
            left = max(_LEAST_SECONDS, until - self._world.monotonic())
            found.append((runtime, runtime.service.ask(names, len(runtimes) > 1, left)))
        return found


def _ports(numbers: "list[int]") -> str:
    return "ports " + ", ".join(map(str, numbers)) if len(numbers) > 1 else "port %s" % numbers[0]


def _identity(chip, link: dict) -> dict:
    cells = {"name": chip.name, "vendor": "Google", "model": chip.model, "uuid": chip.key, "bus_id": chip.address,
             "index": chip.index, "numa": chip.numa, "partition_of": ""}  # fmt: skip
    cells.update((metric, link[name]) for metric, name in PCIE.items())
    return cells
