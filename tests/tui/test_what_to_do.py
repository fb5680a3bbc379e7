"""What would be done about a finding, a node, a job: commands where the console watches, plans where it acts."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from textual.pilot import Pilot

from tests.support.actinghands import NotedActing
from tests.support.feeds import still_app
from tests.support.onrecord import on_record
from tests.support.patience import until
from tests.support.runstory import ANNA, HITS, XID, drain, evidence, planned, requeue
from tests.support.screens import screen_of, text_of
from tests.tui.test_jobs_page import floor
from tui.app import WatchfloorApp
from tui.leaving import Leaving
from tui.remedies import Offers, Remedies
from watchfloor.errors import ConfigError
from watchfloor.ports import Weighed

SIZES = ((80, 24), (120, 40), (200, 60))
PLAN = planned("fatal-xid", ANNA, XID, [drain("dgx-02", "XID 79"), requeue("dgx-02", "4100")], on_record().at, HITS)
WEIGHED = Weighed(
    PLAN, "needs-approval", ("it takes a node out of service",), ("takes-out",), 1,
    "Asked for by `watch` it waits for a person.",
)  # fmt: skip
READS = planned("collect-evidence", ANNA, XID, [evidence("dgx-02")], on_record().at)
PERMITTED = Weighed(READS, "permit", ("whatever only reads is permitted",), ("r0-everybody",))


def acting() -> NotedActing:
    return NotedActing(weighs={"fatal-xid": WEIGHED, "drain-node": WEIGHED, "collect-evidence": PERMITTED})


async def offered(app: WatchfloorApp) -> None:
    """What fits is looked for in a thread."""
    await until(lambda: "Single actions" in screen_of(app))


async def asked(app: WatchfloorApp, pilot: Pilot[int]) -> None:
    """About the first finding."""
    await pilot.press("6", "home", "w")
    await offered(app)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture(size: tuple[int, int], snap_compare: Callable[..., bool]) -> None:
    app = still_app(on_record())
    assert snap_compare(app, press=["6", "home", "w"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_the_choice(size: tuple[int, int], snap_compare: Callable[..., bool]) -> None:
    app = still_app(on_record(), acting=acting())
    assert snap_compare(app, press=["6", "home", "w", "down"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_a_plan(size: tuple[int, int], snap_compare: Callable[..., bool]) -> None:
    app = still_app(on_record(), acting=acting())
    assert snap_compare(app, press=["6", "home", "w", "enter"], terminal_size=size)


async def test_a_console_that_watches_says_which_command_to_type() -> None:
    app = still_app(on_record())
    async with app.run_test(size=(160, 100)) as pilot:
        await asked(app, pilot)
        told = screen_of(app)
        for words in (
            """watchfloor run fatal-xid --target 'node == "dgx-02"'""",
            "its trigger `xid in (79, 48, 95)` is true of dgx-02: xid 79 on gpu3 of dgx-02, 20s ago",
            "R3  a fatal XID takes its node out",
            "`watch` proposes it, and a person approves",
            """watchfloor run drain-node --target 'node == "dgx-02"'""",
            """--target 'node == "dgx-02" and name == "gpu3"'""",
        ):
            assert words in told, words
        await pilot.press("1", "enter", "p", "c")
        assert type(app.screen) is Offers and "Verdict" not in screen_of(app)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("1", ("accelerator ", "reset-accelerator", "Playbooks for the like of it", "thermal-margin")),
        ("1t", ("node ", "resume-node", "return-to-service")),
        ("2", ("drain-node", "service-repair")),
        ("4", ("job ", "requeue-job", "cancel-job", "idle-reclaim")),
    ],
    ids=("accelerator", "node", "node page", "job"),
)
async def test_a_node_an_accelerator_and_a_job_have_their_own(keys: str, words: tuple[str, ...]) -> None:
    app = still_app(floor() if keys == "4" else on_record())
    async with app.run_test(size=(160, 100)) as pilot:
        await pilot.press(*keys, "home", "w")
        await until(lambda: isinstance(app.screen, Offers))
        await offered(app)
        assert [word for word in words if word not in screen_of(app)] == []


async def test_where_nothing_is_selected_that_is_said() -> None:
    app = still_app(on_record())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("9", "w")
        assert app.page is app.screen and "nothing is selected" in text_of(app, "#status")


async def test_a_console_that_acts_shows_the_plan_and_proposes_it_once_it_was_read() -> None:
    port = acting()
    app = still_app(on_record(), acting=port)
    async with app.run_test(size=(120, 24)) as pilot:
        await asked(app, pilot)
        await pilot.press("enter")
        await until(lambda: "Verdict: needs-approval, 1 needed" in screen_of(app))
        assert "Asked for by `watch` it waits for a person" in screen_of(app)
        await pilot.press("p")
        assert port.proposed == [] and "read the whole plan" in text_of(app, "#cardfoot")
        await pilot.press("pagedown", "pagedown", "pagedown", "c")
        assert port.proposed == [] and "it is not permitted (needs-approval)" in text_of(app, "#cardfoot")
        await pilot.press("p")
        await until(lambda: "waits for approval: the approvals page (8)" in text_of(app, "#cardfoot"))
        assert port.proposed == ["fatal-xid"] and not port.carried
        await pilot.press("escape")
        assert app.page is app.screen


async def test_what_is_permitted_is_carried_out_once_somebody_typed_yes_and_goes_on_on_other_pages() -> None:
    port = acting()
    app = still_app(on_record(), acting=port)
    async with app.run_test(size=(120, 60)) as pilot:
        await asked(app, pilot)
        await pilot.press("down", "enter")
        await until(lambda: "Verdict: permit" in screen_of(app))
        await pilot.press("c")
        assert "carry out collect-evidence on dgx-02 (1 step, R0)?" in text_of(app, "#cardfoot")
        await pilot.press("enter")
        assert "type yes" in screen_of(app) and not port.proposed
        await pilot.press("escape")
        assert "nothing was done" in text_of(app, "#cardfoot")
        await pilot.press("c", *"yes", "enter")
        await until(lambda: "run r0123456789 has begun" in text_of(app, "#cardfoot"))
        assert port.proposed == ["collect-evidence"] and list(port.carried) == ["r0123456789"]
        await pilot.press("escape", "1")
        port.carried["r0123456789"].set_result("run r0123456789 succeeded: 1 of 1 steps done")
        await until(lambda: "run r0123456789 succeeded" in text_of(app, "#status"))


async def test_to_quit_while_something_is_carried_out_is_asked_about() -> None:
    port = acting()
    app = still_app(on_record(), acting=port)
    async with app.run_test(size=(120, 40)) as pilot:
        assert app.desk.carrying is not None
        app.desk.carrying.begin("r0123456789")
        await pilot.press("q")
        assert isinstance(app.screen, Leaving)
        assert "goes on from there and repeats nothing" in " ".join(screen_of(app).split())
        await pilot.press("escape", "ctrl+c")
        assert isinstance(app.screen, Leaving) and app.is_running
        await pilot.press("q")
        await until(lambda: app.return_code == 0)
        assert not app.feed.running  # type: ignore[attr-defined]


async def test_what_ends_badly_under_way_is_said_and_the_console_goes_on() -> None:
    port = acting()
    app = still_app(on_record(), acting=port)
    async with app.run_test(size=(120, 40)):
        assert app.desk.carrying is not None
        app.desk.carrying.begin("r1")
        await until(lambda: "r1" in port.carried)
        port.carried["r1"].set_exception(KeyError("mark"))
        await until(lambda: "run r1 stopped: KeyError" in text_of(app, "#status"))
        port.error = ConfigError("the collectors are not there yet", "wait")
        app.desk.carrying.begin("r2")
        await until(lambda: "run r2: the collectors are not there yet: wait" in text_of(app, "#status"))
        assert app.desk.carrying.runs == ()


async def test_what_is_no_longer_permitted_when_it_is_proposed_is_not_begun() -> None:
    port = acting()
    app = still_app(on_record(), acting=port)
    async with app.run_test(size=(120, 60)) as pilot:
        await asked(app, pilot)
        await pilot.press("2")
        await until(lambda: "Verdict: permit" in screen_of(app))
        sheet = app.screen
        assert isinstance(sheet, Remedies)
        await pilot.press("c", *"yes")
        assert sheet._weighed is not None
        sheet._weighed = Weighed(msgspec.structs.replace(sheet._weighed.plan, playbook="late"), "interlocked")
        await pilot.press("enter")
        await until(lambda: "the runs page (7) has it" in text_of(app, "#cardfoot"))
        assert port.proposed == ["late"] and not port.carried


async def test_a_sheet_that_is_closed_before_what_fits_was_found_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.remedies.Offers.on_mount", lambda sheet: None)
    app = still_app(on_record())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("6", "home", "w")
        sheet = app.screen
        assert isinstance(sheet, Offers)
        await sheet.query("#sheetbox").remove()
        await sheet._sought.look(sheet.redraw)
        await pilot.press("escape")
        assert app.page is app.screen


async def test_why_there_is_no_plan_is_said() -> None:
    app = still_app(on_record(), acting=NotedActing(error=ConfigError("alpha does not answer", "see slurmctld")))
    async with app.run_test(size=(120, 40)) as pilot:
        await asked(app, pilot)
        await pilot.press("2")
        await until(lambda: "alpha does not answer: see slurmctld" in text_of(app, "#cardfoot"))
