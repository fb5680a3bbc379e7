"""Intel GPUs: what xpu-smi and the files of i915 and xe say of them, live and from saved outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors import captures
from collectors.captures import Refused
from collectors.probe import gaudi, xpu, xpu_links, xpu_smi
from collectors.probe.cells import (
    FAILED_CODE,
    LOST_CODE,
    NOT_YET_CODE,
    TIMED_OUT_CODE,
    UNSUPPORTED_CODE,
    Absent,
    Board,
    Missing,
)
from tests.support.golden import same_as_golden
from tests.support.parts import samples
from tests.support.shown import shown
from tests.support.worlds import FileWorld

_GOLDEN = Path(__file__).parent / "golden"
_MAX, _ARC = "0000:29:00.0", "0000:03:00.0"
_KEY_MAX, _KEY_ARC = f"intel:{_MAX}", f"intel:{_ARC}"

_LIST = json.dumps(
    {
        "device_list": [
            {"device_id": 0, "device_name": "Intel(R) Data Center GPU Max 1100", "pci_bdf_address": _MAX,
             "device_function_type": "physical", "uuid": "00000000-0000-0029-0000-002f0bda8086"},
            {"device_id": 1, "device_name": "Intel(R) Data Center GPU Max 1100", "pci_bdf_address": "0000:29:00.1",
             "device_function_type": "virtual", "uuid": "00000000-0000-0029-0001-002f0bda8086"},
        ]
    }
)  # fmt: skip
_DEVICE = json.dumps(
    {"device_id": 0, "device_name": "Intel(R) Data Center GPU Max 1100", "pci_bdf_address": _MAX,
     "serial_number": "unknown", "driver_version": "I915_24.3.23", "gfx_firmware_version": "PVC2_1.23374",
     "core_clock_rate_mhz": "1550", "memory_physical_size_byte": "51522830336",
     "uuid": "00000000-0000-0029-0000-002f0bda8086"}
)  # fmt: skip
_DUMP = """\
Timestamp, DeviceId, GPU Utilization (%), GPU Power (W), GPU Frequency (MHz), GPU Core Temperature (Celsius Degree), \
GPU Memory Temperature (Celsius Degree), GPU Memory Bandwidth Utilization (%), GPU Memory Used (MiB), \
PCIe Read (kB/s), PCIe Write (kB/s), GPU Memory Errors Correctable, GPU Memory Errors Uncorrectable
21:48:07.398,    0, 93.50, 287.25, 1550, 61.00,  N/A, 41, 40960.00, 1200, 350, 2, 0
"""


class CardWorld(FileWorld):
    """A data-centre card that the tool knows, an Arc that it doesn't, and graphics within the processor."""

    def __init__(self, answers: Mapping[str, str | OSError] | None = None, new_flags: bool = False) -> None:
        super().__init__(_files())
        self.answers = (
            {"dump": _DUMP, "discovery -j": _LIST, "discovery -d 0 -j": _DEVICE} if answers is None else answers
        )
        self.new_flags = new_flags
        self.asked: list[str] = []

    def which(self, program: str) -> str | None:
        return "/usr/bin/xpu-smi" if self.answers else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        words = " ".join(argv[1:])
        self.asked.append(words)
        if self.new_flags and " -m " in words:
            return 1, "", "The following arguments were not expected: -m"
        out = self.answers.get("dump" if argv[1] == "dump" else words, "")
        if isinstance(out, OSError):
            raise out
        return 0, out, ""


