"""Simulated nodes with AMD boards: their drivers' files and their tool tell the same, and links have two ends."""

from __future__ import annotations

import errno
import json
from collections import Counter

import pytest

from collectors import captures
from collectors.probe import amd, amd_smi, amd_tool
from collectors.probe.cells import Board, joined
from collectors.simulator.machine import Machine
from collectors.simulator.world import SimulatedWorld
from tests.collectors.test_simulator_vendors import _FLOOR, node_of

_BUSY = 100.0  # seconds after the start, at which a job runs on all boards


def world_at(t: float) -> SimulatedWorld:
    return SimulatedWorld(Machine(_FLOOR, node_of("mi300x"), []), lambda: t, 1_700_000_000.0)


def asked(world: SimulatedWorld, *words: str) -> str:
    status, out, error = world.run(["amd-smi", *words], 5.0)
    assert (status, error) == (0, "")
    return out


def test_files_and_tool_agree() -> None:
    world = world_at(_BUSY)
    rows = {key: joined(row) for key, row in amd.Sampler(world, Board()).sample().cells["accelerator"].items()}
    listed = {
        entry["gpu"]: amd_smi.uuid(entry) for entry in amd_smi.entries(json.loads(asked(world, "list", "--json")))
    }
    assert list(rows) == list(listed.values())
    for command in ("static", "metric"):
        for entry in amd_smi.entries(json.loads(asked(world, command, "--json"))):
            of_files, of_tool = rows[str(listed[entry["gpu"]])], amd_smi.cells(entry)
            differing = ("energy", "throttle", "mem_used", "serial")  # finer, of two instants, in MiB, not told
            for name in set(of_tool) & set(of_files) - set(differing):
                assert of_tool[name] == of_files[name], name
            assert command == "static" or of_tool["energy"] == pytest.approx(of_files["energy"], abs=1)


def test_jobs_hold_their_boards() -> None:
    reading = amd.Sampler(world_at(_BUSY), Board()).sample()
    assert reading.holders is not None
    assert [len(held) for held in reading.holders.values()] == [1] * 8
    assert all(used > 0 for held in reading.holders.values() for _, used, _ in held)


def test_each_link_of_the_mesh_is_seen_from_both_ends() -> None:
    links = amd.Sampler(world_at(_BUSY), Board()).sample().cells["link"]
    ends = [
        (row["name"].partition("/")[0], row["peer"]) for row in map(joined, links.values()) if row["kind"] == "xgmi"
    ]
    assert len(ends) == 8 * 7 and Counter(ends) == Counter((there, here) for here, there in ends)


@pytest.mark.parametrize("command", ["list", "static", "metric", "process", "xgmi"])
def test_what_the_tool_prints_can_be_read_from_a_file(command: str) -> None:
    capture = captures.read(f"{command}.json", asked(world_at(_BUSY), command, "--json").encode())
    assert len(capture.cells["accelerator"]) == 8
    assert len(capture.cells.get("link", ())) == (56 if command == "xgmi" else 0)


def test_the_tool_refuses_what_it_does_not_know() -> None:
    status, out, error = world_at(_BUSY).run(["amd-smi", "dance"], 5.0)
    assert status == 1 and not out and "'dance' is invalid" in error


class WithoutTable(SimulatedWorld):
    """A driver that doesn't hand out gpu_metrics."""

    def read_bytes(self, path: str, keep: bool = False) -> bytes:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")


def test_where_there_is_no_table_files_and_tool_share_the_work() -> None:
    world = WithoutTable(Machine(_FLOOR, node_of("mi300x"), []), lambda: _BUSY, 1_700_000_000.0)
    of_files = amd.Sampler(world, Board()).sample().cells["accelerator"]
    of_tool = amd_tool.Sampler(world, Board()).sample().cells["accelerator"]
    assert set(of_tool) == set(of_files)
    for key, told in of_tool.items():
        assert told["energy"] > 0 and told["throttle"] in (0, 0x4)
        assert not set(told) & set(joined(of_files[key]))
