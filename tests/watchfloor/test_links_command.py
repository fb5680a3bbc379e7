"""Commands about links wait for rates: a sum over the links that told theirs first would look like all of them."""

from __future__ import annotations

import pytest

from tests.support.boards import Boards
from watchfloor import query
from watchfloor.commands.waiting import RATE_SECONDS, about_link_rates
from watchfloor.commands.waiting import rates_awaited as awaited
from watchfloor.model import Missing, NodeStatus, Phase, Scope


def boards(**second: float | Missing) -> Boards:
    made = Boards(tables={Scope.LINK: (["l0", "l1"], ["kind", "up", "rx", "tx"])})
    made.fleet.status(0, NodeStatus(Phase.LIVE, since=made.now))
    told = {"kind": "nvlink", "up": 1.0, "rx": 5.0, "tx": 5.0}
    made.say({"l0": told, "l1": {**told, **second}}, scope=Scope.LINK)
    made.pass_time(1)
    return made


def test_it_waits_for_the_last_link_but_not_for_ever() -> None:
    made = boards(rx=Missing.NOT_YET)
    assert awaited(made.frame())
    made.pass_time(int(RATE_SECONDS))
    assert not awaited(made.frame())


def test_it_waits_neither_for_what_is_down_nor_for_what_is_not_to_be_had() -> None:
    assert not awaited(boards().frame())
    assert not awaited(boards(rx=Missing.NOT_YET, up=0.0).frame())
    assert not awaited(boards(rx=Missing.UNSUPPORTED).frame())


def test_boards_whose_traffic_is_due_are_waited_for_too() -> None:
    made = Boards(tables={Scope.ACCELERATOR: (["g0"], ["util", "link_rx", "link_tx", "pcie_rx", "pcie_tx"])})
    made.fleet.status(0, NodeStatus(Phase.LIVE, since=made.now))
    told = dict.fromkeys(("util", "link_rx", "link_tx", "pcie_rx", "pcie_tx"), 1.0)
    made.say({"g0": {**told, "pcie_tx": Missing.NOT_YET}})
    made.pass_time(1)
    assert awaited(made.frame())
    made.say({"g0": {"pcie_tx": 3.0}})
    assert not awaited(made.frame())


@pytest.mark.parametrize(
    ("text", "columns", "about"),
    [
        ("", (), False),
        ("util > 5", ("node", "util", "node.net_rx"), False),
        ("util > 5", ("node", "link_rx"), True),
        ("", ("pcie_tx",), True),
        ("up == 0", (), True),  # of links: their rows show rates
        ("util > 50 and (not (link_tx < 1GB/s)) for 5s", (), True),
        ("node: max(link.usage) > 50", (), True),
        ("node: count(link.up == 0) > 1", (), False),
        ("service: waiting > 0", (), False),
    ],
)
def test_what_is_about_rates(text: str, columns: tuple[str, ...], about: bool) -> None:
    assert about_link_rates(query.parse(text) if text else None, columns) is about