def _files() -> dict[str, str | OSError]:
    files: dict[str, str | OSError] = {"/proc/uptime": "1000.00 4000.00\n"}
    for address, identity, driver in (
        (_MAX, "8086:0BDA", "i915"),
        (_ARC, "8086:E20B", "xe"),
        ("0000:00:02.0", "8086:A780", "i915"),
    ):
        root = f"/sys/bus/pci/devices/{address}"
        kind = "38000" if address == _MAX else "30000"
        files[f"{root}/uevent"] = f"DRIVER={driver}\nPCI_CLASS={kind}\nPCI_ID={identity}\n"
        files[f"{root}/numa_node"] = "-1\n"
    gt = f"/sys/bus/pci/devices/{_MAX}/drm/card1/gt/gt0"
    files |= {
        f"{gt}/rps_act_freq_mhz": "1400\n", f"{gt}/rps_RP0_freq_mhz": "1550\n", f"{gt}/throttle_reason_pl1": "1\n",
        f"{gt}/throttle_reason_thermal": "0\n", f"/sys/bus/pci/devices/{_MAX}/drm/renderD128/dev": "226:128\n",
    }  # fmt: skip
    hwmon = f"/sys/bus/pci/devices/{_MAX}/hwmon"
    files |= {f"{hwmon}/hwmon5/name": "i915\n", f"{hwmon}/hwmon5/energy1_input": "5000000\n",
              f"{hwmon}/hwmon5/power1_max": "300000000\n", f"{hwmon}/hwmon6/name": "i915_gt0\n"}  # fmt: skip
    arc = f"/sys/bus/pci/devices/{_ARC}"
    files |= {
        f"{arc}/tile0/gt0/freq0/act_freq": "2400\n", f"{arc}/tile0/gt0/freq0/rp0_freq": "2850\n",
        f"{arc}/tile0/physical_vram_size_bytes": "12884901888\n", f"{arc}/tile0/gt0/freq0/throttle/reason_pl1": "0\n",
        f"{arc}/hwmon/hwmon7/name": "xe\n", f"{arc}/hwmon/hwmon7/energy1_input": "1000000\n",
        f"{arc}/hwmon/hwmon7/power1_max": "0\n", f"{arc}/hwmon/hwmon7/power1_rated_max": "190000000\n",
        f"{arc}/hwmon/hwmon7/temp2_input": "51000\n", f"{arc}/hwmon/hwmon7/temp3_input": "58000\n",
    }  # fmt: skip
    return files


def sampled(world: CardWorld) -> Any:
    """After two samples five seconds apart, in which the Arc used 400 J."""
    sampler = xpu.Sampler(world, Board())
    sampler.sample()
    world.at += 5
    world.files[f"/sys/bus/pci/devices/{_ARC}/hwmon/hwmon7/energy1_input"] = "401000000\n"
    return sampler.sample()


def test_what_a_node_with_intel_gpus_shows() -> None:
    same_as_golden(_GOLDEN / "intel-max-arc.txt", shown(sampled(CardWorld()).cells))


def test_a_card_that_only_the_driver_knows_shows_what_that_tells() -> None:
    row = sampled(CardWorld(answers={})).cells["accelerator"][_KEY_ARC]
    assert (row["model"], row["driver"], row["power"], row["temp"], row["temp_mem"]) == ("Arc B580", "xe", 80, 51, 58)
    assert (row["mem_total"], row["clock_sm"], row["throttle"], row["power_max"]) == (12 << 30, 2400, 0, 190)
    assert row["util"] == Missing(UNSUPPORTED_CODE, "xpu-smi is not installed (looked in PATH)")


def test_power_needs_two_readings_of_the_energy() -> None:
    row = xpu.Sampler(CardWorld(answers={}), Board()).sample().cells["accelerator"][_KEY_ARC]
    assert row["power"].code == NOT_YET_CODE


def test_every_metric_of_every_card_has_a_value_or_a_reason() -> None:
    for row in sampled(CardWorld()).cells["accelerator"].values():
        assert set(row) == set(xpu.Sampler.metrics["accelerator"])


def test_both_releases_of_the_tool_are_asked_as_they_want() -> None:
    world = CardWorld(new_flags=True)
    assert sampled(world).cells["accelerator"][_KEY_MAX]["util"] == 93.5
    dumps = [words for words in world.asked if words.startswith("dump")]
    assert [" -m " in words for words in dumps] == [True, False, False]
    assert sum(words == "discovery -d 0 -j" for words in world.asked) == 1  # what lasts isn't asked for each time


