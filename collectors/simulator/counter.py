"""Quantities that only grow, exact at any instant between two steps of a simulation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counter:
    """`value` at the last step, and the `rate` at which it grows until the next one, a second later."""

    value: float = 0.0
    rate: float = 0.0

    def step(self, rate: float) -> None:
        """A second has passed; from now on it grows by `rate` a second."""
        self.value += self.rate
        self.rate = rate

    def add(self, amount: float) -> None:
        """Something was counted at the instant of the step."""
        self.value += amount

    def after(self, part: float) -> float:
        """The value `part` of a second after the last step."""
        return self.value + self.rate * part
