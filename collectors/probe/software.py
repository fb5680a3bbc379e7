"""The software of every layer, from firmware to inference server: the detail "stack" (watchfloor.report.Software).

Equal nodes tell equal rows: they are sorted, and hold no process ids and no times. What can't be read stands there
with its reason. Slow by nature and rarely of another value, so it is looked at once a minute, and when the processes
on the accelerators change.
"""

from .cells import Absent, Reading

_NODE_SECONDS = 55.0  # what the node itself has
_PROGRAM_SECONDS = 3600.0  # what programs have to be run for
_MOST_ROWS = 300


class Sampler:
    period, deadline = 60.0, 40.0
    metrics = {}
    owns = lasting = ()
    awaited, follows_holders = False, True

    def __init__(self, world, board) -> None:
        if not world.exists("/proc/self"):
            raise Absent("no /proc")
        self._world = world
        self._board = board
        self._processes = self._holders = None
        self._kept = {}  # name of a part -> (when it was read, its rows)

    def sample(self) -> Reading:
        from . import software_node, software_programs  # noqa: PLC0415 - after the first report: they cost compilation

        rows = [
            *self._part("node", _NODE_SECONDS, software_node.rows),
            *self._part("programs", _PROGRAM_SECONDS, software_programs.rows),
            *self._running(),
        ]
        return Reading({}, {"stack": distinct(rows)[:_MOST_ROWS]})

    def _part(self, name: str, seconds: float, read) -> "list[dict]":
        now = self._world.monotonic()
        if name not in self._kept or now - self._kept[name][0] >= seconds:
            self._kept[name] = (now, read(self._world))
        return self._kept[name][1]

    def _running(self) -> "list[dict]":
        pids = self._pids()
        if not pids and self._processes is None:
            return []
        from .software_processes import Processes  # noqa: PLC0415 - a node without work doesn't need it

        if self._processes is None:
            self._processes = Processes(self._world)
        return self._processes.rows(pids)

    def _pids(self) -> "list[int]":
        """As the drivers tell; where none tells anything, as the open device files do."""
        told = [held for by_key in self._board.holders.values() for held in by_key.values() if isinstance(held, list)]
        if told:
            return sorted({pid for held in told for pid, _, _ in held})
        from .software_holders import Holders  # noqa: PLC0415 - most drivers tell

        if self._holders is None:
            self._holders = Holders(self._world)
        return self._holders.pids()


def distinct(rows: "list[dict]") -> "list[dict]":
    """Each row once, in one order. Where one path has a version for each of two things, both stay."""
    order = ("layer", "name", "version", "user", "where")
    found = {tuple(row.get(name, "") for name in order): row for row in rows}
    return [found[key] for key in sorted(found)]
