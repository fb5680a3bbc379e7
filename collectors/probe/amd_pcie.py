"""What goes over the PCIe link of an AMD board whose driver counts packets: Vega, MI50 to MI200.

The file pcie_bw counts while it is read, for a second: so this is a sampler of its own, which takes one board a sample.
Bytes are packets times the largest payload, as the driver's document has it: there may be fewer, never more.
"""

from .amd import boards
from .cells import Absent, Missing, Reading
from .pci import ROOT
from .sysfs import attribute

_FILE = "/pcie_bw"


class Sampler:
    period, deadline = 2.0, 12.0
    metrics = {"accelerator": ["pcie_rx", "pcie_tx"], "link": ["rx", "tx"]}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._measured = {}  # key -> (received, sent)
        self._samples = 0

    def sample(self) -> Reading:
        counting = [board for board in boards(self._world) if self._world.exists(ROOT + board.address + _FILE)]
        if not counting:
            raise Absent("no AMD board whose driver counts PCIe packets (pcie_bw)")
        from .amd_identity import key_of  # noqa: PLC0415 - only where there is such a board

        board = counting[self._samples % len(counting)]
        self._samples += 1
        self._measured[key_of(self._world, board)] = parse(attribute(self._world, ROOT + board.address + _FILE, False))
        rows = {key: {"pcie_rx": received, "pcie_tx": sent} for key, (received, sent) in self._measured.items()}
        links = {"pcie:" + key: {"rx": received, "tx": sent} for key, (received, sent) in self._measured.items()}
        return Reading({"accelerator": rows, "link": links})


def parse(told: "str | Missing") -> tuple:
    """Bytes a second in and out, of "<packets received> <packets sent> <largest payload>"; twice why there are none."""
    if isinstance(told, Missing):
        return told, told
    received, sent, payload = (int(word) for word in told.split())
    return received * payload, sent * payload