@pytest.mark.parametrize(
    ("trouble", "note"), [(TimeoutError("no answer within 20 s"), "no answer"), ("Error: no driver\n", "no JSON of")]
)
def test_a_tool_that_fails_is_named_and_the_drivers_values_stay(trouble: str | OSError, note: str) -> None:
    world = CardWorld({"dump": trouble, "discovery -j": trouble})
    reading = sampled(world)
    row = reading.cells["accelerator"][_KEY_MAX]
    assert row["util"].code in (FAILED_CODE, TIMED_OUT_CODE)
    assert note in row["util"].note and reading.trouble == row["util"].note
    assert row["clock_sm"] == 1400
    assert world.asked == ["discovery -j"] * 2


@pytest.mark.parametrize(("reason", "bits"), [("vr_tdc", 0x4), ("ratl", 0x40), ("prochot", 0x80)])
def test_every_reason_of_the_driver_counts(reason: str, bits: int) -> None:
    world = CardWorld()
    world.files[f"/sys/bus/pci/devices/{_MAX}/drm/card1/gt/gt0/throttle_reason_{reason}"] = "1\n"
    assert sampled(world).cells["accelerator"][_KEY_MAX]["throttle"] == 0x4 | bits  # its power limit as well


def test_a_dump_that_fails_takes_no_identity_away() -> None:
    world = CardWorld({"dump": TimeoutError("late"), "discovery -j": _LIST, "discovery -d 0 -j": _DEVICE})
    row = sampled(world).cells["accelerator"][_KEY_MAX]
    assert row["model"] == "Intel(R) Data Center GPU Max 1100" and row["util"] == Missing(TIMED_OUT_CODE, "late")


_TWO: tuple[str, ...] = ("0000:29:00.0", "0000:9a:00.0")


class NumberedWorld(CardWorld):
    """Two cards, the first of which draws 111 W and the other 555 W; `ids` are those of the cards that are listed."""

    def __init__(self) -> None:
        super().__init__({"": ""})
        self.ids: Mapping[str, int] = {address: number for number, address in enumerate(_TWO)}
        self.after_dump: Mapping[str, int] = self.ids
        cards = (f"/sys/bus/pci/devices/{address}/uevent" for address in _TWO)
        self.files = dict.fromkeys(cards, "DRIVER=i915\nPCI_CLASS=38000\nPCI_ID=8086:0BDA\n")
        self.files["/proc/uptime"] = "1000.00 4000.00\n"

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        rows = [{"device_id": number, "pci_bdf_address": address} for address, number in self.ids.items()]
        if argv[1] != "dump":
            asked = [row for row in rows if "-d" not in argv or row["device_id"] == int(argv[3])]
            return 0, json.dumps({"device_list": asked} if "-d" not in argv else asked[0]), ""
        watts = {number: 111 + 444 * _TWO.index(address) for address, number in self.ids.items()}
        self.ids = self.after_dump
        return 0, "DeviceId, GPU Power (W)\n" + "".join(f"{number}, {power}\n" for number, power in watts.items()), ""

    def renumber(self, *listed: str) -> None:
        self.ids = self.after_dump = {address: number for number, address in enumerate(listed)}


def powers(sampler: xpu.Sampler) -> list[Any]:
    rows = sampler.sample().cells["accelerator"]
    return [rows[f"intel:{address}"]["power"] for address in _TWO]


def test_ids_that_change_bring_no_card_the_values_of_another() -> None:
    world = NumberedWorld()
    sampler = xpu.Sampler(world, Board())
    assert powers(sampler) == [111, 555]
    world.renumber(*reversed(_TWO))
    assert [power.code for power in powers(sampler)] == [NOT_YET_CODE] * 2
    assert powers(sampler) == [111, 555]
    world.after_dump = dict(zip(_TWO, (0, 1), strict=True))  # within an answer: nobody knows whose values those are
    assert [power.code for power in powers(sampler)] == [NOT_YET_CODE] * 2


