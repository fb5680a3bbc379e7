"""Google TPU chips: found on the PCI bus, and measured by the runtime of whatever program holds them.

What is measured stands in `tpu_host`, compiled only where there may be TPUs. What the runtime's service lacks is asked
by `tpu_sdk`.
"""

from . import pcie
from .cells import Absent, Reading

GOOGLE = 0x1AE0  # PCI vendor id; on its machines network cards have it too
PCIE = {"pcie_gen": "gen", "pcie_gen_max": "gen_max", "pcie_width": "width", "pcie_width_max": "width_max"}
_IDENTITY = "name vendor model uuid bus_id index numa partition_of".split()
_LIVE = "util dram_active mem_used mem_total queue exec_latency processes".split()


class Sampler:
    period, deadline = 1.0, 8.0
    metrics = {"accelerator": _IDENTITY + list(PCIE) + _LIVE, "link": ["name", "accelerator", *pcie.METRICS]}
    owns = ("accelerator", "link")
    lasting = (*_IDENTITY, "kind", "accelerator")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        if not any(device.vendor == GOOGLE for device in world.pci()):
            raise Absent("no TPU of Google (vendor 1ae0) on the PCI bus")
        from .tpu_host import TpuHost  # noqa: PLC0415 - costs its compilation

        self._host = TpuHost(world)

    def sample(self) -> Reading:
        return self._host.sample()
