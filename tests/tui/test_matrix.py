"""The matrix of a node fits the screen: what is far goes first, and what lies beyond the edge is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.support.boards import Boards, Values
from tests.support.feeds import still_app
from tui.present.format import Text
from tui.present.rows import lay_out
from tui.present.topology import legend, matrix
from tui.screens.fabric import FabricPage
from tui.widgets.table import VirtualTable
from watchfloor.fabric import Surveyor
from watchfloor.frame import Frame
from watchfloor.model import Missing, Scope
from watchfloor.topology import Topology


def hgx(boards: int = 8, lost: Sequence[int] = ()) -> Frame:
    """Boards behind NVSwitches, half of them on each socket, and a port beside each."""
    keys = {f"g{at}": {"name": f"gpu{at}", "numa": float(at >= boards // 2), "util": 90.0} for at in range(boards)}
    keys |= {f"g{at}": {**keys[f"g{at}"], "util": Missing.LOST} for at in lost}
    links: dict[str, Values] = {}
    for at in range(boards):
        links[f"nvlink:g{at}"] = {"kind": "nvlink", "accelerator": f"g{at}", "up": 1.0, "peer": "NVSwitch 0000:05:00.0"}
        links[f"pcie:mlx5_{at}"] = {"kind": "pcie", "numa": float(at >= boards // 2)}
        links[f"ib:mlx5_{at}/1"] = {"kind": "infiniband", "name": f"mlx5_{at}/1"}
    return told(keys, links)


def torus(boards: int = 16) -> Frame:
    """Devices that have a link to the next and to the one before, on two sockets."""
    keys = {f"n{at}": {"name": f"neuron{at}", "numa": float(at >= boards // 2)} for at in range(boards)}
    links = dict(_ring(boards))
    return told(keys, links)


def _ring(boards: int) -> Iterator[tuple[str, Values]]:
    for at in range(boards):
        for by in (1, -1):
            peer = f"neuron{(at + by) % boards}"
            told = {
                "kind": "neuronlink",
                "name": f"neuron{at}/neuronlink{by % 4}",
                "accelerator": f"n{at}",
                "peer": peer,
            }
            yield f"nl:{at}:{by}", told


def told(boards: Mapping[str, Values], links: Mapping[str, Values]) -> Frame:
    made = Boards(
        tables={
            Scope.ACCELERATOR: (list(boards), ["name", "numa", "util"]),
            Scope.LINK: (list(links), ["kind", "name", "accelerator", "peer", "up", "numa"]),
        }
    )
    made.say(boards)
    made.say(links, scope=Scope.LINK)
    return made.frame().with_findings([])


def words(cells: object) -> list[str]:
    assert isinstance(cells, list)
    found: list[Text] = cells
    return [text for text, _ in found]


def shown(frame: Frame, room: int) -> tuple[list[str], list[str], str]:
    """Titles, the cells of the first row, and the legend."""
    topology = Topology(frame, 0)
    model = matrix(Surveyor().survey(frame), topology, room)
    told = "".join(text for text, _ in legend(topology, room))
    if "more columns" not in told:
        assert lay_out(model.columns, room).total <= room
    return [column.title for column in model.columns], words(model.cells(0)), told


def test_eight_boards_and_their_ports_fit_80_columns() -> None:
    titles, cells, told = shown(hgx(), 79)
    assert titles == ["", "LINKS", "IN", "OUT", *(f"gpu{at}" for at in range(8)), "NEAREST"]
    assert cells[4:] == ["X", *["NV1"] * 7, "NODE m0+3"]
    assert told.split("  ")[:2] == [" NV1 links into switches", "NODE one socket"]
    assert "SYS" not in told


def test_with_more_room_each_port_has_its_column() -> None:
    titles, cells, told = shown(hgx(), 119)
    assert titles[-8:] == [f"m{at}" for at in range(8)]
    assert cells[-8:] == ["NODE"] * 4 + ["SYS"] * 4
    assert "SYS across sockets" in told


def test_sixteen_boards_fit_80_columns_with_their_links_alone() -> None:
    titles, cells, told = shown(torus(), 79)
    assert titles == ["", "LINKS", *(f"n{at}" for at in range(16))]
    assert cells == ["n0", "?/2", "X", "NL1", *["."] * 13, "NL1"]
    assert told.split("  ")[:2] == [" NL1 links between the two", ". no link between the two"]
    assert "NODE" in shown(torus(), 119)[1]


def test_a_lost_board_is_joined_with_nobody() -> None:
    _, cells, told = shown(hgx(lost=[3]), 119)
    assert cells[4:12] == ["X", "NV1", "NV1", "lost", *["NV1"] * 4]
    assert "lost a board that is gone" in told


@pytest.mark.parametrize("frame", [hgx(24), torus(32)], ids=["24 boards", "32 boards"])
def test_what_lies_beyond_the_edge_is_said(frame: Frame) -> None:
    assert "Left Right more columns" in shown(frame, 79)[2]


@asynccontextmanager
async def fabric_of(size: tuple[int, int]) -> AsyncIterator[FabricPage]:
    """The page, showing the one node of a torus."""
    app = still_app(torus())
    async with app.run_test(size=size) as pilot:
        await pilot.press("3", "v")
        await pilot.pause()
        page = app.pages["fabric"]
        assert isinstance(page, FabricPage)
        yield page


async def test_the_links_of_a_node_are_told_apart_at_80_columns() -> None:
    async with fabric_of((80, 24)) as page:
        (name,) = (column for column in page.table._model.columns if column.name == "name")  # type: ignore[union-attr]
        assert name.width >= len("neuron15/neuronlink3")


async def test_a_large_matrix_leaves_lines_for_the_links() -> None:
    async with fabric_of((120, 40)) as page:
        assert page.query_one("#matrix", VirtualTable).size.height == 17
        assert page.table.size.height >= 10
