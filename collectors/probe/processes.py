"""Who uses the node: the processes that hold accelerators, the largest users of processor and memory, those that hang.

The holders are looked at every few seconds. Reading all of /proc costs a large node tens of milliseconds, so that
happens as seldom as keeps it below SCAN_SHARE of one processor.
"""

from . import procfs
from .cells import NOT_PERMITTED_CODE, NOT_YET, UNSUPPORTED, Absent, Missing, Reading
from .environment import joined, rank_text
from .sysfs import attribute

SCAN_SHARE = 0.0001
_SCAN_SECONDS = 30.0
_SHOWN_HOLDERS, _SHOWN_CONSUMERS, _SHOWN_HANGING = 256, 10, 32
_HANGS_SECONDS = 30.0  # what is told to end gets so long
_TEXTS = ("user", "job", "rank", "run", "command")
_UNSEEN = Missing(NOT_PERMITTED_CODE, "its process is not visible from here (another pid namespace, or hidepid)")


class Sampler:
    period, deadline = 5.0, 10.0
    metrics = {"accelerator": (*_TEXTS, "orphan_mem"), "node": ("zombies", "unkillable", "pid_max")}
    owns = lasting = ()
    awaited, follows_holders = False, True

    def __init__(self, world, board) -> None:
        if not world.exists("/proc/uptime"):
            raise Absent("no processes in /proc")
        self._world = world
        self._board = board
        self._reader = procfs.Processes(world)
        self._consumers = {}  # pid -> row, as of the last scan
        self._hanging = {}  # pid -> since when it doesn't end
        self._figures = {
            "zombies": NOT_YET,
            "unkillable": NOT_YET,
            "pid_max": _number(world, "/proc/sys/kernel/pid_max"),
        }
        self._scan_at = world.monotonic() + 2.0  # the first reports have more urgent things to do

    def sample(self) -> Reading:
        holders = {key: held for by_key in self._board.holders.values() for key, held in by_key.items()}
        if self._world.monotonic() >= self._scan_at:
            self._scan()
        held = {pid for listed in holders.values() if isinstance(listed, list) for pid, _, _ in listed}
        seen = {pid: self._reader.describe(pid) for pid in held}
        hanging = self._look_at_hanging([pid for pid, row in seen.items() if row and row["state"] == "D"])
        self._reader.forget_all_but(held.union(self._consumers, hanging))
        rows = _holder_rows(holders, seen)
        rows += [row for pid, row in self._consumers.items() if pid not in held and pid not in hanging]
        rows += [row for pid, row in hanging.items() if pid not in held]
        for row in rows:
            if row["pid"] in hanging:
                row["hangs_in"] = hanging[row["pid"]]["hangs_in"]
        works = {pid: self._reader.workload(pid) for pid, row in seen.items() if row is not None}
        accelerators = {key: cells(listed, seen, works) for key, listed in holders.items()}
        details = {"processes": rows, "workloads": self._workloads(works)}
        return Reading({"accelerator": accelerators, "node": {"": self._figures}}, details)

    def _workloads(self, works: dict) -> list:
        """Of the processes on accelerators, and of others where their environment tells something."""
        others = [self._reader.workload(pid) for pid in self._consumers if pid not in works]
        shown = [works[pid] for pid in sorted(works)[:_SHOWN_HOLDERS]]
        return shown + [work for work in others if "environment" in work]

    def _look_at_hanging(self, waiting: "list[int]") -> dict:
        """Rows of the processes that were told to end a while ago and don't, by pid. `waiting`: more that may be."""
        now = self._world.monotonic()
        since, rows = {}, {}
        for pid in list(dict.fromkeys([*self._hanging, *waiting]))[:_SHOWN_HANGING]:
            where = self._reader.hangs_in(pid)
            if not where:
                continue
            since[pid] = self._hanging.get(pid, now)
            row = self._reader.describe(pid) if now - since[pid] >= _HANGS_SECONDS else None
            if row is not None:
                rows[pid] = dict(row, hangs_in=where)
        self._hanging = since
        if self._figures["unkillable"] not in (NOT_YET, len(rows)):
            self._figures = dict(self._figures, unkillable=len(rows))
        return rows

    def _scan(self) -> None:
        before = self._world.thread_cpu()
        scan = self._reader.scan(_SHOWN_CONSUMERS)
        rows = [self._reader.describe(pid) for pid in scan.top]
        self._consumers = {row["pid"]: row for row in rows if row is not None}
        for pid in scan.waiting[:_SHOWN_HANGING]:
            self._hanging.setdefault(pid, self._world.monotonic())
        unkillable = self._figures["unkillable"]
        self._figures = dict(self._figures, zombies=scan.zombies, unkillable=0 if unkillable == NOT_YET else unkillable)
        cost = self._world.thread_cpu() - before
        self._scan_at = self._world.monotonic() + max(_SCAN_SECONDS, cost / SCAN_SHARE)


def _holder_rows(holders: dict, seen: dict) -> list:
    """A row for each process on each accelerator (watchfloor.report.Process)."""
    rows = []
    for key, listed in holders.items():
        for pid, memory, kind in listed if isinstance(listed, list) else ():
            row = dict(seen[pid] or {"pid": pid, "user": "", "command": ""})
            row.update(accelerator=key, accelerator_memory_bytes=memory, kind=kind)
            rows.append(row)
    return rows[:_SHOWN_HOLDERS]


def cells(listed, seen: dict, works: dict) -> dict:
    """Who uses an accelerator: users, jobs, ranks and runs of its processes, what the largest of them runs, and what
    orphans hold."""
    if isinstance(listed, Missing):
        return dict.fromkeys((*_TEXTS, "orphan_mem"), listed)
    pids = [pid for pid, _, _ in sorted(listed, key=lambda holder: -holder[1])]
    visible = [seen[pid] for pid in pids if seen[pid] is not None]
    if pids and not visible:
        return dict.fromkeys((*_TEXTS, "orphan_mem"), _UNSEEN)
    work = [works[row["pid"]] for row in visible]
    silence = _silence(work)
    held = [memory for pid, memory, _ in listed if (seen[pid] or {}).get("orphan")]
    return {
        "user": joined(row["user"] for row in visible),
        "job": joined(row.get("job", "") for row in visible),
        "rank": rank_text(row["rank"] for row in work if "rank" in row) or silence,
        "run": joined(run for row in work for run in _runs(row)) or silence,
        "command": visible[0]["command"] if visible else "",
        "orphan_mem": sum(held) if min(held, default=0) >= 0 else UNSUPPORTED,
    }


def _silence(work: list) -> "str | Missing":
    """What it means that no process tells a rank or a run: "" where it could have been told."""
    refused = [row for row in work if row.get("missing") == NOT_PERMITTED_CODE]
    return Missing(NOT_PERMITTED_CODE, refused[0]["words"]) if refused else ""


def _runs(row: dict) -> "list[str]":
    return ["%s:%s" % told for told in row.get("run_ids", {}).items()]


def _number(world, path: str) -> "int | Missing":
    found = attribute(world, path, keep=False)
    return found if isinstance(found, Missing) else int(found)