def test_a_card_that_is_no_longer_listed_is_lost_and_keeps_its_identity() -> None:
    world = NumberedWorld()
    sampler = xpu.Sampler(world, Board())
    sampler.sample()
    world.renumber(_TWO[1])
    sampler.sample()
    rows = sampler.sample().cells["accelerator"]
    gone, stays = (rows[f"intel:{address}"] for address in _TWO)
    assert (gone["util"].code, gone["index"].code, gone["name"]) == (LOST_CODE, LOST_CODE, "xpu-29")
    assert (stays["power"], stays["index"], stays["name"]) == (555, 0, "xpu0")


def test_graphics_within_a_processor_are_no_accelerator() -> None:
    only = {path: text for path, text in _files().items() if "0000:00:02.0" in path}
    with pytest.raises(Absent, match="8086"):
        xpu.Sampler(FileWorld(only), Board())


# -- Xe Links

_FOUR = [f"0000:{bus:02x}:00.0" for bus in (0x1A, 0x3B, 0x9A, 0xBB)]
_CARDS = json.dumps({"device_list": [{"device_id": at, "pci_bdf_address": bus} for at, bus in enumerate(_FOUR[:2])]})


def topology(lanes: int, links: bool = True) -> str:
    """Of two cards of two tiles each: a tile is joined with that of the same number on the other card."""
    tiles = [(card, tile) for card in (0, 1) for tile in (0, 1)]
    rows = []
    for card, tile in tiles:
        for other, far in tiles:
            row = {"local_device_id": card, "local_subdevice_id": tile, "remote_device_id": other,
                   "remote_subdevice_id": far, "link_type": "S" if (card, tile) == (other, far) else "MDF"}  # fmt: skip
            if card != other:
                row["link_type"] = "XL" if tile == far and links else "XL*"
            if row["link_type"] == "XL":
                row["port_list"] = [lanes, 0, lanes, 0]
            rows.append(row)
    return json.dumps({"topo_list": rows})


def throughput(card: int, *ways: str) -> str:
    heads = ", ".join(f"XL {way} (kB/s)" for way in ways)
    values = ", ".join(str(1000 * (at + 1)) for at in range(len(ways)))
    return f"Timestamp, DeviceId, {heads}\n10:00:00.000,    {card}, {values}\n"


def _ways(pairs: Sequence[tuple[int, int, int, int]]) -> list[str]:
    """There and back between each two tiles."""
    return [way for a, b, c, d in pairs for way in (f"{a}/{b}->{c}/{d}", f"{c}/{d}->{a}/{b}")]


class LinkWorld(CardWorld):
    """Two cards of two tiles each."""

    def __init__(self, lanes: int = 4, links: bool = True, new_flags: bool = False) -> None:
        super().__init__({"discovery -j": _CARDS, "topology --matrix -j": topology(lanes, links)}, new_flags)
        self.files = {
            f"/sys/bus/pci/devices/{address}/uevent": "DRIVER=i915\nPCI_CLASS=38000\nPCI_ID=8086:0BD5\n"
            for address in _FOUR[:2]
        }
        pairs = ((0, 0, 1, 0), (0, 1, 1, 1)), ((1, 0, 0, 0), (1, 1, 0, 1))
        self.dumps = [throughput(card, *_ways(joined)) for card, joined in enumerate(pairs)]

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        if argv[1] == "dump":
            self.answers = {**self.answers, "dump": self.dumps[int(argv[3])]}
        return super().run(argv, timeout_seconds)


def after(sampler: xpu_links.Sampler, samples: int) -> Any:
    """The last of some readings."""
    return [sampler.sample() for _ in range(samples)][-1]


def test_xe_links_have_rows_at_both_ends() -> None:
    cells = xpu_links.Sampler(LinkWorld(), Board()).sample().cells
    rows = cells["link"]
    assert [row["name"] for row in rows.values()] == [f"xpu{at}/xelink{link}" for at in (0, 1) for link in (0, 1)]
    first, *_, last = rows.values()
    assert (first["accelerator"], first["peer"], first["phys"]) == (f"intel:{_FOUR[0]}", "xpu1", "tile 0 to tile 0")
    assert (first["up"], first["width"], first["width_max"]) == (1, 8, 8)
    assert (first["tx"], first["rx"]) == (1_000_000, 2_000_000)
    assert (last["tx"], last["rx"]) == (4_000_000, 3_000_000)
    board = cells["accelerator"][f"intel:{_FOUR[1]}"]
    assert board == {"links_up": 2, "links_max": 2, "link_rx": 4_000_000, "link_tx": 6_000_000}
    assert all(set(row) == set(xpu_links.LINK) for row in rows.values())


