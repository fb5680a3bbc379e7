"""Neuron devices: which there are, what neuron-monitor says of them, and what is told where it says nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from collectors.probe import neuron, neuron_ls, neuron_monitor, neuron_sysfs
from collectors.probe.cells import (
    FAILED_CODE,
    NOT_YET,
    NOT_YET_CODE,
    TIMED_OUT_CODE,
    UNSUPPORTED,
    Absent,
    Board,
    Missing,
    joined,
)
from collectors.probe.neuron_stream import Monitor
from collectors.probe.world import World
from tests.support.golden import same_as_golden
from tests.support.neuron_host import GIB, TWO, NeuronHost, counters, program, record
from tests.support.shown import shown

GOLDEN = Path(__file__).parent / "golden"
ADDRESSES = ["0000:b5:00.0", "0000:cc:00.0"]
ECC = counters((3, 1, 2), (0, 0, 0))


def host(*lines: str) -> NeuronHost:
    made = NeuronHost(ADDRESSES)
    assert made.monitor is not None
    made.monitor.lines += lines
    return made


def rows(sampler: neuron.Sampler) -> list[dict[str, Any]]:
    return [joined(row) for row in sampler.sample().cells["accelerator"].values()]


def test_golden() -> None:
    made = host(record(program(4711, {0: 42.0, 1: 21.0, 2: 63.0, 3: 0.0}), neuron_hw_counters=ECC))
    made.sysfs(0, info__serial_number="0xfeed01\n", info__architecture__device_name="Trainium2\n",
               stats__power__utilization="POWER_STATUS_VALID,1781370720,1.50,33.50,21.24\n")  # fmt: skip
    made.sysfs(1, info__serial_number="0x0\n", stats__power__utilization="POWER_STATUS_NO_DATA,0,0.00,0.00,0.00\n")
    made.files["/sys/module/neuron/version"] = "2.21.37.0\n"
    for name, text in {"link_speed": "32.0 GT/s PCIe\n", "link_width": "8\n"}.items():
        for which in ("current", "max"):
            made.files[f"/sys/bus/pci/devices/0000:cc:00.0/{which}_{name}"] = text
    reading = neuron.Sampler(made, Board()).sample()
    same_as_golden(GOLDEN / "aws-trn2.txt", shown(reading.cells))
    assert reading.holders == {"neuron:0xfeed01": [(4711, 4 * GIB, "compute")], "neuron:1": []}


def test_load_is_that_of_cores_in_use_and_of_all() -> None:
    first, second = rows(neuron.Sampler(host(record(program(1, {0: 80.0, 1: 40.0}), program(2, {4: 10.0}))), Board()))
    assert (first["util"], first["sm_active"], first["mem_used"]) == (60.0, 30.0, 2 * GIB)
    assert (second["util"], second["sm_active"], second["mem_used"]) == (10.0, 2.5, GIB)


def test_idle_devices_are_idle_and_what_is_not_due_is_not_yet() -> None:
    first, _ = rows(neuron.Sampler(host(record()), Board()))
    assert (first["util"], first["sm_active"], first["mem_used"], first["processes"]) == (0, 0, 0, 0)
    assert first["ecc_corrected"] == NOT_YET
    assert first["exec_latency"].code == NOT_YET_CODE and "nothing was executed" in first["exec_latency"].note


def test_errors_are_not_yet_known_until_the_first_record_but_for_what_sysfs_counts() -> None:
    made = host("")
    made.sysfs(0, stats__hardware__mem_ecc_uncorrected="7\n")
    first, second = rows(neuron.Sampler(made, Board()))
    assert (first["ecc_corrected"], first["ecc_uncorrected"], second["ecc_uncorrected"]) == (NOT_YET, 7, NOT_YET)


def test_an_error_of_a_group_is_told_where_it_belongs() -> None:
    failed = program(1, {0: 80.0})
    failed["report"]["neuroncore_counters"] = {"error": "no access to the counters"}
    first, second = rows(neuron.Sampler(host(record(failed, neuron_hw_counters={"error": "driver too old"})), Board()))
    assert first["util"] == second["util"] == Missing(FAILED_CODE, "no access to the counters")
    assert (first["mem_used"], second["mem_used"]) == (GIB, 0)
    assert first["ecc_uncorrected"] == Missing(FAILED_CODE, "driver too old")


def test_a_program_that_can_not_be_read_leaves_its_devices_unknown() -> None:
    line = record({"pid": 9, "error": "runtime does not answer", "report": None})
    first, _ = rows(neuron.Sampler(host(line), Board()))
    assert first["util"] == first["mem_used"] == Missing(FAILED_CODE, "runtime does not answer")


@pytest.mark.parametrize("report", [{"neuroncore_counters": {"neuroncores_in_use": [1]}}, [], {"memory_used": 5}])
def test_a_record_of_unknown_types_is_told_as_such(report: Any) -> None:
    first, _ = rows(neuron.Sampler(host(record({"pid": 1, "report": report})), Board()))
    assert first["model"] == "Trainium2"
    assert report == [] or (first["util"].code == FAILED_CODE and "can't be read" in first["util"].note)


def test_percentiles_of_a_period_without_executions_are_null() -> None:
    first, _ = rows(neuron.Sampler(host(record(program(1, {0: 0.0}, late=None))), Board()))
    assert first["exec_latency"].code == NOT_YET_CODE


def test_failed_executions_add_up_over_all_records() -> None:
    made = host(record(program(1, {0: 5.0}, failed=2)), record(program(1, {0: 5.0}, failed=3)))
    sampler = neuron.Sampler(made, Board())
    assert [row["exec_errors"] for row in rows(sampler)] == [5, 0]
    assert [row["exec_errors"] for row in rows(sampler)] == [5, 0]
    assert made.monitor is not None
    made.monitor.lines.append(record(program(1, {0: 5.0}, failed=1)))
    assert [row["exec_errors"] for row in rows(sampler)] == [6, 0]


def test_a_monitor_that_ends_is_told_and_started_again() -> None:
    made = host(record(program(1, {0: 5.0})))
    sampler = neuron.Sampler(made, Board())
    rows(sampler)
    assert made.monitor is not None
    made.monitor.ended = "cannot open /dev/neuron0"
    first = rows(sampler)[0]
    assert (
        first["util"] == Missing(FAILED_CODE, "neuron-monitor ended: cannot open /dev/neuron0") and made.monitor.closed
    )
    assert sampler.sample().trouble == "neuron-monitor ended: cannot open /dev/neuron0" and made.started == 1
    made.at += 20
    made.monitor.ended = ""
    made.monitor.lines.append(record(program(1, {0: 7.0})))
    assert rows(sampler)[0]["util"] == 7.0 and made.started == 2


def test_a_monitor_that_falls_silent_takes_its_values_back_and_is_started_again() -> None:
    made = host("neuron-monitor 2.26: notice", record(program(1, {0: 5.0})))
    sampler = neuron.Sampler(made, Board())
    assert rows(sampler)[0]["util"] == 5.0
    made.at += 31
    silent = rows(sampler)[0]["util"]
    assert silent.code == TIMED_OUT_CODE and silent.note == "neuron-monitor was silent for 31 s"
    assert made.monitor is not None and made.monitor.closed
    made.monitor.lines.append(record(program(1, {0: 6.0})))
    assert rows(sampler)[0]["util"] == 6.0 and made.started == 2


def test_without_the_tools_sysfs_tells_what_it_can() -> None:
    made = NeuronHost(ADDRESSES)
    made.listed = made.monitor = None
    for index in range(2):
        made.sysfs(
            index, core_count="4\n", connected_devices=f"{1 - index}\n", stats__hardware__mem_ecc_uncorrected="7\n"
        )
    first, second = rows(neuron.Sampler(made, Board()))
    assert first["util"] == Missing(UNSUPPORTED.code, "neuron-monitor is not installed here")
    assert (first["model"], first["ecc_uncorrected"], first["links_max"], second["name"]) == (
        "Trainium2",
        7,
        1,
        "neuron1",
    )
    assert first["bus_id"] == UNSUPPORTED


OLD = {
    "connected_devices": "1\n", "info__serial_number": "{serial}\n", "info__architecture__device_name": "Trainium2\n",
    "stats__hardware__mem_ecc_uncorrected": "7\n", "stats__hardware__sram_ecc_uncorrected": "2\n",
    "stats__power__utilization": "POWER_STATUS_VALID,1781370720,1.50,33.50,21.24\n",
}  # fmt: skip
MOVED = {  # places that no driver has: only that they are others is known of driver 2.31
    "topology__connected_devices": "1\n", "device__info__serial_number": "{serial}\n",
    "hw__arch__device_name": "Trainium2\n", "hw__ecc__mem_ecc_uncorrected__total": "7\n",
    "hw__ecc__mem_ecc_uncorrected__present": "1\n", "hw__ecc__sram_ecc_uncorrected": "2\n",
    "hw__power__utilization": "POWER_STATUS_VALID,1781370720,1.50,33.50,21.24\n",
    "neuron_core0__stats__mem_ecc_uncorrected": "99\n", "power__utilization": "55\n",
}  # fmt: skip


def with_files(files: dict[str, str], version: str) -> NeuronHost:
    made = NeuronHost(ADDRESSES)
    made.listed = made.monitor = None
    made.files["/sys/module/neuron/version"] = version
    for index in range(2):
        made.sysfs(
            index,
            core_count="4\n",
            **{name: text.replace("{serial}", f"0xfeed0{index}") for name, text in files.items()},
        )
    return made


def test_files_that_a_driver_has_moved_are_found_by_their_names() -> None:
    names = ("serial", "model", "links_max", "ecc_uncorrected", "ecc_sram", "power_share")
    for made in (with_files(OLD, "2.30.1"), with_files(MOVED, "2.31.4")):
        told = [[row[name] for name in names] for row in rows(neuron.Sampler(made, Board()))]
        assert told == [[f"0xfeed0{index}", "Trainium2", 1, 7, 2, 21.2] for index in range(2)]


def test_a_driver_that_is_replaced_while_the_probe_runs_is_looked_through_anew() -> None:
    made = with_files(OLD, "2.30.1")
    sampler = neuron.Sampler(made, Board())
    first = rows(sampler)[0]
    made.files = with_files(MOVED, "2.31.4").files
    made.at += 61
    second = rows(sampler)[0]
    assert (first["driver"], second["driver"]) == ("2.30.1", "2.31.4")
    assert second["ecc_uncorrected"] == first["ecc_uncorrected"] == 7


def test_a_name_that_two_places_have_tells_nothing() -> None:
    made = with_files({"hbm0__mem_ecc_uncorrected": "1\n", "hbm1__mem_ecc_uncorrected": "2\n"}, "2.31.4")
    no_tool = Missing(UNSUPPORTED.code, "neuron-monitor is not installed here")
    assert rows(neuron.Sampler(made, Board()))[0]["ecc_uncorrected"] == no_tool


def test_a_driver_that_lacks_a_file_is_looked_through_once() -> None:
    made, listed = with_files({}, "2.21.0"), []
    sampler, listdir = neuron.Sampler(made, Board()), made.listdir
    made.listdir = lambda path: listed.append(path) or listdir(path)
    rows(sampler)
    inside = [path for path in listed if "neuron_device/neuron" in path]
    made.at += 61
    rows(sampler)
    assert inside and [path for path in listed if "neuron_device/neuron" in path] == inside


def test_without_neuron_ls_the_monitor_tells_how_many_cores_a_device_has() -> None:
    made = host(record(program(1, {4: 42.0, 5: 21.0})))
    made.listed = None
    for index in range(2):
        made.sysfs(index, core_count="8\n")  # of the hardware: programs see half as many
    sampler = neuron.Sampler(made, Board())
    first, second = rows(sampler)
    assert (first["util"], first["mem_used"], first["processes"]) == (0.0, 0, 0)
    assert (second["util"], second["sm_active"], second["mem_used"], second["processes"]) == (31.5, 15.8, 2 * GIB, 1)


def test_where_nobody_tells_whose_a_core_is_no_device_is_said_to_be_idle() -> None:
    line = json.loads(record(program(1, {0: 42.0})))
    del line["neuron_hardware_info"]
    made = host(json.dumps(line))
    made.listed = None
    made.sysfs(0, core_count="8\n")
    made.sysfs(1, core_count="8\n")
    for row in rows(neuron.Sampler(made, Board())):
        told = [row[name] for name in ("util", "sm_active", "mem_used", "exec_latency", "exec_errors", "processes")]
        assert told == [neuron_monitor.UNNUMBERED] * 6


def test_without_a_driver_the_bus_still_tells_of_the_devices() -> None:
    made = NeuronHost(ADDRESSES, 0x7564)
    made.listed = {}
    found = rows(neuron.Sampler(made, Board()))
    assert [(row["model"], row["bus_id"]) for row in found] == [("Trainium3", address) for address in ADDRESSES]


def test_other_devices_of_amazon_are_none_of_neuron() -> None:
    with pytest.raises(Absent, match="vendor 1d0f"):
        neuron.Sampler(NeuronHost(["0000:00:05.0"], 0xEC20), Board())


@pytest.mark.parametrize("text", [json.dumps({"instance": {"type": "trn2"}, "neuron_devices": TWO}), json.dumps(TWO)])
def test_the_list_of_devices_may_stand_anywhere(text: str) -> None:
    first, second = neuron_ls.parse(text)
    assert (first.address, first.numa, first.connected, first.runtime) == ("0000:cc:00.0", 1, [1], "2.26.42.0")
    assert (second.numa, second.cores, second.runtime) == (UNSUPPORTED, [4, 5, 6, 7], "")


def test_the_option_that_replaced_the_old_one() -> None:
    made = host(record())
    made.listed = {"--output-format json": json.dumps({"devices": TWO})}
    assert [row["bus_id"] for row in rows(neuron.Sampler(made, Board()))] == ["0000:cc:00.0", "0000:b5:00.0"]


def test_older_lists_lack_keys() -> None:
    (device,) = neuron_ls.parse('[{"neuron_device": 0, "bdf": "00:1f.0", "nc_count": 2, "connected_to": null}]')
    assert (device.cores, device.connected, device.memory, device.processes) == ([0, 1], [], UNSUPPORTED, [])


@pytest.mark.parametrize("text", ["", "no neuron device found", "[]", "{}", "[[1]]"])
def test_what_lists_no_device_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        neuron_ls.parse(text)


@pytest.mark.parametrize(
    ("told", "code"),
    [("POWER_STATUS_INVALID,0,0,0,0", FAILED_CODE), ("POWER_STATUS_VALID,1", FAILED_CODE), ("", FAILED_CODE)],
)
def test_power_that_is_none(told: str, code: int) -> None:
    share = neuron_sysfs.power(told)
    assert isinstance(share, Missing) and share.code == code


def test_a_real_program_that_goes_on_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "record").write_text(record(program(1, {0: 12.0})) + "\n")
    script = tmp_path / "neuron-monitor"
    script.write_text(f"#!/bin/sh\ncat {tmp_path}/record\nread forever < {tmp_path}/pipe\necho gone >&2\n")
    script.chmod(0o755)
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monitor = Monitor(World())
    while isinstance(monitor.record, Missing):  # bounded by the test's own limit
        monitor.renew()
    assert monitor.running[0].cores == {0: 12.0}
    (tmp_path / "pipe").write_text("\n")
    while not isinstance(monitor.record, Missing):
        monitor.renew()
    assert monitor.record == Missing(FAILED_CODE, "neuron-monitor ended: gone")


def test_a_record_that_was_told_is_not_told_anew() -> None:
    sampler = neuron.Sampler(host(record(program(1, {0: 5.0}))), Board())
    first = sampler.sample()
    assert sampler.sample() is first
