"""The fabric page: what stands out first, folding, filters of links, the way into a node, and its matrix; pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.support import fabrics
from tests.support.fabrics import settled
from tests.support.feeds import still_app
from tests.support.frames import hosts_only
from tests.support.screens import text_of
from tui.app import WatchfloorApp
from tui.linkchoices import Look
from tui.present.folds import FoldKey, FoldTable
from tui.present.line import width_of
from tui.present.link_detail import detail_lines, summary_lines
from tui.present.links import LinkTable
from tui.present.rails import Layer
from tui.present.style import palette
from tui.screens.fabric import FabricPage
from tui.screens.node import NodePage
from tui.widgets.table import VirtualTable
from watchfloor.fabric import Surveyor
from watchfloor.folds import Folder, Grouping, by_kind, fold
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject

SIZES = ((80, 24), (120, 40), (200, 60))
PICTURES: dict[str, Sequence[str]] = {
    "fabric": ("3",),
    "fabric-links": ("3", "t"),
    "fabric-by-switch": ("3", "b", "b"),
    "fabric-node": ("3", "enter"),
}
Compare = Callable[..., bool]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("page", PICTURES)
def test_picture(page: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(still_app(settled()), press=PICTURES[page], terminal_size=size)


def test_picture_in_ascii(snap_compare: Compare) -> None:
    look = palette("mono", ascii_only=True)
    assert snap_compare(still_app(settled(), palette=look), press=["3", "enter"], terminal_size=(120, 40))


def page(app: WatchfloorApp) -> FabricPage:
    found = app.pages["fabric"]
    assert isinstance(found, FabricPage)
    return found


def shown(app: WatchfloorApp) -> list[Subject | FoldKey]:
    model = page(app).table._model
    assert isinstance(model, LinkTable | FoldTable)
    return [model.identity(index) for index in range(model.count)]


async def test_the_worst_comes_first() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        kinds = [(key.place, key.kind) for key in shown(app)[:5] if isinstance(key, FoldKey)]
        assert kinds[:2] == [("ib-2", "infiniband"), ("ib-2", "pcie")]
        assert set(kinds[2:]) == {("ib-3", "infiniband"), ("ib-3", "nvlink"), ("mesh-1", "roce")}
        await pilot.pause()
        assert "mlx5_5/1 of ib-2" in text_of(app, "#detail")
        assert "1 down" in text_of(app, "#summary")


async def test_only_what_stands_out_then_everything() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "t", "x")
        names = {str(identity) for identity in shown(app)}
        assert names == {
            "ib-2/ib:mlx5_3/1", "ib-2/ib:mlx5_5/1", "ib-2/pcie:ib-2-board1", "mesh-1/ib:bnxt_1/1",
        }  # fmt: skip
        await pilot.press("escape")
        assert len(shown(app)) == settled().links.count


async def test_a_filter_is_asked_of_links() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "t", "slash", *"up==0", "enter")
        assert {str(identity) for identity in shown(app)} == {"ib-2/ib:mlx5_5/1", "ib-2/ib:mlx5_7/1"}
        await pilot.pause()
        assert f"2 of {settled().links.count}" in text_of(app, "#status")
        await pilot.press("slash", *["backspace"] * 5, *"util>90", "enter")  # of accelerators: the links of their nodes
        assert {str(identity).partition("/")[0] for identity in shown(app)} == set(fabrics.NAMES) - {"gone-1"}


async def test_a_large_fleet_is_drawn_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.fabric._AT_ONCE", 0)
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        newer, newest = replace(settled(), number=98), replace(settled(), number=99)
        for frame in (newer, newest):  # the second takes the place of the first
            app.desk.take(frame)
            page(app).receive(frame)
        assert drawn(app) not in (newer, newest)
        while drawn(app) is not newest:
            assert drawn(app) is not newer
            await pilot.pause()


async def test_a_key_draws_a_large_fleet_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.fabric._AT_ONCE", 0)
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        frame = replace(settled(), number=99)
        app.desk.take(frame)
        page(app).receive(frame)
        page(app).action_odd()
        assert drawn(app) is frame
        assert len(shown(app)) < len(fabrics.NAMES) * 2


def drawn(app: WatchfloorApp) -> Frame | None:
    """The frame that the table shows."""
    model = page(app).table._model
    assert model is None or isinstance(model, LinkTable | FoldTable)
    return model._frame if model is not None else None


async def test_into_a_node_and_back() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "enter")
        assert page(app).look is Look.NODE
        assert {identity.node for identity in shown(app) if isinstance(identity, Subject)} == {"ib-2"}
        matrix = page(app).query_one("#matrix", VirtualTable)._model
        assert matrix is not None
        assert [text for text, _ in matrix.cells(0)][:8] == ["gpu0", "4/4", "80.0G", "80.0G", "X", "NV4", "NV4", "NV4"]
        await pilot.press("n")
        assert page(app).node_of(settled()) == 2
        await pilot.press("escape")
        assert page(app).look is Look.FLEET
        await pilot.press("escape")
        assert app.page is not page(app)


async def test_from_a_link_to_its_node_page() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "t", "enter")
        await pilot.pause()
        assert page(app).look is Look.NODE
        assert page(app).table.cursor == Subject(Scope.LINK, "ib-2", "ib:mlx5_5/1")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.page, NodePage)


async def test_a_rack_leads_to_its_nodes() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "b")
        assert page(app).grouping is Grouping.RACK
        await pilot.press("enter")
        await pilot.pause()
        assert page(app).grouping is Grouping.NODE
        assert {(key.place, key.kind) for key in shown(app) if isinstance(key, FoldKey)} == {
            ("ib-1", "infiniband"), ("ib-2", "infiniband"),
        }  # fmt: skip


async def test_grouping_by_command() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "B", *"kind", "enter")
        await pilot.pause()
        assert page(app).grouping is Grouping.KIND
        assert len(shown(app)) == 7


async def test_sorting_by_letter_and_the_other_way_round() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "t", "E")
        assert str(shown(app)[0]) == "ib-3/nvlink:ib-3-board1:2"
        await pilot.press("r")
        assert page(app).sort.descending is False
        await pilot.press("X")
        assert page(app).sort.column == "errors"


async def test_layers_of_the_map() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "m")
        assert page(app).drawn_layer is Layer.SCALE_UP
        await pilot.press("m", "m", "m")
        assert page(app).drawn_layer is Layer.RAILS


async def test_the_map_leads_to_a_link() -> None:
    app = still_app(settled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "shift+tab", "right", "right", "enter")
        await pilot.pause()
        assert page(app).look is Look.NODE
        assert page(app).table.cursor == Subject(Scope.LINK, "ib-1", "ib:mlx5_2/1")


@pytest.mark.parametrize("frame", [None, "hosts"])
async def test_without_links_no_key_does_harm(frame: str | None) -> None:
    app = still_app(hosts_only() if frame else None)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "t", "m", "b", "x", "w", "v", "n", "p", "down", "enter", "escape", "escape", "E")
        assert app.is_running


@pytest.mark.parametrize("width", [80, 120, 200])
def test_what_was_found_of_a_link_is_told_whole(width: int) -> None:
    frame = settled()
    survey = Surveyor().survey(frame)
    found = [finding for finding in frame.findings if finding.subject.scope is Scope.LINK]
    assert found
    for finding in found:
        row = frame.row(finding.subject)
        told = [text for line in detail_lines(survey, row, width, 9) for text, _ in line]
        assert " ".join(finding.text.split()) in " ".join("".join(f"{text} " for text in told).split())


def test_the_summary_names_every_kind_where_one_line_is_too_short() -> None:
    survey = Surveyor().survey(settled())
    kinds = by_kind(fold(survey, Folder().groups(survey, Grouping.NODE)))
    lines = summary_lines(kinds, range(kinds.groups.count), 60, 9)
    said = "".join(text for line in lines for text, _ in line)
    assert len(lines) > 1
    assert all(f"{name} " in said for name in survey.kinds.names)
    assert all(width_of(line) <= 60 for line in lines)


@pytest.mark.parametrize("width", [46, 54, 62, 80])
def test_a_summary_without_room_for_every_kind_counts_those_that_it_leaves_out(width: int) -> None:
    survey = Surveyor().survey(settled())
    kinds = by_kind(fold(survey, Folder().groups(survey, Grouping.NODE)))
    ordered = sorted(range(kinds.groups.count), key=lambda group: -kinds.states[group])
    lines = summary_lines(kinds, ordered, width, 2)
    said = " ".join("".join(text for text, _ in line) for line in lines)
    named = sum(f" {name} " in said for name in survey.kinds.names)
    assert len(lines) <= 2 and all(width_of(line) <= width for line in lines)
    assert "…" not in said
    assert named == kinds.groups.count or f"{kinds.groups.count - named} more kind" in said
