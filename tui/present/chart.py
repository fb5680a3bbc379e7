"""History as text: an area chart in braille dots (or ASCII), and a sparkline. Pure.

The mean is a filled area; where a bin's maximum is above its mean, the room between is shaded. Where nothing was known
there is nothing: a known 0 still has its dot on the base line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from tui.present.format import Text, age, fit, quantity
from tui.present.style import HEAT, LEVELS, LOAD, UNICODE, Glyphs, Token
from watchfloor.columns import Floats
from watchfloor.history import COARSE_SLOTS, FINE_SLOTS, Series
from watchfloor.metrics import Unit

Line = list[Text]

# the dots of a braille cell by [row from the top][left, right], as offsets from U+2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_DOT_ROWS = 4
_BRAILLE = 0x2800
_LOWEST_LEVEL = 3  # the colours below are too dark for dots
_AXIS_FROM = 5  # lines from which a chart has a time axis


@dataclass(frozen=True, slots=True)
class Plot:
    """What a chart shows. `high`: where the axis ends, unless more was seen; None: a round number above that. `note`
    stands for the newest value where this is missing, and says why."""

    title: str
    unit: Unit
    series: Series
    low: float = 0.0
    high: float | None = None
    note: str = ""

    @property
    def slots(self) -> int:
        """Values that the time axis has room for: as many as the ring that the series comes from."""
        return FINE_SLOTS if self.series.seconds <= 1 else COARSE_SLOTS

    @property
    def top(self) -> float:
        known = self.series.maximum[~np.isnan(self.series.maximum)]
        seen = float(known.max()) if known.size else 0.0
        if self.high is not None and self.high > self.low:
            return max(self.high, seen)  # a load goes beyond the processors
        return round_up(seen, self.unit, self.low)


def round_up(value: float, unit: Unit, low: float = 0.0) -> float:
    """The next 1, 2 or 5 (bytes: the next power of two) times a power of the unit's base; always above `low`."""
    if unit is Unit.PERCENT:
        return max(100.0, value)
    if value <= 0:
        return low + 1.0
    if unit is Unit.BYTES:
        return max(2.0 ** math.ceil(math.log2(value)), low + 1.0)
    power = 10.0 ** math.floor(math.log10(value))
    return max(next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999), low + 1.0)


def draw(plot: Plot, width: int, height: int, glyphs: Glyphs = UNICODE) -> list[Line]:
    """`height` lines of exactly `width` cells: title with the newest value, area, time axis (where there is room)."""
    if height < 1 or width < 1:
        return []
    title = _title(plot, width, glyphs)
    if height == 1:
        return [title]
    if np.isnan(plot.series.maximum).all():  # axes of nothing would look like a measured zero
        return [title, *([(" " * width, Token.DIM)] for _ in range(height - 1))]
    axis = 1 if height >= _AXIS_FROM else 0
    rows = height - 1 - axis
    labels = _labels(plot, rows, width, glyphs)
    gutter = cell_len(labels[0])
    area = _area(plot, width - gutter, rows, glyphs)
    body = [[(label, Token.DIM), *line] for label, line in zip(labels, area, strict=True)]
    return [title, *body, *([_axis(plot, gutter, width)] if axis else [])]


def spark(values: Floats, width: int, high: float | None = None, glyphs: Glyphs = UNICODE) -> str:
    """The values in one line of `width` cells, from 0 to `high` (None: their highest); blank where unknown."""
    means, _ = _binned(values, values, width)
    known = means[~np.isnan(means)]
    top = high if high else float(known.max()) if known.size else 1.0
    steps = len(glyphs.steps)
    return "".join(
        " " if math.isnan(value) else glyphs.steps[min(steps - 1, max(0, int(value / (top or 1.0) * steps)))]
        for value in means.tolist()
    )


def _title(plot: Plot, width: int, glyphs: Glyphs) -> Line:
    means = plot.series.mean
    known = bool(means.size) and not math.isnan(means[-1])
    title = glyphs.spell(plot.title)
    name = fit(title, min(cell_len(title), width), "left", glyphs.ellipsis)
    now = quantity(float(means[-1]), plot.unit) if known else _note(plot.note or "no value", width - cell_len(name))
    rest = fit(glyphs.spell(f"  {now}"), width - cell_len(name), "left", glyphs.ellipsis)
    return [(name, Token.HEADER), (rest, Token.STRONG if known else Token.DIM)]


def _note(note: str, room: int) -> str:
    """`timed out, last 1980 MHz`; a figure that would be cut would be read as another, so the words are enough."""
    return note if cell_len(note) + 2 <= room else note.partition(",")[0]


