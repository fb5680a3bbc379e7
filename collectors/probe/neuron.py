"""AWS Trainium and Inferentia: devices through `neuron-ls` and sysfs, values through the stream of `neuron-monitor`.

What is measured stands in `neuron_node`, compiled only where there are such devices.
"""

from . import pcie
from .cells import Absent, Reading

_AMAZON = 0x1D0F
MODELS = {
    0x7064: "Inferentia", 0x7065: "Inferentia", 0x7066: "Inferentia", 0x7067: "Inferentia", 0x7264: "Inferentia2",
    0x7164: "Trainium", 0x7364: "Trainium2", 0x7564: "Trainium3", 0x7565: "Trainium3",
}  # fmt: skip
PCIE = {"pcie_gen": "gen", "pcie_gen_max": "gen_max", "pcie_width": "width", "pcie_width_max": "width_max"}
_IDENTITY = "name vendor model uuid serial bus_id driver runtime index numa partition_of mem_total links_max".split()
LOAD = "util sm_active mem_used exec_latency".split()  # what neuron-monitor alone tells
_OTHERS = "ecc_corrected ecc_uncorrected ecc_sram power_share exec_errors processes".split()


class Sampler:
    period, deadline = 2.0, 30.0
    metrics = {
        "accelerator": _IDENTITY + list(PCIE) + LOAD + _OTHERS,
        "link": ["name", "accelerator", *pcie.METRICS],
    }
    owns = ("accelerator", "link")
    lasting = (*_IDENTITY, "kind", "accelerator", "peer")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        found = [device for device in world.pci() if device.vendor == _AMAZON and device.device in MODELS]
        if not found:
            raise Absent("no Neuron device of Amazon (vendor 1d0f) on the PCI bus")
        from .neuron_node import NeuronNode  # noqa: PLC0415 - costs its compilation

        self.node = NeuronNode(world, found)

    def sample(self) -> Reading:
        return self.node.sample()
