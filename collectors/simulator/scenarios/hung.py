"""Hung driver: every call into the driver blocks for a while, then answers again."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario


@dataclass(frozen=True)
class HungDriver(Incident):
    ends_with_reboot = True

    def strike(self, since: float, faults: Faults) -> None:
        faults.driver_hung = True

    def kernel_lines(self) -> list[tuple[float, str]]:
        waiting = "Timeout after 6s of waiting for RPC response from GPU0 GSP!"
        expected = "Expected function 76 (GSP_RM_CONTROL) (0x20801813 0x4c)."
        xid = f"NVRM: Xid (PCI:{self.node.shape.address(0)[:-2]}): 119, pid=2024380, name=nvidia-smi"
        return [(6.0, f"{xid}, {waiting} {expected}"), (12.0, f"{xid}, {waiting} {expected}")]

    def story(self) -> list[tuple[float, str]]:
        return [
            (0, f"{self.node.name}: calls into the driver hang (state D); host, network and InfiniBand go on"),
            (self.lasts, f"{self.node.name}: the driver answers again"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "nvidia")
    return [HungDriver(node, first=11, lasts=55, every=180)] if node else []


SCENARIO = Scenario(
    "hung",
    "the driver hangs, then heals",
    "accelerator values timed out, 'no answer for N s, state D', while the host's go on; then all is back",
    _place,
)
