"""A fleet of thousands that speaks only the wire: for benches and tests of the console.

Real SSH connections and real lines, but no probe behind them: see `wire_lines`. Use `fleet.start_demo` where the
probe itself matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.simulator.service import Service
from collectors.simulator.ssh_files import ADDRESS, client_options
from watchfloor.model import NodeSpec

NODES_PER_RACK = 16


@dataclass(frozen=True)
class WireFleet:
    """Running nodes: give `specs` to a supervisor."""

    specs: list[NodeSpec]
    folder: Path
    service: Service

    @property
    def pid(self) -> int:
        """The process that plays the nodes."""
        return self.service.pid

    async def close(self) -> None:
        """End the server. Twice does no harm."""
        await self.service.close()


async def start_wire_fleet(
    nodes: int,
    accelerators: int = 8,
    *,
    seed: int = 1,
    same_instant: bool = False,
    faults: Mapping[int, str] | None = None,
    folder: Path | None = None,
) -> WireFleet:
    """Start `nodes` simulated nodes on a few loopback ports; node i is user `n%04d`.

    `same_instant`: all tick together, whatever phase the console asks for. `faults`: node -> "hang" (never says a
    word), "silent" (stops after a few reports), "garbage", "flood" or "close" (in the middle of a line). Raises
    WatchfloorError where the server doesn't start.
    """
    settings = {
        "accelerators": accelerators,
        "seed": seed,
        "same_instant": same_instant,
        "faults": dict(faults or {}),
    }
    service = await Service.start("collectors.simulator.wire_server", settings, folder)
    ports = service.answer["ports"]
    specs = [_spec(node, ports[node % len(ports)], service.folder) for node in range(nodes)]
    return WireFleet(specs, service.folder, service)


def _spec(node: int, port: int, folder: Path) -> NodeSpec:
    name = f"n{node:04d}"
    rack = f"r{node // NODES_PER_RACK:03d}"
    return NodeSpec(name, ADDRESS, site="wire", rack=rack, group="wire", ssh=client_options(folder, name, port))
