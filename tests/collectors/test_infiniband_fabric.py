"""The real InfiniBand tools on a simulated fabric (ibsim): three switches, two hosts with two adapters each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors import captures
from collectors.probe.neighbours import Sampler
from collectors.probe.world import World
from tests.support import parts
from tests.support.worlds import FileWorld

_NET = Path(__file__).parent / "fixtures" / "ibsim-net.txt"
_LIBRARY = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/umad2sim/libumad2sim.so")
_PROMPT = b"sim>"


@pytest.fixture
def fabric(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The tools started from now on see the fabric from the first adapter of the second host."""
    simulator = parts.program("ibsim", "ibsim-utils")
    parts.program("smpquery", "infiniband-diags")
    if not _LIBRARY.exists():
        parts.missing(f"{_LIBRARY} (Debian: libumad2sim0)")
    monkeypatch.setenv("IBSIM_SOCKNAME", f"watchfloor-{os.getpid()}")
    process = subprocess.Popen(
        [simulator, "-s", str(_NET)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    )
    try:
        assert process.stdout is not None
        said = b""
        while _PROMPT not in said:
            chunk = os.read(process.stdout.fileno(), 4096)
            assert chunk, f"ibsim ended: {said.decode()}"
            said += chunk
        monkeypatch.setenv("LD_PRELOAD", str(_LIBRARY))
        monkeypatch.setenv("SIM_HOST", "gpu-002 mlx5_0")
        yield
    finally:
        process.kill()
        process.communicate()


class Node(FileWorld):
    """The adapter that the simulator gives, and the real programs."""

    def __init__(self) -> None:
        root = "/sys/class/infiniband/ibsim0/ports/1"
        super().__init__({f"{root}/state": "4: ACTIVE", f"{root}/link_layer": "InfiniBand"})
        self._real = World()

    def which(self, program: str) -> str | None:
        return self._real.which(program) if program == "smpquery" else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        return self._real.run(argv, timeout_seconds)


def test_the_next_switch_is_found_by_real_packets(fabric: None) -> None:
    cells = Sampler(Node(), None).sample().cells["link"]["ib:ibsim0/1"]
    assert (cells["peer"], cells["switch"]) == ("leaf-a1 port 4", "leaf-a1")
    assert cells["speed_max"] == cells["width_max"] * 10e9 / 8


def test_what_the_tools_print_of_a_whole_fabric_is_read(fabric: None) -> None:
    for name, *options in (["ibnetdiscover"], ["ibnetdiscover", "-p"], ["iblinkinfo"]):
        program = parts.program(name, "infiniband-diags")
        status, out, error = World().run([program, *options], 10.0)
        assert status == 0, error
        links = captures.read("saved", out.encode()).cells["link"]
        assert {key: row["switch"] for key, row in links.items()} == {
            "ib:gpu-001 mlx5_0/1": "leaf-a1",
            "ib:gpu-001 mlx5_1/1": "leaf-a1",
            "ib:gpu-002 mlx5_0/1": "leaf-a1",
            "ib:gpu-002 mlx5_1/1": "leaf-b1",
        }
