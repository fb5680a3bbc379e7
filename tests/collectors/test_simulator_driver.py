"""The simulated driver and files as the probe's own samplers see them."""

from __future__ import annotations

import ast
import importlib
import inspect
from ctypes import c_void_p, cast
from itertools import pairwise
from pathlib import Path
from typing import Any

import pynvml
import pytest

from collectors import archive
from collectors.probe.cells import Absent, Board, Missing, joined
from collectors.probe.main import samplers
from collectors.probe.procfs import parse_stat
from collectors.simulator import nvml
from collectors.simulator.faults import Incident, scenarios
from collectors.simulator.floor import NodePlan, plan_floor
from collectors.simulator.hardware import SHAPES, Shape
from collectors.simulator.machine import Machine
from collectors.simulator.world import SimulatedWorld
from watchfloor.vendors import vendors

_FLOOR = plan_floor(32, seed=1)


class Time:
    """Seconds since the start of the demo, moved by hand or by whoever sleeps."""

    def __init__(self, t: float) -> None:
        self.t = t

    def __call__(self) -> float:
        return self.t


class World(SimulatedWorld):
    """A simulated world whose every clock is a Time."""

    def __init__(self, machine: Machine, at: Time) -> None:
        super().__init__(machine, at, began_at=1_700_000_000.0)
        self.at = at
        self._driver._sleep = self.sleep

    def monotonic(self) -> float:
        return self.at.t

    def sleep(self, seconds: float) -> None:
        self.at.t += seconds


def world_of(node: NodePlan, *incidents: Incident, t: float = 100.0) -> World:
    return World(Machine(_FLOOR, node, incidents), Time(t))


def node_of(shape: str) -> NodePlan:
    return next(plan for plan in _FLOOR.nodes if plan.shape.name == shape)


def struck(scenario: str) -> tuple[Incident, World]:
    (incident,) = scenarios()[scenario].place(plan_floor(32, seed=1))
    return incident, world_of(incident.node, incident, t=incident.first - 1)


def probe_modules() -> list[str]:
    return [f"collectors.probe.{path.stem}" for path in archive.PROBE_FOLDER.glob("*.py")]


def nvml_names() -> set[str]:
    """Every function of NVML that the probe's source names, as an attribute or as a text."""
    found = set()
    for path in archive.PROBE_FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
            if isinstance(name, str) and name.startswith("nvml") and inspect.isfunction(getattr(pynvml, name, None)):
                found.add(name)
    return found


def test_the_simulated_driver_knows_every_function_that_the_probe_calls() -> None:
    library = world_of(node_of("h100")).nvml()
    names = nvml_names()
    assert "nvmlDeviceGetUtilizationRates" in names
    assert not [name for name in names if getattr(library, name) is nvml._absent]


def test_a_function_that_is_not_simulated_never_reaches_a_library() -> None:
    library = world_of(node_of("h100")).nvml()
    with pytest.raises(pynvml.NVMLError_FunctionNotFound):  # type: ignore[attr-defined]
        library.nvmlDeviceSetPowerManagementLimit(library.nvmlDeviceGetHandleByIndex(0), 100)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_every_sampler_of_the_probe_answers_on_every_shape(shape: str) -> None:
    world = world_of(node_of(shape))
    for name, kind in samplers_of_the_probe().items():
        try:
            sampler = kind(world, Board())
            sampler.sample()
            world.at.t += 1
            reading = sampler.sample()
        except Absent:
            assert name not in needed(SHAPES[shape])
            continue
        assert _VENDORS.get(name, SHAPES[shape].vendor) == SHAPES[shape].vendor
        failed = failures(reading.cells)
        assert not failed, f"{name} on {shape}"


_VENDORS = {vendor.sampler: name for name, vendor in vendors().items()}


def needed(shape: Shape) -> set[str]:
    """Samplers that have something to tell on nodes of a shape; others may find that there is nothing for them."""
    of_vendor = {sampler for sampler, vendor in _VENDORS.items() if vendor == shape.vendor}
    ports = {"infiniband"} if shape.ib_ports + shape.roce_ports else set[str]()
    return {"host", "processes", "filesystems", "ethernet"} | of_vendor | ports


def samplers_of_the_probe() -> dict[str, Any]:
    importlib.import_module("collectors.probe.main")
    return samplers(probe_modules())


def failures(cells: dict[str, Any]) -> list[tuple[str, str, Missing]]:
    """Cells whose reading failed, rather than being unsupported or not yet known."""
    return [
        (key, metric, value)
        for rows in cells.values()
        for key, row in rows.items()
        for metric, value in joined(row).items()
        if isinstance(value, Missing) and value.code not in (1, 2)
    ]


def nvidia_cells(world: World) -> dict[str, dict[str, Any]]:
    """By accelerator, after three samples a second apart: links are summed at every other one."""
    sampler = samplers_of_the_probe()["nvidia"](world, Board())
    for _ in range(2):
        sampler.sample()
        world.at.t += 1
    rows = sampler.sample().cells["accelerator"]
    return {key: joined(row) for key, row in rows.items()}


def test_a_busy_training_board_has_the_values_of_one() -> None:
    cells = next(iter(nvidia_cells(world_of(node_of("h100"))).values()))
    assert cells["model"] == "NVIDIA H100 80GB HBM3"
    assert cells["util"] > 80
    assert 350 < cells["power"] <= 710
    assert 40 < cells["temp"] < 80
    assert cells["temp_margin"] == 87 - cells["temp"]
    assert (cells["links_up"], cells["links_max"]) == (18, 18)
    assert 1e9 < cells["link_tx"] < 18 * 26.6e9
    assert cells["mem_used"] < cells["mem_total"]


