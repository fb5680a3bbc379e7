"""The PCIe links of NVIDIA GPUs. Traffic: byte counters from Hopper on; before, a call that measures for 20 ms.

That call is why this is a sampler of its own: it takes one GPU a sample, and nobody waits for it. What else there is to
tell of a link is asked of one GPU at every other sample.
"""

from . import pcie
from .cells import FAILED_CODE, LOST_CODE, UNSUPPORTED, Missing, Reading
from .nvml import ask, ask_fields, closed, gpus, held, lost
from .nvml_fields import ByteRates, FieldBatch

_BYTES = [(197, 0), (198, 0)]  # field ids of nvml.h and no scope: bytes sent, bytes received
_RECOVERIES, _LCRC_ERRORS = 169, 182  # newer boards only
_KIB = 1024
_LIST_EVERY, _LINK_EVERY = 5, 2  # samples
_WIDTHS = (
    ("gen", "nvmlDeviceGetCurrPcieLinkGeneration"),
    ("gen_max", "nvmlDeviceGetMaxPcieLinkGeneration"),
    ("width", "nvmlDeviceGetCurrPcieLinkWidth"),
    ("width_max", "nvmlDeviceGetMaxPcieLinkWidth"),
)
_ASKED = (
    "medium", "peer", "up", "speed", "speed_max", "width", "width_max", "gen", "gen_max", "rx_errors", "replay_errors",
    "pci_path",
    "crc_errors", "recovery_errors",
)  # fmt: skip


class Sampler:
    period, deadline = 2.0, 8.0
    metrics = {
        "accelerator": ("pcie_rx", "pcie_tx", "numa"),
        "link": ("name", "kind", "accelerator", "rx", "tx", *_ASKED),
    }
    owns = ("link",)
    lasting = ("name", "kind", "accelerator", "peer", "medium")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._nvml = None
        self._gpus = []
        self._counters = {}  # device key -> (FieldBatch, ByteRates)
        self._measured = {}  # device key -> cells, of devices without counters
        self._links = {}  # device key -> cells
        self._places = {}  # device key -> cells: where in the host it is
        self._samples = 0

    def sample(self) -> Reading:
        try:
            return self._sample()
        except Exception:
            if self._nvml is not None:
                closed(self._nvml)
            self._nvml = None
            raise

    def _sample(self) -> Reading:
        if self._nvml is None:
            self._samples, self._counters = 0, {}
        self._nvml = held(self._world, self._nvml)
        if self._samples % _LIST_EVERY == 0:
            self._gpus = gpus(self._nvml)
            present = [gpu for gpu in self._gpus if not isinstance(gpu.handle, Missing)]
            self._counters = {gpu.key: self._counters.get(gpu.key) or self._counter(gpu) for gpu in present}
            self._places = {gpu.key: self._places.get(gpu.key) or self._place(gpu) for gpu in self._gpus}
        turn, rest = self._samples % max(1, len(self._gpus)), self._samples % _LINK_EVERY
        link_turn = -1 if rest else self._samples // _LINK_EVERY % max(1, len(self._gpus))
        self._samples += 1
        accelerators, links = {}, {}
        for gpu in self._gpus:
            traffic = self._traffic(gpu, gpu.index == turn)
            accelerators[gpu.key] = (self._places[gpu.key], traffic)
            both = {"rx": traffic["pcie_rx"], "tx": traffic["pcie_tx"]}
            links["pcie:" + gpu.key] = (self._link(gpu, gpu.index == link_turn), both)
        return Reading({"accelerator": accelerators, "link": links})

    def _counter(self, gpu) -> tuple:
        return FieldBatch(self._nvml, gpu.handle, _BYTES), ByteRates(1)

    def _place(self, gpu) -> dict:
        address = _address(self._nvml, gpu)
        return {"numa": address if isinstance(address, Missing) else pcie.numa_node(self._world, address)}

    # -- the link

    def _link(self, gpu, its_turn: bool) -> dict:
        known = self._links.get(gpu.key)
        if known is None or its_turn:
            told = {"name": gpu.name + "/pcie", "kind": "pcie", "accelerator": gpu.key}
            told.update(lost(_ASKED) if isinstance(gpu.handle, Missing) else _asked(self._world, self._nvml, gpu))
            if told != known:
                self._links[gpu.key] = told
        return self._links[gpu.key]

    # -- bytes a second

    def _traffic(self, gpu, its_turn: bool) -> dict:
        if isinstance(gpu.handle, Missing):
            return {"pcie_rx": gpu.handle, "pcie_tx": gpu.handle}
        counted = self._counted(gpu)
        if counted is not None:
            return counted
        if its_turn or gpu.key not in self._measured:
            best = self._link(gpu, False)["speed_max"]
            self._measured[gpu.key] = {name: _credible(rate, best) for name, rate in _measure(self._nvml, gpu).items()}
        return self._measured[gpu.key]

    def _counted(self, gpu) -> "dict | None":
        if gpu.key in self._measured:
            return None
        batch, rates = self._counters[gpu.key]
        counted = batch.values()
        for counter in counted:
            if isinstance(counter, Missing):  # a device that is lost may still have counters when it comes back
                return {"pcie_rx": counter, "pcie_tx": counter} if counter.code == LOST_CODE else None
        sent, received = rates.of(counted, self._world.monotonic())
        return {"pcie_rx": received, "pcie_tx": sent}


