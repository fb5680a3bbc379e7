"""NVLinks that boards of a model are known to have: all of them lost together look as if there had never been any.

Single links that go down are told of by themselves (`links`). Models are known by their whole names: boards of the same
chip in other shapes have other links.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np

from watchfloor.checks._tools import limit, models, named, report, suspects, thresholds
from watchfloor.columns import Floats, Mask
from watchfloor.distinct import among, distinct
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Finding, Scope, State

_BOARD, _LINK = Scope.ACCELERATOR, Scope.LINK


def check(frame: Frame) -> Iterator[Finding]:
    expected = {code: _expected()[name] for name, code in models(frame).items() if name in _expected()}
    if expected:
        yield from _too_few(frame, expected)
        yield from _too_slow(frame, expected)


@cache
def _expected() -> Mapping[str, tuple[float, float]]:
    """Model -> how many NVLinks it has, and their speed one way in B/s."""
    told = {name: item.entries() for name, item in thresholds()["nvlink-expected"]["models"].entries().items()}
    speed = Unit.BYTES_PER_SECOND
    return {name: (said["links"].number(), said["speed"].quantity(speed)) for name, said in told.items()}


def _by_code(frame: Frame, values: Mapping[int, float]) -> Floats:
    """By code of a text; NaN for texts without a value. Code 0 is the empty text."""
    found = np.full(len(frame.accelerators.texts), np.nan)
    for code, value in values.items():
        found[code] = value
    return found


def _too_few(frame: Frame, expected: Mapping[int, tuple[float, float]]) -> Iterator[Finding]:
    view = frame.accelerators

    def test(up: Floats, most: Floats, model: Floats) -> Mask:
        links = _by_code(frame, {code: links for code, (links, _) in expected.items()})
        ought = links[np.nan_to_num(model).astype(np.intp)]
        return (most < ought) | ((up == 0) & (ought > 0))

    up, most, model = (view.last(name) for name in ("links_up", "links_max", "model"))
    yield from report(
        frame,
        _BOARD,
        suspects(view, "nvlink-count", ("links_up", "links_max", "model"), test),
        "nvlink-count",
        State.CRITICAL,
        lambda row: (
            f"{named(frame, _BOARD, row)} has {up[row]:.0f} of {most[row]:.0f} NVLinks up, "
            f"boards of its model have {expected[int(model[row])][0]:.0f}"
        ),
        ("links_up", "links_max", "fabric_state", "model"),
    )


def _too_slow(frame: Frame, expected: Mapping[int, tuple[float, float]]) -> Iterator[Finding]:
    view, least = frame.links, limit("link-slow", "below", Unit.PERCENT) / 100

    def test(speed: Floats, owner: Floats, kind: Floats) -> Mask:
        is_nvlink = [code for code in distinct(kind[kind > 0]).tolist() if view.texts[int(code)] == "nvlink"]
        return (speed > 0) & (speed < least * _of_links(frame, expected, owner)) & among(kind, is_nvlink)

    rows = suspects(view, "nvlink-speed", ("speed", "accelerator", "kind"), test)
    if not rows.size:
        return
    speed, best = view.last("speed"), _of_links(frame, expected, view.last("accelerator")[rows])
    of_row = dict(zip(rows.tolist(), best.tolist(), strict=True))
    yield from report(
        frame,
        _LINK,
        rows,
        "nvlink-speed",
        State.WARNING,
        lambda row: (
            f"{named(frame, _LINK, row)} runs at {speed[row] / 1e9:,.1f} GB/s, "
            f"NVLinks of its board's model at {of_row[row] / 1e9:,.1f} GB/s"
        ),
        ("speed", "speed_max", "gen", "peer"),
    )


def _of_links(frame: Frame, expected: Mapping[int, tuple[float, float]], owner: Floats) -> Floats:
    """The speed that links of these boards ought to have. `owner`: code of a board's uuid, by link."""
    boards = frame.accelerators
    speed = _by_code(frame, {code: speed for code, (_, speed) in expected.items()})
    uuid, of_board = boards.codes("uuid"), speed[np.nan_to_num(boards.last("model")).astype(np.intp)]
    by_uuid = np.full(len(boards.texts), np.nan)
    by_uuid[uuid[uuid > 0]] = of_board[uuid > 0]
    return by_uuid[np.nan_to_num(owner).astype(np.intp)]
