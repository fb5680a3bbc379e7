"""TPU chips: found without a runtime, and matched with what a runtime tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.probe import tpu
from collectors.probe.cells import (
    FAILED_CODE,
    NOT_PERMITTED_CODE,
    NOT_YET_CODE,
    UNSUPPORTED,
    Absent,
    Board,
    Missing,
    joined,
)
from collectors.probe.tpu_chips import chips, matched
from tests.support.golden import same_as_golden
from tests.support.shown import shown
from tests.support.tpu_host import GIB, TpuHost, answers
from tests.support.tpu_service import serving

GOLDEN = Path(__file__).parent / "golden"
FOUR = ["0000:00:04.0", "0000:00:05.0", "0000:00:06.0", "0000:00:07.0"]
V6E, V5P, TPU7X, V3 = 0x006F, 0x0062, 0x0076, 0x0027


def accelerators(sampler: tpu.Sampler) -> list[dict]:
    return [joined(row) for row in sampler.sample().cells["accelerator"].values()]


def running(host: TpuHost, *paths: str) -> TpuHost:
    host.fds = {77: ["/dev/null", *paths]}
    return host


@pytest.mark.parametrize(
    ("device", "subsystem", "functions", "model", "count"),
    [
        (V6E, 0, FOUR, "TPU v6e", 4),
        (V3, 0x004F, FOUR[:2], "TPU v3", 2),
        (V3, 0x004E, FOUR[:2], "TPU v2", 2),
        (TPU7X, 0, ["0000:00:04.0", "0000:00:04.1", "0000:00:05.0", "0000:00:05.1"], "TPU7x", 2),
    ],
)
def test_chips_are_named_and_counted_without_a_runtime(device, subsystem, functions, model, count) -> None:
    found = chips(TpuHost(functions, device, subsystem))
    assert [(chip.index, chip.model) for chip in found] == [(index, model) for index in range(count)]


def test_device_files_are_those_of_the_kernel() -> None:
    host = TpuHost(FOUR, V6E)
    host.links["/sys/bus/pci/devices/0000:00:04.0/iommu_group"] = "../../kernel/iommu_groups/7"
    assert [chip.path for chip in chips(host)] == ["/dev/vfio/7", "/dev/vfio/1", "/dev/vfio/2", "/dev/vfio/3"]
    older = TpuHost(FOUR[:2], 0x005E)
    older.files["/sys/bus/pci/devices/0000:00:04.0/accel/accel3/dev"] = "250:3"
    assert [chip.path for chip in chips(older)] == ["/dev/accel3", "/dev/accel1"]


def test_a_network_card_of_google_is_no_tpu() -> None:
    with pytest.raises(Absent, match="no TPU among the devices of Google"):
        tpu.Sampler(TpuHost(["0000:00:05.0"], 0x0042), Board()).sample()
    with pytest.raises(Absent, match="vendor 1ae0"):
        tpu.Sampler(TpuHost([], 0), Board())


def test_a_chip_that_nobody_holds_has_no_values_yet() -> None:
    row = accelerators(tpu.Sampler(TpuHost(FOUR, V6E), Board()))[0]
    assert row["util"].code == NOT_YET_CODE and "no runtime holds the chip" in row["util"].note
    assert (row["processes"], row["model"], row["numa"]) == (0, "TPU v6e", 0)


def test_a_program_that_serves_no_metrics_is_told_apart() -> None:
    host = running(TpuHost(FOUR, V6E), "/dev/vfio/1")
    rows = accelerators(tpu.Sampler(host, Board()))
    assert rows[0]["util"].code == NOT_YET_CODE
    assert rows[1]["util"] == Missing(
        UNSUPPORTED.code, "the program that holds the chip serves no metrics at port 8431"
    )
    assert [row["processes"] for row in rows] == [0, 1, 0, 0]


def test_processes_of_other_users_are_not_counted_as_none() -> None:
    host = TpuHost(FOUR, V6E)
    host.fds = {1: PermissionError(13, "Permission denied"), 77: ["/dev/vfio/0"]}
    reading = tpu.Sampler(host, Board()).sample()
    first, second = (joined(row)["processes"] for row in list(reading.cells["accelerator"].values())[:2])
    assert first == 1 and second.code == NOT_PERMITTED_CODE
    assert reading.holders is not None and reading.holders["tpu:0000:00:04.0"] == [(77, -1, "compute")]


def test_ids_of_the_slice_are_matched_by_their_order() -> None:
    found = chips(TpuHost(FOUR, V5P))
    owners = matched([13, 9, 8, 12], found, found)
    assert isinstance(owners, dict) and {number: chip.index for number, chip in owners.items()} == {
        8: 0,
        9: 1,
        12: 2,
        13: 3,
    }


def test_a_runtime_on_some_chips_tells_of_those() -> None:
    host = running(TpuHost(FOUR, V6E), "/dev/vfio/1", "/dev/vfio/2")
    with serving(answers([0, 1])) as host.port:
        rows = accelerators(tpu.Sampler(host, Board()))
    assert [row["util"] for row in rows[1:3]] == [10.0, 20.0]
    assert rows[0]["util"].code == rows[3]["util"].code == NOT_YET_CODE


def test_what_matches_no_chips_is_given_to_none() -> None:
    host = running(TpuHost(FOUR, V6E), "/dev/vfio/1")
    with serving(answers([0, 1, 2])) as host.port:
        util = accelerators(tpu.Sampler(host, Board()))[1]["util"]
    assert util.code == FAILED_CODE and util.note == (
        "the runtime tells of 3 devices, the host has 4 chips of which 1 are held"
    )


@pytest.mark.parametrize("texts", [True, False])
def test_memory_of_the_cores_of_a_chip_is_added_up(texts: bool) -> None:
    host = running(TpuHost(FOUR[:2], V3, 0x004F, "accel"), "/dev/accel0", "/dev/accel1")
    with serving(answers([0, 1], cores=2, texts=texts)) as host.port:
        rows = accelerators(tpu.Sampler(host, Board()))
    assert [row["util"] for row in rows] == [10.0, 20.0]
    assert [row["mem_used"] for row in rows] == [3 * GIB, 7 * GIB]
    assert [row["mem_total"] for row in rows] == [32 * GIB, 32 * GIB]
    assert [row["queue"] for row in rows] == [1, 5]
    assert rows[0]["exec_latency"] == pytest.approx(0.012)
    assert rows[0]["dram_active"].code == UNSUPPORTED.code


def test_the_program_ends_and_another_one_begins() -> None:
    host = running(TpuHost(FOUR, V6E), *(f"/dev/vfio/{number}" for number in range(4)))
    sampler = tpu.Sampler(host, Board())
    with serving(answers(range(4))) as host.port:
        assert accelerators(sampler)[3]["util"] == 40.0
    host.port, host.fds, host.at = 0, {}, host.at + 11
    rows = accelerators(sampler)
    assert {row["util"].code for row in rows} == {row["mem_total"].code for row in rows} == {NOT_YET_CODE}
    with serving(answers(range(4))) as host.port:
        assert accelerators(sampler)[3]["util"] == 40.0


def test_golden() -> None:
    host = running(TpuHost(FOUR, V5P), *(f"/dev/vfio/{number}" for number in range(4)))
    for address in FOUR:
        for name, text in {"link_speed": "16.0 GT/s PCIe\n", "link_width": "16\n"}.items():
            for which in ("current", "max"):
                host.files[f"/sys/bus/pci/devices/{address}/{which}_{name}"] = text
    with serving(answers([8, 9, 12, 13])) as host.port:
        cells = tpu.Sampler(host, Board()).sample().cells
    same_as_golden(GOLDEN / "google-v5p.txt", shown(cells))
