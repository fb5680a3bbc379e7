"""The NVIDIA samplers against a real NVML library: boards of several generations, faults, events."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from collectors.probe import nvidia_fabric, nvidia_link_errors, nvidia_xid
from collectors.probe.cells import UNSUPPORTED as NO_SUCH_THING
from tests.support.golden import same_as_golden
from tests.support.nvml import NO_PERMISSION, NOT_SUPPORTED, Scenario, mig_uuid, uuid
from tests.support.parts import ROOT
from tests.support.probe import FAILED, LOST, NOT_PERMITTED, NOT_YET, UNSUPPORTED, RunningProbe, running_probe
from watchfloor.metrics import RECOVERY_ACTIONS
from watchfloor.report import Event, Report

_GOLDEN = Path(__file__).parent / "golden"
_SAMPLERS = ("nvidia", "nvidia_health", "nvidia_pcie", "nvidia_xid", "nvidia_gpm")
_TOLD = """
import importlib, sys, time
from collectors.probe.cells import Board, parts
from collectors.probe.world import World
from tests.support.shown import shown
world = World()
for name in sys.argv[1:]:
    sampler = importlib.import_module("collectors.probe." + name).Sampler(world, Board())
    cells = sampler.sample().cells
    if name == "nvidia_gpm":
        time.sleep(0.11)  # nvml.h: two samples of GPM lie at least 100 ms apart, and nothing tells when they do
        cells = sampler.sample().cells
    joined = {scope: {key: {} for key in rows} for scope, rows in cells.items()}
    for scope, rows in cells.items():
        for key, row in rows.items():
            for part in parts(row):
                joined[scope][key].update(part)
    print("# " + name + "\\n")
    print(shown(joined))
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    scenario = Scenario(tmp_path / "scenario")
    scenario.gpus(2, nvlinks=2)
    return scenario


def told(library: Path, scenario: Scenario) -> str:
    """What the samplers say of a node at their first answer (GPM: at its second), when no rate is known yet."""
    command = [sys.executable, "-c", _TOLD, *_SAMPLERS]
    environment = scenario.environment(library)
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True, text=True).stdout


def one_board(scenario: Scenario, **changes: object) -> None:
    """A node of a single board, which counts nothing by itself."""
    scenario.remove_below("gpu.1.")
    scenario.set_all({"system.count": 1, "gpu.0.energy": 1_000_000})
    scenario.set_all({f"gpu.0.{name.replace('__', '.')}": value for name, value in changes.items()})


def test_hopper(library: Path, scenario: Scenario) -> None:
    one_board(scenario)
    same_as_golden(_GOLDEN / "nvidia-live-h100.txt", told(library, scenario))


def test_blackwell(library: Path, scenario: Scenario) -> None:
    """Other counters of the links, a module with its CPU, a fabric of several nodes, an ill of it."""
    one_board(scenario, name="NVIDIA GB200", architecture=10, fabric_cluster="5a1e" * 8, fabric_clique=32766)
    scenario.set_all({"gpu.0.fabric_health": 0x1A9, "gpu.0.nvlink.1.up": 0, "gpu.0.nvlink.1.peer_kind": 0})
    scenario.set_all({"gpu.0.nvlink.1.peer": "00000000:19:00.0", "gpu.0.field.185.1": 2_380_170})
    scenario.remove(*(f"gpu.0.nvlink.{link}.{name}" for link in (0, 1) for name in ("crc", "replay", "recovery")))
    for link in (0, 1):
        scenario.remove(f"gpu.0.field.138.{link}", f"gpu.0.field.139.{link}")
        fields = {295: 7, 215: 1, 221: 40, 219: 3, 208: 2, 212: 0, 202: 5000, 204: 6000, 220: 0x3 << 8 | 9}
        scenario.set_all({f"gpu.0.field.{field}.{link}": value for field, value in fields.items()})
    scenario.set_all({f"gpu.0.field.{field}.0": field - 235 for field in range(236, 251)})
    scenario.remove("gpu.0.field.138", "gpu.0.field.139", "gpu.0.field.220.1")
    scenario.set("gpu.0.field.222.1", 0xF << 8 | 255)
    same_as_golden(_GOLDEN / "nvidia-live-gb200.txt", told(library, scenario))