def _address(nvml, gpu) -> "str | Missing":
    """As sysfs writes it."""
    if isinstance(gpu.handle, Missing):
        return gpu.handle
    info = ask(nvml, "nvmlDeviceGetPciInfo_v3", gpu.handle)
    if isinstance(info, Missing):
        return info
    return pcie.normal(info.busId) if info.busId else UNSUPPORTED


def _asked(world, nvml, gpu) -> dict:
    """The link by the kernel, and by the driver what it knows better: it wakes the board, and counts by itself."""
    address = _address(nvml, gpu)
    told = {name: ask(nvml, call, gpu.handle) for name, call in _WIDTHS}
    if any(isinstance(value, Missing) and value.code == LOST_CODE for value in told.values()):
        return lost(_ASKED)
    cells = {}
    cells.update(dict.fromkeys(_ASKED, UNSUPPORTED))
    if not isinstance(address, Missing):
        cells.update(pcie.link_cells(world, address))
    cells.pop("kind", None)
    told["replay_errors"] = ask(nvml, "nvmlDeviceGetPcieReplayCounter", gpu.handle)
    counters = ask_fields(nvml, gpu.handle, [_RECOVERIES, _LCRC_ERRORS])
    told["recovery_errors"], told["crc_errors"] = counters
    cells.update((name, value) for name, value in told.items() if not isinstance(value, Missing))
    cells.update(_by_generation(cells))
    return cells


def _by_generation(cells: dict) -> dict:
    best = cells["gen_max"]
    return {
        "medium": best if isinstance(best, Missing) else "PCIe %d.0" % best,
        "up": cells["gen"] if isinstance(cells["gen"], Missing) else 1,
        "speed": pcie.speed_of(cells["gen"], cells["width"]),
        "speed_max": pcie.speed_of(best, cells["width_max"]),
    }


def _credible(rate: "int | Missing", best: "int | Missing") -> "int | Missing":
    """Some drivers (570 among them) tell a thousand times the rate: more than the link carries is no rate."""
    if isinstance(rate, Missing) or isinstance(best, Missing) or rate <= best:
        return rate
    return Missing(FAILED_CODE, "the driver tells %d B/s over a link of %d B/s" % (rate, best))


def _measure(nvml, gpu) -> dict:
    cells = {}
    for name, counter in (("pcie_tx", nvml.NVML_PCIE_UTIL_TX_BYTES), ("pcie_rx", nvml.NVML_PCIE_UTIL_RX_BYTES)):
        rate = ask(nvml, "nvmlDeviceGetPcieThroughput", gpu.handle, counter)
        cells[name] = rate if isinstance(rate, Missing) else rate * _KIB
    return cells
