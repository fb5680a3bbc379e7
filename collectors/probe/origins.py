"""What the processes on the accelerators were started from: the image of their container, the commit of their folder.

Looked at once a process. Homes lie on servers that may hang: a sampler of its own, so that nothing else hangs then.
"""

from . import environment
from .cells import NOT_PERMITTED_CODE, UNSUPPORTED_CODE, Absent, Missing, Reading

_LOOKED_AT = 32  # processes at one time; the others wait for the next one
_SHOWN = 256


class Sampler:
    period, deadline = 20.0, 30.0
    metrics = {}
    owns = lasting = ()
    awaited, follows_holders = False, True

    def __init__(self, world, board) -> None:
        if not world.exists("/proc/uptime"):
            raise Absent("no processes in /proc")
        self._world = world
        self._board = board
        self._known = {}  # pid -> its row (watchfloor.report.Origin)

    def sample(self) -> Reading:
        held = [listed for by_key in self._board.holders.values() for listed in by_key.values()]
        pids = sorted({pid for listed in held if isinstance(listed, list) for pid, _, _ in listed})[:_SHOWN]
        starts = {pid: self._start(pid) for pid in pids}
        known = {pid: row for pid, row in self._known.items() if starts.get(pid) == row["start"]}
        new = [pid for pid in pids if pid not in known and starts[pid] is not None]
        self._known = known
        if new:
            self._look_at(new[:_LOOKED_AT], starts)
        rows = [known[pid] for pid in sorted(known)]
        return Reading({}, {"origins": [row for row in rows if len(row) > 2]})

    def _look_at(self, pids: "list[int]", starts: dict) -> None:
        looks = {}  # ranks of one program in one place have one origin
        for pid in pids:
            who = self._who(pid)
            if who not in looks:
                looks[who] = self._origin(pid, *who)
            self._known[pid] = dict(looks[who], pid=pid, start=starts[pid])

    def _start(self, pid: int) -> "int | None":
        from .procfs import parse_stat  # noqa: PLC0415 - a node without work doesn't need it

        try:
            return parse_stat(self._world.first_page("/proc/%d/stat" % pid))["start"]
        except OSError:
            return None

    def _who(self, pid: int) -> tuple:
        """User, container, image that its environment names, and working directory; of that, why it can't be seen."""
        from .containers import container_of  # noqa: PLC0415

        folder = "/proc/%d" % pid
        try:
            uid = self._world.owner(folder)
            container = container_of(self._world.read(folder + "/cgroup"))
        except OSError:
            return -1, "", "", ""
        try:
            variables = self._world.read_start(folder + "/environ", environment.LOOKED_AT)
        except OSError:
            variables = b""
        image = environment.image(environment.allowed(variables))
        try:
            return uid, container, image, self._world.readlink(folder + "/cwd")
        except OSError as error:
            words = "its working directory: %s; it takes a probe that runs as root or as %s"
            refused = Missing(NOT_PERMITTED_CODE, words % (error.strerror, self._world.user_of(uid)))
            return uid, container, image, refused if error.errno in (1, 13) else ""

    def _origin(self, pid: int, uid: int, container: str, image: str, directory: "str | Missing") -> dict:
        from .checkouts import Place  # noqa: PLC0415
        from .commands import LONGEST, redacted  # noqa: PLC0415

        found = {}
        image = image or self._image(container)
        if image:
            found["image"] = redacted(image)[:LONGEST]
        folder, commit = "", directory or Missing(UNSUPPORTED_CODE)
        if not isinstance(commit, Missing):
            folder, commit = Place(self._world, "/proc/%d/root" % pid, uid).checkout(commit)
        if folder:
            found["checkout"] = redacted(folder)[:LONGEST]
        if not isinstance(commit, Missing):
            found["commit"] = commit
        elif commit.note:
            found.update(missing=commit.code, words=commit.note)
        return found

    def _image(self, container: str) -> str:
        if not container:
            return ""
        from .containers import image  # noqa: PLC0415

        found, _ = image(self._world, container)
        return "" if isinstance(found, Missing) else found
