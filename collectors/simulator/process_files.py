"""/proc/PID of a simulated node: the processes of its jobs, and a few daemons. Pure: of (machine, pid, name)."""

from __future__ import annotations

import errno
import os

from collectors.simulator.machine import Machine
from collectors.simulator.work import USERS, Job, noise

GIB = 2**30
KIB = 1024
_HERTZ = 100
_PAGE = 4096
_DAEMON_BYTES = 60 * 2**20
_JOB_BYTES = 30 * GIB
_DAEMONS = (("systemd", 1, "/init.scope"), ("slurmd", 2214, "/system.slice/slurmd.service"),
            ("nvidia-persistenced", 2302, "/system.slice/nvidia-persistenced.service"),
            ("sshd", 1877, "/system.slice/ssh.service"))  # fmt: skip
_DAEMON_USER = 0
_JOB_DAEMON = 2214
_SIGKILL = 1 << 8

Who = tuple[Job, int] | str  # (job, board), or the name of a daemon


def missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


class Processes:
    """The processes of one machine. The caller brings the machine to the present first."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def running(self) -> dict[int, Who]:
        """By pid."""
        nvidia = self._machine.plan.shape.vendor == "nvidia"
        found: dict[int, Who] = {pid: name for name, pid, _ in _DAEMONS if nvidia or not name.startswith("nvidia")}
        for index, board in enumerate(self._machine.boards):
            if board.job is not None:
                found[board.job.pid(self._machine.plan.index, index)] = (board.job, index)
        return found

    def owner(self, pid: int) -> int:
        """Uid. Raises FileNotFoundError."""
        who = self.running().get(pid)
        if who is None:
            raise missing(f"/proc/{pid}")
        return _uid(who)

    def descriptors(self, pid: int) -> list[str]:
        """Names in /proc/PID/fd. Raises FileNotFoundError."""
        return [str(number) for number in range(len(self._opened(pid)))]

    def opened(self, pid: int, descriptor: str) -> str:
        """What a descriptor leads to. Raises FileNotFoundError."""
        opened = self._opened(pid)
        if not descriptor.isdigit() or int(descriptor) >= len(opened):
            raise missing(f"/proc/{pid}/fd/{descriptor}")
        return opened[int(descriptor)]

    def _opened(self, pid: int) -> list[str]:
        who = self.running().get(pid)
        if who is None:
            raise missing(f"/proc/{pid}/fd")
        devices = [] if isinstance(who, str) else device_nodes(self._machine.plan.shape.vendor, who[1])
        return ["/dev/null", "pipe:[48123]", "pipe:[48123]", *devices]

    def read(self, pid: int, name: str) -> str:
        """The text of /proc/PID/name. Raises FileNotFoundError."""
        who, make = self.running().get(pid), _FILES.get(name)
        if who is None or make is None:
            raise missing(f"/proc/{pid}/{name}")
        return make(self._machine, pid, who)


def device_nodes(vendor: str, index: int) -> list[str]:
    """The device files through which a program uses a board."""
    return {
        "nvidia": ["/dev/nvidiactl", "/dev/nvidia-uvm", f"/dev/nvidia{index}"],
        "amd": ["/dev/kfd", f"/dev/dri/renderD{128 + index}"],
        "google": [f"/dev/vfio/{index}"],
        "aws": [f"/dev/neuron{index}"],
        "habana": [f"/dev/accel/accel{index}"],
        "intel": [f"/dev/dri/renderD{128 + index}"],
    }[vendor]


def _uid(who: Who) -> int:
    return _DAEMON_USER if isinstance(who, str) else USERS[who[0].user]


def _resident(who: Who) -> int:
    """Bytes."""
    return _DAEMON_BYTES if isinstance(who, str) else _JOB_BYTES


def _command(who: Who) -> str:
    return f"/usr/sbin/{who}" if isinstance(who, str) else who[0].kind.command


def _cmdline(machine: Machine, pid: int, who: Who) -> str:
    return _command(who).replace(" ", "\0") + "\0"


def _cgroup(machine: Machine, pid: int, who: Who) -> str:
    if isinstance(who, str):
        return f"0::{next(group for name, _, group in _DAEMONS if name == who)}\n"
    return f"0::{who[0].cgroup}\n"


def _stat(machine: Machine, pid: int, who: Who) -> str:
    """Fields of proc(5): state is 3, utime 14, stime 15, start 22 (ticks since boot), vsize 23, rss 24 (pages)."""
    started = 0.0 if isinstance(who, str) else max(0.0, who[0].started - machine.booted_at)
    age = machine.time - machine.booted_at - started
    share = 0.01 if isinstance(who, str) else 1.0 + 0.1 * noise(pid, 0)  # of its whole life: time spent never shrinks
    resident = _resident(who) // _PAGE
    fields = ["0"] * 52
    fields[:4] = str(pid), f"({_name(who)})", _state(machine, who), str(_parent(machine, who))
    fields[13], fields[14] = str(int(age * share * _HERTZ)), str(int(age * share * 5))
    fields[19], fields[21], fields[22], fields[23] = (
        "12",
        str(int(started * _HERTZ)),
        str(resident * 2 * _PAGE),
        str(resident),
    )
    return " ".join(fields) + "\n"


def _state(machine: Machine, who: Who) -> str:
    hangs = not isinstance(who, str) and (machine.faults.driver_hung or who[1] in machine.faults.unkillable)
    return "D" if hangs else "S"


def _parent(machine: Machine, who: Who) -> int:
    """Daemons and orphans are the first process's, all others the job daemon's."""
    return 1 if isinstance(who, str) or who[1] in machine.faults.orphaned else _JOB_DAEMON


def _name(who: Who) -> str:
    return _command(who).split()[0].rpartition("/")[2][:15]


def _status(machine: Machine, pid: int, who: Who) -> str:
    uid = _uid(who)
    resident = _resident(who) // KIB
    uids = "\t".join([str(uid)] * 4)
    told_to_end = not isinstance(who, str) and who[1] in machine.faults.unkillable
    pending = f"SigPnd:\t{0:016x}\nShdPnd:\t{_SIGKILL * told_to_end:016x}\n"
    state = f"State:\t{_state(machine, who)} (as it is)\n"
    return f"Name:\t{_name(who)}\n{state}Pid:\t{pid}\nUid:\t{uids}\nVmRSS:\t{resident} kB\n{pending}"


def _statm(machine: Machine, pid: int, who: Who) -> str:
    resident = _resident(who) // _PAGE
    return f"{resident * 2} {resident} 1000 10 0 {resident} 0\n"


def _comm(machine: Machine, pid: int, who: Who) -> str:
    return f"{_name(who)}\n"


_FILES = {
    "cmdline": _cmdline,
    "cgroup": _cgroup,
    "stat": _stat,
    "status": _status,
    "statm": _statm,
    "comm": _comm,
}
