"""Metrics that the console reckons from others of the same row, whenever somebody asks for them.

A derived value is missing for the reason of the first of its parts that is missing; where the parts are there and make
no number (a link without a line speed), it is unsupported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchfloor.blocks import by_blocks
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Missing, Scope

_Floats = NDArray[np.float64]
_Codes = NDArray[np.int8]


def _every(values: Sequence[_Floats], reasons: Sequence[_Codes]) -> Sequence[_Codes]:
    return reasons


@dataclass(frozen=True)
class Derived:
    """`reckon` makes the values, of the parts' values, in the order of `parts`.

    `due` gives the reasons that count, of the parts' values and reasons, where some parts do without the others.
    """

    parts: tuple[str, ...]
    reckon: Callable[..., _Floats]
    due: Callable[[Sequence[_Floats], Sequence[_Codes]], Sequence[_Codes]] = _every

    def alone(self, values: list[_Floats]) -> _Floats:
        """The values, NaN where there are none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return by_blocks(self._finite, np.float64, *values)

    def of(self, values: list[_Floats], reasons: list[_Codes]) -> tuple[_Floats, _Codes]:
        """The values (NaN where there are none) and why they are missing."""
        found = self.alone(values)
        return found, by_blocks(_why, np.int8, found, *self.due(values, reasons))

    def _finite(self, *values: _Floats) -> _Floats:
        found = self.reckon(*values)
        return np.where(np.isfinite(found), found, np.nan)


def _why(found: _Floats, *reasons: _Codes) -> _Codes:
    why = np.where(np.isnan(found), np.int8(Missing.UNSUPPORTED), np.int8(Missing.NO))
    for reason in reversed(reasons):
        why = np.where(reason == Missing.NO, why, reason)
    return why


def _share(used: _Floats, total: _Floats) -> _Floats:
    return 100 * used / total


def _usage(received: _Floats, sent: _Floats, speed: _Floats, both: _Floats) -> _Floats:
    """Where the two directions aren't told apart: of what both can carry, which the busier one carries at least."""
    busier, together = np.maximum(received, sent), both == both
    if together.any():
        busier = np.where(together & np.isnan(busier), both / 2, busier)
    return 100 * busier / speed


def _of_usage(values: Sequence[_Floats], reasons: Sequence[_Codes]) -> Sequence[_Codes]:
    (received, _, _, both), (of_received, of_sent, of_speed, of_both) = values, reasons
    together = both == both
    if not together.any():
        return of_received, of_sent, of_speed
    alone = together & np.isnan(received)
    return np.where(alone, of_both, of_received), np.where(alone, of_both, of_sent), of_speed


DERIVED: Mapping[Scope, Mapping[str, Derived]] = {
    Scope.ACCELERATOR: {"mem": Derived(("mem_used", "mem_total"), _share)},
    Scope.NODE: {"mem": Derived(("mem_used", "mem_total"), _share)},
    Scope.LINK: {"usage": Derived(("rx", "tx", "speed", "traffic"), _usage, _of_usage)},
    Scope.SERVICE: {},
    Scope.JOB: {},
}

# what the console itself knows: no node's to say, and it doesn't grow stale with a node's silence
CONSOLE_OWNED: Mapping[Scope, frozenset[str]] = {
    scope: frozenset(
        name for name, metric in table.items() if "console" in metric.sources and name not in DERIVED[scope]
    )
    for scope, table in CATALOGUE.items()
}
