"""PCIe traffic of NVIDIA GPUs: byte counters from Hopper on; before, a call that measures for 20 ms.

That call is why this is a sampler of its own: it takes one GPU a tick, and nobody waits for it.
"""

from .cells import Missing, Rates, Reading, rounded
from .nvml import ask, ask_fields, closed, gpus, opened

_SENT_FIELD, _RECEIVED_FIELD = 197, 198  # field ids of nvml.h, bytes
_KIB = 1024
_LIST_EVERY = 10  # samples


class Sampler:
    period, deadline = 1.0, 8.0
    metrics = {"accelerator": ("pcie_rx", "pcie_tx")}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._nvml = None
        self._gpus = []
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
            self._measured[gpu.key] = self._measure(gpu)
        return self._measured[gpu.key]

    def _counted(self, gpu) -> "dict | None":
        if gpu.key in self._measured:
            return None
        sent, received = ask_fields(self._nvml, gpu.handle, [_SENT_FIELD, _RECEIVED_FIELD])
        if isinstance(sent, Missing) or isinstance(received, Missing):
            return None
        at = self._world.monotonic()
        return {
            "pcie_rx": rounded(self._rates.rate((gpu.key, "rx"), received, at)),
            "pcie_tx": rounded(self._rates.rate((gpu.key, "tx"), sent, at)),
        }

    def _measure(self, gpu) -> dict:
        nvml = self._nvml
        cells = {}
        for name, counter in (("pcie_tx", nvml.NVML_PCIE_UTIL_TX_BYTES), ("pcie_rx", nvml.NVML_PCIE_UTIL_RX_BYTES)):
            rate = ask(nvml, "nvmlDeviceGetPcieThroughput", gpu.handle, counter)
            cells[name] = rate if isinstance(rate, Missing) else rate * _KIB
        return cells
