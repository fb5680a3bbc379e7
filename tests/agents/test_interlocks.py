"""Interlocks: which there are, that each is documented, and that one which fails holds everything back."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.interlocks import Case, held_back, interlocks
from tests.support.parts import ROOT
from tests.support.road import Road
from watchfloor.playbook import Playbook, StepRule


@pytest.fixture
def case(tmp_path: Path) -> Case:
    road = Road(tmp_path)
    playbook = Playbook("one", "one", steps=(StepRule("a", "set_value", parameters={"value": "x"}),))
    plan = road.planned(playbook, "dgx-01")
    road.close()
    return Case(plan, None, road.floor.frame(), road.now())


def test_nothing_holds_back_what_is_harmless(case: Case) -> None:
    assert held_back(case, interlocks()) == {}


def test_an_interlock_that_fails_holds_everything_back(case: Case) -> None:
    def broken(case: Case) -> str:
        raise ZeroDivisionError("oh")

    assert held_back(case, {"broken": broken}) == {"broken": "this interlock failed: ZeroDivisionError: oh"}


def test_the_document_lists_all_of_them() -> None:
    text = (ROOT / "docs" / "harness.md").read_text("utf-8")
    assert [name for name in interlocks() if f"| `{name}` |" not in text] == []