def test_an_xe_link_that_loses_its_lanes_is_down_and_one_that_loses_some_is_narrow() -> None:
    world = LinkWorld()
    sampler = xpu_links.Sampler(world, Board())
    sampler.sample()
    world.answers = {**world.answers, "topology --matrix -j": topology(2)}
    narrow = next(iter(after(sampler, 6).cells["link"].values()))
    assert (narrow["up"], narrow["width"], narrow["width_max"]) == (1, 4, 8)
    world.answers = {**world.answers, "topology --matrix -j": topology(2, links=False)}
    reading = after(sampler, 6)
    down = next(iter(reading.cells["link"].values()))
    assert (down["up"], down["width"].code, down["rx"].code) == (0, LOST_CODE, LOST_CODE)
    assert reading.cells["accelerator"][f"intel:{_FOUR[0]}"]["links_up"] == 0


def test_cards_are_asked_for_their_links_one_after_the_other() -> None:
    world = LinkWorld(new_flags=True)
    sampler = xpu_links.Sampler(world, Board())
    after(sampler, 2)
    assert [words for words in world.asked if words.startswith("dump")] == [
        "dump -d 0 -m 21 -i 1 -n 1",
        "dump -d 0 --metrics 21 --interval 1 --number 1",
        "dump -d 1 --metrics 21 --interval 1 --number 1",
    ]


def test_a_tool_that_fails_later_says_why_nothing_is_known_of_the_links() -> None:
    world = LinkWorld()
    sampler = xpu_links.Sampler(world, Board())
    sampler.sample()
    world.answers = {**world.answers, "topology --matrix -j": TimeoutError("no answer within 20 s")}
    reading = after(sampler, 6)
    assert reading.trouble == "no answer within 20 s"
    assert {row["up"].code for row in reading.cells["link"].values()} == {TIMED_OUT_CODE}
    world.answers = {**world.answers, "topology --matrix -j": topology(4)}
    assert {row["up"] for row in sampler.sample().cells["link"].values()} == {1}


def test_ids_that_change_bring_no_xe_link_the_traffic_of_another() -> None:
    """The tool lists the two cards the other way round: what it tells of 0 is of the other one by now."""
    world = LinkWorld()
    sampler = xpu_links.Sampler(world, Board())
    before = after(sampler, 1).cells["link"]
    turned = [{"device_id": at, "pci_bdf_address": bus} for at, bus in enumerate(_FOUR[1::-1])]
    world.answers = {**world.answers, "discovery -j": json.dumps({"device_list": turned})}
    assert {row["rx"].code for row in sampler.sample().cells["link"].values()} == {NOT_YET_CODE}
    now = after(sampler, 1).cells["link"]
    assert now.keys() == before.keys() and {row["up"] for row in now.values()} == {1}
    first = next(iter(now))
    assert (before[first]["tx"], now[first]["tx"], now[first]["name"]) == (1_000_000, 2_000_000, "xpu1/xelink0")


def test_cards_without_xe_links_are_left_alone() -> None:
    with pytest.raises(Absent, match="no Xe Link"):
        xpu_links.Sampler(LinkWorld(links=False), Board()).sample()
    world = CardWorld()
    with pytest.raises(Absent, match="not installed"):
        xpu_links.Sampler(CardWorld(answers={}), Board())
    for path in [path for path in world.files if _ARC in path]:
        del world.files[path]
    with pytest.raises(Absent, match="one graphics card"):
        xpu_links.Sampler(world, Board())


_MATRIX = """\
         GPU 0/0  GPU 0/1  GPU 1/0  GPU 1/1  CPU Affinity
GPU 0/0  S        MDF      XL16     XL*      0-51,104-155
GPU 0/1  MDF      S        XL*      XL8      0-51,104-155
GPU 1/0  XL16     XL*      S        MDF      52-103,156-207
GPU 1/1  SYS      XL 1,2   MDF      S        52-103,156-207
"""


