"""AMD GPUs and their XGMI and PCIe links, through the files of the drivers amdgpu and kfd.

These tell what amd-smi would, which reads them itself, without a second of processor time for each answer; where they
tell less, `amd_tool` asks the tool. What changes slowly is asked every ten seconds, of one board a tick.
"""

from . import pcie
from .cells import Absent, Reading
from .pci import ROOT
from .sysfs import attribute

_VENDOR, _DRIVER = 0x1002, "amdgpu"
_GENERATION = "/sys/class/kfd/kfd/topology/generation_id"  # another one where boards were partitioned anew
_DISPLAY, _PROCESSING = 0x03, 0x12  # PCI classes
# Graphics within processors have the ids of these: Raven 15dd to Strix Halo 1586, Kabini 9830 to Stoney 98e4. Boards
# have none of them, MI300A neither (74a0).
_WITHIN = (range(0x1000, 0x2000), range(0x9600, 0xA000))
_OF_PROCESSORS = (2, 3)  # revisions of gpu_metrics

_within = {}  # PciDevice -> whether it is part of a processor, found out once

# Those of amd_board and amd_links, which are compiled only where there is a board; a test holds them together
_IDENTITY = "name vendor model uuid serial bus_id board driver runtime firmware partition_of index numa".split()
_LIVE = (
    "mem_total power_limit power_min power_max clock_sm_max clock_mem_max fan ecc_mode ecc_corrected ecc_uncorrected "
    "pages_retired profile pcie_gen pcie_gen_max pcie_width pcie_width_max util mem_util mem_used temp temp_mem "
    "temp_margin power energy clock_sm clock_mem pcie_replays throttle throttle_power_time throttle_thermal_time "
    "links_up links_max link_rx link_tx fabric processes"
).split()
_XGMI = "name kind medium accelerator peer up speed speed_max width rx tx".split()


class Sampler:
    period, deadline = 1.0, 8.0
    metrics = {"accelerator": _IDENTITY + _LIVE, "link": list(dict.fromkeys((*_XGMI, *pcie.METRICS, "traffic")))}
    owns = ("accelerator", "link")
    lasting = (*_IDENTITY, "kind", "medium", "accelerator", "peer")
    awaited, follows_holders = True, False

    def __init__(self, world, board) -> None:
        boards(world)
        self._world = world
        self._node = None  # AmdNode
        self._seen = None  # what it was made of

    def sample(self) -> Reading:
        seen = boards(self._world), attribute(self._world, _GENERATION)
        if self._node is None or seen != self._seen:
            from .amd_node import AmdNode  # noqa: PLC0415 - costs its compilation: only where there is a board

            self._node, self._seen = AmdNode(self._world, seen[0]), seen
        return self._node.sample()


def boards(world) -> list:
    """The PCI devices of AMD's GPUs. Raises Absent where there is none, or none that its driver has."""
    gpus = [device for device in world.pci() if device.vendor == _VENDOR and _is_gpu(device)]
    found = [device for device in gpus if not is_within_a_processor(world, device)]
    if not found:
        within = ", apart from the graphics of a processor" if gpus else ""
        raise Absent("no PCI device of AMD (vendor 1002) that is a GPU%s" % within)
    driven = [device for device in found if device.driver == _DRIVER]
    if not driven:
        raise Absent("%d AMD GPUs, none of them with the driver amdgpu" % len(found))
    return driven


def _is_gpu(device) -> bool:
    return device.kind >> 8 in (_DISPLAY, _PROCESSING)


def is_within_a_processor(world, device) -> bool:
    """Whether a GPU is the graphics of a processor, which nobody bought to compute with, and no accelerator.

    Neither kfd nor amd-smi tell: both list such GPUs as they list boards, and kfd shows them without processor cores
    since Raven. The driver's table does: revisions 2 and 3 are those of processors with graphics; the processors that
    are made for computing (MI300A) have 1, as boards have. A processing accelerator by its PCI class needs no
    question, and where there is no table, or it is refused during a reset, the PCI id answers.
    """
    if device not in _within:
        _within[device] = device.kind >> 8 == _DISPLAY and _looks_within(world, device)
    return _within[device]


def _looks_within(world, device) -> bool:
    try:
        return world.read_bytes(ROOT + device.address + "/gpu_metrics")[2] in _OF_PROCESSORS
    except (OSError, IndexError):
        return any(device.device in ids for ids in _WITHIN)