def test_ampere_with_an_older_driver(library: Path, scenario: Scenario) -> None:
    """No GPM, no fabric, no repair status; on-chip errors by the older call; NVLink of a version that misleads."""
    one_board(scenario, name="NVIDIA A100-SXM4-80GB", architecture=7, gpm=NOT_SUPPORTED)
    scenario.set_all({"gpu.0.ecc_at.1.1.7": 4, "gpu.0.ecc_at.0.1.7": 9})
    scenario.remove("gpu.0.fabric", "gpu.0.sram_parity", "gpu.0.repair_channel", "gpu.0.field.230")
    scenario.remove("gpu.0.field.197", "gpu.0.field.198", "gpu.0.field.74", "gpu.0.field.75", "gpu.0.temp_margin")
    scenario.set_all({"gpu.0.pcie_tx": 2000, "gpu.0.pcie_rx": 3000, "gpu.0.pcie_gen": 1, "gpu.0.pcie_width": 8})
    same_as_golden(_GOLDEN / "nvidia-live-a100.txt", told(library, scenario))


def test_mig(library: Path, scenario: Scenario) -> None:
    one_board(scenario)
    scenario.mig(0, 2)
    scenario.set_all({"gpu.0.mig.1.name": "NVIDIA H100 80GB HBM3 MIG 1c.2g.20gb"})
    scenario.set_all({f"gpu.0.mig.0.gpm.{metric}": 10 * metric for metric in (2, 3, 5)})
    scenario.set("gpu.0.mig.0.gpm.10", NO_PERMISSION)
    same_as_golden(_GOLDEN / "nvidia-live-mig.txt", told(library, scenario))


def test_recovery_of_drivers_before_there_was_one_action(library: Path, scenario: Scenario) -> None:
    scenario.remove("gpu.0.field.230", "gpu.1.field.230")
    scenario.set_all({"gpu.0.field.226": 0, "gpu.0.field.227": 1, "gpu.1.field.226": 1})
    with running_probe(scenario.environment(library)) as probe:
        now = probe.until(lambda now: now.accelerator(uuid(1)).get("recovery") == 1)
        assert now.accelerator(uuid(0))["recovery"] == 4


def test_links_between_two_boards_name_each_other(library: Path, scenario: Scenario) -> None:
    scenario.set_all({"gpu.0.nvlink.0.peer_kind": 0, "gpu.0.nvlink.0.peer": "00000000:29:00.0"})
    key = f"nvlink:{uuid(0)}:0"
    with running_probe(scenario.environment(library)) as probe:
        link = probe.until(lambda now: isinstance(now.link(key).get("peer"), str)).link(key)
    assert (link["peer"], link["gen"], link["medium"]) == ("gpu1", 4, "NVLink 4")


def test_bytes_of_newer_links_become_rates(library: Path, scenario: Scenario) -> None:
    """A driver that counts the bytes of each link, and neither KiB nor a sum."""
    one_board(scenario, architecture=10)
    for link in (0, 1):
        scenario.remove(*(f"gpu.0.field.{field}{scope}" for field in (138, 139) for scope in ("", f".{link}")))
        scenario.set_all({f"gpu.0.field.202.{link}": "7+40000/s", f"gpu.0.field.204.{link}": "9+50000/s"})
    with running_probe(scenario.environment(library)) as probe:
        now = probe.until(lambda now: isinstance(now.accelerator(uuid(0)).get("link_rx"), float))
        gpu = now.accelerator(uuid(0))
        assert (gpu["link_rx"], gpu["link_tx"]) == (pytest.approx(100_000, rel=0.05), pytest.approx(80_000, rel=0.05))
        link = probe.until(lambda now: isinstance(now.link(f"nvlink:{uuid(0)}:1").get("rx"), float))
        assert link.link(f"nvlink:{uuid(0)}:1")["rx"] == pytest.approx(50_000, rel=0.05)


