"""The software that runs: what the processes on the accelerators have mapped, and what lies beside it.

Nothing is imported or run: versions are read off the names of mapped files and of package metadata, through
/proc/PID/root, so that what lies in a container is seen too. Another user's process can't be looked into without
privilege, and that is said. Of ranks that run the same program in the same place, one is looked at.
"""

import re

from . import software_names as names
from .cells import NOT_PERMITTED_CODE, UNSUPPORTED_CODE, Missing
from .containers import container_of, image
from .procfs import parse_stat
from .software_node import row

LOOKED_AT = 8  # processes at one time; the others wait for the next one
_SOON_SECONDS, _SELDOM_SECONDS = 50.0, 3600.0
_UNSEEN = "a process on an accelerator is not visible from here (another pid namespace, or hidepid)"
# variables that name an image, or a vendor's release of one; no other variable is looked at
_IMAGE_VARIABLES = {
    "APPTAINER_CONTAINER": "image",
    "SINGULARITY_CONTAINER": "image",
    "NVIDIA_PYTORCH_VERSION": "ngc-pytorch",
    "NVIDIA_TENSORFLOW_VERSION": "ngc-tensorflow",
    "NVIDIA_TRITON_SERVER_VERSION": "ngc-tritonserver",
}


class _Look:
    """What was found in a process that began at `start` (ticks); `who` tells which others are like it."""

    __slots__ = ("at", "rows", "start", "times", "who")

    def __init__(self, start: int, who: tuple, rows: "list[dict]", at: float, times: int) -> None:
        self.start = start
        self.who = who
        self.rows = rows
        self.at = at
        self.times = times

    def is_due(self, now: float) -> bool:
        """Libraries are loaded when they are first needed: soon after the start it is worth another look."""
        return now - self.at >= min(_SELDOM_SECONDS, _SOON_SECONDS * 2**self.times)


class Processes:
    """Remembers what it has looked at, and looks again ever more seldom."""

    def __init__(self, world) -> None:
        self._world = world
        self._known = {}  # pid -> _Look

    def rows(self, pids: "list[int]") -> "list[dict]":
        """Of all these processes, together; each thing once."""
        self._known = {pid: look for pid, look in self._known.items() if pid in pids}
        looks, now, unseen = 0, self._world.monotonic(), []
        for pid in sorted(pids):
            start = self._start(pid)
            if start is None:
                unseen = [row("library", "processes", "", _UNSEEN, "", NOT_PERMITTED_CODE)]
            elif looks < LOOKED_AT:
                looks += self._look(pid, start, now)
        return unseen + [row for look in self._known.values() for row in look.rows]

    def _look(self, pid: int, start: int, now: float) -> bool:
        """Whether it had to look into the process: it knew neither this one nor one like it."""
        known, times = self._known.get(pid), 0
        if known is not None and known.start == start:
            if not known.is_due(now):
                return False
            times = known.times + 1
        who = self._who(pid)
        like = next((other for other in self._known.values() if other.who == who and not other.is_due(now)), None)
        rows = self._inside(pid, who[0], who[2]) if like is None else like.rows
        self._known[pid] = _Look(start, who, rows, now, times)
        return like is None

    def _start(self, pid: int) -> "int | None":
        try:
            return parse_stat(self._world.read("/proc/%d/stat" % pid))["start"]
        except (OSError, IndexError, ValueError):  # it has just ended
            return None

    def _who(self, pid: int) -> "tuple[str, str, str]":
        """User, executable and container: what ranks of one job share."""
        folder = "/proc/%d" % pid
        container = container_of(self._text(folder + "/cgroup"))
        try:
            user = self._world.user_of(self._world.owner(folder))
        except OSError:
            user = ""
        try:
            program = self._world.readlink(folder + "/exe")
        except OSError:
            program = self._text(folder + "/cmdline").partition("\0")[0]
        return user, program, container

    def _inside(self, pid: int, user: str, container: str) -> "list[dict]":
        folder = "/proc/%d" % pid
        found = self._image(folder, user, container)
        try:
            files = names.mapped_files(self._world.read(folder + "/maps"))
        except OSError as error:
            if error.errno not in (1, 13):  # it has just ended
                return []
            words = "/proc/PID/maps: %s; it takes a probe that runs as root or as %s" % (error.strerror, user)
            return [*found, row("library", "processes", "", words, user, NOT_PERMITTED_CODE)]
        return found + self._software(folder + "/root", files, user)

    def _software(self, root: str, files: "list[str]", user: str) -> "list[dict]":
        packages = {folder: names.packages(self._names(root + folder)) for folder in names.package_folders(files)}
        found = []
        for layer, name, path in names.libraries(files):
            version = self._version(root, name, path, packages)
            if version:
                found.append(row(layer, name, version, path, user))
            else:
                words = path + ": nothing beside it tells a version"
                found.append(row(layer, name, "", words, user, UNSUPPORTED_CODE))
        for folder, installed in packages.items():
            for name in sorted(installed.keys() & names.PACKAGES.keys()):
                found.append(row(names.PACKAGES[name], name, installed[name], folder, user))
        python = names.python_of(files)
        return [*found, row("library", "python", python, "/proc/PID/maps", user)] if python else found

    def _version(self, root: str, name: str, path: str, packages: dict) -> str:
        """Of a library: as the wheel says that brought it, as a file beside it says, as it is called."""
        folder, _, _ = path.rpartition("/")
        home = next((home for home in packages if path.startswith(home + "/")), "")
        carried = names.carried(name, packages[home]) if home else ""
        if carried:
            return carried
        if name in names.BESIDE:
            file, pattern = names.BESIDE[name]
            match = re.search(pattern, self._text(root + folder + "/" + file))
            if match:
                return match.group(1)
        return names.file_version(name, path)

    def _image(self, folder: str, user: str, container: str) -> "list[dict]":
        variables = self._text(folder + "/environ").split("\0")
        pairs = [variable.partition("=")[::2] for variable in variables]
        found = [
            row("container", _IMAGE_VARIABLES[name], value, "/proc/PID/environ: " + name, user)
            for name, value in pairs
            if name in _IMAGE_VARIABLES and value
        ]
        if not container:
            return found
        told, where = image(self._world, container)
        if isinstance(told, Missing):
            return [*found, row("container", "image", "", told.note, user, told.code)]
        return [*found, row("container", "image", told, where, user)]

    def _names(self, path: str) -> "list[str]":
        try:
            return self._world.listdir(path)
        except OSError:
            return []

    def _text(self, path: str) -> str:
        try:
            return self._world.read(path)
        except OSError:
            return ""
