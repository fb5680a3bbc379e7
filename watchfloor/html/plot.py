"""Small plots as SVG within a page: lines, steps, bars. Pure.

A point without a value is a gap: what wasn't known is not drawn. Colours come from the page; from the ninth line on,
dashes tell those of one colour apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from watchfloor.html.markup import Html, joined, listed, number, tag

Point = tuple[float, float | None]

_WIDTH, _HEIGHT = 900.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 12.0, 16.0, 24.0
_COLOURS = 8
_DASHES = ((None, "━━"), ("6 3", "╍╍"), ("2 2", "┅┅"))  # and how the legend shows them
_MOST_POINTS = 600  # of a line: a pixel shows no more
_TICKS = 5
_APART = 14.0  # marks that are nearer to one another share a line


@dataclass(frozen=True, slots=True)
class Series:
    """`points`: by x, which only grows; None is a value that wasn't known."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one x. `name`: what is drawn there, a few characters."""

    at: float
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """`x_text`, `y_text`: how a number of the axis is written. `low`, `high`: values that the axis holds in any case,
    None for none. `marks`: by x; only their names are drawn, `told` has their texts."""

    title: str
    series: Sequence[Series]
    x_text: Callable[[float], str]
    y_text: Callable[[float], str]
    marks: Sequence[Mark] = ()
    low: float | None = 0.0
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """`text`: the value as people read it. A bar without a value says so by its text."""

    name: str
    value: float | None
    text: str


def lines(plot: Plot) -> Html:
    """From point to point."""
    return _drawn(plot, _line)


def steps(plot: Plot) -> Html:
    """Each value holds until the next."""
    return _drawn(plot, _stairs)


def told(marks: Sequence[Mark], x_text: Callable[[float], str]) -> Html:
    """What the names of marks stand for: once for all plots that have the same ones."""
    items = [joined((tag("strong", mark.name), f" {x_text(mark.at)} {mark.text}")) for mark in marks]
    return tag("ol", *(tag("li", item) for item in items), class_="marks") if items else Html()


def bars(title: str, of: Sequence[Bar], note: str = "") -> Html:
    """One below the other, each with its name and its value."""
    row, left, right = 22.0, 200.0, 130.0
    height = row * len(of) + 6
    most = max((bar.value for bar in of if bar.value is not None), default=0.0) or 1.0
    drawn: list[str] = []
    for place, bar in enumerate(of):
        y = place * row + 4
        wide = max(0.0, bar.value or 0.0) / most * (_WIDTH - left - right)
        drawn.append(tag("text", _short(bar.name, 30), x=left - 8, y=y + 12, text_anchor="end", class_="label"))
        drawn.append(tag("rect", x=left, y=y, width=max(wide, 0.5 if bar.value else 0.0), height=row - 8, rx=2))
        drawn.append(tag("text", bar.text, x=left + wide + 6, y=y + 12))
    return _figure(title, _svg(title, height, drawn), note, ())


# -- lines


