"""Ring timeout: an AMD board stops answering its driver, is reset with all that it held, and its job has died."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator.faults import Faults, Floor, Incident, Scenario

_BOARD, _JOB_ENDS, _RESET, _BACK = 1, 2.0, 12.0, 16.0


@dataclass(frozen=True)
class RingTimeout(Incident):
    def strike(self, since: float, faults: Faults) -> None:
        """Nothing that its sensors tell: the job is gone, and the kernel knows why."""

    def pace(self, since: float) -> float:
        return 1.0 if since < _JOB_ENDS else 0.0

    def kernel_lines(self) -> list[tuple[float, str]]:
        board = f"amdgpu {self.node.shape.address(_BOARD)}: amdgpu"
        return [
            (0.0, f"{board}: ring sdma0 timeout, signaled seq=81204, emitted seq=81206"),
            (_RESET, f"{board}: GPU reset begin!"),
            (_BACK, f"{board}: VRAM is lost due to GPU reset!"),
            (_BACK + 0.2, f"{board}: GPU reset(1) succeeded!"),
        ]

    def story(self) -> list[tuple[float, str]]:
        return [
            (0, f"{self.node.name}: a ring of board {_BOARD} times out, and its job ends on all of its nodes"),
            (_RESET, f"{self.node.name}: the driver resets board {_BOARD}; what was in its memory is lost"),
            (self.lasts, f"{self.node.name}: the job begins anew"),
        ]


def _place(floor: Floor) -> list[Incident]:
    node = floor.pick(lambda plan: plan.shape.vendor == "amd" and plan.shape.boards > _BOARD)
    return [RingTimeout(node, first=12, lasts=75)] if node else []


SCENARIO = Scenario(
    "ringhang",
    "a ring of an AMD board times out; the board is reset and its job is gone",
    "events of the kernel log: the timeout, the reset, the memory that was lost; the job gone from every node it had",
    _place,
)
