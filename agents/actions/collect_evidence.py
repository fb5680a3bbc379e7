"""Keep what a node has to say before it is acted upon. R0: it reads, and writes to a folder of its own.

The answers lie on the node, in a file that only the console's user can read, the newest twenty of them; the ledger gets
its path and digest, and those of each answer. NVIDIA's bug report, where it is asked for, lies beside the node's logs,
for root alone writes there.
"""

from __future__ import annotations

from typing import ClassVar

from agents.action import Kind, Parameter, Scene
from agents.actions import _programs
from agents.actions._base import Base, filled, looked, mark_of, node_row, silent_node, took, unknown, without_effect
from watchfloor.change import Command, On, Place, Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands

FOLDER, _KEPT = "/var/tmp/watchfloor-evidence", 20
COMMANDS = (
    "nvidia-smi -q",
    "nvidia-smi topo -m",
    "nvidia-smi nvlink --status",
    "journalctl --dmesg --lines=1000 --no-pager --output=short-iso-precise",
    "lspci -nn",
    "ibstat",
    "systemctl --failed --no-pager --plain --no-legend",
    "ps -e -o pid,ppid,user,stat,lstart,wchan:32,comm",
    "uptime",
)
_EACH_SECONDS = 20.0
_REPORT_SECONDS = 300.0


class Action(Base):
    summary = "keep what a node has to say"
    risk = Risk.READ
    scope = Scope.NODE
    sudo_rules = ("/usr/bin/nvidia-bug-report.sh ^--safe-mode --output-file /var/log/watchfloor-[0-9a-f]{12}[.]log$",)
    parameters: ClassVar = {"bug_report": Parameter("NVIDIA's report, too: minutes, as root", Kind.FLAG, False)}
    runs = "a constant program of the node's python3, which runs " + ", ".join(f"`{one}`" for one in COMMANDS)
    seen_by = "the file that it wrote, by its path"

    def prepare(self, scene: Scene, step: Step) -> Step:
        report = bool(self.values(step)["bug_report"])
        node_row(scene, step)
        mark = mark_of(scene, step)
        seconds = _EACH_SECONDS * len(COMMANDS)
        gather = _programs.program(
            step.target.node, _programs.GATHER, FOLDER, f"{mark}.json", f"{_EACH_SECONDS:g}", str(_KEPT), *COMMANDS,
            timeout_seconds=seconds,
        )  # fmt: skip
        argv = ("nvidia-bug-report.sh", "--safe-mode", "--output-file", f"/var/log/watchfloor-{mark}.log")
        place = Place(On.NODE, step.target.node)
        more = (Command(place, argv, sudo=True, timeout_seconds=_REPORT_SECONDS),) if report else ()
        return filled(
            step,
            risk=self.risk,
            summary=f"keep what {step.target.node} says in {FOLDER}/{mark}.json",
            deeds=(gather, *more),
            after={"file": f"{FOLDER}/{mark}.json"},
            timeout_seconds=seconds + _REPORT_SECONDS * len(more) + 10.0,
            verify_seconds=10.0,
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        return silent_node(scene, step)

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        file = str(step.after["file"])
        answer = await looked(hands, Command(Place(On.NODE, step.target.node), ("sha256sum", "--", file)))
        if isinstance(answer, Seen):
            missing = "No such file" in answer.text
            return without_effect(f"there is no {file}") if missing else answer
        digest = answer.stdout.split()[:1]
        return took(f"{file} is there", sha256=digest[0]) if digest else unknown(f"sha256sum says nothing of {file}")
