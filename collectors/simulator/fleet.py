"""The demo fleet: simulated nodes behind real SSH servers on loopback, which run the real probe.

Nothing of the user's own ~/.ssh is read or written: keys, known_hosts and ssh_config live in one private folder, and
every NodeSpec points there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.simulator import desk
from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.floor import Floor, plan_floor
from collectors.simulator.record import FILE, Done, Kind, Record
from collectors.simulator.service import Service
from collectors.simulator.ssh_files import ADDRESS, CONFIG, client_options
from watchfloor.errors import ConfigError
from watchfloor.jobs.config import Work
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.model import NodeSpec

SITE = "demo"
USER = "demo"


@dataclass(frozen=True)
class DemoFleet:
    """A running demo: give `specs` to a supervisor. `began_at` is its time 0, in seconds since the epoch."""

    specs: list[NodeSpec]
    scenario: str
    began_at: float
    service: Service
    incidents: Sequence[Incident]

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`: every node by its name."""
        return self.service.folder / CONFIG

    @property
    def work(self) -> Work:
        """The demo's Slurm, and lineage that goes with the demo."""
        via = next((spec for spec in self.specs if spec.group == "login"), self.specs[-1])
        return Work((JobSourceSpec(SITE, "slurm", via),), lineage=str(self.service.folder / "lineage.db"))

    @property
    def desk_url(self) -> str:
        """Where tickets and notices may be posted to; `posted` has them."""
        return f"http://{ADDRESS}:{self.service.answer['desk']}"

    def posted(self) -> list[dict[str, Any]]:
        """What was posted there: path and body."""
        file = self.service.folder / desk.FILE
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    @property
    def pid(self) -> int:
        """The process that plays the servers."""
        return self.service.pid

    def skip_to(self, seconds: float) -> None:
        """Let its time go on at once to so many seconds after its start: tests can't wait for fans to be replaced.

        Clocks don't jump with it: what the nodes tell in seconds since their boot then began before its clock time.
        """
        record = Record(self.service.folder / FILE)
        ahead = seconds - record.elapsed(time.time(), self.began_at)
        if ahead > 0:
            record.add(Done(0.0, Kind.SKIP, value=str(ahead)))

    def describe(self) -> str:
        """What happens where and when, a line each, in time; times in seconds since the start."""
        return describe(self.scenario, self.incidents)

    async def close(self) -> None:
        """End every server and every probe. Twice does no harm."""
        await self.service.close()


def scenario_names() -> list[str]:
    """What `scenario` may be."""
    return sorted(scenarios())


async def start_demo(
    nodes: int = 32, scenario: str = "mixed", seed: int = 1, folder: Path | None = None, ahead_seconds: float = 0.0
) -> DemoFleet:
    """Start a demo of this many nodes, `ahead_seconds` into its story. The same seed gives the same floor, jobs and
    incidents.

    `folder`: where keys and configuration go (made where missing, and left there); without it, a private temporary
    one that goes with the demo. Raises ConfigError for an unknown scenario or a number of nodes out of bounds,
    WatchfloorError where the servers don't start.
    """
    check(nodes, scenario)
    floor = plan_floor(nodes, seed)
    settings = {"nodes": nodes, "scenario": scenario, "seed": seed, "ahead": ahead_seconds}
    service = await Service.start("collectors.simulator.demo_server", settings, folder)
    known = scenarios()[scenario]
    specs = _specs(floor, service.answer["ports"], service.folder, known.supply)
    return DemoFleet(specs, scenario, service.answer["began_at"], service, known.place(floor))


MOST_NODES = 256  # each runs a real probe: 10 MB and 1 % of a core


def check(nodes: int, scenario: str) -> None:
    """Raises ConfigError where no such demo can be started."""
    if not 1 <= nodes <= MOST_NODES:
        raise ConfigError(f"a demo has 1 to {MOST_NODES} nodes, not {nodes}")
    if scenario not in scenario_names():
        raise ConfigError(f"no scenario {scenario!r}", f"there are {', '.join(scenario_names())}")


def _specs(floor: Floor, ports: Sequence[int], folder: Path, supply: float) -> list[NodeSpec]:
    return [
        NodeSpec(
            plan.name,
            ADDRESS,
            site=SITE,
            rack=plan.rack,
            group=plan.shape.name,
            ssh=client_options(folder, USER, port),
            power_budget_watts=plan.shape.power_budget_watts * supply,
        )
        for plan, port in zip(floor.nodes, ports, strict=True)
    ]


def describe(scenario: str, incidents: Sequence[Incident]) -> str:
    """The story of a scenario as text."""
    known = scenarios()[scenario]
    lines = [f"{scenario}: {known.summary}; look for: {known.look_for}"]
    told = sorted(
        (incident.first + at, text, incident.every) for incident in incidents for at, text in incident.story()
    )
    lines += [f"  {at:5.0f} s  {text} (again every {every:.0f} s)" for at, text, every in told]
    return "\n".join(lines)
