"""Intel GPUs: Data Center Max and Flex, and Arc as far as its driver tells. What is measured stands in `xpu_cards`,
compiled only where there are such cards.
"""

from . import pcie
from .cells import Absent, Reading

_INTEL = 0x8086
_DISPLAY = 0x03  # base class: VGA, 3D, other display controllers
_INTEGRATED = "0000:00:"  # the bus of the processor itself: graphics there are part of it

LASTING = "name vendor model uuid serial bus_id driver firmware index numa".split()
LIVE = (
    "util dram_active mem_used mem_total temp temp_mem power power_limit power_max energy clock_sm clock_sm_max "
    "throttle ecc_corrected ecc_uncorrected pcie_rx pcie_tx processes pcie_gen pcie_gen_max pcie_width pcie_width_max"
).split()
PCIE = ["name", "accelerator", "rx", "tx", *pcie.METRICS]


class Sampler:
    period, deadline = 5.0, 45.0
    metrics = {"accelerator": LASTING + LIVE, "link": PCIE}
    owns = ("accelerator", "link")
    lasting = (*LASTING, "kind", "accelerator", "medium", "peer")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        devices(world)
        from .xpu_cards import Cards  # noqa: PLC0415

        self._world = world
        self._cards = Cards(world)

    def sample(self) -> Reading:
        return self._cards.sample(devices(self._world))


def devices(world) -> list:
    """The cards (pci.PciDevice). Raises Absent where there are none; graphics within a processor are none."""
    found = [
        device
        for device in world.pci()
        if device.vendor == _INTEL and device.kind >> 8 == _DISPLAY and not device.address.startswith(_INTEGRATED)
    ]
    if not found:
        raise Absent("no graphics card of Intel (vendor 8086, apart from those within processors) on the PCI bus")
    return found