def _labels(plot: Plot, rows: int, width: int, glyphs: Glyphs) -> list[str]:
    """What the top and the bottom stand for, one text a row, all of the same width; empty where there is no room."""
    ends = [glyphs.spell(quantity(end, plot.unit)) for end in (plot.top, plot.low)]
    gutter = max(map(cell_len, ends)) + 1
    if gutter * 3 > width or rows < 2:
        return [""] * rows
    texts = [ends[0], *[""] * (rows - 2), ends[1]]
    return [fit(text, gutter - 1, "right") + " " for text in texts]


def _axis(plot: Plot, gutter: int, width: int) -> Line:
    begin, end = f"-{age(plot.slots * plot.series.seconds)}", "now"
    room = width - gutter - len(begin) - len(end)
    if room < 1:
        return [(" " * width, Token.DIM)]
    return [(" " * gutter + begin + " " * room + end, Token.DIM)]


def _area(plot: Plot, width: int, rows: int, glyphs: Glyphs) -> list[Line]:
    across, down = (2, _DOT_ROWS) if glyphs.braille else (1, len(glyphs.steps))
    series = plot.series
    empty = np.full(max(0, plot.slots - len(series.mean)), np.nan)
    means, maxima = _binned(
        np.concatenate([empty, series.mean[-plot.slots :]]),
        np.concatenate([empty, series.maximum[-plot.slots :]]),
        width * across,
    )
    mean_dots, max_dots = (_heights(values, plot, rows * down) for values in (means, maxima))
    tokens = HEAT if plot.unit is Unit.CELSIUS else LOAD
    lines = []
    for row in range(rows):
        below = (rows - 1 - row) * down  # dots under this row
        mean, highest = (np.clip(dots - below, 0, down) for dots in (mean_dots, max_dots))
        token = tokens[_level(rows - 1 - row, rows)]
        if glyphs.braille:
            lines.append(_braille_row(mean, highest, token))
        else:
            lines.append(_steps_row(mean, highest, token, glyphs.steps))
    return lines


def _level(above: int, rows: int) -> int:
    """The colour of a row that stands `above` others: brighter towards the top."""
    return LEVELS - 1 if rows == 1 else _LOWEST_LEVEL + (LEVELS - 1 - _LOWEST_LEVEL) * above // (rows - 1)


def _heights(values: Floats, plot: Plot, dots: int) -> NDArray[np.int32]:
    """How many dots high each column is; 0 where nothing was known, else at least 1."""
    share = (values - plot.low) / (plot.top - plot.low)
    heights = np.clip(np.rint(np.nan_to_num(share) * dots), 1, dots).astype(np.int32)
    heights[np.isnan(values)] = 0
    return heights


def _binned(means: Floats, maxima: Floats, bins: int) -> tuple[Floats, Floats]:
    """Both series in exactly `bins` values: mean of the means, highest of the maxima; NaN where a bin knows nothing."""
    count = len(means)
    if not count or bins < 1:
        nothing = np.full(max(0, bins), np.nan)
        return nothing, nothing
    if count <= bins:
        at = np.arange(bins) * count // bins
        return means[at], maxima[at]
    begins = np.arange(bins) * count // bins
    known = ~np.isnan(means)
    number = np.add.reduceat(known.astype(np.float64), begins)
    sums = np.add.reduceat(np.where(known, means, 0.0), begins)
    highest = np.maximum.reduceat(np.where(np.isnan(maxima), -np.inf, maxima), begins)
    mean = np.where(number > 0, sums / np.maximum(number, 1.0), np.nan)
    return mean, np.where(np.isinf(highest), np.nan, highest)


def _braille_row(means: NDArray[np.int32], maxima: NDArray[np.int32], token: Token) -> Line:
    characters = []
    for x in range(0, len(means), 2):
        solid = _dots(int(means[x]), int(means[x + 1]))
        shade = _dots(int(maxima[x]), int(maxima[x + 1]))
        look = token if solid else Token.DIM
        characters.append((chr(_BRAILLE + (solid or shade)) if solid or shade else " ", look))
    return _runs(characters)


def _dots(left: int, right: int) -> int:
    """The bits of a braille cell filled from below to these heights (0 to 4)."""
    bits = 0
    for row in range(_DOT_ROWS):
        from_below = _DOT_ROWS - row
        bits |= (_DOTS[row][0] if left >= from_below else 0) | (_DOTS[row][1] if right >= from_below else 0)
    return bits


def _steps_row(means: NDArray[np.int32], maxima: NDArray[np.int32], token: Token, steps: str) -> Line:
    characters = []
    for mean, highest in zip(means.tolist(), maxima.tolist(), strict=True):
        height, look = (mean, token) if mean else (highest, Token.DIM)
        characters.append((steps[height - 1] if height else " ", look))
    return _runs(characters)


def _runs(characters: Sequence[Text]) -> Line:
    """Neighbours of the same token as one text; blanks join what is before them."""
    line: Line = []
    for character, token in characters:
        if line and (line[-1][1] is token or character == " "):
            line[-1] = (line[-1][0] + character, line[-1][1])
        else:
            line.append((character, token))
    return line
