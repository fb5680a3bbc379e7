"""The probe as a node runs it: a child process, from its archive, against a real NVML library."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from collectors import payload
from tests.support.nvml import NO_PERMISSION, NOT_SUPPORTED, Scenario, mig_uuid, uuid
from tests.support.patience import PATIENCE_SECONDS
from tests.support.probe import (
    FAILED,
    LOST,
    NOT_PERMITTED,
    NOT_YET,
    TIMED_OUT,
    UNSUPPORTED,
    RunningProbe,
    running_probe,
)
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Scope
from watchfloor.report import PROTOCOL_VERSION, Process, Report, decode_detail
from watchfloor.vendors import vendors

GIB = 1 << 30


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    scenario = Scenario(tmp_path / "scenario")
    scenario.gpus(2, nvlinks=4)
    return scenario


def _number(cell: object) -> float:
    return cell if isinstance(cell, float) else math.nan


def answered(probe: RunningProbe) -> None:
    """Every sampler has had its say on the first GPU."""
    probe.until(lambda now: NOT_YET not in now.accelerator(uuid(0)).values() and now.accelerator(uuid(0)))


def test_hello_names_the_node_the_protocol_and_the_archive(probe: RunningProbe) -> None:
    hello = probe.until(lambda now: now.hello).hello
    assert hello is not None
    assert (hello.version, hello.node, hello.probe) == (PROTOCOL_VERSION, os.uname().nodename, payload.digest())
    assert {"host", "nvidia", "nvidia_xid", "processes", "ethernet", "infiniband"} <= set(hello.samplers)
    assert hello.facts["kernel"] == os.uname().release


def test_the_first_report_is_full_and_holds_the_host(probe: RunningProbe) -> None:
    probe.until(lambda now: now.reports)
    first = next(line for line in probe.lines if isinstance(line, Report))
    assert first.full
    assert probe.mirror.node["mem_total"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_every_value_of_a_gpu_comes_through_in_the_catalogues_units(probe: RunningProbe) -> None:
    sources = vendors()["nvidia"].sources
    answered(probe)
    probe.until(lambda now: isinstance(now.accelerator(uuid(0))["link_rx"], float))
    gpu = probe.mirror.accelerator(uuid(0))
    expected = {
        "name": "gpu0", "vendor": "NVIDIA", "model": "NVIDIA H100 80GB HBM3", "uuid": uuid(0), "index": 0,
        "serial": "1652923000000", "bus_id": "00000000:19:00.0", "board": "692-2G520-0200-000",
        "driver": "580.95.05", "runtime": "CUDA 13.0", "firmware": "96.00.74.00.11", "partition_of": "",
        "util": 97, "mem_util": 61, "mem_used": 60 * GIB, "mem_total": 80 * GIB, "mem_reserved": GIB // 2,
        "temp": 40, "temp_mem": 52, "temp_margin": 40, "power": 652, "power_limit": 700, "power_min": 200,
        "power_max": 700, "clock_sm": 1755, "clock_mem": 2619, "clock_sm_max": 1980, "clock_mem_max": 2619,
        "throttle": 0, "pstate": 0, "pcie_gen": 5, "pcie_gen_max": 5, "pcie_width": 16, "pcie_width_max": 16,
        "pcie_replays": 3, "ecc_mode": 1, "ecc_corrected": 2, "ecc_uncorrected": 0, "ecc_corrected_total": 12,
        "ecc_uncorrected_total": 1, "rows_corrected": 1, "rows_uncorrected": 0, "rows_pending": 0, "rows_failed": 0,
        "recovery": 0, "xid": 0, "persistence": 1, "mig": 0, "processes": 0, "links_up": 4, "links_max": 4,
        "user": "", "job": "", "command": "", "fan": UNSUPPORTED, "pages_retired": UNSUPPORTED, "profile": "",
        "fabric": "", "fabric_state": "completed", "throttle_power_time": 2, "throttle_thermal_time": 0,
        "ecc_sram": 2, "repair_pending": 0, "power_module": UNSUPPORTED, "numa": UNSUPPORTED,
        "clock_sm_app": 1980, "clock_mem_app": 2619, "ecc_sram_corrected": 5, "sram_threshold": 0, "orphan_mem": 0,
        "pages_pending": UNSUPPORTED,
        "sm_active": 88, "sm_occupancy": 41, "tensor_active": 62, "dram_active": 57,
    }  # fmt: skip
    assert {name: gpu[name] for name in expected} == expected
    told = {name for name in sources if name.startswith("accelerator.")}
    assert {f"accelerator.{name}" for name in set(gpu) - set(expected)} & told == {
        f"accelerator.{name}" for name in ("energy", "link_rx", "link_tx", "pcie_rx", "pcie_tx")
    }


def test_counters_become_rates(probe: RunningProbe) -> None:
    """The scenario's counters grow by known amounts a second."""
    known = {"link_rx": 60_000 * 1024, "link_tx": 50_000 * 1024, "pcie_rx": 3_000_000, "pcie_tx": 2_000_000}
    wanted = pytest.approx(known, rel=0.05)  # a probe that was held up between a counter and its clock is further off
    probe.until(lambda now: {name: _number(now.accelerator(uuid(0)).get(name)) for name in known} == wanted)


