"""A fleet exported, scraped by a real Prometheus, and read back: a second console shows the same fleet."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.support.frames import settled
from tests.support.loopback import run
from tests.support.prometheus import Prometheus, all_heard, read_back, running_prometheus
from watchfloor.commands.waiting import settled as settled_for_commands
from watchfloor.derived import CONSOLE_OWNED, DERIVED
from watchfloor.exporter import Newest, serve
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Kind, Metric
from watchfloor.model import NODE_SCOPES, MetricsSource, Missing, NodeSpec, Phase, Scope
from watchfloor.report import SamplerStatus
from watchfloor.snapshot.exposition import OFTEN_EMPTY, series_name


@contextmanager
def exported(frame: Frame) -> Iterator[int]:
    """The port of an exporter of this frame."""
    newest = Newest(lambda: frame.at)
    newest.take(frame)
    with serve(newest, "127.0.0.1", 0) as server:
        run(server)
        yield server.server_address[1]
        server.shutdown()


def specs_of(frame: Frame, server: Prometheus, **options: object) -> list[NodeSpec]:
    source = MetricsSource(server.url, period_seconds=1.0, **options)  # type: ignore[arg-type]
    return [
        NodeSpec(
            spec.name,
            spec.host,
            spec.site,
            spec.rack,
            spec.group,
            source=source,
            power_budget_watts=spec.power_budget_watts,
        )
        for spec in frame.specs
    ]


def told(scope: Scope) -> list[Metric]:
    """What an exporter tells and a console doesn't reckon for itself."""
    return [
        metric
        for name, metric in CATALOGUE[scope].items()
        if series_name(metric) and name not in CONSOLE_OWNED[scope] and name not in DERIVED[scope]
    ]


def difference(before: Frame, after: Frame, scope: Scope, row: int, metric: Metric) -> str:
    subject = before.subject(scope, row)
    there = after.row(subject)
    assert there is not None, subject
    cell, again = before.view(scope).cell(row, metric.name), after.view(scope).cell(there, metric.name)
    if metric.kind is Kind.TEXT:
        exact = bool(cell.value) or metric.name in OFTEN_EMPTY
        same = (cell.value or None) == (again.value or None) and (cell.missing is again.missing or not exact)
    elif cell.missing is Missing.NO:
        same = again.missing is Missing.NO and math.isclose(
            float(cell.value or 0), float(again.value or 0), rel_tol=1e-9
        )
    else:
        same = again.missing is cell.missing
    return "" if same else f"{subject} {metric.name}: {cell} became {again}"


def with_samplers_of_every_state(frame: Frame) -> Frame:
    more = {state: SamplerStatus(state, "a reason", frame.at - 9) for state in ("absent", "failed", "hung")}
    more["never"] = SamplerStatus("ok")
    detail = tuple(replace(one, samplers={**one.samplers, **more}) for one in frame.detail)
    return replace(frame, detail=detail)


async def test_what_was_exported_comes_back(tmp_path: Path) -> None:
    before = with_samplers_of_every_state(settled())
    with exported(before) as port, running_prometheus(tmp_path, {"watchfloor": port}) as server:
        await asyncio.to_thread(server.wait_for, "watchfloor_node_up", len(before.specs))
        after = await read_back(specs_of(before, server), all_heard)
    compared, different = 0, []
    for scope in NODE_SCOPES:
        rows = range(before.view(scope).count)
        live = [row for row in rows if before.live[int(before.view(scope).node[row])]]
        for row in live:
            for metric in told(scope):
                compared += 1
                different.append(difference(before, after, scope, row, metric))
    assert [words for words in different if words][:20] == []
    assert compared > 5000
    assert after.live.tolist() == before.live.tolist()
    for node in np.flatnonzero(before.live).tolist():
        kept, again = (
            {name: (one.state, round(one.at, 1)) for name, one in frame.detail[node].samplers.items()}
            for frame in (before, after)
        )
        assert again.pop("prometheus")[0] == "ok" and again == kept
    assert settled_for_commands(after)
    for node, status in enumerate(after.statuses):
        if not before.live[node]:
            assert status.phase is Phase.STALE and "the exporter does not read it" in status.text
