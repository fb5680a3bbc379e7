"""TPU chips: found without a runtime, and matched with what a runtime tells of them."""

from __future__ import annotations

from contextlib import ExitStack
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
        UNSUPPORTED.code,
        "the program that holds the chip serves no metrics; looked at ports 8431, 8432, 8433, 8434",
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
        host.at += 5
        assert accelerators(sampler)[3]["util"] == 40.0


PORTS = (8431, 8432, 8433, 8434)


def a_process_a_chip() -> TpuHost:
    host = TpuHost(FOUR, V6E)
    host.fds = {70 + number: [f"/dev/vfio/{number}"] for number in range(4)}
    return host


@pytest.mark.parametrize("global_ids", [True, False])
def test_each_runtime_of_a_process_a_chip_tells_of_its_own(global_ids: bool) -> None:
    """Processes of one program count through its devices, independent ones each from 0; here in another order than the
    chips', so that only the owners of the sockets tell."""
    host = a_process_a_chip()
    with ExitStack() as stack:
        for number, pid in enumerate((72, 70, 73, 71)):
            loads = answers([pid - 70 if global_ids else 0], load=10.0 * (pid - 69))
            host.serve(PORTS[number], stack.enter_context(serving(loads)), pid)
        rows = accelerators(tpu.Sampler(host, Board()))
    assert [row["util"] for row in rows] == [10.0, 20.0, 30.0, 40.0]
    assert [row["mem_total"] for row in rows] == [16 * GIB] * 4


@pytest.mark.parametrize("ids", [[8, 9, 12, 13], [0, 0, 0, 0]])
def test_runtimes_whose_owners_cannot_be_seen_are_told_apart_by_their_order(ids: list[int]) -> None:
    host = a_process_a_chip()
    host.fds = dict.fromkeys(host.fds, PermissionError(13, "Permission denied"))
    with ExitStack() as stack:
        for number in range(4):
            port = stack.enter_context(serving(answers([ids[number]], load=10.0 * (number + 1))))
            host.serve(PORTS[number], port)
        rows = accelerators(tpu.Sampler(host, Board()))
    assert [row["util"] for row in rows] == [10.0, 20.0, 30.0, 40.0]


def test_runtimes_that_each_tell_of_the_whole_host_are_not_added_up() -> None:
    host = a_process_a_chip()
    host.fds = {}
    with ExitStack() as stack:
        for port in PORTS:
            host.serve(port, stack.enter_context(serving(answers([0, 1, 2, 3]))))
        rows = accelerators(tpu.Sampler(host, Board()))
    assert [row["util"] for row in rows] == [10.0, 20.0, 30.0, 40.0]
    assert [row["mem_used"] for row in rows] == [GIB, 2 * GIB, 3 * GIB, 4 * GIB]


def test_two_programs_on_two_chips_each() -> None:
    host = TpuHost(FOUR, V6E)
    host.fds = {70: ["/dev/vfio/0", "/dev/vfio/1"], 71: ["/dev/vfio/2", "/dev/vfio/3"]}
    with serving(answers([0, 1])) as first, serving(answers([0, 1], load=70.0)) as second:
        host.serve(8431, first, 70)
        host.serve(8432, second, 71)
        rows = accelerators(tpu.Sampler(host, Board()))
    assert [row["util"] for row in rows] == [10.0, 20.0, 70.0, 140.0]


def test_ports_are_those_of_the_runtimes_environment() -> None:
    host = running(TpuHost(FOUR[:2], V6E), "/dev/vfio/0", "/dev/vfio/1")
    host.files["/proc/77/environ"] = "HOME=/root\0TPU_RUNTIME_METRICS_PORTS=9001,9002\0SECRET=x\0"
    with serving(answers([0, 1])) as port:
        host.serve(9001, port, 77)
        rows = accelerators(tpu.Sampler(host, Board()))
    assert [row["util"] for row in rows] == [10.0, 20.0]


def test_a_runtime_in_a_container_is_asked_at_the_containers_address() -> None:
    host = TpuHost(FOUR, V6E)
    host.fds = {70: ["/dev/vfio/0", "/dev/vfio/1"], 71: ["/dev/vfio/2", "/dev/vfio/3"]}
    with serving(answers([0, 1])) as first, serving(answers([0, 1], load=70.0)) as second:
        host.serve(8431, first, 70, inside="10.8.0.5")
        host.serve(8431, second, 71, inside="10.8.0.6")
        rows = accelerators(tpu.Sampler(host, Board()))
    assert [row["util"] for row in rows] == [10.0, 20.0, 70.0, 140.0]


def test_one_runtime_that_ends_takes_only_its_chips_with_it() -> None:
    host = a_process_a_chip()
    sampler = tpu.Sampler(host, Board())
    with ExitStack() as stack, ExitStack() as last:
        for number in range(4):
            port = (last if number == 3 else stack).enter_context(serving(answers([number], load=50.0)))
            host.serve(PORTS[number], port, 70 + number)
        assert [row["util"] for row in accelerators(sampler)] == [50.0] * 4
        last.close()
        rows = accelerators(sampler)
    assert [row["util"] for row in rows[:3]] == [50.0] * 3
    assert isinstance(rows[3]["util"], Missing)


def test_golden() -> None:
    host = running(TpuHost(FOUR, V5P), *(f"/dev/vfio/{number}" for number in range(4)))
    for address in FOUR:
        for name, text in {"link_speed": "16.0 GT/s PCIe\n", "link_width": "16\n"}.items():
            for which in ("current", "max"):
                host.files[f"/sys/bus/pci/devices/{address}/{which}_{name}"] = text
    with serving(answers([8, 9, 12, 13])) as host.port:
        cells = tpu.Sampler(host, Board()).sample().cells
    same_as_golden(GOLDEN / "google-v5p.txt", shown(cells))