def test_every_metric_of_the_probe_is_in_the_catalogue(probe: RunningProbe) -> None:
    schema = probe.until(lambda now: now.schema).schema
    assert schema is not None
    for scope, table in schema.tables.items():
        assert set(table.metrics) <= set(CATALOGUE[Scope(scope)])
    by_the_console = {"state", "mem"}
    assert by_the_console.isdisjoint(schema.tables["accelerator"].metrics)


def test_nvlinks_are_links_of_their_own(probe: RunningProbe, scenario: Scenario) -> None:
    key = f"nvlink:{uuid(1)}:2"
    link = probe.until(lambda now: now.link(key).get("up") == 1).link(key)
    assert (link["kind"], link["accelerator"], link["name"]) == ("nvlink", uuid(1), "gpu1/nvlink2")
    assert (link["speed"], link["replay_errors"], link["peer"]) == (26_562_000_000, 2, "NVSwitch 0000:c1:00.0")
    scenario.set_all({"gpu.1.nvlink.2.up": 0, "gpu.1.nvlink.2.crc": 7})
    probe.until(lambda now: now.link(key).get("up") == 0 and now.accelerator(uuid(1))["links_up"] == 3)
    probe.until(lambda now: now.link(key)["crc_errors"] == 7)
    assert probe.mirror.link(f"nvlink:{uuid(1)}:1")["up"] == 1


def test_what_is_missing_keeps_its_reason_and_the_drivers_words(library: Path, scenario: Scenario) -> None:
    scenario.set_all({"gpu.0.serial": NO_PERMISSION, "gpu.0.power": "!999", "gpu.0.temp_margin": "!13"})
    scenario.remove("gpu.0.field.82", "gpu.0.ecc_mode")
    with running_probe(scenario.environment(library)) as probe:
        answered(probe)
        gpu = probe.mirror.accelerator(uuid(0))
        note = probe.mirror.note
    assert (gpu["serial"], note("accelerator.serial", NOT_PERMITTED)) == (NOT_PERMITTED, "Insufficient Permissions")
    assert (gpu["power"], note("accelerator.power", FAILED)) == (FAILED, "Unknown Error")
    assert (gpu["temp_margin"], note("accelerator.temp_margin", UNSUPPORTED)) == (UNSUPPORTED, "Function Not Found")
    assert (gpu["temp_mem"], gpu["ecc_mode"]) == (UNSUPPORTED, UNSUPPORTED)
    assert note("accelerator.ecc_mode", UNSUPPORTED) == ""
    assert gpu["util"] == 97


def test_older_boards_and_drivers(library: Path, scenario: Scenario) -> None:
    """A fan, retired pages, PCIe traffic measured by the call, no NVLink."""
    scenario.remove_below("gpu.0.nvlink.")
    scenario.remove_below("gpu.0.field.")
    scenario.set_all({"gpu.0.fans": 2, "gpu.0.fan.0": 38, "gpu.0.fan.1": 104, "gpu.0.pages.0": 3, "gpu.0.pages.1": 1})
    scenario.set("gpu.0.pages_pending", 1)
    scenario.set_all({"gpu.0.pcie_tx": 2000, "gpu.0.pcie_rx": 3000, "system.pcie_window_ms": 5})
    with running_probe(scenario.environment(library)) as probe:
        answered(probe)
        gpu = probe.mirror.accelerator(uuid(0))
    assert (gpu["fan"], gpu["pages_retired"], gpu["pages_pending"]) == (104, 4, 1)
    assert (gpu["pcie_tx"], gpu["pcie_rx"]) == (2000 * 1024, 3000 * 1024)
    assert (gpu["links_up"], gpu["link_rx"]) == (UNSUPPORTED, UNSUPPORTED)


