"""Pictures of every page at three sizes, over a fixed frame with stale, lost, hung, unsupported and unreachable parts.

`make golden` renews them (pytest --snapshot-update); look at each one that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.support import frames
from tests.support.feeds import still_app
from tests.support.frames import settled
from tests.support.onrecord import on_record
from tui.present.style import palette

SIZES = ((80, 24), (120, 40), (200, 60))
Compare = Callable[..., bool]

PAGES: dict[str, Sequence[str]] = {
    "fleet": (),
    "fleet-nodes": ("t",),
    "fleet-filtered": ("slash", *"rack==r3", "enter", "space", "space"),
    "filter-error": ("slash", *"utl<5"),
    "node": ("enter",),
    "node-stale": ("slash", *"dgx-04", "enter", "enter"),
    "node-hung-everything": ("slash", *"dgx-07", "enter", "enter", "e"),
    "node-links": ("slash", *"dgx-03", "enter", "enter", "i"),
    "stack": ("5", *["down"] * 6),
    "stack-differs-by-job": ("5", "b", "b", "d"),
    "help": ("question_mark",),
}


FINDINGS: dict[str, Sequence[str]] = {
    "findings": ("6",),
    "findings-over": ("6", "o", *["down"] * 4),
    "findings-filtered": ("6", "slash", *"dgx", "enter"),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("page", FINDINGS)
def test_findings(page: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(still_app(on_record()), press=FINDINGS[page], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(still_app(settled()), press=PAGES[page], terminal_size=size)


def test_before_the_first_frame(snap_compare: Compare) -> None:
    assert snap_compare(still_app(None), terminal_size=(80, 24))


def test_hosts_without_accelerators(snap_compare: Compare) -> None:
    assert snap_compare(still_app(frames.hosts_only()), press=["enter"], terminal_size=(120, 40))


@pytest.mark.parametrize("theme", ["colorblind", "mono"])
def test_theme(theme: str, snap_compare: Compare) -> None:
    assert snap_compare(still_app(settled(), palette=palette(theme)), terminal_size=(120, 40))


def test_ascii(snap_compare: Compare) -> None:
    look = palette("mono", ascii_only=True)
    assert snap_compare(still_app(settled(), palette=look), press=["enter"], terminal_size=(120, 40))
