"""From a finding to what would be done about it: commands where the console watches, plans where it acts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents.action import actions
from tests.support.actinghands import NotedActing
from tests.support.feeds import still_app
from tests.support.onrecord import on_record
from tests.support.patience import until
from tests.support.runstory import ANNA, HITS, XID, drain, planned, requeue
from tests.support.screens import screen_of, text_of
from tui.sheet import Sheet
from watchfloor import query
from watchfloor.errors import ConfigError
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.ports import Weighed
from watchfloor.remedies import every_name, names_of, remedies

SIZES = ((80, 24), (120, 40), (200, 60))
PLAN = planned("drain-node", ANNA, XID, [drain("dgx-02", "XID 79"), requeue("dgx-02", "4100")], on_record().at, HITS)
WEIGHED = Weighed(PLAN, "needs-approval", ("it takes a node out of service",), ("takes-out",), 1)


def acting() -> NotedActing:
    return NotedActing(weighs={"drain-node": WEIGHED})


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture(size: tuple[int, int], snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(still_app(on_record()), press=["6", "home", "w"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_a_plan(size: tuple[int, int], snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(still_app(on_record(), acting=acting()), press=["6", "home", "w", "2"], terminal_size=size)


async def test_a_console_that_watches_says_which_command_to_type() -> None:
    app = still_app(on_record())
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("6", "home", "w")
        await pilot.pause()
        told = screen_of(app)
        assert """watchfloor run drain-node --target 'node == "dgx-02"'""" in told
        assert """--target 'node == "dgx-02" and name == "gpu3"'""" in told
        await pilot.press("1", "p")
        assert type(app.screen) is Sheet and "Verdict" not in screen_of(app)


async def test_a_console_that_acts_shows_the_plan_and_proposes_it_once_it_was_read() -> None:
    port = acting()
    app = still_app(on_record(), acting=port)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("6", "home", "w", "2")
        await until(lambda: "Verdict: needs-approval, 1 needed" in screen_of(app))
        await pilot.press("p")
        assert port.proposed == [] and "read the whole plan" in text_of(app, "#cardfoot")
        await pilot.press("pagedown", "pagedown", "pagedown", "p")
        await until(lambda: "waits for approval" in text_of(app, "#cardfoot"))
        assert port.proposed == ["drain-node"]
        await pilot.press("escape")
        assert app.page is app.screen


async def test_why_there_is_no_plan_is_said() -> None:
    app = still_app(on_record(), acting=NotedActing(error=ConfigError("alpha does not answer", "see slurmctld")))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("6", "home", "w", "2")
        await until(lambda: "alpha does not answer: see slurmctld" in text_of(app, "#cardfoot"))


def test_what_fits_is_what_there_is_and_what_it_is_asked_for_is_a_query() -> None:
    known = {name.replace("_", "-"): action for name, action in actions().items()}
    assert every_name() <= set(known)
    finding = Finding(Subject(Scope.ACCELERATOR, "n2", "GPU-1"), "temp-margin", State.WARNING, "it is hot")
    for code in ("xid-fatal", "temp-margin", "service-down", "job-on-faulty-node", "persistence-off", "unheard-of"):
        for remedy in remedies(Finding(finding.subject, code, finding.state, finding.text), "gpu1"):
            action = known[remedy.name]
            assert remedy.scope == action.scope, remedy.name
            query.parse(remedy.target, remedy.scope)
            must = {name for name, parameter in action.parameters.items() if parameter.default is None}
            assert must <= set(remedy.given), remedy.name
    of_job = Finding(Subject(Scope.JOB, "", "slurm:42"), "job-on-faulty-node", State.WARNING, "it waits")
    assert [(remedy.name, remedy.target) for remedy in remedies(of_job)] == [("requeue-job", 'id == "slurm:42"')]
    assert names_of("xid-repeated") == ["drain-node", "open-ticket"]
