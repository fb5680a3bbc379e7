"""AMD's compute driver as /sys/class/kfd shows it: the GPUs, how they are joined, and who works on them.

Files: drivers/gpu/drm/amd/amdkfd/kfd_topology.c; link types and flags: kfd_crat.h.
"""

from .cells import from_oserror

_NODES = "/sys/class/kfd/kfd/topology/nodes/"
_PROCESSES = "/sys/class/kfd/kfd/proc/"
_XGMI = 11  # CRAT_IOLINK_TYPE_XGMI
_ENABLED = 1  # CRAT_IOLINK_FLAGS_ENABLED
_ONE_HOP = 15  # weight of a link that leads straight to its peer
_MEGABYTES = 1_000_000
_MOST_PROCESSES = 256
_EVERYWHERE_EVERY = 8  # looks


class Node:
    """A node of the topology: a GPU, a partition of one, or (with 0 for its id) a processor."""

    __slots__ = ("address", "gpu_id", "hive", "links", "memory", "partition")

    def __init__(self, gpu_id: int, properties: "dict[str, int]", memory: int, links: "list[Link]") -> None:
        self.gpu_id = gpu_id
        self.address = address(properties)  # of PCI, that of its board; "" of a processor
        self.partition = properties.get("location_id", 0) & 7  # its number within the board
        self.hive = properties.get("hive_id", 0)  # those that are joined by XGMI have the same one; 0: none
        self.memory = memory  # bytes
        self.links = links


class Link:
    """One way from a node. `speed` in bytes a second and direction, 0 where it isn't told."""

    __slots__ = ("enabled", "is_xgmi", "speed", "to")

    def __init__(self, to: int, is_xgmi: bool, speed: int, enabled: bool) -> None:
        self.to = to  # number of a node
        self.is_xgmi = is_xgmi  # and leads straight there
        self.speed = speed
        self.enabled = enabled


def topology(world) -> "dict[int, Node]":
    """By number; empty where the driver isn't loaded, or may not be read."""
    found = {}
    for number in _numbers(world, _NODES):
        folder = "%s%d/" % (_NODES, number)
        try:
            properties = parse_properties(world.read(folder + "properties"))
            gpu_id = int(world.read(folder + "gpu_id"))
        except (OSError, ValueError):  # EPERM: the GPU of another container
            continue
        found[number] = Node(gpu_id, properties, _bank(world, folder), _links(world, folder))
    return found


def _bank(world, folder: str) -> int:
    """Bytes of a node's memory; 0 where it isn't told."""
    try:
        return parse_properties(world.read(folder + "mem_banks/0/properties")).get("size_in_bytes", 0)
    except OSError:
        return 0


def _links(world, folder: str) -> "list[Link]":
    found = []
    for number in _numbers(world, folder + "io_links/"):
        try:
            found.append(link(parse_properties(world.read("%sio_links/%d/properties" % (folder, number)))))
        except (OSError, KeyError):
            continue
    return found


def _numbers(world, folder: str) -> "list[int]":
    try:
        return sorted(int(name) for name in world.listdir(folder.rstrip("/")) if name.isdigit())
    except OSError:
        return []


def parse_properties(text: str) -> "dict[str, int]":
    """A file properties, "name number" a line."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def address(properties: "dict[str, int]") -> str:
    """PCI address; that of its board where the node is a partition, whose number stands in place of the function."""
    location = properties.get("location_id", 0)
    if not location:
        return ""
    return "%04x:%02x:%02x.0" % (properties.get("domain", 0), location >> 8 & 0xFF, location >> 3 & 0x1F)


def link(properties: "dict[str, int]") -> Link:
    """Raises KeyError for what is no link."""
    return Link(
        properties["node_to"],
        properties["type"] == _XGMI and properties.get("weight", _ONE_HOP) <= _ONE_HOP,
        properties.get("max_bandwidth", 0) * _MEGABYTES,
        bool(properties.get("flags", _ENABLED) & _ENABLED),
    )


class Holders:
    """The processes that hold memory, by accelerator key. `keys`: by gpu_id.

    Each process has a file for every GPU, also for those that it doesn't use: on a node of 64 partitions these are
    thousands, so those that were empty are looked at seldom.
    """

    def __init__(self, world, keys: "dict[int, str]") -> None:
        self._world = world
        self._keys = keys
        self._using = {}  # pid -> gpu_ids on which it held memory
        self._looks = 0

    def look(self) -> dict:
        """As in cells.Reading; a reason for all of them where the driver doesn't tell."""
        try:
            pids = sorted(int(name) for name in self._world.listdir(_PROCESSES.rstrip("/")) if name.isdigit())
        except OSError as error:
            return dict.fromkeys(self._keys.values(), from_oserror(error))
        found, using = {key: [] for key in self._keys.values()}, {}
        for pid in pids[:_MOST_PROCESSES]:
            known = self._using.get(pid)
            everywhere = not known or (self._looks + pid) % _EVERYWHERE_EVERY == 0
            held = self._memory(pid, self._keys if everywhere else known)
            using[pid] = list(held)
            for gpu_id, used in held.items():
                found[self._keys[gpu_id]].append((pid, used, "compute"))
        self._using = using
        self._looks += 1
        return found

    def _memory(self, pid: int, gpu_ids) -> "dict[int, int]":
        """Bytes by gpu_id, where it holds any; a process that has just ended holds nothing."""
        found = {}
        for gpu_id in gpu_ids:
            try:
                used = int(self._world.read("%s%d/vram_%d" % (_PROCESSES, pid, gpu_id)))
            except (OSError, ValueError):
                continue
            if used:
                found[gpu_id] = used
        return found