def test_a_pcie_link_that_came_up_narrow(probe: RunningProbe, scenario: Scenario) -> None:
    key = f"pcie:{uuid(1)}"
    link = probe.until(lambda now: isinstance(now.link(key).get("rx"), float)).link(key)
    assert (link["kind"], link["accelerator"], link["name"], link["up"]) == ("pcie", uuid(1), "gpu1/pcie", 1)
    assert (link["gen"], link["width"], link["medium"], link["replay_errors"]) == (5, 16, "PCIe 5.0", 3)
    assert link["speed"] == link["speed_max"] == 63_015_384_615
    assert link["rx"] == pytest.approx(3_000_000, rel=0.05)
    scenario.set_all({"gpu.1.pcie_width": 8, "gpu.1.field.169": 6, "gpu.1.field.182": 2})
    link = probe.until(lambda now: now.link(key).get("width") == 8).link(key)
    assert (link["speed"], link["width_max"], link["recovery_errors"]) == (31_507_692_307, 16, 6)


def test_who_used_a_lost_gpu_is_lost_with_it(probe: RunningProbe, scenario: Scenario) -> None:
    key = uuid(1)
    probe.until(lambda now: now.accelerator(key).get("user") not in (None, NOT_YET))
    scenario.set("gpu.1.lost", 1)
    board = probe.until(lambda now: now.accelerator(key).get("user") == LOST).accelerator(key)
    assert (board["job"], board["rank"], board["orphan_mem"]) == (LOST, LOST, LOST)
    scenario.remove("gpu.1.lost")


def test_the_link_of_a_lost_gpu_is_lost(probe: RunningProbe, scenario: Scenario) -> None:
    key = f"pcie:{uuid(1)}"
    probe.until(lambda now: now.link(key).get("up") == 1)
    scenario.set("gpu.1.lost", 1)
    link = probe.until(lambda now: now.link(key).get("up") == LOST).link(key)
    assert (link["gen"], link["width"], link["replay_errors"], link["rx"]) == (LOST, LOST, LOST, LOST)
    scenario.remove("gpu.1.lost")
    probe.until(lambda now: now.link(key).get("up") == 1)


def test_a_fabric_that_ended_in_failure_is_not_joined(library: Path, scenario: Scenario) -> None:
    """State "completed" says that it came to an end, the status which one."""
    one_board(scenario, fabric_status=999)
    with running_probe(scenario.environment(library)) as probe:
        now = probe.until(lambda now: isinstance(now.accelerator(uuid(0)).get("fabric_state"), str))
        assert now.accelerator(uuid(0))["fabric_state"] == "failed: Unknown Error"


def test_more_than_a_link_carries_is_no_rate(library: Path, scenario: Scenario) -> None:
    """PCIe 3.0 x16 carries 15.75 GB/s; the driver speaks of 20 GB/s out."""
    one_board(scenario, pcie_gen_max=3, pcie_gen=3, pcie_tx=20_000_000, pcie_rx=3000)
    scenario.remove("gpu.0.field.197", "gpu.0.field.198")
    with running_probe(scenario.environment(library)) as probe:
        now = probe.until(lambda now: now.accelerator(uuid(0)).get("pcie_tx") == FAILED)
        assert now.accelerator(uuid(0))["pcie_rx"] == 3000 * 1024
        assert now.note("accelerator.pcie_tx", FAILED).endswith("over a link of 15753846153 B/s")


def test_profilers_may_have_taken_the_counters(probe: RunningProbe, scenario: Scenario) -> None:
    probe.until(lambda now: now.accelerator(uuid(0)).get("sm_active") == 88)
    scenario.set_all({"gpu.0.gpm.2": NO_PERMISSION, "gpu.0.gpm.3": 33.26, "gpu.1.gpm.2": 0})
    gpu = probe.until(lambda now: now.accelerator(uuid(0)).get("sm_active") == NOT_PERMITTED).accelerator(uuid(0))
    assert (gpu["sm_occupancy"], gpu["tensor_active"]) == (33.3, 62)
    assert probe.mirror.accelerator(uuid(1))["sm_active"] == 0


