"""python3 of simulated nodes: it knows the constant programs of actions by their first line, and runs no other.

Nothing of a program's text is executed: what it does is done here, with the simulated node.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.order import Ended, Order
from collectors.simulator.process_files import Processes
from collectors.simulator.record import Kind
from collectors.simulator.work import USERS

PROGRAM = "python3"


def on(shape: Shape) -> bool:
    return True


def act(order: Order) -> Ended:
    """Of `python3 -c PROGRAM ARGUMENTS…`."""
    words = list(order.argv[1:])
    program = _PROGRAMS.get(words[1].partition("\n")[0]) if words[:1] == ["-c"] and len(words) > 1 else None
    if program is None:
        return Ended(2, err="python3: a simulated node runs the programs of watchfloor's actions, and no other\n")
    return program(order, words[2:])


# -- processes


def _stands(machine: Machine, words: Sequence[str]) -> str:
    """As the real program says it of pid, start in ticks, boot, user, cgroup."""
    pid, start, boot, user, cgroup = words[:5]
    processes = Processes(machine)
    if boot != machine.boot_id or int(pid) not in processes.running():
        return "gone"
    if processes.read(int(pid), "stat").rpartition(")")[2].split()[19] != start:
        return "gone"
    uid = processes.owner(int(pid))
    name = next((name for name, number in USERS.items() if number == uid), "root" if uid == 0 else str(uid))
    if user not in (name, str(uid)):
        return f"of {name}"
    return "there" if cgroup in processes.read(int(pid), "cgroup") else "in another cgroup"


def _looked(order: Order, words: Sequence[str]) -> Ended:
    return Ended(out=f"{_stands(order.machine, words)}\n")


def _ended(order: Order, words: Sequence[str]) -> Ended:
    now = _stands(order.machine, words)
    if now != "there":
        return Ended(0 if now == "gone" else 3, f"{now}\n")
    if int(words[0]) in _unkillable(order.machine):
        return Ended(4, "it was killed, and stays\n")
    order.note(Kind.KILL, words[0])
    return Ended(out="gone\n")


def _unkillable(machine: Machine) -> set[int]:
    boards = range(len(machine.boards)) if machine.faults.driver_hung else sorted(machine.faults.unkillable)
    jobs = ((index, machine.boards[index].job) for index in boards)
    return {job.pid(machine.plan.index, index) for index, job in jobs if job is not None}


def _let_go(order: Order, words: Sequence[str]) -> Ended:
    """Time stands still while a simulated tool runs; no process is listed that would be the probe's."""
    machine = order.machine
    told = "no probe of this user holds it" if machine.condition.lets_go(machine.time) else "it is held by the probes"
    return Ended(out=f"after 0.0 s {told}\n")


# -- evidence


def _gathered(order: Order, words: Sequence[str]) -> Ended:
    folder, name, lines = words[0], words[1], words[4:]
    told = [_told(order, line) for line in lines]
    text = json.dumps(told, indent=1)
    path = f"{folder}/{name}"
    order.note(Kind.FILE, path, text)
    head = f"{sha256(text.encode()).hexdigest()}  {path}\n"
    rest = "".join(f"{one['command']}: {one['status']}, {one['bytes']} bytes, sha256 {one['sha256']}\n" for one in told)
    return Ended(0 if any(one["status"] == 0 for one in told) else 1, head + rest)


def _told(order: Order, line: str) -> dict[str, object]:
    ended = order.run(shlex.split(line), False)
    found = ended.exit != _NOT_FOUND
    text = ended.out + ended.err if found else ""
    status: object = ended.exit if found else "No such file or directory"
    return {"command": line, "status": status, "seconds": 0.0, "sha256": sha256(text.encode()).hexdigest(),
            "bytes": len(text), "text": text}  # fmt: skip


_NOT_FOUND = 127
_PROGRAMS: Mapping[str, Callable[[Order, Sequence[str]], Ended]] = {
    "# watchfloor looks for a process": _looked,
    "# watchfloor ends a process": _ended,
    "# watchfloor waits for its probes": _let_go,
    "# watchfloor keeps evidence": _gathered,
}
