"""Where inference servers listen: by the commands of processes, by which sockets listen. Part of services.

A server in a container with a network of its own listens on that network's address, which the node reaches.
"""

from .listening import listening

MOST = 32  # servers of a node
_MOST_PIDS = 128
_MOST_ANCESTORS = 6
# kind -> (option that names the port of its metrics, its default)
_PORTS = {"vllm": ("--port", 8000), "triton": ("--metrics-port", 8002), "sglang": ("--port", 30000),
          "tgi": ("--port", 3000)}  # fmt: skip
_MODULES = {"vllm.entrypoints": "vllm", "sglang.launch_server": "sglang"}
_PROGRAMS = {"tritonserver": "triton", "text-generation-launcher": "tgi", "text-generation-router": "tgi"}
_SERVING = {"vllm": "vllm", "sglang": "sglang"}  # followed by `serve`


class Place:
    """Where something listens. `kind` is "" where only the port suggests a server; `inode` names the socket."""

    __slots__ = ("host", "inode", "kind", "port")

    def __init__(self, host: str, port: int, kind: str, inode: str) -> None:
        self.host = host
        self.port = port
        self.kind = kind
        self.inode = inode


class Finder:
    """`usual` are ports that are worth a question whoever listens there."""

    def __init__(self, world, usual: "tuple[int, ...]") -> None:
        self._world = world
        self._usual = usual

    def find(self, pids: "list[int]") -> "list[Place]":
        """`pids`: the processes on the accelerators; their ancestors are looked at, too."""
        here = listening(self._world)
        found = {}
        for pid, kind, port in self._servers(pids):
            place = self._place(pid, kind, port, here)
            if place is not None:
                found.setdefault((place.host, place.port), place)
        for port in self._usual:
            if port in here:
                host, inode = here[port]
                found.setdefault((host, port), Place(host, port, "", inode))
        return list(found.values())[:MOST]

    def _servers(self, pids: "list[int]") -> "list[tuple[int, str, int]]":
        """(pid, kind, port) of what serves."""
        found, seen = [], set()
        for holder in pids[:_MOST_PIDS]:
            for pid in self._ancestry(holder, seen):
                served = server_of(self._world.read_or_blank("/proc/%d/cmdline" % pid).split("\0"))
                if served:
                    found.append((pid, *served))
        return found

    def _ancestry(self, pid: int, seen: set):
        """A process and its ancestors, as far as they are not in `seen`."""
        for _ in range(_MOST_ANCESTORS):
            if pid <= 1 or pid in seen:
                return
            seen.add(pid)
            yield pid
            pid = _parent(self._world.read_or_blank("/proc/%d/stat" % pid))

    def _place(self, pid: int, kind: str, port: int, here: dict) -> "Place | None":
        if port in here:
            return Place(here[port][0], port, kind, here[port][1])
        inside = listening(self._world, "/proc/%d/net/" % pid)
        if port not in inside:
            return None
        host = own_address(self._world.read_or_blank("/proc/%d/net/fib_trie" % pid))
        return Place(host, port, kind, inside[port][1]) if host else None


def server_of(argv: "list[str]") -> "tuple[str, int] | None":
    """Kind and port of the server that a command line starts, None where it is none."""
    kind = _kind(argv)
    if not kind:
        return None
    option, usual = _PORTS[kind]
    for at, word in enumerate(argv):
        name, equals, text = word.partition("=")
        if name == option:
            text = text if equals else (argv[at + 1] if at + 1 < len(argv) else "")
            return (kind, int(text)) if text.isdigit() and 0 < int(text) < 65536 else None
    return kind, usual


def _kind(argv: "list[str]") -> str:
    if argv and argv[0].startswith("VLLM::"):  # what vLLM calls its processes
        return "vllm"
    for at, word in enumerate(argv[:8]):
        name = word.rpartition("/")[2]
        if name in _PROGRAMS:
            return _PROGRAMS[name]
        if name in _SERVING and argv[at + 1 : at + 2] == ["serve"]:
            return _SERVING[name]
        for module, kind in _MODULES.items():
            if word == module or word.startswith(module + "."):
                return kind
    return ""


def _parent(stat: str) -> int:
    words = stat.rpartition(")")[2].split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def own_address(trie: str) -> str:
    """The first address of a network (/proc/PID/net/fib_trie) that isn't the loopback, "" where there is none."""
    address = ""
    for line in trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"] and len(words) == 2:
            address = words[1]
        elif words == ["/32", "host", "LOCAL"] and not address.startswith("127."):
            return address
    return ""
