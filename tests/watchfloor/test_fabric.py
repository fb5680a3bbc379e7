"""What stands out among links: down and unused, slow, uneven; how they fold; how the boards of a node hang together."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.support import fabrics
from tests.support.fabrics import row_of, settled
from watchfloor.fabric import Oddity, Survey, Surveyor
from watchfloor.folds import Folder, Folds, Grouping, by_kind, fold
from watchfloor.model import Scope
from watchfloor.topology import Join, Port, Topology, _over_pcie


@cache
def survey() -> Survey:
    return Surveyor().survey(settled())


def folds(grouping: Grouping) -> Folds:
    return fold(survey(), Folder().groups(survey(), grouping))


def group_of(found: Folds, place: str, kind: str) -> int:
    groups = found.groups
    (group,) = (
        group
        for group in range(groups.count)
        if (groups.place_name(settled(), group), groups.kind_name(group)) == (place, kind)
    )
    return group


@pytest.mark.parametrize(
    ("node", "name", "oddity"),
    [
        ("ib-1", "mlx5_0/1", Oddity.NONE),
        ("ib-2", "mlx5_0/1", Oddity.NONE),
        ("ib-2", "mlx5_3/1", Oddity.UNEVEN),  # a dark rail
        ("ib-2", "mlx5_5/1", Oddity.DOWN),
        ("ib-2", "mlx5_7/1", Oddity.NONE),  # switched off, and never seen up
        ("ib-2", "gpu1/pcie", Oddity.SLOW),
        ("ib-2", "gpu0/pcie", Oddity.NONE),
        ("ib-2", "eno1", Oddity.NONE),
        ("mesh-1", "bnxt_0/1", Oddity.NONE),
        ("mesh-1", "bnxt_1/1", Oddity.UNEVEN),  # hardly sends
        ("trn-1", "gpu0/neuronlink0", Oddity.NONE),
    ],
)
def test_what_stands_out(node: str, name: str, oddity: Oddity) -> None:
    assert survey().oddity[row_of(settled(), node, name)] == oddity


def test_a_port_that_nobody_ever_saw_up_is_unused() -> None:
    row = row_of(settled(), "ib-2", "mlx5_7/1")
    assert survey().unused[row]
    assert not survey().down[row]
    assert not survey().unused[row_of(settled(), "ib-2", "mlx5_5/1")]


def test_why_it_is_uneven_is_known() -> None:
    dark, one_way = row_of(settled(), "ib-2", "mlx5_3/1"), row_of(settled(), "mesh-1", "bnxt_1/1")
    assert survey().one_way[one_way]
    assert not survey().one_way[dark]
    assert survey().sisters_usage == {dark: pytest.approx(80.0)}


def test_a_resting_board_may_step_its_pcie_link_down() -> None:
    fleet = fabrics.FabricFleet()
    fleet.step(2)
    boards = fleet.frame().accelerators
    resting = fleet.frame()
    resting.accelerators.own("util", np.zeros(boards.count), np.zeros(boards.count, np.int8))
    assert not Surveyor().survey(resting).slow[row_of(resting, "ib-2", "gpu1/pcie")]


def test_nothing_is_said_of_a_silent_node() -> None:
    rows = settled().rows_of(Scope.LINK, settled().node_index["gone-1"])
    assert not survey().oddity[rows].any()
    assert not survey().up[rows].any()
    assert np.isnan(survey().rx[rows]).all()


def test_errors_are_those_of_the_last_minute() -> None:
    row = row_of(settled(), "ib-3", "gpu1/nvlink2")
    assert survey().errors[row] == pytest.approx(60, abs=10)  # changes within ten seconds are kept as one
    assert not survey().errors[row_of(settled(), "ib-3", "gpu1/nvlink1")]


def test_errors_are_asked_anew_after_a_while() -> None:
    fleet, surveyor = fabrics.FabricFleet(), Surveyor()
    fleet.step(3)
    row = row_of(fleet.frame(), "ib-3", "gpu1/nvlink2")
    before = surveyor.survey(fleet.frame()).errors[row]
    fleet.step(20)
    assert surveyor.survey(fleet.frame()).errors[row] > before


def test_the_same_frame_is_surveyed_once() -> None:
    surveyor = Surveyor()
    first = surveyor.survey(settled())
    assert surveyor.survey(settled()) is first
    other = surveyor.survey(replace(settled(), number=99))
    assert other is not first
    assert other.kinds is first.kinds


def test_folded_by_node() -> None:
    found = folds(Grouping.NODE)
    rails = group_of(found, "ib-2", "infiniband")
    assert (found.links[rails], found.up[rails], found.down[rails], found.unused[rails]) == (8, 6, 1, 1)
    assert found.rx[rails] == pytest.approx(5 * 40e9 + 0.5e9)
    assert found.usage[rails] == pytest.approx(80.0)
    assert found.worst[rails] == row_of(settled(), "ib-2", "mlx5_5/1")
    assert found.oddity[rails] == Oddity.DOWN


def test_a_node_behind_the_others_of_its_job() -> None:
    found = folds(Grouping.NODE)
    behind = {
        (found.groups.place_name(settled(), group), found.groups.kind_name(group))
        for group in np.flatnonzero(found.behind_peers).tolist()
    }
    assert behind == {("ib-3", "infiniband"), ("ib-3", "nvlink")}  # no peers for PCIe and Ethernet
    assert found.rank[group_of(found, "ib-3", "nvlink")] == Oddity.UNEVEN


def test_unknown_sums_are_not_zero() -> None:
    found = folds(Grouping.NODE)
    assert np.isnan(found.rx[group_of(found, "trn-1", "neuronlink")])
    assert np.isnan(found.rx[group_of(found, "gone-1", "nvlink")])


@pytest.mark.parametrize(
    ("grouping", "place", "kind", "links"),
    [
        (Grouping.RACK, "r1", "infiniband", 16),
        (Grouping.SWITCH, "leaf-0", "infiniband", 16),
        (Grouping.SWITCH, "leaf-1", "infiniband", 15),
        (Grouping.SWITCH, "", "nvlink", 64),
        (Grouping.KIND, "", "xgmi", 12),
    ],
)
def test_folded_otherwise(grouping: Grouping, place: str, kind: str, links: int) -> None:
    found = folds(grouping)
    assert found.links[group_of(found, place, kind)] == links
    assert found.links.sum() == settled().links.count


def test_a_filter_leaves_links_out_of_their_folds() -> None:
    mask = survey().rank > 0
    groups = Folder().groups(survey(), Grouping.NODE)
    found = fold(survey(), groups, mask)
    assert found.links.sum() == np.count_nonzero(mask)
    assert found.links[group_of(found, "ib-1", "nvlink")] == 0
    assert found.links[group_of(found, "ib-2", "infiniband")] == 2
    assert np.isnan(found.usage[group_of(found, "ib-1", "nvlink")])


@pytest.mark.parametrize("grouping", list(Grouping))
@pytest.mark.parametrize("filtered", [False, True])
def test_folds_are_the_sums_of_their_links(grouping: Grouping, filtered: bool) -> None:
    links, groups = settled().links, Folder().groups(survey(), grouping)
    mask = links.node % 2 == 0 if filtered else np.ones(links.count, np.bool_)
    found = fold(survey(), groups, mask if filtered else None)
    for group in range(groups.count):
        rows = [row for row in groups.rows(group).tolist() if mask[row]]
        assert [row for row in range(links.count) if groups.of_row[row] == group and mask[row]] == rows
        assert (found.links[group], found.up[group]) == (len(rows), sum(survey().up[rows]))
        known = [rate for rate in survey().rx[rows].tolist() if rate == rate]
        assert found.rx[group] == pytest.approx(sum(known)) if known else np.isnan(found.rx[group])
        assert found.states[group] == max([0, *links.states[rows].tolist()])
        place, kind = groups.place_name(settled(), group), groups.kind_name(group)
        assert groups.find(settled(), kind, place) == group


def test_a_group_that_is_not_there() -> None:
    groups = Folder().groups(survey(), Grouping.NODE)
    assert groups.find(settled(), "nvlink", "nobody") is None
    assert groups.find(settled(), "token ring", "ib-1") is None
    assert groups.find(settled(), "xgmi", "ib-1") is None


def test_groups_are_kept_while_nothing_is_added() -> None:
    folder = Folder()
    assert folder.groups(survey(), Grouping.NODE) is folder.groups(survey(), Grouping.NODE)
    assert folder.groups(survey(), Grouping.RACK).grouping is Grouping.RACK


def test_a_fleet_without_links() -> None:
    fleet = fabrics.Fleet(fabrics.specs(), lambda: fabrics.START)
    frame = fleet.frame().with_findings([])
    empty = Surveyor().survey(frame)
    for grouping in Grouping:
        assert fold(empty, Folder().groups(empty, grouping)).groups.count == 0


def test_boards_behind_switches() -> None:
    topology = Topology(settled(), 0)
    one, other, third, _ = topology.boards
    pair = topology.pair(one, other)
    assert (pair.join, pair.word, pair.rate) == (Join.SWITCHED, "NV4", None)
    assert topology.pair(one, one).word == "X"
    assert len(topology.links_of(third)) == 4
    assert [port.name for port in topology.ports] == [f"mlx5_{port}/1" for port in range(8)]


def test_boards_joined_directly() -> None:
    topology = Topology(settled(), settled().node_index["mesh-1"])
    pair = topology.pair(topology.boards[0], topology.boards[3])
    assert (pair.join, pair.word) == (Join.LINKS, "XG1")
    assert pair.rate == pytest.approx(64e9)


def test_how_near_ports_are_to_a_board() -> None:
    """In the words of `nvidia-smi topo -m`; boards 0 and 1 are on NUMA node 0, as are ports 0 to 3."""
    topology = Topology(settled(), 0)
    assert [topology.pair(topology.boards[1], port).word for port in topology.ports] == [
        "PHB", "PIX", "NODE", "NODE", "SYS", "SYS", "SYS", "SYS",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "join"),
    [
        ("pci0000:10/0000:10:01.0", "pci0000:10/0000:10:01.0", Join.PCIE),  # two functions of one card
        ("pci0000:10/0000:10:01.0/a/b", "pci0000:10/0000:10:01.0/a/c", Join.PCIE),
        ("pci0000:10/0000:10:01.0/a/b/d/e", "pci0000:10/0000:10:01.0/a/c", Join.BRIDGES),
        ("pci0000:10/0000:10:01.0", "pci0000:10/0000:10:02.0", Join.HOST),
        ("pci0000:10/0000:10:01.0", "pci0000:20/0000:20:01.0", Join.SOCKET),
        ("", "", Join.SOCKET),
    ],
)
def test_what_two_pci_paths_share(one: str, other: str, join: Join) -> None:
    ports = [
        Port(Scope.LINK, row, str(row), tuple(filter(None, path.split("/"))), 0.0)
        for row, path in enumerate((one, other))
    ]
    assert _over_pcie(*ports) is join


def test_boards_without_links_between_them_by_socket() -> None:
    topology = Topology(settled(), settled().node_index["trn-1"])
    first, second, third, _ = topology.boards
    assert topology.pair(first, second).word == "NL1"
    assert topology.pair(first, third).join is Join.SYSTEM


def test_ports_have_a_history_and_boards_links_have_none() -> None:
    frame, history = settled(), settled().history
    series = history.minute(Scope.LINK, "usage", row_of(frame, "ib-2", "mlx5_3/1"))
    assert series.mean == pytest.approx(np.full(60, 1.0), abs=0.01)
    coarse = history.half_hour(Scope.LINK, "usage", row_of(frame, "mesh-1", "bnxt_0/1"))
    assert coarse.mean == pytest.approx(np.full(3, 40.0), abs=0.1)
    assert history.minute(Scope.LINK, "usage", row_of(frame, "ib-1", "gpu0/nvlink0")).mean.size == 0
    rows = np.array([row_of(frame, "ib-1", name) for name in ("gpu0/nvlink0", "mlx5_0/1")])
    window = history.window(Scope.LINK, "usage", 10, rows)
    assert np.isnan(window[:, 0]).all()
    assert window[:, 1] == pytest.approx(np.full(10, 80.0), abs=0.1)


@pytest.mark.parametrize("grouping", list(Grouping))
def test_folds_of_any_grouping_make_the_same_kinds(grouping: Grouping) -> None:
    found, direct = by_kind(folds(grouping)), folds(Grouping.KIND)
    assert found.groups.kinds.names == direct.groups.kinds.names
    for name in ("links", "up", "down", "unused", "slow", "uneven", "rx", "tx", "usage", "errors", "states", "worst"):
        np.testing.assert_allclose(getattr(found, name), getattr(direct, name), err_msg=name)