def test_a_board_that_is_partitioned_meanwhile_has_activity_by_instance(
    probe: RunningProbe, scenario: Scenario
) -> None:
    probe.until(lambda now: now.accelerator(uuid(1)).get("sm_active") == 88)
    scenario.mig(1, 1)
    scenario.set_all({f"gpu.1.mig.0.gpm.{metric}": 5 for metric in (2, 3, 5, 10)})
    part = probe.until(lambda now: now.accelerator(mig_uuid(1, 0)).get("dram_active") == 5)
    assert part.accelerator(mig_uuid(1, 0))["profile"] == "1g.10gb"
    assert part.accelerator(mig_uuid(1, 0))["fabric"] == UNSUPPORTED


def events(probe: RunningProbe) -> list[Event]:
    return [
        event for line in probe.lines if isinstance(line, Report) for event in line.events if event.source == "nvml"
    ]


def test_events_are_told_once_with_device_and_code(probe: RunningProbe, scenario: Scenario) -> None:
    probe.until(lambda now: now.accelerator(uuid(1)).get("xid") == 0)
    scenario.xid(1, 79)
    probe.until(lambda _: events(probe))
    scenario.event(0, 0x2)
    probe.until(lambda _: len(events(probe)) == 2)
    scenario.set("gpu.1.field.230", 4)
    scenario.event(1, 0x8000)
    probe.until(lambda _: len(events(probe)) == 3)
    scenario.event(0, 0x8, 94, instance=3)
    probe.until(lambda _: len(events(probe)) == 4)
    xid, ecc, recovery, contained = events(probe)
    assert (xid.kind, xid.code, xid.device, xid.text) == ("xid", 79, uuid(1), "XID 79")
    assert (xid.severity, contained.severity) == ("critical", "warning"), "as the lines of the kernel log say it"
    assert (ecc.kind, ecc.code, ecc.device, ecc.severity) == ("ecc", -1, uuid(0), "critical")
    assert (recovery.kind, recovery.code, recovery.text) == ("recovery", 4, "the driver asks for: drain and reset")
    assert (contained.code, contained.facts["gpu_instance"]) == (94, "3")
    assert probe.mirror.accelerator(uuid(0))["xid"] == 94


def test_a_driver_that_knows_fewer_kinds_of_events_still_tells_xids(library: Path, scenario: Scenario) -> None:
    scenario.set_all({"gpu.0.event_kinds": 0x8, "gpu.1.event_kinds": NOT_SUPPORTED})
    with running_probe(scenario.environment(library)) as probe:
        probe.until(lambda now: now.accelerator(uuid(0)).get("xid") == 0)
        assert probe.mirror.accelerator(uuid(1))["xid"] == UNSUPPORTED
        scenario.xid(0, 31)
        probe.until(lambda now: now.accelerator(uuid(0)).get("xid") == 31)


def test_actions_have_the_words_of_the_catalogue() -> None:
    assert dict(enumerate(nvidia_xid.ACTIONS)) == RECOVERY_ACTIONS


@pytest.mark.parametrize(
    ("mask", "ills"),
    [
        (0, []),
        (0x1AA, []),
        (0x1A9, ["degraded bandwidth"]),
        (0x2 << 8 | 0x1 << 4, ["route unhealthy", "incorrect sysguid"]),
        (0xF << 8, ["incorrect configuration 15"]),
        (0x2 << 12 | 0x2 << 14, ["no partition assigned", "fabric manager disconnected"]),
    ],
)
def test_ills_of_a_fabric(mask: int, ills: list[str]) -> None:
    assert nvidia_fabric.ills_of(mask) == ills


def test_a_fabric_has_the_name_that_nvidia_smi_gives_it() -> None:
    cluster = bytes.fromhex("5a1e0000000040008000000000000001")
    assert nvidia_fabric.name_of(cluster, 2) == "5a1e0000-0000-4000-8000-000000000001/2"
    assert nvidia_fabric.name_of(bytes(16), 0) == ""


def test_bit_error_rates_are_mantissa_and_exponent() -> None:
    assert nvidia_link_errors.bit_error_rate(0xF << 8 | 255) == 1.5e-254
    assert nvidia_link_errors.bit_error_rate(0) == 0
    assert nvidia_link_errors.bit_error_rate(NO_SUCH_THING) is NO_SUCH_THING