def test_a_lost_gpu_is_lost_and_the_others_go_on(probe: RunningProbe, scenario: Scenario) -> None:
    answered(probe)
    scenario.set("gpu.0.lost", 1)
    gpu = probe.until(lambda now: now.accelerator(uuid(0))["util"] == LOST).accelerator(uuid(0))
    assert gpu["model"] == "NVIDIA H100 80GB HBM3"  # who it was is still known
    assert (gpu["temp"], gpu["ecc_mode"], gpu["links_up"]) == (LOST, LOST, LOST)
    link = probe.mirror.link(f"nvlink:{uuid(0)}:2")
    assert (link["up"], link["rx"], link["replay_errors"], link["name"]) == (LOST, LOST, LOST, "gpu0/nvlink2")
    scenario.set("gpu.1.temp", 77)
    probe.until(lambda now: now.accelerator(uuid(1))["temp"] == 77)
    scenario.remove("gpu.0.lost")
    probe.until(lambda now: now.accelerator(uuid(0))["util"] == 97)
    probe.until(lambda now: now.accelerator(uuid(0))["fan"] == UNSUPPORTED)
    probe.until(lambda now: now.link(f"nvlink:{uuid(0)}:2")["up"] == 1)


def test_a_gpu_lost_before_the_start_has_a_row(library: Path, scenario: Scenario) -> None:
    scenario.set("gpu.1.lost", 1)
    with running_probe(scenario.environment(library)) as probe:
        probe.until(lambda now: now.accelerator("nvidia:1").get("util") == LOST)
        assert probe.mirror.accelerator(uuid(0))["util"] == 97
        scenario.remove("gpu.1.lost")
        probe.until(lambda now: now.accelerator(uuid(1)).get("util") == 97)
        assert probe.mirror.accelerator("nvidia:1") == {}


def test_mig_instances_are_rows_of_their_own(library: Path, scenario: Scenario) -> None:
    scenario.mig(1, 2)
    scenario.set("gpu.1.mig.1.processes.compute", f"{os.getpid()}:{GIB}")
    scenario.set("gpu.1.processes.compute", f"{os.getpid()}:{GIB}")
    with running_probe(scenario.environment(library)) as probe:
        part = probe.until(lambda now: isinstance(now.accelerator(mig_uuid(1, 1)).get("user"), str)).accelerator(
            mig_uuid(1, 1)
        )
        whole = probe.mirror.accelerator(uuid(1))
    assert (part["name"], part["partition_of"], part["mem_used"]) == ("gpu1/mig1", uuid(1), 2 * GIB)
    assert (part["util"], part["processes"], whole["processes"]) == (UNSUPPORTED, 1, 1)
    assert (whole["mig"], whole["util"]) == (1, UNSUPPORTED)
    assert whole["user"] == ""  # the process holds the instance


def test_mig_instances_that_come_make_a_new_schema(probe: RunningProbe, scenario: Scenario) -> None:
    answered(probe)
    generation = probe.mirror.schema.generation if probe.mirror.schema else 0
    scenario.mig(0, 1)
    probe.until(lambda now: now.accelerator(mig_uuid(0, 0)).get("mem_used") == GIB)
    assert probe.mirror.schema is not None and probe.mirror.schema.generation > generation


def test_xid_events(probe: RunningProbe, scenario: Scenario) -> None:
    answered(probe)
    scenario.xid(1, 79)
    probe.until(lambda now: now.accelerator(uuid(1))["xid"] == 79)
    assert probe.mirror.accelerator(uuid(0))["xid"] == 0


def test_processes_tell_their_user_and_command(probe: RunningProbe, scenario: Scenario) -> None:
    answered(probe)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", "--api-key", "hunter2"], stdin=subprocess.PIPE
    ) as job:
        scenario.set("gpu.0.processes.compute", f"{job.pid}:{3 * GIB} 999999999:-1")
        now = probe.until(lambda now: now.accelerator(uuid(0))["command"])
        rows = decode_detail("processes", now.details["processes"])
        assert job.stdin is not None
        job.stdin.close()
    row = next(row for row in rows if isinstance(row, Process) and row.pid == job.pid)
    assert (row.accelerator, row.accelerator_memory_bytes, row.kind) == (uuid(0), 3 * GIB, "compute")
    assert "--api-key ***" in row.command and "hunter2" not in str(rows)
    assert (row.memory_bytes > 0, row.started_at > 0, row.user) == (True, True, now.accelerator(uuid(0))["user"])
    unseen = next(row for row in rows if isinstance(row, Process) and row.pid == 999999999)
    assert (unseen.accelerator_memory_bytes, unseen.user) == (-1, "")


