"""`watchfloor links` waits for rates: a sum over the links that told theirs first would look like all of them."""

from __future__ import annotations

from tests.support.boards import Boards
from watchfloor.commands.links import RATE_SECONDS, awaited
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
