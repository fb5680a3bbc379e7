"""`watchfloor links`: the folds and matrices of a frame as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.support import fabrics
from tests.support.boards import Boards
from tests.support.fabrics import settled
from tests.support.golden import same_as_golden
from watchfloor import query
from watchfloor.folds import Grouping
from watchfloor.frame import Cell
from watchfloor.model import Missing, Scope
from watchfloor.snapshot.fabric import FabricReport

GOLDEN = Path(__file__).parent / "golden"


def test_text_by_node_with_matrices() -> None:
    same_as_golden(GOLDEN / "links.txt", FabricReport(settled(), Grouping.NODE, matrix=True).text() + "\n")


def test_text_by_switch() -> None:
    same_as_golden(GOLDEN / "links-by-switch.txt", FabricReport(settled(), Grouping.SWITCH).text() + "\n")


def test_a_switch_that_is_still_being_asked_for_is_told_apart_from_one_that_nobody_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = fabrics.links("ib-1", 0)["ib:mlx5_0/1"] | {"peer": Missing.NOT_YET, "switch": Missing.NOT_YET}
    monkeypatch.setattr(fabrics, "_rails", lambda name, share: [("ib:mlx5_0/1", port)])
    fleet = fabrics.FabricFleet()
    fleet.step()
    lines = FabricReport(fleet.fleet.frame(), Grouping.SWITCH).text().splitlines()
    assert [line.split()[:2] for line in lines if "infiniband" in line] == [["not", "yet"]]
    assert [line.split()[:2] for line in lines if "xgmi" in line] == [["not", "told"]]


def test_the_document_is_json_and_knows_no_nan() -> None:
    found = json.loads(msgspec.json.encode(FabricReport(settled(), Grouping.NODE, matrix=True).document()))
    assert found["format"] == "watchfloor.links/1"
    worst = found["folds"][0]
    assert (worst["node"], worst["kind"], worst["state"], worst["down"], worst["unused"]) == (
        "ib-2", "infiniband", "critical", 1, 1,
    )  # fmt: skip
    assert [(link["name"], link["is"]) for link in worst["stands_out"]] == [
        ("mlx5_5/1", "down"),
        ("mlx5_3/1", "uneven"),
    ]
    unknown = next(fold for fold in found["folds"] if fold["kind"] == "neuronlink")
    assert (unknown["rx"], unknown["usage"], unknown["errors"]) == (None, None, None)
    assert {topology["node"] for topology in found["topologies"]} == set(fabrics.NAMES)


def test_only_what_stands_out() -> None:
    found = FabricReport(settled(), Grouping.KIND, only_odd=True)
    document = found.document()
    folds = document["folds"]
    assert isinstance(folds, list)
    assert sum(fold["links"] for fold in folds) == 4
    assert "node" not in folds[0]
    assert found.text().splitlines()[1].startswith("infiniband  critical")


def test_a_condition_on_links() -> None:
    condition = query.parse("kind == pcie and width < 16", Scope.LINK)
    (only,) = FabricReport(settled(), Grouping.RACK, condition.mask(settled())).document()["folds"]  # type: ignore[misc]
    assert (only["rack"], only["links"], only["slow"]) == ("r1", 1, 1)


@pytest.mark.parametrize("passed", [True, False])
def test_nothing_to_show_is_said(passed: bool) -> None:
    mask = np.zeros(settled().links.count, np.bool_)
    if passed:
        assert FabricReport(settled(), Grouping.NODE, mask).text().startswith("nothing stands out\n")
    else:
        empty = fabrics.Fleet(fabrics.specs(), lambda: fabrics.START).frame().with_findings([])
        assert FabricReport(empty, Grouping.NODE).text().startswith("no link is known\n")


@pytest.mark.parametrize("still_told", [True, False], ids=["lost while we look", "lost before"])
def test_the_links_of_a_lost_board_are_down(still_told: bool) -> None:
    links = [f"nvlink:g{board}:{port}" for board in range(2 + still_told) for port in range(3)]
    keys = [*links, "pcie:g0", "pcie:g1", "pcie:g2"]
    tables = {
        Scope.ACCELERATOR: (["g0", "g1", "g2"], ["name", "util", "bus_id"]),
        Scope.LINK: (keys, ["name", "kind", "accelerator", "up"]),
    }
    made = Boards(tables=tables)
    made.say({f"g{at}": {"name": f"gpu{at}", "util": Missing.LOST if at == 2 else 90} for at in range(3)})
    for key in keys:
        kind, owner = key.split(":")[:2]
        up = Missing.LOST if owner == "g2" else 1
        made.say({key: {"name": key, "kind": kind, "accelerator": owner, "up": up}}, scope=Scope.LINK)
    frame = made.frame().with_findings([])
    for only_odd, up_of_nvlink, up_of_pcie in ((False, " 6/9 ", " 2/3 "), (True, " 0/3 ", " 0/1 ")):
        text = FabricReport(frame, Grouping.NODE, only_odd=only_odd).text()
        nvlink, pcie = (next(line for line in text.splitlines() if kind in line) for kind in ("nvlink", "pcie"))
        assert up_of_nvlink in nvlink and (up_of_pcie in pcie and pcie.endswith("down pcie:g2"))
        assert ("down nvlink:g2:0" if still_told else "down 3 links of gpu2, which is lost") in nvlink


def test_a_link_whose_directions_nobody_tells_apart_has_a_usage_all_the_same() -> None:
    made = Boards(tables={Scope.LINK: (["pcie:g0", "pcie:g1"], ["kind", "rx", "tx", "speed", "traffic"])})
    silent: dict[str, float | str | Missing] = {"rx": Missing.UNSUPPORTED, "tx": Missing.UNSUPPORTED}
    made.say({"pcie:g0": {"kind": "pcie", "speed": 60e9, "traffic": 12e9, **silent}}, scope=Scope.LINK)
    made.say({"pcie:g1": {"kind": "pcie", "speed": 60e9, "traffic": Missing.FAILED, **silent}}, scope=Scope.LINK)
    frame = made.frame().with_findings([])
    assert [frame.links.cell(row, "usage") for row in range(2)] == [Cell(10.0), Cell(None, Missing.UNSUPPORTED)]
    assert frame.links.known("usage").tolist()[0] == 10.0
    (line,) = FabricReport(frame, Grouping.NODE).text().splitlines()[1:]
    assert line.split()[4:7] == ["-", "-", "10"]
