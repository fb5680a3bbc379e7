"""Settings: somebody has lowered the application clocks of a board and switched off persistence mode."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import CYCLE_SECONDS, Faults, Floor, Incident, Scenario

_BOARD, _BELOW = 2, 345  # MHz


@dataclass(frozen=True)
class Changed(Incident):
    ends_with_reboot = True

    def strike(self, since: float, faults: Faults) -> None:
        board = self.node.shape.board
        assert board is not None
        faults.application_clocks[_BOARD] = board.clock_sm - _BELOW
        faults.unpersistent.add(_BOARD)

    def pace(self, since: float) -> float:
        return 0.85

    def story(self) -> list[tuple[float, str]]:
        what = "with lower application clocks, for which its job waits, and without persistence mode"
        return [(0, f"{self.node.name}: board {_BOARD} {what}")]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "nvidia" and plan.shape.boards > _BOARD)
    return [Changed(node, first=0, lasts=CYCLE_SECONDS, every=CYCLE_SECONDS)] if node else []


SCENARIO = Scenario(
    "settings",
    "the clocks and the persistence mode of a board are not as on the others",
    "the findings `application-clock` and `persistence-off`, then `straggler`: SMCLK of the board never goes higher",
    _place,
)
