"""PCIe traffic of NVIDIA GPUs: byte counters from Hopper on; before, a call that measures for 20 ms.

That call is why this is a sampler of its own: it takes one GPU a sample, and nobody waits for it.
"""

from .cells import LOST_CODE, Missing, Rates, Reading, rounded
from .nvml import ask, closed, gpus, opened
from .nvml_fields import FieldBatch

_COUNTERS = [(197, 0), (198, 0)]  # field ids of nvml.h and no scope: bytes sent, bytes received
_KIB = 1024
_LIST_EVERY = 5  # samples


class Sampler:
    period, deadline = 2.0, 8.0
    metrics = {"accelerator": ("pcie_rx", "pcie_tx")}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._nvml = None
        self._gpus = []
        self._counters = {}  # device key -> FieldBatch
        self._rates = Rates()
        self._measured = {}  # device key -> cells, of devices without counters
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
            self._nvml, self._samples = opened(self._world), 0
        if self._samples % _LIST_EVERY == 0:
            self._gpus = gpus(self._nvml)
            self._counters = {gpu.key: FieldBatch(self._nvml, gpu.handle, _COUNTERS) for gpu in self._gpus}
        turn = self._samples % max(1, len(self._gpus))
        self._samples += 1
        return Reading({"accelerator": {gpu.key: self._cells(gpu, gpu.index == turn) for gpu in self._gpus}})

    def _cells(self, gpu, its_turn: bool) -> dict:
        if isinstance(gpu.handle, Missing):
            return {"pcie_rx": gpu.handle, "pcie_tx": gpu.handle}
        counted = self._counted(gpu)
        if counted is not None:
            return counted
        if its_turn or gpu.key not in self._measured:
            self._measured[gpu.key] = _measure(self._nvml, gpu)
        return self._measured[gpu.key]

    def _counted(self, gpu) -> "dict | None":
        if gpu.key in self._measured:
            return None
        sent, received = self._counters[gpu.key].values()
        for counter in (sent, received):
            if isinstance(counter, Missing):  # a device that is lost may still have counters when it comes back
                return {"pcie_rx": counter, "pcie_tx": counter} if counter.code == LOST_CODE else None
        at = self._world.monotonic()
        return {
            "pcie_rx": rounded(self._rates.rate((gpu.key, "rx"), received, at)),
            "pcie_tx": rounded(self._rates.rate((gpu.key, "tx"), sent, at)),
        }


def _measure(nvml, gpu) -> dict:
    cells = {}
    for name, counter in (("pcie_tx", nvml.NVML_PCIE_UTIL_TX_BYTES), ("pcie_rx", nvml.NVML_PCIE_UTIL_RX_BYTES)):
        rate = ask(nvml, "nvmlDeviceGetPcieThroughput", gpu.handle, counter)
        cells[name] = rate if isinstance(rate, Missing) else rate * _KIB
    return cells
