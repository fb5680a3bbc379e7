"""End a process that holds an accelerator and belongs to no job that goes on. R2: its work is lost.

It is known by pid, start and boot, and by its owner and cgroup: whoever has the pid by then is another process, and is
left alone. The process is held by a handle (pidfd) where the node's Python and kernel have them, so that no other can
take its place in between; one that can't be held is left alone, too. Where its owner is somebody else, `sudo kill` is
asked for the signal, just after the same look.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _programs
from agents.actions._base import Base, filled, looked, node_row, silent_node, took, unknown, without_effect
from agents.parameters import whole
from watchfloor.change import Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands
from watchfloor.report import Process, Workload, decode_detail

_TIMEOUT_SECONDS = 15.0  # beyond the grace


class Action(Base):
    summary = "end a process that no job accounts for"
    risk = Risk.SLOWS
    scope = Scope.NODE
    sudo_rules = ("/usr/bin/kill ^-s (TERM|KILL) [1-9][0-9]*$",)
    parameters: ClassVar = {
        "pid": Parameter("of the process", Kind.NUMBER, least=2, most=2**22),
        "grace_seconds": Parameter("from SIGTERM to SIGKILL", Kind.NUMBER, 10, least=0, most=300),
    }
    runs = "a constant program of the node's python3, which looks at /proc/PID, sends SIGTERM, later SIGKILL"
    seen_by = "no process of that pid, start and boot any more"

    def prepare(self, scene: Scene, step: Step) -> Step:
        values = self.values(step)
        pid, grace = whole(values["pid"], "pid"), float(values["grace_seconds"])
        found = process_of(scene, step, pid)
        if why := _not_to_be_ended(scene, found):
            raise CannotPrepare(f"{pid} on {step.target.node} {why}", "cancel_job and restart_service end those")
        start = _start_of(scene, step, pid)
        boot = scene.frame.nodes.text(node_row(scene, step), "boot_id")
        identity = (str(pid), str(start), boot, found.user, found.cgroup)
        deed = _programs.program(
            step.target.node, _programs.END, *identity, f"{grace:g}", timeout_seconds=grace + _TIMEOUT_SECONDS
        )
        return filled(
            step,
            risk=self.risk,
            summary=f"end process {pid} of {found.user} on {step.target.node}: {found.command[:80]}",
            deeds=(deed,),
            before={"pid": pid, "start": start, "boot": boot, "user": found.user, "job": found.job,
                    "cgroup": found.cgroup, "accelerator": found.accelerator},
            after={"state": "gone"},
            timeout_seconds=grace + 2 * _TIMEOUT_SECONDS,
            verify_seconds=60.0,
        )  # fmt: skip

    def precheck(self, scene: Scene, step: Step) -> str:
        if why := silent_node(scene, step):
            return why
        try:
            found = process_of(scene, step, int(step.before["pid"]))
            start = _start_of(scene, step, found.pid)
        except CannotPrepare as error:
            return error.message
        if (start, found.job) != (step.before["start"], step.before["job"]):
            return f"{found.pid} is another process by now: {found.command[:80]}"
        why = _not_to_be_ended(scene, found)
        return f"{found.pid} {why}" if why else ""

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        before = step.before
        identity = tuple(str(before[name]) for name in ("pid", "start", "boot", "user", "cgroup"))
        answer = await looked(hands, _programs.program(step.target.node, _programs.LOOK, *identity))
        if isinstance(answer, Seen):
            return answer
        word = answer.stdout.strip()
        if word == "gone":
            return took(f"process {before['pid']} is gone")
        if word == "there":
            return without_effect(f"process {before['pid']} is still there")
        return unknown(f"process {before['pid']} is {word} by now")


def process_of(scene: Scene, step: Step, pid: int) -> Process:
    """As the node's probe tells of it. Raises CannotPrepare."""
    for row in _detail(scene, step, "processes"):
        if isinstance(row, Process) and row.pid == pid:
            return row
    raise CannotPrepare(f"no process {pid} is told of on {step.target.node}", "those on accelerators are")


def _start_of(scene: Scene, step: Step, pid: int) -> int:
    """Ticks from boot. Raises CannotPrepare."""
    for row in _detail(scene, step, "workloads"):
        if isinstance(row, Workload) and row.pid == pid:
            return row.start
    raise CannotPrepare(f"it isn't told when process {pid} on {step.target.node} began", "without that it isn't known")


def _detail(scene: Scene, step: Step, name: str) -> list[object]:
    raw = scene.frame.detail[node_row(scene, step)].details.get(name)
    return list(decode_detail(name, raw)) if raw else []


def _not_to_be_ended(scene: Scene, process: Process) -> str:
    if not process.accelerator:
        return "holds no accelerator"
    if ".service" in process.cgroup:
        return "belongs to a service"
    row = scene.frame.jobs.index.get(process.job) if process.job else None
    if row is not None and not scene.frame.jobs.rows[row].state.is_over:
        return f"belongs to job {scene.frame.jobs.rows[row].number}, which goes on"
    return ""
