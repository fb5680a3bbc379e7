"""Which processes have a device file open, from the links in /proc/PID/fd.

For vendors whose drivers don't tell. Looking through all processes costs, so it is done as seldom as keeps it below
SCAN_SHARE of one processor. Only root sees the files of other users' processes.
"""

from .cells import NOT_PERMITTED_CODE, Missing

SCAN_SHARE = 0.0005
_SCAN_SECONDS = 10.0
_UNSEEN = Missing(NOT_PERMITTED_CODE, "open files of other users' processes are not visible to the probe's user")


class DeviceFiles:
    """`holders` of a path are pids; a Missing where none is seen and not every process could be looked into."""

    def __init__(self, world) -> None:
        self._world = world
        self._due = 0.0
        self._holders = {}  # path -> pids
        self._blind = False

    def look(self, paths: "list[str]") -> None:
        """Look through the processes, where that is due."""
        if self._world.monotonic() < self._due:
            return
        before = self._world.thread_cpu()
        wanted = frozenset(paths)
        self._holders, self._blind = {}, False
        for name in self._world.listdir("/proc"):
            if name.isdigit():
                for path in self._opened(name) & wanted:
                    self._holders.setdefault(path, []).append(int(name))
        cost = self._world.thread_cpu() - before
        self._due = self._world.monotonic() + max(_SCAN_SECONDS, cost / SCAN_SHARE)

    def _opened(self, pid: str) -> set:
        try:
            return opened(self._world, pid)
        except PermissionError:
            self._blind = True
        except OSError:  # it has just ended
            pass
        return set()

    def holders(self, path: str) -> "list[int] | Missing":
        held = sorted(self._holders.get(path, ()))
        return _UNSEEN if self._blind and not held else held


def opened(world, pid: "int | str") -> set:
    """What the descriptors of a process lead to: paths, "socket:[<inode>]" and the like. Raises OSError."""
    folder = "/proc/%s/fd" % pid
    return {_target(world, "%s/%s" % (folder, name)) for name in world.listdir(folder)}


def _target(world, link: str) -> str:
    try:
        return world.readlink(link)
    except OSError:  # closed since
        return ""
