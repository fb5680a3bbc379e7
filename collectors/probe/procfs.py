"""Processes as /proc shows them: what each runs, for whom, in which cgroup, at what cost. Part of the sampler above."""

from . import environment
from .cells import NOT_PERMITTED_CODE, from_oserror
from .commands import LONGEST, command_text
from .jobs import cgroup_of, job_of

_TICKS_PER_SECOND = 100.0  # USER_HZ: the same on every Linux that has a GPU driver
_INIT, _INITS = 1, ("systemd", "init")
_ENDING = 1 << 8 | 1 << 14  # SIGKILL, SIGTERM


class Scan:
    """What all processes together show: pids of the largest, how many zombies, pids that sleep uninterruptibly."""

    __slots__ = ("top", "waiting", "zombies")

    def __init__(self, top: "list[int]", zombies: int, waiting: "list[int]") -> None:
        self.top = top
        self.zombies = zombies
        self.waiting = waiting


class Processes:
    """Remembers what doesn't change of a process, and its CPU time as of the last look."""

    def __init__(self, world) -> None:
        self._world = world
        self._page = world.page_size()
        self._known = {}  # pid -> (start ticks and name, row of what doesn't change, its workload)
        self._spent = {}  # pid -> (start ticks, CPU ticks, at), of the last look at this pid
        self._scanned = {}  # as _spent, of the last scan

    def describe(self, pid: int) -> "dict | None":
        """The row of a process (watchfloor.report.Process), None where it is gone or can't be seen."""
        stat = self._stat(pid)
        if stat is None:
            return None
        known, who = self._known.get(pid), (stat["start"], stat["name"])  # exec keeps the start and changes the name
        if known is None or known[0] != who:
            known = self._known[pid] = (who, *self._identity(pid, stat))
        row = dict(known[1])
        row["memory_bytes"] = stat["pages"] * self._page
        row["cpu_percent"] = self._percent(self._spent, pid, stat, self._world.monotonic())
        row["state"] = stat["state"]
        if stat["parent"] == _INIT and not row.get("cgroup", "").endswith(".service") and self._has_init():
            row["orphan"] = True
        return row

    def workload(self, pid: int) -> dict:
        """What a process that was described belongs to (watchfloor.report.Workload): the very same row each time."""
        return self._known[pid][2]

    def _has_init(self) -> bool:
        """Whether the first process adopts what others leave; in a container it may be the program itself."""
        return self._text("/proc/1/comm").strip() in _INITS

    def forget_all_but(self, pids) -> None:
        for kept in (self._known, self._spent):
            for pid in [pid for pid in kept if pid not in pids]:
                del kept[pid]

    def scan(self, count: int) -> "Scan":
        """All of /proc. Its `top` are the largest users of processor time since the last call, and of memory."""
        at, before, self._scanned = self._world.monotonic(), self._scanned, {}
        busy, large, zombies, waiting = [], [], 0, []
        for name in self._world.listdir("/proc"):
            stat = self._stat(int(name)) if name.isdigit() else None
            if stat is None:
                continue
            pid = int(name)
            if stat["state"] == "Z":
                zombies += 1
            elif stat["state"] == "D":
                waiting.append(pid)
            last = before.get(pid)
            if last is not None and last[0] == stat["start"]:
                busy.append((stat["spent"] - last[1], pid))
            large.append((stat["pages"], pid))
            self._scanned[pid] = (stat["start"], stat["spent"], at)
        chosen = sorted(busy, reverse=True)[:count] + sorted(large, reverse=True)[:count]
        return Scan(list(dict.fromkeys(pid for amount, pid in chosen if amount)), zombies, waiting)

    def hangs_in(self, pid: int) -> str:
        """Where in the kernel a process hangs that was told to end, "" for one that doesn't.

        It sleeps uninterruptibly, with a SIGKILL or SIGTERM waiting for it. The kernel's function is told to root and
        to its owner alone.
        """
        if not is_told_to_end(self._text("/proc/%d/status" % pid)):
            return ""
        function = self._text("/proc/%d/wchan" % pid).strip()
        return function if function not in ("", "0") else "?"

    def _stat(self, pid: int) -> "dict | None":
        try:
            return parse_stat(self._world.first_page("/proc/%d/stat" % pid))
        except OSError:
            return None

    def _percent(self, spent: dict, pid: int, stat: dict, at: float) -> float:
        """Percent of one processor since the last look; since its start on the first one."""
        before = spent.get(pid)
        spent[pid] = (stat["start"], stat["spent"], at)
        if before is None or before[0] != stat["start"]:
            age = self._uptime() - stat["start"] / _TICKS_PER_SECOND
            return round(stat["spent"] / max(age, 1.0), 1)
        return round((stat["spent"] - before[1]) / max(at - before[2], 0.01), 1)

    def _identity(self, pid: int, stat: dict) -> "tuple[dict, dict]":
        folder = "/proc/%d" % pid
        cgroup = cgroup_of(self._text(folder + "/cgroup"))
        row = {
            "pid": pid,
            "user": self._user(folder),
            "command": command_text(self._text(folder + "/cmdline"), stat["name"]),
            "started_at": round(self._world.now() - self._uptime() + stat["start"] / _TICKS_PER_SECOND),
        }
        scheduled = job_of(cgroup)
        workload = self._workload(pid, stat["start"], row["user"], scheduled)
        job = scheduled or environment.job(workload.get("environment", {}))
        row.update((name, text) for name, text in (("cgroup", cgroup), ("job", job)) if text)
        return row, workload

    def _workload(self, pid: int, start: int, user: str, job: str) -> dict:
        """Of /proc alone, which answers at once: what the working directory holds may lie on a server that hangs."""
        folder = "/proc/%d" % pid
        row = {"pid": pid, "start": start}  # type: dict
        try:
            variables = environment.allowed(self._world.read_start(folder + "/environ", environment.LOOKED_AT))
        except OSError as error:
            row.update(missing=from_oserror(error).code, words=_refusal(error, user))
            variables = {}
        variables = environment.of_job(variables, job)
        if variables:
            row["environment"] = variables
            row.update(environment.told(variables))
        if job.startswith("pod:"):
            from .pods import name_of  # noqa: PLC0415 - a node without pods doesn't need it

            pod = name_of(self._world, job)
            row.update({"pod": pod} if pod else {})
        try:
            row["directory"] = command_text(self._world.readlink(folder + "/cwd"), "")[:LONGEST]
        except OSError:
            pass
        return row

    def _user(self, folder: str) -> str:
        try:
            return self._world.user_of(self._world.owner(folder))
        except OSError:
            return ""

    def _text(self, path: str) -> str:
        try:
            return self._world.read(path)
        except OSError:
            return ""

    def _uptime(self) -> float:
        return float(self._world.read("/proc/uptime", keep=True).split()[0])


def _refusal(error: OSError, user: str) -> str:
    words = "/proc/PID/environ: %s" % error.strerror
    if from_oserror(error).code == NOT_PERMITTED_CODE:
        words += "; it takes a probe that runs as root or as %s" % (user or "its user")
    return words


def parse_stat(text: str) -> dict:
    """/proc/PID/stat: name, state, parent, CPU ticks spent, start in ticks since boot, resident pages.

    A name may hold ") ".
    """
    head, _, rest = text.rpartition(")")
    words = rest.split()
    return {
        "name": head.partition("(")[2],
        "state": words[0],
        "parent": int(words[1]),
        "spent": int(words[11]) + int(words[12]),
        "start": int(words[19]),
        "pages": int(words[21]),
    }


def is_told_to_end(status: str) -> bool:
    """/proc/PID/status: in state D, and a SIGKILL or SIGTERM waits for it."""
    facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if not facts.get("State", "").strip().startswith("D"):
        return False
    return any(int(facts.get(name, "0"), 16) & _ENDING for name in ("ShdPnd", "SigPnd"))
