"""What simulated processes have mapped, were started with, and what lies beside it. Pure: of (machine, who, path)."""

from __future__ import annotations

import errno
import json
import os

from collectors.simulator import process_environment
from collectors.simulator.machine import Machine
from collectors.simulator.process_files import Processes, Who, missing
from collectors.simulator.software import CLOSED_SHAPES, Environment, environment
from collectors.simulator.work import Job

_PYTHON = "/usr/bin/python3.12"
_CONTAINERS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/"


class ProcessSoftware:
    """Paths below /proc/PID that concern software, and the configurations of containers."""

    def __init__(self, machine: Machine, processes: Processes) -> None:
        self._machine = machine
        self._processes = processes

    def read(self, path: str) -> str:
        """Raises OSError."""
        if path.startswith(_CONTAINERS):
            return self._container(path)
        pid, name, _ = _parts(path)
        who = self._processes.running().get(pid)
        if who is None or name not in ("maps", "environ", "root"):
            raise missing(path)
        self._permit(path)
        if name != "maps":
            return self._started_with(who, path)
        files = ("/usr/lib/systemd/systemd",) if isinstance(who, str) else (_PYTHON, *self._environment(who[0]).mapped)
        return "".join(
            f"7f{number:04x}000000-7f{number:04x}200000 r-xp 00000000 fd:01 {9000 + number}    {file}\n"
            for number, file in enumerate(files)
        )

    def listdir(self, path: str) -> list[str]:
        """Names in a folder of packages, as the process sees it. Raises OSError."""
        pid, name, inside = _parts(path)
        who = self._processes.running().get(pid)
        if name != "root" or who is None or isinstance(who, str):
            raise missing(path)
        self._permit(path)
        found = self._environment(who[0])
        if inside != found.site:
            raise missing(path)
        return [f"{package}.dist-info" for package in found.packages]

    def readlink(self, path: str) -> str:
        """What a process runs. Raises OSError."""
        pid, name, _ = _parts(path)
        who = self._processes.running().get(pid)
        if name not in ("exe", "cwd") or who is None:
            raise missing(path)
        self._permit(path)
        if name == "cwd":
            return "/" if isinstance(who, str) else process_environment.directory(who[0])
        return f"/usr/sbin/{who}" if isinstance(who, str) else _PYTHON

    def _started_with(self, who: Who, path: str) -> str:
        """The environment, and the one file of a checkout that takes: HEAD, where a commit is checked out."""
        _, name, inside = _parts(path)
        if name == "environ":
            told = {} if isinstance(who, str) else process_environment.variables(self._machine, *who)
            return "".join(f"{variable}={value}\0" for variable, value in told.items())
        if isinstance(who, str) or not inside.startswith(process_environment.directory(who[0]) + "/.git"):
            raise missing(path)
        if inside.endswith("/.git"):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not inside.endswith("/.git/HEAD"):
            raise missing(path)
        return process_environment.commit(who[0]) + "\n"

    def _environment(self, job: Job) -> Environment:
        return environment(self._machine.plan.shape, self._machine.plan.name, job.kind.name)

    def _permit(self, path: str) -> None:
        if self._machine.plan.shape.name in CLOSED_SHAPES:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    def _container(self, path: str) -> str:
        number = path[len(_CONTAINERS) :].partition("/")[0]
        for who in self._processes.running().values():
            if _is_of(who, number) and not isinstance(who, str):
                image = self._environment(who[0]).image
                return json.dumps({"ociVersion": "1.1.0", "annotations": {"io.kubernetes.cri.image-name": image}})
        raise missing(path)


def concerns(path: str) -> bool:
    """Whether a path is one of these."""
    if path.startswith(_CONTAINERS):
        return True
    pid, name, _ = _parts(path) if path.startswith("/proc/") else (0, "", "")
    return pid > 0 and name in ("maps", "root", "exe", "environ", "cwd")


def _parts(path: str) -> tuple[int, str, str]:
    """Process, name of the entry, and the path within that entry ("/" where there is none), of a path of /proc."""
    _, _, pid, name, inside = [*path.split("/", 4), "", "", ""][:5]
    return int(pid) if pid.isdigit() else 0, name, f"/{inside}"


def _is_of(who: Who, container: str) -> bool:
    return not isinstance(who, str) and container in who[0].cgroup
