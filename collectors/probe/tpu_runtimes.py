"""The runtimes on a host's TPU chips: where each serves its metrics, and which chips are its own.

A program of one process has one runtime; one of a process a chip has as many as chips, each with a service of its own
at the n-th of the ports in TPU_RUNTIME_METRICS_PORTS (in its environment, or told by the cloud: then they are 8431 and
the following ones). A runtime within a container listens in the container's network, at an address that the node
reaches. What isn't root's sees no other user's descriptors: whose a service is then remains open.
"""

from .device_files import SCAN_SHARE, opened
from .listening import listening
from .service_ports import own_address
from .tpu_service import Service

FIRST_PORT = 8431
_VARIABLE = b"TPU_RUNTIME_METRICS_PORTS="
_LOOK_SECONDS = 5.0
_MOST = 16  # services that are asked; no host has more chips


class Runtime:
    """One of them. `pids` are the processes that hold its socket, as far as they can be seen."""

    def __init__(self, place: "tuple[str, int]", service: Service) -> None:
        self.place = place  # host and port
        self.service = service
        self.pids = frozenset()

    def chips(self, chips: list, held: dict) -> list:
        """Those of `chips` that its processes hold; none where that can't be seen. `held`: pids or Missing by key."""
        return [chip for chip in chips if isinstance(held[chip.key], list) and self.pids & set(held[chip.key])]


class Runtimes:
    """Those of one host, looked for now and then."""

    def __init__(self, world) -> None:
        self._world = world
        self._known = {}  # place -> Runtime
        self._named = {}  # pid -> ports that its environment names
        self._pids = None
        self._due = 0.0
        self.looked_at = []  # ports

    def look(self, chips: int, held: dict) -> "list[Runtime]":
        """All that serve. `held`: pids, or a Missing, by chip."""
        pids = sorted({pid for listed in held.values() if isinstance(listed, list) for pid in listed})
        if pids != self._pids or self._world.monotonic() >= self._due:
            before = self._world.thread_cpu()
            self._pids = pids
            self._renew(self._found(list(range(FIRST_PORT, FIRST_PORT + chips)), pids))
            cost = self._world.thread_cpu() - before
            self._due = self._world.monotonic() + max(_LOOK_SECONDS, cost / SCAN_SHARE)
        return list(self._known.values())

    def _renew(self, found: dict) -> None:
        """`found`: as `_found` gives it."""
        for place in [place for place in self._known if place not in found]:
            self._known.pop(place).service.close()
        sockets = {pid: self._sockets(pid) for pid in self._pids or ()} if found else {}
        for place in sorted(found)[:_MOST]:
            if place not in self._known:
                self._known[place] = Runtime(place, Service(self._world, *place))
            name = "socket:[%s]" % found[place]
            self._known[place].pids = frozenset(pid for pid, held in sockets.items() if name in held)

    def _found(self, usual: "list[int]", pids: "list[int]") -> dict:
        """(host, port) -> inode of the socket."""
        here = self._network("self")
        tables = {here: listening(self._world)}
        found = {(tables[here][port][0], port): tables[here][port][1] for port in usual if port in tables[here]}
        self._named = {pid: self._named[pid] if pid in self._named else self._ports(pid) for pid in pids}
        self.looked_at = sorted({port for named in self._named.values() for port in named}.union(usual))
        for pid, named in self._named.items():
            network = self._network(pid) or here
            if network not in tables:
                tables[network] = listening(self._world, "/proc/%d/net/" % pid)
            inside = "" if network == here else own_address(self._world.read_or_blank("/proc/%d/net/fib_trie" % pid))
            for port in named or usual:
                host, inode = tables[network].get(port, ("", ""))
                if host and (inside or network == here):
                    found[inside or host, port] = inode
        return found

    def _ports(self, pid: int) -> "list[int]":
        try:
            environment = self._world.read_bytes("/proc/%d/environ" % pid)
        except OSError:
            return []
        told = [entry[len(_VARIABLE) :] for entry in environment.split(b"\0") if entry.startswith(_VARIABLE)]
        words = told[0].decode("latin-1").split(",") if told else []
        ports = [int(word) for word in words[:_MOST] if word.strip().isdigit()]
        return [port for port in ports if 0 < port < 65536]

    def _sockets(self, pid: int) -> set:
        try:
            return opened(self._world, pid)
        except OSError:  # it has just ended
            return set()

    def _network(self, pid: "int | str") -> str:
        """Which network a process lives in; "" where that can't be seen."""
        try:
            return self._world.readlink("/proc/%s/ns/net" % pid)
        except OSError:
            return ""
