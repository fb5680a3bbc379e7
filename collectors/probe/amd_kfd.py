"""AMD's compute driver as /sys/class/kfd shows it: the GPUs, how they are joined, and who works on them.

Files: drivers/gpu/drm/amd/amdkfd/kfd_topology.c; link types and flags: kfd_crat.h.
"""

from .cells import UNSUPPORTED, from_oserror

_NODES = "/sys/class/kfd/kfd/topology/nodes/"
_PROCESSES = "/sys/class/kfd/kfd/proc/"
_XGMI = 11  # CRAT_IOLINK_TYPE_XGMI
_ENABLED = 1  # CRAT_IOLINK_FLAGS_ENABLED
_ONE_HOP = 15  # weight of a link that leads straight to its peer
_MEGABYTES = 1_000_000


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


def holders(world, keys: "dict[int, str]") -> dict:
    """Accelerator key -> processes that hold memory on it, as in cells.Reading, or why not. `keys`: by gpu_id."""
    try:
        pids = sorted(int(name) for name in world.listdir(_PROCESSES.rstrip("/")) if name.isdigit())
    except OSError as error:
        return dict.fromkeys(keys.values(), UNSUPPORTED if error.errno == 2 else from_oserror(error))
    found = {key: [] for key in keys.values()}
    for pid in pids:
        for gpu_id, key in keys.items():
            used = _memory(world, pid, gpu_id)
            if used:
                found[key].append((pid, used, "compute"))
    return found


def _memory(world, pid: int, gpu_id: int) -> int:
    """Bytes; 0 also where the process doesn't use this GPU, or has just ended."""
    try:
        return int(world.read("%s%d/vram_%d" % (_PROCESSES, pid, gpu_id)))
    except (OSError, ValueError):
        return 0