def test_a_consumer_board_says_what_it_does_not_support() -> None:
    cells = next(iter(nvidia_cells(world_of(node_of("rtx"))).values()))
    for metric in ("ecc_mode", "serial", "temp_mem", "rows_failed", "links_up"):
        assert isinstance(cells[metric], Missing)
        assert cells[metric].code == 2
    assert cells["fan"] > 0


def test_a_node_without_boards_has_no_driver() -> None:
    with pytest.raises(Absent, match=r"libnvidia-ml\.so\.1 not found"):
        nvidia_cells(world_of(node_of("login")))


def test_a_lost_board_keeps_its_identity_and_nothing_else() -> None:
    incident, world = struck("xid79")
    library = world.nvml()
    handle = library.nvmlDeviceGetHandleByIndex(3)
    identity = library.nvmlDeviceGetUUID(handle)
    world.at.t = incident.first + 1
    with pytest.raises(pynvml.NVMLError_GpuIsLost):  # type: ignore[attr-defined]
        library.nvmlDeviceGetTemperature(handle, 0)
    assert library.nvmlDeviceGetUUID(handle) == identity
    assert library.nvmlDeviceGetTemperature(library.nvmlDeviceGetHandleByIndex(2), 0) > 20


def test_an_xid_is_told_once_and_waiting_for_the_next_times_out() -> None:
    incident, world = struck("xid79")
    library = world.nvml()
    events = library.nvmlEventSetCreate()
    with pytest.raises(pynvml.NVMLError_Timeout):  # type: ignore[attr-defined]
        library.nvmlEventSetWait_v2(events, 500)
    world.at.t = incident.first + 1
    event = library.nvmlEventSetWait_v2(events, 500)
    assert event.eventData == 79
    assert cast(event.device, c_void_p).value == cast(library.nvmlDeviceGetHandleByIndex(3), c_void_p).value
    with pytest.raises(pynvml.NVMLError_Timeout):  # type: ignore[attr-defined]
        library.nvmlEventSetWait_v2(events, 500)


def test_the_kernel_log_has_the_words_of_the_xid() -> None:
    incident, world = struck("xid79")
    world.at.t = incident.first + 1
    log = world.kmsg()
    assert any("Xid (PCI:0000:4b:00): 79" in record for record in log.records(100))
    assert log.records(100) == [], "each is read once"
    world.at.t = incident.first + incident.every + 1
    (again, _) = log.records(100)
    assert again.startswith("4,1000,") and ": 79, " in again, "rebooted since: the log begins anew"


def test_a_hung_driver_blocks_until_it_heals_and_the_host_goes_on() -> None:
    incident, world = struck("hung")
    library = world.nvml()
    handle = library.nvmlDeviceGetHandleByIndex(0)
    world.at.t = incident.first + 1
    assert world.read("/proc/loadavg")
    library.nvmlDeviceGetTemperature(handle, 0)  # each sleep of the wait moves the clock
    assert world.at.t == pytest.approx(incident.first + incident.lasts, abs=0.5)


def test_a_thread_that_hangs_in_the_driver_is_in_state_d() -> None:
    incident, world = struck("hung")
    library, states = world.nvml(), []

    def sleep(seconds: float) -> None:
        task = world.readlink("/proc/thread-self").rpartition("/")[2]
        states.append(world.read(f"/proc/self/task/{task}/stat").rpartition(")")[2].split()[0])
        world.at.t += 10

    world._driver._sleep = sleep
    world.at.t = incident.first + 1
    library.nvmlDeviceGetCount()
    assert set(states) == {"D"}


def test_nothing_of_the_real_machine_shows_through() -> None:
    world = world_of(node_of("gb200"))
    with pytest.raises(FileNotFoundError):
        world.read("/etc/hostname")
    assert world.hostname() == world.uname().nodename == node_of("gb200").name
    assert not world.exists("/proc/1000000")
    assert Path("/proc").name not in world.listdir("/sys/class/net")


def test_the_processes_of_a_job_belong_to_its_user_and_cgroup() -> None:
    world = world_of(node_of("h100"))
    sampler = samplers_of_the_probe()["nvidia"](world, Board())
    reading = sampler.sample()
    board = Board()
    board.holders = {"nvidia": reading.holders}
    cells = samplers_of_the_probe()["processes"](world, board).sample().cells["accelerator"]
    job = world._machine.boards[0].job
    assert job is not None
    assert {row["job"] for row in cells.values()} == {f"slurm:{job.id}"}
    assert {row["user"] for row in cells.values()} == {job.user}


def test_the_processor_time_of_a_process_only_grows() -> None:
    spent = [processor_ticks(world_of(node_of("h100"), t=float(second))) for second in range(100, 110)]
    for before, after in pairwise(spent):
        assert all(after[pid] >= ticks for pid, ticks in before.items() if pid in after)


def processor_ticks(world: World) -> dict[int, int]:
    pids = [int(name) for name in world.listdir("/proc") if name.isdigit()]
    return {pid: parse_stat(world.read(f"/proc/{pid}/stat"))["spent"] for pid in pids}
