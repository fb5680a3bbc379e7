"""What is asked of a GPU at every tick: the bound calls give what pynvml gives, whatever the driver refuses."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import pytest

from collectors.probe.nvml_quick import _CALLS, _CLOCK_SM, _MARGIN_V1, _MEMORY_V2
from tests.support.nvml import NO_PERMISSION, NOT_SUPPORTED, Scenario
from tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]

# Both ways on every GPU, and again after each line on standard input; None is a lost device.
PROGRAM = """
import json, sys
import pynvml
from collectors.probe import nvml, nvidia_live
from collectors.probe.cells import joined
from collectors.probe.nvml_quick import Quick

def shown(cells):
    return None if cells is None else {name: str(value) for name, value in cells.items()}

pynvml.nvmlInit()
devices = nvml.gpus(pynvml)
quick = [Quick(pynvml, device) for device in devices]
while True:
    asked = [one.ask() for one in quick]
    again = [one.ask() for one in quick]
    print(json.dumps({
        "bound": [len(one._calls) for one in quick],
        "quick": [None if cells is None else shown(joined(cells)) for cells in asked],
        "ordinary": [shown(nvml.answers(pynvml, device, nvidia_live.QUICK)) for device in devices],
        "same": [bool(one and two) and one[0] is two[0] for one, two in zip(asked, again)],
    }), flush=True)
    if not sys.stdin.readline():
        break
    for device, one in zip(devices, quick):
        device.unsupported = {}
        one.bind()
"""

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    scenario = Scenario(tmp_path / "scenario")
    scenario.gpus(2)
    return scenario


@pytest.fixture
def ask(library: Path, scenario: Scenario) -> Any:
    """Start the program with what the scenario says by then; later calls ask again."""
    environment = scenario.environment(library)
    command = [sys.executable, "-c", PROGRAM]
    pipe = subprocess.PIPE
    started: list[subprocess.Popen[str]] = []

    def answer() -> dict[str, Any]:
        if not started:
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True))
        else:
            assert started[0].stdin is not None
            print(file=started[0].stdin, flush=True)
        assert started[0].stdout is not None
        return json.loads(started[0].stdout.readline())

    yield answer
    for process in started:
        process.communicate(timeout=PATIENCE_SECONDS)


def test_both_ways_give_the_same(ask: Ask, scenario: Scenario) -> None:
    first = ask()
    assert first["bound"] == [len(_CALLS)] * 2
    assert first["quick"] == first["ordinary"]
    assert first["quick"][1]["temp"] == "41"
    assert first["same"] == [True, True]  # nothing has changed: the very same cells
    scenario.set_all({"gpu.1.temp": 90, "gpu.1.power": 99_949, "gpu.1.temp_margin": -3})
    second = ask()
    assert second["quick"] == second["ordinary"]
    assert [second["quick"][1][name] for name in ("temp", "power", "temp_margin")] == ["90", "99.9", "-3"]


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, NO_PERMISSION])
def test_what_is_refused_from_the_start_has_its_reason(ask: Ask, scenario: Scenario, refusal: str) -> None:
    scenario.set_all({"gpu.0.temp_margin": refusal, "gpu.0.util": refusal})
    answers = ask()
    assert answers["bound"] == [len(_CALLS) - 2, len(_CALLS)]
    assert answers["quick"] == answers["ordinary"]
    assert answers["quick"][0]["util"].startswith("Missing")


def test_what_is_refused_later_has_its_reason_and_comes_back(ask: Ask, scenario: Scenario) -> None:
    ask()
    scenario.set("gpu.0.power", NOT_SUPPORTED)
    refused = ask()
    assert refused["bound"] == [0, len(_CALLS)]
    assert refused["quick"] == refused["ordinary"]
    scenario.set("gpu.0.power", 5000)
    again = ask()
    assert again["bound"] == [len(_CALLS)] * 2
    assert again["quick"][0]["power"] == "5.0"


def test_a_lost_device_is_lost(ask: Ask, scenario: Scenario) -> None:
    ask()
    scenario.set("gpu.1.lost", 1)
    lost = ask()
    assert lost["quick"][1] is None
    assert lost["quick"][0] == lost["ordinary"][0]


def test_the_layouts_are_pynvmls() -> None:
    memory, margin = pynvml.c_nvmlMemory_v2_t, pynvml.c_nvmlMarginTemperature_v1_t
    assert [getattr(memory, name).offset for name in ("total", "reserved", "free", "used")] == [8, 16, 24, 32]
    assert (ctypes.sizeof(memory), ctypes.sizeof(margin), margin.marginTemperature.offset) == (40, 8, 4)
    assert (pynvml.nvmlMemory_v2, pynvml.nvmlMarginTemperature_v1) == (_MEMORY_V2, _MARGIN_V1)
    assert pynvml.NVML_CLOCK_SM == _CLOCK_SM
