"""The inference servers of a node on its page, and in what `snapshot` prints."""

from __future__ import annotations

import json

import pytest

from tests.support.feeds import HandFeed
from tui.app import WatchfloorApp
from tui.base import AppOptions
from tui.present.format import brief_time, number
from tui.present.services import service_list
from tui.screens.node import NodePage
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.metrics import Unit
from watchfloor.model import Missing, NodeSpec, NodeStatus, Phase, Scope, Subject
from watchfloor.report import Cells, Hello, Report, Schema, Table
from watchfloor.snapshot.document import document
from watchfloor.snapshot.exposition import exposition
from watchfloor.snapshot.selection import select
from watchfloor.snapshot.table import table

_NUMBERS = {"up": 1.0, "running": 9.0, "waiting": 3.0, "kv_cache": 87.5, "token_rate": 1534.0, "request_rate": 7.25,
            "first_token": 0.1874, "per_token": 0.0213, "latency": 6.49, "failures": 5.0}  # fmt: skip
_TEXTS = {"name": "vllm:8000", "kind": "vllm", "model": "Qwen/Qwen3-32B"}


def serving() -> Frame:
    """One node with a server that answers, and one without any."""
    fleet = Fleet([NodeSpec("serve-01"), NodeSpec("train-01")], lambda: 1000.0)
    metrics = [*_NUMBERS, *_TEXTS, "queue_time"]
    tables = {"service": Table(["vllm:8000"], metrics)}
    texts, numbers = [len(_NUMBERS) + n for n in range(len(_TEXTS))], list(_NUMBERS.values())
    unknown = len(metrics) - 1
    told = Cells(list(range(len(numbers))), numbers, [unknown], [Missing.NOT_YET], texts, list(_TEXTS.values()))
    for node, own in enumerate((tables, {})):
        fleet.hello(node, Hello(1, "h", "b", 1000.0, "p"), 1000.0)
        fleet.schema(node, Schema(1, own))
        fleet.report(node, Report(1, 1, 1000.0, full=True, cells={"service": told} if own else {}), 1000.0)
        fleet.status(node, NodeStatus(Phase.LIVE))
    return fleet.frame().with_findings([])


def test_a_list_of_servers() -> None:
    listing = service_list(serving(), 0)
    shown = {column.name: text for column, (text, _) in zip(listing.columns, listing.cells(0), strict=True)}
    assert (shown["name"], shown["up"], shown["model"]) == ("vllm:8000", "up", "Qwen/Qwen3-32B")
    assert (shown["first_token"], shown["per_token"], shown["latency"]) == ("187 ms", "21 ms", "6.5 s")
    assert (shown["token_rate"], shown["request_rate"], shown["kv_cache"]) == ("1.5k", "7.2", "88")
    assert shown["queue_time"] == "not yet"


async def test_the_panel_is_there_where_something_serves() -> None:
    frame = serving()
    app = WatchfloorApp(HandFeed(frame), AppOptions(now=lambda: frame.at))
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.pause()
        app.open("node", Subject(Scope.NODE, "serve-01"))
        await pilot.pause()
        page = app.screen
        assert isinstance(page, NodePage)
        await pilot.press("s")
        assert page.query_one("#services").display
        assert "services" in page._choices()
        await pilot.press("e", "n")
        assert "services" not in page._choices()


def test_json_table_and_exposition_have_them() -> None:
    chosen = select(serving())
    told = json.loads(json.dumps(document(chosen)))
    service = told["nodes"][0]["services"][0]
    assert service["values"]["first_token"] == 0.1874 and service["missing"]["queue_time"]["reason"] == "not yet"
    text = exposition(chosen)
    assert 'watchfloor_service_kv_cache_ratio{node="serve-01",device="vllm:8000",key="vllm:8000"} 0.875\n' in text
    assert 'watchfloor_service_info{node="serve-01",device="vllm:8000",key="vllm:8000",kind="vllm",model="Qwen/' in text
    columns = ("name", "first_token", "latency", "request_rate", "token_rate")
    lines = table(type(chosen)(chosen.frame, chosen.rows, Scope.SERVICE), columns).splitlines()
    assert lines[1].split() == ["vllm:8000", "0.19s", "6.5s", "7.2/s", "1.53k/s"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.0 ms"), (0.00042, "0.4 ms"), (0.0123, "12 ms"), (0.3405, "340 ms"), (1.92, "1.9 s"), (25.4, "25 s"),
     (200.0, "3 m")],
)  # fmt: skip
def test_times_of_requests(seconds: float, text: str) -> None:
    assert brief_time(seconds) == text


def test_rates() -> None:
    assert [number(value, Unit.PER_SECOND) for value in (0.0, 3.14159, 42.0, 12345.0)] == ["0.0", "3.1", "42", "12.3k"]
