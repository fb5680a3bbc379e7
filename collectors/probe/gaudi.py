"""Intel Gaudi accelerators. What is measured stands in `gaudi_cards`, compiled only where there are such cards; their
network ports have a sampler of their own: gaudi_ports.
"""

from . import pcie
from .cells import Absent, Reading

VENDOR = 0x1DA3  # Habana Labs
LASTING = "name vendor model uuid serial bus_id board driver firmware index numa".split()
LIVE = (
    "util mem_used mem_total temp temp_mem power power_limit power_max clock_sm clock_sm_max throttle ecc_mode "
    "ecc_corrected ecc_uncorrected ecc_corrected_total ecc_uncorrected_total rows_corrected rows_uncorrected "
    "rows_pending processes pcie_gen pcie_gen_max pcie_width pcie_width_max"
).split()
PCIE = ["name", "accelerator", *pcie.METRICS]


class Sampler:
    period, deadline = 5.0, 45.0
    metrics = {"accelerator": LASTING + LIVE, "link": PCIE}
    owns = ("accelerator", "link")
    lasting = (*LASTING, "kind", "accelerator", "medium", "peer")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        addresses(world)
        from .gaudi_cards import Cards  # noqa: PLC0415

        self._world = world
        self._cards = Cards(world)

    def sample(self) -> Reading:
        return self._cards.sample(addresses(self._world))


def addresses(world) -> "list[str]":
    """PCI addresses of the cards. Raises Absent where there are none."""
    found = [device.address for device in world.pci() if device.vendor == VENDOR]
    if not found:
        raise Absent("no accelerator of Habana (vendor 1da3) on the PCI bus")
    return found


def key_of(address: str) -> str:
    """The accelerator's key: by its place, which is known even while the card tells nothing."""
    return "habana:" + address
