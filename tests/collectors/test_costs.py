"""What reading a node costs it: measured by the real probe over the tests' NVML library, and shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from collectors.conversation import Ending
from collectors.costs import Meter
from collectors.diagnose import measure
from collectors.probe import nvidia_costs
from collectors.probe.world import World
from collectors.transports.local import LocalTransport
from tests.support.nvml import NOT_SUPPORTED, Scenario
from watchfloor import costs
from watchfloor.errors import ConnectError
from watchfloor.model import NodeSpec, Problem
from watchfloor.ports import Channel, StreamReceiver
from watchfloor.report import Cost, Report, SamplerStatus

HERE = NodeSpec("here", local=True)


async def measured(wanted: set[str]) -> Sequence[Cost]:
    """What the probe of this machine costs, measured for as long as these calls of the driver take to be asked."""
    for seconds in (5.5, 15, 45):
        transport = LocalTransport()
        try:
            meter = await measure(HERE, transport, seconds)
        finally:
            await transport.close()
        assert isinstance(meter, Meter)
        if wanted <= {row.call for row in meter.rows() if row.sampler == "nvidia"}:
            return meter.rows()
    raise AssertionError(f"only {meter.rows()}, not all of {wanted}")


async def test_every_sampler_and_every_question_has_its_cost(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = Scenario(tmp_path / "scenario")
    scenario.gpus(2)
    scenario.set("gpu.0.pages_retired", NOT_SUPPORTED)  # a refusal costs as well
    for name, value in scenario.environment(library).items():
        monkeypatch.setenv(name, value)
    rows = await measured(
        {"util, mem_util", "power_limit", "pages_retired, pages_pending", "processes", "list of devices"}
    )
    samplers = {row.sampler: row for row in rows if not row.call}
    assert {"host", "nvidia"} <= set(samplers)
    assert 0 < samplers["host"].cpu < 0.5 and samplers["host"].period == 1.0
    calls = {row.call: row for row in rows if row.call and row.sampler == "nvidia"}
    assert (calls["temp"].period, calls["energy"].period, calls["mig"].period) == (1, 10, 30)
    assert all(row.seconds > 0 for row in calls.values())
    assert [row.call for row in rows].index("temp") > [row.sampler for row in rows].index("nvidia")


async def test_a_node_on_which_nothing_can_be_measured_says_why() -> None:
    class Closed(LocalTransport):
        async def start(self, node: NodeSpec, command: str, receiver: StreamReceiver) -> Channel:
            raise ConnectError(Problem.REFUSED, "nobody listens")

    found = await measure(HERE, Closed())
    assert isinstance(found, Ending) and found.text == "nobody listens"
    assert costs.text(HERE, [], found.text) == "here: nobody listens"


def test_the_start_of_a_sampler_is_not_what_it_costs() -> None:
    meter = Meter(HERE)
    for at, cpu in ((1.0, 9.0), (2.0, 0.001), (2.0, 0.001), (3.0, 0.003)):
        said = SamplerStatus("ok", at=at, cost=cpu, cpu=cpu, period=1.0)
        meter.report(0, Report(1, -1, at, samplers={"host": said}), at)
    assert meter.rows() == [Cost("host", "", 0.002, 0.002, 1.0)]


def test_a_single_wait_for_a_processor_makes_no_sampler_one_that_waits() -> None:
    meter = Meter(HERE)
    for at, seconds in ((1.0, 0.5), (2.0, 0.002), (3.0, 1.2), (4.0, 0.002)):
        said = SamplerStatus("ok", at=at, cost=seconds, cpu=0.002, period=1.0)
        meter.report(0, Report(1, -1, at, samplers={"host": said}), at)
    assert meter.rows() == [Cost("host", "", 0.002, 0.002, 1.0)]


class Busy(World):
    """A node on which the first calls wait, for a processor or for the driver: `waits` in seconds, one a call."""

    def __init__(self, *waits: float) -> None:
        super().__init__()
        self.waits, self.at = list(waits), 0.0

    def call(self) -> None:
        self.at += 0.0005 + self.waits.pop(0)

    def monotonic(self) -> float:
        return self.at

    def thread_cpu(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("waits", "seconds", "left"),
    [((0.0, 0.2), 0.0005, 1), ((1.15, 0.0, 0.3), 0.0005, 1), ((0.3, 0.2, 0.25, 0.1), 0.2005, 1)],
    ids=["none", "once", "each time"],
)
def test_a_question_that_waited_is_asked_again(waits: tuple[float, ...], seconds: float, left: int) -> None:
    world = Busy(*waits)
    assert nvidia_costs.took(world, world.call) == (pytest.approx(seconds), 0.0)
    assert len(world.waits) == left


@pytest.mark.parametrize(
    ("cost", "letter"),
    [
        (Cost("nvidia", "identity", 0.1, 0.1, 0), "A"),
        (Cost("host", "", 0.0002, 0.0002, 1), "B"),
        (Cost("nvidia", "energy", 0.001, 0.001, 10), "C"),
        (Cost("nvidia_pcie", "", 0.04, 0.0001, 2), "D"),
    ],
)
def test_classes(cost: Cost, letter: str) -> None:
    assert costs.class_of(cost) == letter


def test_the_table_and_the_document() -> None:
    rows = [Cost("nvidia", "", 0.002, 0.001, 1.0), Cost("nvidia", "temp", 0.0001, 0.0001, 1.0)]
    lines = costs.text(HERE, rows, "").splitlines()
    assert lines[0] == "here: 0.100 % of a core within the samplers"
    assert lines[2].split() == ["nvidia", "B", "1.000", "1.000", "1", "0.1000"]
    assert lines[3].split() == ["temp", "B", "0.100", "0.000", "1", "0.0100"]
    found = costs.record(HERE, rows, "")
    assert found["core_percent"] == 0.1
    assert json.loads(msgspec.json.encode(found))["costs"][1]["call"] == "temp"


def test_who_waits_for_events_is_told_by_its_work_and_asked_no_more_often_than_it_answers() -> None:
    waits = Cost("nvidia_xid", "", 10.0001, 0.0001, 1.0)
    line = costs.text(HERE, [waits], "").splitlines()[2]
    assert line.split() == ["nvidia_xid", "D", "0.100", "10000.000", "10", "0.0010"]
    row = costs.record(HERE, [waits], "")["costs"]
    assert isinstance(row, list) and row[0]["waiting_seconds"] == 10.0
