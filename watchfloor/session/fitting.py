"""Finds how columns move with one another: least squares, with the few terms that are worth telling. Pure.

Needed by who writes only. What was seen before counts less and less, so that a fit is not of one moment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from watchfloor.session.forecast import Floats, Forecast, Kind, Rule, Scene, Term

_FADES = 0.7  # of what was seen before is left
_MOST_TERMS = 8  # each costs whoever reads some microseconds a moment
_WORTH_BITS = 0.01  # a row: what a term has to spare
_LEAST = 1e-12  # of the inverse of what is seen, where columns are so nearly alike that it came out as less
_ALIKE = 1e-11  # of its variance: what is left of a column that others tell as well


class Study:
    """Of columns by these names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        size = len(Kind) * len(names)
        self._products = [np.zeros((size, size)), np.zeros((size, size))]
        self._sums = [np.zeros(size), np.zeros(size)]
        self._rows = [0.0, 0.0]

    def see(self, scenes: Sequence[tuple[Scene, int]]) -> None:
        """One moment: by part, all that is known of it (the moves of all columns are), and its number of rows."""
        for part, (scene, count) in enumerate(scenes):
            seen = np.zeros((len(Kind) * len(self.names), count))
            for kind in Kind:
                for place, name in enumerate(self.names):
                    shown = scene.shows(kind, name)
                    if shown is not None:
                        seen[kind * len(self.names) + place] = shown
            self._products[part] = self._products[part] * _FADES + seen @ seen.T
            self._sums[part] = self._sums[part] * _FADES + seen.sum(axis=1)
            self._rows[part] = self._rows[part] * _FADES + count

    def forecast(self, steps: Sequence[float]) -> Forecast:
        """`steps`: by column, the smallest move that it makes. Those that tell most come first."""
        count = len(self.names)
        about_means = [self._about_means(part) for part in range(2)]
        moves = sum(np.diagonal(products)[:count] for products in about_means)
        order = np.argsort(-moves / np.square(steps), kind="stable").tolist()
        rules = [
            [self._rule(part, about_means[part], order, at, steps[order[at]]) for at in range(count)]
            for part in range(2)
        ]
        return Forecast([self.names[place] for place in order], rules)

    def _about_means(self, part: int) -> NDArray[np.float64]:
        sums = self._sums[part]
        return self._products[part] - np.outer(sums, sums) / max(self._rows[part], 1.0)

    def _rule(self, part: int, products: NDArray[np.float64], order: Sequence[int], at: int, step: float) -> Rule:
        """Of the column at this place of the order: those before it are told by then."""
        count, target = len(self.names), order[at]
        of_all = [kind * count + place for kind in Kind if kind is not Kind.MOVE for place in range(count)]
        chosen = [place for place in (*order[:at], *of_all) if products[place, place] > 0]
        if not chosen or not products[target, target] > 0:
            return Rule()
        chosen.append(target)
        scale = np.sqrt(products[chosen, chosen])
        rounding = step**2 / 12 * self._rows[part]  # is left whatever is foretold
        places, shares = _fitted(products[np.ix_(chosen, chosen)] / scale / scale[:, None], rounding / scale[-1] ** 2)
        shares = shares * scale[-1] / scale[places]
        picked = [chosen[place] for place in places]
        means = self._sums[part] / self._rows[part]
        places_told = {place: number for number, place in enumerate(order)}
        return Rule(
            float(means[target] - shares @ means[picked]),
            [
                Term(Kind(place // count), places_told[place % count], share)
                for place, share in zip(picked, shares.tolist(), strict=True)
            ],
        )


def _fitted(products: NDArray[np.float64], rounding: float) -> tuple[list[int], Floats]:
    """Which of all but the last go with the last one, and with which shares: those without which more would be left.

    What goes with it only beside others is found so, too: a value that the last one stood at, and what that came from.
    """
    last = len(products) - 1
    kept = _independent(products[:last, :last])
    inverse = np.linalg.inv(products[np.ix_(kept, kept)])
    shares = inverse @ products[kept, last]
    left = max(products[last, last] - float(shares @ products[kept, last]), 0.0) + rounding
    while kept:
        losses = np.square(shares) / np.maximum(np.diagonal(inverse), _LEAST)
        least = int(np.argmin(losses))
        if len(kept) <= _MOST_TERMS and 0.5 * np.log2((left + losses[least]) / left) > _WORTH_BITS:
            break
        left += losses[least]
        shares = np.delete(shares - inverse[least] * (shares[least] / inverse[least, least]), least)
        without = inverse - np.outer(inverse[:, least], inverse[least]) / inverse[least, least]
        inverse = np.delete(np.delete(without, least, 0), least, 1)
        del kept[least]
    return kept, shares


def _independent(products: NDArray[np.float64]) -> list[int]:
    """Places of those of which those before don't tell everything. The diagonal is 1."""
    left, found = products.copy(), []
    for place in range(len(left)):
        if left[place, place] > _ALIKE:
            found.append(place)
            left -= np.outer(left[:, place], left[place]) / left[place, place]
    return found
