"""The probe under real old Pythons, from 3.6 on, on a node of every vendor; and the hands.

Grammar and calls are held to 3.6 by the house tests wherever they run; this is the proof, where such a Python is at
hand: in PATH, among pyenv's versions, or named by WATCHFLOOR_OLD_PYTHONS (paths separated by colons).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Timer

import pytest

from collectors import payload
from collectors.acting import payload as acting
from collectors.acting.wire import Ended, Greeting, Refused, encode
from collectors.acting.wire import decode as wire
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.world import SimulatedWorld
from tests.support.far_world import CLIENT, served
from tests.support.nvml import Scenario
from tests.support.patience import PATIENCE_SECONDS
from watchfloor.report import Fault, Hello, Report, SamplerStatus, decode

_OLDEST = ("3.6", "3.7", "3.8")
# shape of the demo -> samplers that must find something there
_NODES = {
    "mi300x": {"amd", "infiniband"},
    "tpu": {"tpu", "tpu_sdk"},
    "trn2": {"neuron"},
    "gaudi3": {"gaudi", "gaudi_ports"},
    "max1550": {"xpu", "xpu_links"},
    "login": {"host", "processes"},
}


@cache
def pythons() -> Mapping[str, str]:
    """Version -> path, of those that run."""
    named = [Path(path) for path in os.environ.get("WATCHFLOOR_OLD_PYTHONS", "").split(":") if path]
    kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = {}
    for version in _OLDEST:
        in_path = shutil.which(f"python{version}")
        candidates = [
            *named,
            *sorted(kept.glob(f"{version}.*/bin/python{version}")),
            *([Path(in_path)] if in_path else []),
        ]
        for candidate in candidates:
            ask = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            done = subprocess.run(ask, capture_output=True, text=True, check=False)
            if done.stdout.strip() == version:
                found.setdefault(version, str(candidate))
    return found


@pytest.fixture(params=_OLDEST)
def python(request: pytest.FixtureRequest) -> str:
    if request.param not in pythons():
        pytest.skip(f"no python{request.param} here: WATCHFLOOR_OLD_PYTHONS names some")
    return pythons()[request.param]


@contextmanager
def running(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env={**os.environ, **environment}, stdin=pipe, stdout=pipe) as process:
        late = Timer(PATIENCE_SECONDS, process.kill)
        late.start()
        try:
            yield process
        finally:
            late.cancel()
            process.kill()


def told(process: subprocess.Popen[bytes]) -> tuple[Hello, dict[str, SamplerStatus]]:
    """Who spoke, and how each sampler did once all of them had answered."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(payload.payload() + payload.settings_line(1.0, 0.1, 60))
    process.stdin.flush()
    hello, samplers = None, dict[str, SamplerStatus]()
    for line in process.stdout:
        said = decode(line)
        assert not isinstance(said, Fault), said.text
        if isinstance(said, Hello):
            hello = said
        if isinstance(said, Report):
            samplers |= said.samplers
            if hello and set(hello.samplers) == {name for name, at in samplers.items() if at.at}:
                return hello, samplers
    raise AssertionError(f"it ended before all samplers had answered: {samplers}")


@pytest.mark.parametrize("shape", _NODES)
def test_a_node_of_every_vendor_is_read(python: str, shape: str) -> None:
    floor = plan_floor(32, seed=1)
    plan = next(plan for plan in floor.nodes if plan.shape.name == shape)
    began = time.time() - 100.0
    world = SimulatedWorld(Machine(floor, plan, []), lambda: time.time() - began, began)
    with served(world) as port, running([python, "-IBSu", "-c", CLIENT], {"FAR_PORT": str(port)}) as process:
        hello, samplers = told(process)
    assert python.endswith(hello.python[:3])
    trouble = {name: status.text for name, status in samplers.items() if status.state not in ("ok", "absent")}
    assert not trouble
    assert _NODES[shape] <= {name for name, status in samplers.items() if status.state == "ok"}


def test_boards_of_nvidia_are_read_through_the_real_library(python: str, library: Path, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path / "scenario")
    scenario.gpus(2, 4)
    environment = scenario.environment(library)
    with running([python, "-IBSu", "-c", payload.BOOTSTRAP], environment) as process:
        samplers = told(process)[1]
    nvidia = {name: status for name, status in samplers.items() if name.startswith("nvidia")}
    assert {status.state for status in nvidia.values()} <= {"ok", "absent"}, nvidia
    assert nvidia["nvidia"].state == "ok"


def test_hands_carry_out_and_keep(python: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    order = {
        "argv": ["sh", "-c", "cat; exit 3"],
        "stdin": "said",
        "timeout": 60,
        "env": {},
        "path": [],
        "path_behind": [],
    }
    lines = [
        {"t": "do", "id": 1, "operation": "op", "by": 1e12, **order},
        {"t": "recall", "id": 2, "operation": "op"},
        {"t": "look", "id": 3, **order, "argv": ["no-such-program"]},
    ]
    with running([python, "-IBSu", "-c", acting.BOOTSTRAP], {"WATCHFLOOR_HANDS": str(kept)}) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(acting.payload() + b"".join(encode(line) for line in lines))
        process.stdin.flush()
        greeting, *answers = (wire(process.stdout.readline()) for _ in range(4))
    assert isinstance(greeting, Greeting)
    told = {answer.id: answer for answer in answers if isinstance(answer, Ended | Refused)}
    assert isinstance(told[1], Ended) and (told[1].exit, told[1].out) == (3, "said")
    assert isinstance(told[2], Ended) and told[2].out == "said" and isinstance(told[3], Refused)
