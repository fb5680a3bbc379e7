"""Start a service of the node anew: one of those that accelerators, fabrics and schedulers need, and no other.

R2 where jobs hang on it: the end of a fabric manager or IMEX ends what computes across boards (NVIDIA, Fabric Manager
User Guide, ABORT_CUDA_JOBS_ON_FM_EXIT), so they are started anew only on a node without jobs. R1 for the others.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import CannotPrepare, Parameter, Scene
from agents.actions._base import Base, filled, looked, node_row, silent_node, took, unknown, without_effect
from watchfloor.change import Command, On, Place, Risk, Seen, Step
from watchfloor.model import Missing, Scope
from watchfloor.ports import Floor, Hands

_HARMFUL = ("nvidia-fabricmanager", "nvidia-imex")
UNITS = (*_HARMFUL, "nvidia-persistenced", "nvidia-dcgm", "dcgm", "slurmd", "munge", "kubelet", "containerd")
_ASKED = "ActiveState,SubState,Result,ActiveEnterTimestampMonotonic,InactiveEnterTimestampMonotonic"


class Action(Base):
    summary = "start a service anew"
    risk = Risk.SLOWS
    scope = Scope.NODE
    heals = True
    sudo_rules = tuple(f"/usr/bin/systemctl restart {unit}.service" for unit in UNITS)
    parameters: ClassVar = {"unit": Parameter("which one", choices=UNITS)}
    runs = "`sudo systemctl restart UNIT.service`"
    seen_by = "systemd's time of its start, later than this was planned, and that it is active"

    def prepare(self, scene: Scene, step: Step) -> Step:
        unit = str(self.values(step)["unit"])
        uptime = scene.frame.nodes.cell(node_row(scene, step), "uptime")
        if uptime.missing is not Missing.NO or not isinstance(uptime.value, int | float):
            raise CannotPrepare(
                f"{step.target.node} tells no uptime", "a start of before couldn't be told from this one"
            )
        argv = ("systemctl", "restart", f"{unit}.service")
        return filled(
            step,
            risk=Risk.SLOWS if unit in _HARMFUL else Risk.REVERSIBLE,
            heals=True,
            summary=f"start {unit} on {step.target.node} anew",
            deeds=(Command(Place(On.NODE, step.target.node), argv, sudo=True, timeout_seconds=120.0),),
            before={"unit": unit, "uptime": float(uptime.value)},
            after={"state": "active"},
            timeout_seconds=150.0,
            verify_seconds=90.0,
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        if why := silent_node(scene, step):
            return why
        unit = str(step.before["unit"])
        jobs = jobs_on(scene, step.target.node) if unit in _HARMFUL else []
        return f"{unit} ends what computes: jobs {', '.join(jobs)} are on {step.target.node}" if jobs else ""

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        unit = step.before["unit"]
        argv = ("systemctl", "show", f"{unit}.service", f"--property={_ASKED}")
        answer = await looked(hands, Command(Place(On.NODE, step.target.node), argv))
        if isinstance(answer, Seen):
            return answer
        return judged(str(unit), properties(answer.stdout), float(step.before["uptime"]))


def properties(text: str) -> dict[str, str]:
    """What `systemctl show` prints."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value for name, _, value in pairs}


def judged(unit: str, told: dict[str, str], planned: float) -> Seen:
    """`planned`: seconds from boot. A reboot since then is a start, too: its times are smaller, and it is active."""
    state = told.get("ActiveState", "")
    if not state:
        return unknown(f"systemd tells nothing of {unit}")
    active, inactive = (_seconds(told, f"{name}EnterTimestampMonotonic") for name in ("Active", "Inactive"))
    words = f"{unit} is {state} ({told.get('SubState', '')})"
    if state == "active":
        return took(words, since_boot=active) if active > planned else without_effect(f"{words}, since before")
    if state in ("activating", "deactivating", "reloading"):
        return unknown(words)
    if inactive > planned:
        return without_effect(f"{words}: it was begun and ended again ({told.get('Result', '')})")
    return without_effect(words)


def _seconds(told: dict[str, str], name: str) -> float:
    value = told.get(name, "")
    return int(value) / 1e6 if value.isdecimal() else 0.0


def jobs_on(scene: Scene, node: str) -> list[str]:
    """Numbers of the jobs that hold accelerators of a node, or that their scheduler has there."""
    frame = scene.frame
    rows = {frame.jobs.owner_of(row) for row in frame.rows_of(Scope.ACCELERATOR, frame.node_index[node]).tolist()} - {
        -1
    }
    told = frame.jobs.scheduler.get(frame.node_index[node])
    source = frame.jobs.managers.get(frame.node_index[node])
    for row, job in enumerate(frame.jobs.rows):
        if told is not None and job.source == source and job.state.holds_nodes and told.name in job.nodes:
            rows.add(row)
    return [frame.jobs.rows[row].number for row in sorted(rows) if not frame.jobs.rows[row].state.is_over]