def test_a_hung_driver_costs_its_own_samplers_and_heals(probe: RunningProbe, scenario: Scenario) -> None:
    answered(probe)
    scenario.set("gpu.1.hang", 1)
    now = probe.until(lambda now: now.state("nvidia") == "hung")
    assert re.match(r"no answer for ([89]|\d\d) s, state ", now.samplers["nvidia"].text)
    assert now.accelerator(uuid(0))["temp"] == TIMED_OUT
    assert now.accelerator(uuid(0))["model"] == "NVIDIA H100 80GB HBM3"
    assert now.state("host") == "ok"
    reports = now.reports
    probe.until(lambda now: now.reports > reports + 2)  # the reports go on
    scenario.remove("gpu.1.hang")
    probe.until(lambda now: now.state("nvidia") == "ok" and now.accelerator(uuid(0))["temp"] == 40)


def test_a_driver_that_hangs_from_the_start_does_not_hold_up_the_host(library: Path, scenario: Scenario) -> None:
    scenario.set("system.hang_init", 1)
    with running_probe(scenario.environment(library)) as probe:
        now = probe.until(lambda now: now.reports)
        assert now.node["mem_total"] and now.state("nvidia") == ""
        scenario.remove("system.hang_init")
        probe.until(lambda now: now.accelerator(uuid(0)).get("util") == 97)


def test_a_driver_that_refuses_is_told_in_its_words(library: Path, scenario: Scenario) -> None:
    scenario.set("system.init_error", 18)
    with running_probe(scenario.environment(library)) as probe:
        now = probe.until(lambda now: now.state("nvidia") == "failed")
        assert "version mismatch" in now.samplers["nvidia"].text
        scenario.remove("system.init_error")
        probe.until(lambda now: now.accelerator(uuid(0)).get("util") == 97)


def test_without_a_driver_there_is_nothing_to_sample(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    with running_probe(environment) as probe:
        now = probe.until(lambda now: now.state("nvidia") == "absent")
    assert now.samplers["nvidia"].text == "libnvidia-ml.so.1 not found"
    assert now.cells["accelerator"] == {}


def test_a_library_without_a_driver(library: Path) -> None:
    with running_probe({**os.environ, "LD_LIBRARY_PATH": str(library), "NVML_SCENARIO": "/nonexistent"}) as probe:
        now = probe.until(lambda now: now.state("nvidia") == "absent")
    assert now.samplers["nvidia"].text == "the NVIDIA driver is not loaded"


def test_it_ends_when_its_input_closes_also_with_a_hung_driver(library: Path, scenario: Scenario) -> None:
    scenario.set("system.hang_init", 1)
    with running_probe(scenario.environment(library)) as probe:
        probe.until(lambda now: now.reports)
        assert probe.process.stdin is not None
        probe.process.stdin.close()
        assert probe.process.wait(timeout=PATIENCE_SECONDS) == 0


def test_ping_is_answered_with_the_nodes_clock(probe: RunningProbe) -> None:
    probe.send(payload.ping_line(42))
    pong = probe.pong()
    assert pong.id == 42 and pong.at > 1_700_000_000


def test_a_full_report_says_what_the_changes_said(probe: RunningProbe, scenario: Scenario) -> None:
    answered(probe)
    scenario.set_all({"gpu.0.temp": 81, "gpu.1.util": 3, "gpu.1.clock_sm": NOT_SUPPORTED})
    probe.until(lambda now: now.accelerator(uuid(1))["clock_sm"] == UNSUPPORTED)
    before = {key: dict(cells) for key, cells in probe.mirror.cells["accelerator"].items()}
    taken = len(probe.lines)
    probe.send(payload.full_line())
    probe.until(lambda now: any(isinstance(line, Report) and line.full for line in probe.lines[taken:]))
    for key, cells in probe.mirror.cells["accelerator"].items():
        still = set(cells) - {"energy", "link_rx", "link_tx", "pcie_rx", "pcie_tx"}
        assert {name: cells[name] for name in still} == {name: before[key][name] for name in still}
    assert before[uuid(0)]["temp"] == 81


def test_it_stays_small(probe: RunningProbe) -> None:
    answered(probe)
    status = Path(f"/proc/{probe.process.pid}/status").read_text()
    resident_kib = int(status.partition("VmRSS:")[2].split(maxsplit=1)[0])
    assert resident_kib < 25_000
