"""The node's services that accelerators, fabrics and schedulers need, as systemd has them.

A service that runs shows in its cgroup, which costs a read; only where one is installed and doesn't run is systemctl
asked why, seldom where it is not meant to run.
"""

from .cells import FAILED_CODE, UNSUPPORTED, Absent, Missing, Reading

# metric -> names of the unit, of which a node has one
UNITS = {
    "unit_fabricmanager": ("nvidia-fabricmanager",),
    "unit_imex": ("nvidia-imex",),
    "unit_persistenced": ("nvidia-persistenced",),
    "unit_dcgm": ("nvidia-dcgm", "dcgm"),
    "unit_slurmd": ("slurmd",),
    "unit_munge": ("munge",),
    "unit_kubelet": ("kubelet",),
}
RUNNING, STOPPED, DISABLED, RESTARTING, FAILED = "running", "stopped", "disabled", "restarting", "failed"
_BOOTED = "/run/systemd/system"  # sd_booted(3)
_CGROUPS = ("/sys/fs/cgroup/system.slice/", "/sys/fs/cgroup/unified/system.slice/")  # of version 2; beside version 1
_CGROUP_1 = "/sys/fs/cgroup/systemd/system.slice/"
_FOLDERS = ("/etc/systemd/system/", "/run/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/")
_ASKED = "--property=Id,ActiveState,SubState,Result,UnitFileState"
_TIMEOUT_SECONDS = 8.0
_SELDOM = 10  # samples between two questions about one that is not meant to run, or whose cgroup is elsewhere
_ENABLED = ("enabled", "enabled-runtime")


class Sampler:
    period, deadline = 30.0, 20.0
    metrics = {"node": tuple(UNITS)}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        if not world.exists(_BOOTED):
            raise Absent("no systemd")
        self._world = world
        self._settled = {}  # unit -> what systemctl said, and will hardly say otherwise soon
        self._samples = 0

    def sample(self) -> Reading:
        if self._samples % _SELDOM == 0:
            self._settled = {}
        self._samples += 1
        cells, asked = {}, {}
        for metric, names in UNITS.items():
            name, cells[metric] = self._look(names)
            if cells[metric] == STOPPED:
                asked[name + ".service"] = metric
        if asked:
            cells.update(self._ask(asked))
        return Reading({"node": {"": cells}})

    def _look(self, names: "tuple[str, ...]") -> tuple:
        """The unit that is here, and its state as far as files tell. What runs is here: its file need not be found."""
        for name in names:
            if self._runs(name):
                return name, RUNNING
        for name in names:
            if any(self._world.exists(folder + name + ".service") for folder in _FOLDERS):
                return name, self._settled.get(name, STOPPED)
        return "", UNSUPPORTED

    def _runs(self, name: str) -> bool:
        for root in _CGROUPS:
            try:
                return "populated 1" in self._world.read(root + name + ".service/cgroup.events")
            except OSError:
                continue
        return self._world.exists(_CGROUP_1 + name + ".service")

    def _ask(self, asked: dict) -> dict:
        """Cells of what doesn't run. `asked`: unit -> metric."""
        try:
            status, out, error = self._world.run(["systemctl", "show", _ASKED, *asked], _TIMEOUT_SECONDS)
        except OSError as trouble:
            return dict.fromkeys(asked.values(), Missing(FAILED_CODE, "systemctl: %s" % trouble))
        if status:
            return dict.fromkeys(asked.values(), Missing(FAILED_CODE, (error.strip() or "systemctl failed")))
        told = parse(out)
        for unit in asked:
            if told.get(unit) in (DISABLED, RUNNING):  # one that runs has its cgroup elsewhere
                self._settled[unit[: -len(".service")]] = told[unit]
        return {metric: told.get(unit, UNSUPPORTED) for unit, metric in asked.items()}


def parse(text: str) -> "dict[str, str]":
    """Unit -> its state, of `systemctl show`: blocks of NAME=value, a blank line between two."""
    found = {}
    for block in text.split("\n\n"):
        facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if facts.get("Id"):
            found[facts["Id"]] = _state(facts)
    return found


def _state(facts: dict) -> str:
    active, result = facts.get("ActiveState", ""), facts.get("Result", "")
    if active == "failed":
        return FAILED + (": " + result if result not in ("", "success") else "")
    if active in ("active", "reloading", "refreshing"):
        return RUNNING
    if active == "activating" and facts.get("SubState") == "auto-restart":
        return RESTARTING + (": " + result if result not in ("", "success") else "")
    if active == "activating":
        return "starting"
    return STOPPED if facts.get("UnitFileState") in _ENABLED else DISABLED