@dataclass(frozen=True, slots=True)
class _Frame:
    """Numbers -> places in the picture."""

    begin: float
    end: float
    low: float
    high: float

    def x(self, at: float) -> float:
        return _LEFT + (at - self.begin) / (self.end - self.begin) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (self.high - value) / (self.high - self.low) * (_HEIGHT - _TOP - _BOTTOM)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Points with values that follow one another, and how far the last of them holds."""

    points: Sequence[tuple[float, float]]
    until: float


def _drawn(plot: Plot, path: Callable[[_Frame, _Stretch], str]) -> Html:
    frame = _frame(plot)
    if frame is None:
        return _figure(plot.title, tag("p", "nothing is known of it"), plot.note, ())
    drawn = [*_grid(frame, plot), *_marks(frame, plot)]
    for place, series in enumerate(plot.series):
        whole = " ".join(path(frame, stretch) for stretch in _stretches(thinned(series.points)))
        if whole:
            drawn.append(tag("path", d=whole, class_=_colour(place), stroke_dasharray=_dash(place)[0]))
    return _figure(plot.title, _svg(plot.title, _HEIGHT, drawn), plot.note, _legend(plot))


def _frame(plot: Plot) -> _Frame | None:
    """None where no value is known."""
    places = [at for series in plot.series for at, _ in series.points]
    values = [value for series in plot.series for _, value in series.points if value is not None]
    if not values:
        return None
    low = min(values) if plot.low is None else min(plot.low, *values)
    high = max(values) if plot.high is None else max(plot.high, *values)
    step = _nice((high - low) / 4 or abs(high) / 4 or 1.0)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    begin, end = min(places), max(places)
    return _Frame(begin, end if end > begin else begin + 1.0, low, high if high > low else low + step)


def _nice(rough: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, no less than this."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * part for part in (1.0, 2.0, 2.5, 5.0, 10.0) if power * part >= rough * (1 - 1e-9))


def _grid(frame: _Frame, plot: Plot) -> Iterator[Html]:
    step = _nice((frame.high - frame.low) / 4)
    for place in range(round((frame.high - frame.low) / step) + 1):
        value = frame.low + place * step
        y = frame.y(value)
        yield tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
        yield tag("text", plot.y_text(value), x=_LEFT - 6, y=y + 4, text_anchor="end")
    for place in range(_TICKS):
        at = frame.begin + (frame.end - frame.begin) * place / (_TICKS - 1)
        anchor = "start" if not place else "end" if place == _TICKS - 1 else "middle"
        yield tag("text", plot.x_text(at), x=frame.x(at), y=_HEIGHT - 6, text_anchor=anchor)


def _marks(frame: _Frame, plot: Plot) -> Iterator[Html]:
    for marks in _together(frame, plot):
        x = frame.x(marks[0].at)
        title = "\n".join(f"{mark.name} {mark.text}" for mark in marks)
        name = marks[0].name if len(marks) == 1 else f"{marks[0].name}–{marks[-1].name}"
        yield tag("line", tag("title", title), x1=x, x2=x, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="mark")
        yield tag("text", name, x=x, y=_TOP - 4, text_anchor="middle", class_="label")


def _together(frame: _Frame, plot: Plot) -> list[list[Mark]]:
    """The marks in the picture; those that stand close together are one."""
    found: list[list[Mark]] = []
    for mark in plot.marks:
        if not frame.begin <= mark.at <= frame.end:
            continue
        if found and frame.x(mark.at) - frame.x(found[-1][0].at) < _APART * len(mark.name):
            found[-1].append(mark)
        else:
            found.append([mark])
    return found


def _legend(plot: Plot) -> Iterator[Html]:
    for place, series in enumerate(plot.series):
        yield joined((tag("span", f"{_dash(place)[1]} ", class_=_colour(place)), series.name))


def _colour(place: int) -> str:
    return f"c{place % _COLOURS + 1}"


def _dash(place: int) -> tuple[str | None, str]:
    return _DASHES[place // _COLOURS % len(_DASHES)]


def _line(frame: _Frame, stretch: _Stretch) -> str:
    whole = " ".join(f"{number(frame.x(at))},{number(frame.y(value))}" for at, value in stretch.points)
    return f"M{whole}" if len(stretch.points) > 1 else f"M{whole} h1"


def _stairs(frame: _Frame, stretch: _Stretch) -> str:
    (at, value), *rest = stretch.points
    first = f"M{number(frame.x(at))},{number(frame.y(value))}"
    parts = [f"H{number(frame.x(at))} V{number(frame.y(value))}" for at, value in rest]
    return " ".join((first, *parts, f"H{number(frame.x(stretch.until))}"))


def _stretches(points: Sequence[Point]) -> Iterator[_Stretch]:
    together: list[tuple[float, float]] = []
    for at, value in points:
        if value is not None:
            together.append((at, value))
        elif together:
            yield _Stretch(together, at)
            together = []
    if together:
        yield _Stretch(together, together[-1][0])


def thinned(points: Sequence[Point], most: int = _MOST_POINTS) -> Sequence[Point]:
    """About so many points: of each stretch its lowest and highest, and a gap where it holds one."""
    size = math.ceil(len(points) / (most / 2))
    if size <= 2:
        return points
    kept: list[Point] = []
    for place in range(0, len(points), size):
        part = points[place : place + size]
        known = [(at, value) for at, value in part if value is not None]
        ends = {min(known, key=_value), max(known, key=_value)} if known else set()
        gap = [next(point for point in part if point[1] is None)] if len(known) < len(part) else []
        kept += sorted((*ends, *gap), key=lambda point: point[0])
    return kept


def _value(point: tuple[float, float]) -> float:
    return point[1]


# -- what all have


def _svg(title: str, height: float, drawn: Sequence[str]) -> Html:
    return tag("svg", tag("title", title), *drawn, viewBox=f"0 0 {number(_WIDTH)} {number(height)}", role="img")


def _figure(title: str, drawn: Html, note: str, legend: Iterator[Html] | Sequence[Html]) -> Html:
    known = list(legend)
    below = Html(listed(known).replace("<ul>", '<ul class="legend">', 1)) if known else ""
    words = joined((tag("strong", title), f" · {note}" if note else ""))
    return tag("figure", tag("figcaption", words), drawn, tag("figcaption", below) if below else "")


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
