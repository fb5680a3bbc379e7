"""The kernel log of a simulated node, as records of /dev/kmsg. Pure, but for what a reader has read already."""

from __future__ import annotations

from collections.abc import Callable

from collectors.simulator.machine import Machine

_FIRST = 1000  # records that the start of the system wrote


def records(machine: Machine) -> list[str]:
    """What was written since it booted, oldest first; the numbers go on without a gap."""
    lines = sorted(
        (at, message)
        for incident in machine.incidents
        for at, message in incident.logged(machine.time)
        if at >= machine.booted_at
    )
    return [
        f"4,{_FIRST + number},{int(1e6 * (at - machine.booted_at))},-;{message}\n"
        for number, (at, message) in enumerate(lines)
    ]


class Ring:
    """As collectors.probe.logs.Kmsg: each record is read once. `present()` gives the machine as it is."""

    def __init__(self, present: Callable[[], Machine]) -> None:
        self._present = present
        self._boots = -1
        self._read = 0

    def records(self, most: int) -> list[str]:
        machine = self._present()
        if machine.boots != self._boots:
            self._boots, self._read = machine.boots, 0
        new = records(machine)[self._read :][:most]
        self._read += len(new)
        return new

    def close(self) -> None:
        """Nothing is held open."""
