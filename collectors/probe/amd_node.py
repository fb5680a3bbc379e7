"""All AMD boards of a node together: which there are, how they are joined, and whose turn it is to be looked at."""

from . import amd_kfd
from .amd_board import AmdBoard, traffic
from .amd_links import XgmiLinks
from .amd_partitions import Partitions
from .cells import UNSUPPORTED, Missing, Reading

_SLOW_EVERY = 10  # samples
_HOLDERS_EVERY = 2
_ROCM = ("/opt/rocm/.info/version", "/opt/rocm/.info/version-dev")


class AmdNode:
    """Made anew when boards come or go. `devices`: pci.PciDevices."""

    def __init__(self, world, devices: list) -> None:
        self._world = world
        software = {"driver": _driver(world), "runtime": _runtime(world)}
        self._boards = [AmdBoard(world, device, index, software) for index, device in enumerate(devices)]
        self._nodes = amd_kfd.topology(world)
        names = {board.address: board.known["name"] for board in self._boards}
        self._xgmi = {board.key: XgmiLinks(world, board, self._nodes, names) for board in self._boards}
        self._partitions = {board.key: Partitions(board, self._nodes) for board in self._boards}
        self._processes = amd_kfd.Holders(world, self._by_gpu_id())
        self._slow = {}  # key -> cells that are asked for now and then
        self._pcie = {}  # key -> cells of its PCIe link that are asked for now and then
        self._holders = {}
        self._samples = 0

    def sample(self) -> Reading:
        if self._samples % _HOLDERS_EVERY == 0:
            self._holders = self._who()
        accelerators, links, lanes, at = {}, {}, {}, self._world.monotonic()
        for board in self._boards:
            if board.key not in self._slow or (self._samples + board.index) % _SLOW_EVERY == 0:
                self._look_closer(board)
            quick = board.quick()
            rows, totals = self._xgmi[board.key].cells(board.metrics, at)
            held = self._holders.get(board.key, UNSUPPORTED)
            quick["processes"] = held if isinstance(held, Missing) else len(held)
            accelerators[board.key] = (board.known, self._slow[board.key], quick, totals)
            profile = self._slow[board.key]["profile"]
            accelerators.update(self._partitions[board.key].rows(profile, self._holders))
            links.update(rows)
            lanes["pcie:" + board.key] = (self._pcie[board.key], {"traffic": traffic(board.metrics)})
        links.update(lanes)
        self._samples += 1
        return Reading({"accelerator": accelerators, "link": links}, None, self._holders)

    def _look_closer(self, board: AmdBoard) -> None:
        slow, link = board.look_closer()
        known = self._slow.get(board.key)
        self._slow[board.key] = known if known == slow else slow
        row = dict(link, name=board.known["name"] + "/pcie", accelerator=board.key)
        if self._pcie.get(board.key) != row:
            self._pcie[board.key] = row

    def _by_gpu_id(self) -> "dict[int, str]":
        """Keys; who works on a partition holds that, not the board as well."""
        keys = {board.address: board.key for board in self._boards}
        found = {node.gpu_id: keys[node.address] for node in self._nodes.values() if node.address in keys}
        for parts in self._partitions.values():
            found.update((node.gpu_id, key) for node, key in zip(parts.nodes, parts.keys))
        return found

    def _who(self) -> dict:
        found = self._processes.look()
        found.update((key, []) for key, parts in self._partitions.items() if parts.nodes)
        return found


def _driver(world) -> str:
    """Version of the driver; that of the kernel where it is the kernel's own."""
    try:
        return world.read("/sys/module/amdgpu/version").strip()
    except OSError:
        return "of kernel " + world.uname().release


def _runtime(world) -> "str | Missing":
    for path in _ROCM:
        try:
            return "ROCm " + world.read(path).strip().partition("-")[0]
        except OSError:
            continue
    return UNSUPPORTED