def test_the_matrix_for_people_is_read_too() -> None:
    assert xpu_smi.parse_topology(_MATRIX) == {
        (0, 0, 1, 0): 16, (0, 1, 1, 1): 8, (1, 0, 0, 0): 16, (1, 1, 0, 1): xpu_smi.NO_LANES,
    }  # fmt: skip
    assert xpu_smi.parse_topology(topology(1))[xpu_smi.Joint(0, 0, 1, 0)] == xpu_smi.NO_LANES


@pytest.mark.parametrize("text", ["", "Error: no device", "{}", '{"topo_list": [1]}', "[]"])
def test_what_is_no_topology_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        xpu_smi.parse_topology(text)


@pytest.mark.parametrize("text", ["", "Error: Xe Link throughput is not supported by multiple devices", "a, b\n1\n"])
def test_what_is_no_throughput_of_links_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        xpu_smi.parse_links(text)


def test_saved_topologies_show_the_links_that_work() -> None:
    for text in (_MATRIX, topology(4)):
        links = read(text).cells["link"]
        assert links["xpu0/0-xpu1/0"]["up"] == 1 and len(links) == 4


# -- texts


def test_the_newest_row_of_each_device_counts_and_rows_of_tiles_do_not() -> None:
    text = "Timestamp, DeviceId, TileId, GPU Power (W)\n1, 0, , 10\n2, 0, , 20\n2, 0, 1, 5\n2, 1, N/A, N/A\n"
    found = xpu_smi.parse_dump(text)
    assert found[0]["power"] == 20
    assert found[1]["power"].code == UNSUPPORTED_CODE


def test_a_row_that_was_cut_off_says_so_and_keeps_what_came_before() -> None:
    (cut,) = xpu_smi.parse_dump(_DUMP[: _DUMP.index("1550, 61") + 2]).values()
    assert (cut["util"], cut["power"]) == (93.5, 287.25)
    assert cut["clock_sm"] == cut["ecc_corrected"] == Missing(FAILED_CODE, "its row was cut off")


@pytest.mark.parametrize("text", ["", "no devices", "{", "[1]", '{"error": "no device"}'])
def test_what_is_no_discovery_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        xpu_smi.parse_discovery(text)


def read(text: str) -> captures.Capture:
    return captures.read("saved.txt", text.encode())


def test_saved_outputs_have_the_words_of_a_live_node() -> None:
    listed, device, dump = read(_LIST), read(_DEVICE), read(_DUMP)
    key = "00000000-0000-0029-0000-002f0bda8086"
    assert list(listed.cells["accelerator"]) == [key]
    assert device.cells["accelerator"][key]["mem_total"] == 51522830336
    assert [row.version for row in device.stack] == ["I915_24.3.23"]
    assert dump.cells["accelerator"]["intel:0"]["mem_used"] == 40 << 30


def test_a_header_alone_is_refused() -> None:
    with pytest.raises(Refused, match="nothing about accelerators"):
        read(_DUMP.splitlines()[0])


def test_every_sample_of_xpu_smi_is_read() -> None:
    for file in sorted(samples("xpu-smi").iterdir()):
        assert len(captures.read(str(file), file.read_bytes()).cells["accelerator"]) == 2, file.name


def test_a_node_with_cards_of_two_vendors_has_them_all() -> None:
    world = CardWorld(answers={})
    device = "/sys/bus/pci/devices/0000:9a:00.0"
    world.files[f"{device}/uevent"] = "DRIVER=habanalabs\nPCI_CLASS=120000\nPCI_ID=1DA3:1060\n"
    readings = [kind(world, Board()).sample() for kind in (xpu.Sampler, gaudi.Sampler)]
    keys = [key for reading in readings for rows in reading.cells.values() for key in rows]
    assert len(set(keys)) == len(keys) == 6  # three cards and their PCIe links
    names = [row["name"] for reading in readings for row in reading.cells["accelerator"].values()]
    assert len(set(names)) == 3
