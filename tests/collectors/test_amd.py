"""AMD boards through their drivers' files, and through AMD's tools where those tell less."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from collectors.probe import (
    amd,
    amd_board,
    amd_identity,
    amd_kfd,
    amd_links,
    amd_pcie,
    amd_throttle,
    amd_tool,
    gpu_metrics,
    pcie,
)
from collectors.probe.cells import NOT_PERMITTED_CODE, NOT_YET, UNSUPPORTED, Absent, Board, Missing, Reading, joined
from tests.support import amd_host
from tests.support.amd_host import ROOT, AmdWorld, table_1_3, uevent
from tests.support.golden import same_as_golden
from tests.support.parts import samples
from tests.support.shown import shown

GOLDEN = Path(__file__).parent / "golden"
_KEY = "GPU-af54e92b0a5d57c0"


def sample(world: AmdWorld) -> Reading:
    return amd.Sampler(world, Board()).sample()


def board_of(reading: Reading, key: str) -> dict:
    return joined(reading.cells["accelerator"][key])


@pytest.mark.parametrize("case", ["mi300x_pair", "mi300x_halves", "mi210_bridge", "radeon"])
def test_what_a_node_shows(case: str) -> None:
    world = getattr(amd_host, case)()
    sampler = amd.Sampler(world, Board())
    sampler.sample()
    world.at += 1
    for index, address in enumerate(["0000:05:00.0", "0000:26:00.0"] if "mi300x" in case else []):
        world.files[f"{ROOT}{address}/gpu_metrics"] = amd_host.mi300x_table(1, index)
    same_as_golden(GOLDEN / f"amd-{case.replace('_', '-')}.txt", shown(sampler.sample().cells))


def test_what_the_sampler_declares_is_what_its_parts_give() -> None:
    reading = sample(amd_host.mi300x_pair())
    declared = amd.Sampler.metrics
    given = {name for row in reading.cells["accelerator"].values() for name in joined(row)}
    assert given == set(declared["accelerator"])
    assert {name for row in reading.cells["link"].values() for name in joined(row)} == set(declared["link"])
    assert set(declared["accelerator"]) == {
        *amd_identity.IDENTITY, *amd_board.SLOW, *amd_board.QUICK, *amd_links.BOARD_METRICS, "processes",
    }  # fmt: skip
    assert set(declared["link"]) == {*amd_links.METRICS, *pcie.METRICS, "traffic"}
    assert set(amd_tool.Sampler.metrics["accelerator"]) == set(amd_board.TABLE_ONLY)


def test_nothing_of_amd_is_absent_and_costs_nothing() -> None:
    with pytest.raises(Absent, match="no PCI device of AMD"):
        amd.Sampler(AmdWorld({f"{ROOT}0000:01:00.0/uevent": "PCI_CLASS=30200\nPCI_ID=10DE:2330\n"}), Board())


def test_boards_that_another_driver_has_are_told_of() -> None:
    world = AmdWorld({f"{ROOT}0000:05:00.0/uevent": amd_host.uevent("0000:05:00.0", 0x74A1, driver="vfio-pci")})
    with pytest.raises(Absent, match="1 AMD GPUs, none of them with the driver amdgpu"):
        amd.Sampler(world, Board())


def with_graphics(world: AmdWorld, device: int, table: str | OSError | None, kind: str = "030000") -> AmdWorld:
    """Besides, a GPU of class display with this table gpu_metrics."""
    world.files[f"{ROOT}0000:c5:00.0/uevent"] = uevent("0000:c5:00.0", device, kind)
    if table is not None:
        world.files[f"{ROOT}0000:c5:00.0/gpu_metrics"] = table
    return world


def table(revision: int, content: int) -> str:
    return bytes([128, 0, revision, content, *bytes(124)]).decode("latin-1")


STRIX_HALO, RAVEN, MI300A = 0x1586, 0x15DD, 0x74A0
_RESET = OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(
    ("device", "told", "counts"),
    [
        (STRIX_HALO, table(3, 0), False),
        (0x164E, table(2, 3), False),
        (0x7590, table(2, 1), False),  # a processor newer than this list: its table tells
        (MI300A, table(1, 4), True),
        (0x744C, table(1, 3), True),
        (RAVEN, None, False),
        (0x98E4, None, False),
        (0x67DF, None, True),
        (STRIX_HALO, _RESET, False),
        (MI300A, _RESET, True),
    ],
)
def test_graphics_within_a_processor_are_no_accelerator(device: int, told: str | OSError | None, counts: bool) -> None:
    world = with_graphics(amd_host.radeon(), device, told)
    found = [board.address for board in amd.boards(world)]
    assert ("0000:c5:00.0" in found) == counts and len(found) == 1 + counts


def test_a_processor_made_for_computing_counts_whatever_its_table() -> None:
    world = with_graphics(amd_host.radeon(), MI300A, table(2, 0), kind="120000")
    assert len(amd.boards(world)) == 2


def test_a_node_with_nothing_but_such_graphics_says_so() -> None:
    world = with_graphics(AmdWorld({}), STRIX_HALO, table(3, 0))
    with pytest.raises(Absent, match="apart from the graphics of a processor"):
        amd.Sampler(world, Board())


def test_beside_boards_of_nvidia_names_are_not_told_twice() -> None:
    world = amd_host.mi300x_pair()
    world.files[f"{ROOT}0000:01:00.0/uevent"] = "PCI_CLASS=30200\nPCI_ID=10DE:2330\n"
    reading = sample(world)
    assert board_of(reading, _KEY)["name"] == "amd0"
    assert {joined(row)["name"] for row in reading.cells["link"].values()} >= {"amd0/xgmi0", "amd1/pcie"}


def test_packets_sent_again_are_those_of_a_file_where_the_table_does_not_count_them() -> None:
    counts = [joined(row)["pcie_replays"] for row in sample(amd_host.mi210_bridge()).cells["accelerator"].values()]
    assert counts == [3, 0]


def test_a_link_of_which_nobody_tells_is_not_said_to_be_up() -> None:
    world = amd_host.mi300x_pair()
    world.files = {path: text for path, text in world.files.items() if "/io_links/" not in path}
    for address in ("0000:05:00.0", "0000:26:00.0"):
        world.files[f"{ROOT}{address}/gpu_metrics"] = table_1_3()
    reading = sample(world)
    link = next(joined(row) for key, row in reading.cells["link"].items() if key.startswith("xgmi:"))
    assert link["peer"] == "gpu1" and isinstance(link["up"], Missing)
    assert board_of(reading, _KEY)["links_up"] == link["up"] and board_of(reading, _KEY)["links_max"] == 1


def test_holders_are_those_that_have_memory_on_a_board() -> None:
    reading = sample(amd_host.mi300x_pair())
    assert reading.holders == {_KEY: [(4242, 2**30, "compute")], "GPU-af54e92b0a5d57c1": []}
    assert board_of(reading, _KEY)["processes"] == 1


def test_without_the_compute_driver_nobody_knows_the_holders() -> None:
    reading = sample(amd_host.radeon())
    assert reading.holders == {}
    assert board_of(reading, "amd:0000:03:00.0")["processes"] == UNSUPPORTED


def test_files_of_boards_that_a_process_does_not_use_are_read_seldom() -> None:
    class Counting(AmdWorld):
        reads = 0

        def read(self, path: str, keep: bool = False) -> str:
            self.reads += "/vram_" in path
            return super().read(path, keep)

    pids = range(4000, 4008)
    folder = "/sys/class/kfd/kfd/proc"
    world = Counting({f"{folder}/{pid}/vram_{gpu}": str(pid % 8 == gpu) for pid in pids for gpu in range(8)})
    for path, text in list(world.files.items()):
        world.files[path] = "4096\n" if text == "True" else "0\n"
    holders = amd_kfd.Holders(world, {gpu: f"gpu{gpu}" for gpu in range(8)})
    for _ in range(8):
        assert [len(held) for held in holders.look().values()] == [1] * 8
    assert world.reads < 8 * 64 / 2
    world.files[f"{folder}/4000/vram_5"] = "8192\n"
    looked = [holders.look() for _ in range(8)][-1]
    assert looked["gpu5"] == [(4000, 8192, "compute"), (4005, 4096, "compute")]


def test_who_works_on_a_partition_holds_that_alone() -> None:
    reading = sample(amd_host.mi300x_halves())
    assert reading.holders == {
        _KEY: [], "GPU-af54e92b0a5d57c1": [], f"{_KEY}/0": [], f"{_KEY}/1": [(4242, 2**30, "compute")],
    }  # fmt: skip


def test_a_board_that_is_partitioned_anew_shows_it() -> None:
    world = amd_host.mi300x_pair()
    sampler = amd.Sampler(world, Board())
    assert len(sampler.sample().cells["accelerator"]) == 2
    world.files.update(amd_host.mi300x_halves().files)
    rows = sampler.sample().cells["accelerator"]
    parts = [joined(row) for row in rows.values() if joined(row)["partition_of"] == _KEY]
    assert [(row["name"], row["profile"], row["util"]) for row in parts] == [
        ("gpu0.0", "DPX/NPS2", 99),
        ("gpu0.1", "DPX/NPS2", 7),
    ]


@pytest.mark.parametrize(("revision", "start", "size"), [(6, 312, 168), (7, 344, 232), (8, 344, 376)])
def test_partitions_in_the_fixed_layouts(revision: int, start: int, size: int) -> None:
    table = bytearray(b"\xff" * (start + 8 * size))
    table[2:4] = bytes([1, revision])
    table[start + size : start + size + 4] = bytes([40, 0, 0, 0])
    assert gpu_metrics.dies(bytes(table), 2) == [None, 40]
    assert gpu_metrics.dies(bytes(table[:312]), 2) == [None, None]
    table[3] = 3
    assert gpu_metrics.dies(bytes(table), 2) == [None, None]


def test_a_board_that_goes_away_is_no_longer_there() -> None:
    world = amd_host.mi300x_pair()
    sampler = amd.Sampler(world, Board())
    assert len(sampler.sample().cells["accelerator"]) == 2
    for path in [path for path in world.files if "0000:26:00.0" in path]:
        del world.files[path]
    assert list(sampler.sample().cells["accelerator"]) == [_KEY]


def test_sensors_that_moved_are_found_again() -> None:
    world = amd_host.mi300x_pair()
    sampler = amd.Sampler(world, Board())
    sampler.sample()
    for path in [path for path in world.files if "/hwmon3/" in path]:
        world.files[path.replace("/hwmon3/", "/hwmon5/")] = world.files.pop(path)
    readings = [sampler.sample() for _ in range(11)]
    assert board_of(readings[-1], _KEY)["power_limit"] == 750


def test_a_board_under_reset_says_so() -> None:
    world = amd_host.mi300x_pair()
    sampler = amd.Sampler(world, Board())
    sampler.sample()
    world.files[f"{ROOT}0000:05:00.0/gpu_metrics"] = OSError(errno.EPERM, "Operation not permitted")
    row = board_of(sampler.sample(), _KEY)
    assert row["util"] == amd_board._REFUSED and row["model"] == "AMD Instinct MI300X OAM"


# -- PCIe traffic


def test_boards_that_count_packets_are_measured_one_after_the_other() -> None:
    world = amd_host.mi210_bridge()
    addresses = [device.address for device in amd.boards(world)]
    for number, address in enumerate(addresses):
        world.files[f"{ROOT}{address}/pcie_bw"] = f"{6641 + number} 815 256\n"
    sampler = amd_pcie.Sampler(world, Board())
    assert len(sampler.sample().cells["link"]) == 1
    cells = sampler.sample().cells
    assert [row["rx"] for row in cells["link"].values()] == [6641 * 256, 6642 * 256]
    assert {row["pcie_tx"] for row in cells["accelerator"].values()} == {815 * 256}
    assert set(cells["link"]) <= set(sample(world).cells["link"])


def test_a_board_that_is_reset_while_it_counts_has_a_reason() -> None:
    world = amd_host.mi210_bridge()
    address = amd.boards(world)[0].address
    world.files[f"{ROOT}{address}/pcie_bw"] = OSError(errno.EPERM, "Operation not permitted")
    (row,) = amd_pcie.Sampler(world, Board()).sample().cells["link"].values()
    assert row["rx"].code == row["tx"].code == NOT_PERMITTED_CODE


def test_where_no_driver_counts_packets_nobody_waits_for_it() -> None:
    with pytest.raises(Absent, match="pcie_bw"):
        amd_pcie.Sampler(amd_host.mi300x_pair(), Board()).sample()


def test_the_count_of_a_real_board() -> None:
    card = samples("amdgpu-sysfs") / "procfs-card0/sys/class/drm/card0/device"
    assert amd_pcie.parse((card / "pcie_bw").read_text().strip()) == (6641 * 256, 815 * 256)


# -- the table


@pytest.mark.parametrize(
    ("revision", "size"),
    [
        ((1, 1), 88),
        ((1, 2), 104),
        ((1, 3), 120),
        ((1, 4), 288),
        ((1, 5), 328),
        ((1, 6), 1664),
        ((1, 7), 2208),
        ((1, 8), 3360),
    ],
)
def test_every_layout_lies_within_its_size_and_all_ones_are_no_values(revision: tuple[int, int], size: int) -> None:
    table = bytes([size & 0xFF, size >> 8, *revision]) + b"\xff" * (size - 4)
    assert gpu_metrics.parse(table) == {}
    zeroes = gpu_metrics.parse(table[:4] + bytes(size - 4))
    assert zeroes["curr_socket_power"] == 0 and len(zeroes) >= 9
    with pytest.raises(ValueError, match="ends after"):
        gpu_metrics.parse(table[:40])


@pytest.mark.parametrize("table", [b"", b"\x78\x00\x01\x07"])
def test_what_is_no_table_is_refused(table: bytes) -> None:
    with pytest.raises(ValueError, match="gpu_metrics of"):
        gpu_metrics.parse(table)


@pytest.mark.parametrize("revision", [(2, 1), (3, 0), (1, 10)])
def test_a_revision_that_is_not_known_is_not_guessed(revision: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"is not known"):
        gpu_metrics.parse(bytes([120, 0, *revision]) + bytes(116))


def test_a_table_that_names_its_fields_may_be_cut_anywhere() -> None:
    whole = amd_host.mi300x_table(1).encode("latin-1")
    assert gpu_metrics.parse(whole)["xgmi_read_data_acc"][2] == 2**20
    for size in range(8, len(whole)):
        with pytest.raises(ValueError, match="ends after"):
            gpu_metrics.parse(whole[:size])


# -- throttling


def counted(**more: int) -> dict:
    return {"accumulation_counter": 1000, "ppt_residency_acc": 10, "socket_thm_residency_acc": 20, **more}


def test_a_limit_whose_counter_grew_is_in_force() -> None:
    throttle = amd_throttle.Throttle()
    assert throttle.cells(counted(), UNSUPPORTED)["throttle"] == NOT_YET
    grown = throttle.cells(counted(ppt_residency_acc=510), UNSUPPORTED)
    assert grown == {"throttle": amd_throttle.POWER_CAP, "throttle_power_time": 0.5, "throttle_thermal_time": 0.0}
    both = throttle.cells(counted(ppt_residency_acc=600, socket_thm_residency_acc=21), UNSUPPORTED)
    assert both["throttle"] == amd_throttle.POWER_CAP | amd_throttle.THERMAL
    assert throttle.cells(counted(ppt_residency_acc=600, socket_thm_residency_acc=21), UNSUPPORTED)["throttle"] == 0


def test_counters_that_repeat_the_clock_mean_nothing() -> None:
    table = counted(ppt_residency_acc=1000, socket_thm_residency_acc=1000)
    assert isinstance(amd_throttle.Throttle().cells(table, UNSUPPORTED)["throttle_power_time"], Missing)


@pytest.mark.parametrize(
    ("bit", "ours"),
    [
        (0, 0x4),
        (7, 0x4),
        (16, 0x4),
        (23, 0x4),
        (32, 0x20),
        (43, 0x20),
        (44, 0x40),
        (47, 0x40),
        (56, 0x4),
        (57, 0x8),
        (60, 0),
    ],
)
def test_each_reason_has_its_bit(bit: int, ours: int) -> None:
    table = {"indep_throttle_status": 1 << bit}
    assert amd_throttle.Throttle().cells(table, UNSUPPORTED)["throttle"] == ours


@pytest.mark.parametrize(("hotspot", "mask"), [(49, 0), (97, 0x20)])
def test_a_hot_spot_far_from_its_limit_is_a_false_alarm(hotspot: int, mask: int) -> None:
    table = gpu_metrics.parse(table_1_3(o6H=hotspot, o112Q=1 << 36).encode("latin-1"))
    assert amd_throttle.Throttle().cells(table, 110)["throttle"] == mask


@pytest.mark.parametrize(("status", "mask"), [(0, 0), (1, 0x40), (2, 0x4), (0b11100, 0x20)])
def test_the_first_drivers_of_mi300_have_a_mask_of_their_own(status: int, mask: int) -> None:
    assert amd_throttle.Throttle().cells({"throttle_status": status}, UNSUPPORTED)["throttle"] == mask


# -- links


def test_a_link_that_went_down_is_down() -> None:
    world = amd_host.mi300x_pair()
    table = amd_host.mi300x_table(0).encode("latin-1")
    status = table.index(bytes([0, 0, 0, 0, 1, 0]))
    world.files[f"{ROOT}0000:05:00.0/gpu_metrics"] = (table[: status + 4] + b"\0" + table[status + 5 :]).decode(
        "latin-1"
    )
    reading = sample(world)
    assert joined(reading.cells["link"][f"xgmi:{_KEY}:0"])["up"] == 0
    assert board_of(reading, _KEY)["links_up"] == 0


def test_where_ports_have_no_known_end_the_links_are_those_of_the_topology() -> None:
    world = amd_host.mi300x_pair()
    world.links = {}
    row = joined(sample(world).cells["link"][f"xgmi:{_KEY}:0"])
    assert (row["peer"], row["speed_max"], row["up"]) == ("gpu1", 64_000_000_000, 1)
    assert isinstance(row["rx"], Missing) and "by link" in row["rx"].note


def test_ports_that_all_have_one_number_say_nothing() -> None:
    world = amd_host.mi300x_pair()
    world.files[f"{ROOT}0000:05:00.0/xgmi_port_num"] = "01:00 ->  02:00\n01:00 ->  02:00\n"
    rows = [joined(row) for key, row in sample(world).cells["link"].items() if key.startswith(f"xgmi:{_KEY}:")]
    assert [(row["peer"], row["speed_max"]) for row in rows] == [("gpu1", 64_000_000_000)]


def test_several_links_to_one_board_share_the_speed_of_the_topology() -> None:
    world = amd_host.mi300x_pair()
    world.files[f"{ROOT}0000:05:00.0/xgmi_port_num"] = "01:02 ->  02:03\n01:04 ->  02:05\n"
    rows = [joined(row) for key, row in sample(world).cells["link"].items() if key.startswith(f"xgmi:{_KEY}:")]
    assert [(row["peer"], row["speed_max"], row["up"]) for row in rows] == [
        ("gpu1", 32_000_000_000, 1), ("gpu1", 32_000_000_000, 0),
    ]  # fmt: skip


def test_ports_in_the_words_of_the_driver() -> None:
    assert amd_links.parse_ports("01:02 ->  02:03\n01:0a ->  08:00\n") == [(2, 2), (10, 8)]
    assert amd_links.parse_ports("") == []


def test_links_over_several_hops_are_no_links() -> None:
    def is_xgmi(weight: int) -> bool:
        return amd_kfd.link({"type": 11, "node_to": 2, "weight": weight}).is_xgmi

    assert is_xgmi(15) and not is_xgmi(30)


def test_a_partition_belongs_to_its_board() -> None:
    assert amd_kfd.address({"location_id": 0x0503, "domain": 1}) == "0001:05:00.0"
    assert amd_kfd.address({"location_id": 0}) == ""


# -- the tools


LIST = [{"gpu": 0, "bdf": "0000:03:00.0", "uuid": "01ff73df-0000-1000-8000-000000000001"}]
METRIC = {
    "gpu_data": [
        {
            "gpu": 0,
            "power": {"throttle_status": "N/A"},
            "energy": {"total_energy_consumption": {"value": 12.5, "unit": "J"}},
            "throttle": {"ppt_accumulated": 2500, "ppt_violation_status": "ACTIVE", "vr_thermal_accumulated": "N/A"},
        }
    ]
}


def amd_smi(argv: list[str]) -> str:
    return "WARNING: User is missing\n[WARNING] of another form\n" + json.dumps(LIST if "list" in argv else METRIC)


def test_amd_smi_tells_what_the_files_of_a_board_without_a_table_do_not() -> None:
    world = amd_host.radeon()
    world.programs = {"amd-smi": amd_smi}
    reading = amd_tool.Sampler(world, Board()).sample()
    assert reading.cells["accelerator"] == {
        "amd:0000:03:00.0": {
            "energy": 12.5, "throttle": 0x4, "throttle_power_time": 2.5, "throttle_thermal_time": UNSUPPORTED,
        }
    }  # fmt: skip
    assert not set(amd_board.TABLE_ONLY) & set(board_of(sample(world), "amd:0000:03:00.0"))


def test_an_answer_that_can_not_be_read_is_told_with_the_tool() -> None:
    world = amd_host.radeon()
    world.programs["amd-smi"] = lambda argv: '[{"gpu": 0, "bdf": "0000:03'
    with pytest.raises(OSError, match=r"the answer of /opt/rocm/bin/amd-smi can't be read: "):
        amd_tool.Sampler(world, Board()).sample()


def test_rocm_smi_is_asked_where_there_is_no_amd_smi() -> None:
    world = amd_host.radeon()
    told = {"card0": {"PCI Bus": "0000:03:00.0", "Accumulated Energy (uJ)": "2500000.0"}, "system": {}}
    world.programs = {"rocm-smi": lambda argv: json.dumps(told)}
    rows = amd_tool.Sampler(world, Board()).sample().cells["accelerator"]
    assert rows["amd:0000:03:00.0"]["energy"] == 2.5


def test_no_tool_is_asked_where_the_files_tell_everything() -> None:
    world = amd_host.mi300x_pair()
    world.programs = {"amd-smi": amd_smi}
    with pytest.raises(Absent, match="tell what amd-smi would"):
        amd_tool.Sampler(world, Board()).sample()


def test_a_node_without_tools_says_what_it_lacks() -> None:
    with pytest.raises(Absent, match="neither amd-smi nor rocm-smi"):
        amd_tool.Sampler(amd_host.radeon(), Board()).sample()


def test_a_tool_that_fails_is_told_with_its_last_words() -> None:
    def broken(argv: list[str]) -> str:
        raise OSError("line one\nKeyError: 'libamd_smi.so'")

    world = amd_host.radeon()
    world.programs = {"amd-smi": broken}
    with pytest.raises(OSError, match=r"status 1: KeyError: 'libamd_smi\.so'"):
        amd_tool.Sampler(world, Board()).sample()
