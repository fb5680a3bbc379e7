"""Gaudi cards: what hl-smi and the driver's files say of them, live and from saved outputs."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors import captures
from collectors.captures import Refused
from collectors.probe import gaudi, gaudi_nics, gaudi_ports, hl_smi
from collectors.probe.cells import (
    FAILED_CODE,
    NOT_PERMITTED_CODE,
    NOT_YET,
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
_A, _B = "0000:43:00.0", "0000:1a:00.0"
_KEY_A, _KEY_B = gaudi.key_of(_A), gaudi.key_of(_B)
_G = 25_000_000_000  # line speed of a port, bytes a second

_QUERY = """\
index, name, uuid, serial, bus_id, module_id, driver_version, memory.total [MiB], memory.used [MiB], power.draw [W], \
temperature.aip [C], utilization.aip [%]
0, HL-225, 01P0-HL2080A0-15-TF8A81-09-07-06, AM50016138, 0000:43:00.0, 0, 1.20.0-bd4f8a3, 98304 MiB, 61440 MiB, \
412 W, 58 C, 96 %
1, HL-225, 01P0-HL2080A0-15-TF8A81-02-01-03, N/A, 0000:1a:00.0, 5, 1.20.0-bd4f8a3, 98304 MiB, 768 MiB, 62 W, 30 C, 0 %
"""

_LOG = """
================ HL-SMI LOG ================

Timestamp                               : Thu Nov 16 04:54:24 UTC 2023
Driver Version                          : 1.20.0-bd4f8a3
HL-SMI Version                          : hl-1.20.0-fw-58.2.1.0 (Jan 19 2025 - 01:19:50)

Attached AIPs                           : 2

[0] AIP (accel0) 0000:43:00.0
        Product Name                    : HL-225
        Model Number                    : F08GL0AIG032A
        Serial Number                   : AM50016138
        AIP UUID                        : 01P0-HL2080A0-15-TF8A81-09-07-06
        Firmware [FIT] Version          : Linux gaudi2 5.10.18-hl-gaudi2-1.20.0-fw-58.2.1-sec-6 #1 SMP aarch64 GNU/Linux
        Firmware [SPI] Version          : Preboot version hl-gaudi2-1.20.0-fw-58.2.1-sec-6 (Jan 12 2025 - 22:14:34)
        Fan Speed
                                        : N/A
        Clocks Throttle Reasons
                HW Slowdown             : Active
                        Thermal Slowdown
                                        : Active
                        Power Slowdown
                                        : Not Active
        Memory Usage
                Total                   : 98304 MB
                Used                    : 61440 MB
        Temperature
                [ 1] On Chip 0          :  56 C
                [ 2] On Chip 1          :  59 C
                [ 5] HBM 0 Temp         :  61 C
                [ 6] HBM 1 Temp         :  66 C
                [21] VRM1 Temp          :  74 C
        Power Readings (54V PSU)
                Power Draw              : 405 W
                Power Max               : 550 W
                Power Limit             : 550 W
        Power Readings (12V PSU)
                Power Management        : N/A
                Power Draw              : 31 W
                Power Max               : 50 W
                Power Limit             : 50 W
        Clocks
                [1] soc                 : 1600 MHz
        Clocks Max
                [1] soc                 : 1650 MHz
        Network Information
                [ 1] MAC                : b0:fd:0b:d7:c4:8d
        Replaced Rows
                Single Bit ECC          : 2
                Double Bit ECC          : 0
                Pending                 : Yes
"""

_TABLE = """\
+-----------------------------------------------------------------------------+
| HL-SMI Version:                              hl-1.12.1-fw-46.0.5.0          |
| Driver Version:                                     1.12.1-cb7a7bc          |
| Nic Driver Version:                                 1.12.1-cb7a7bc          |
|-------------------------------+----------------------+----------------------+
| AIP  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | AIP-Util  Compute M. |
|===============================+======================+======================|
|   0  HL-225              N/A  | 0000:43:00.0     N/A |                   0  |
| N/A   30C   N/A    84W / 600W |    768MiB / 98304MiB |     0%           N/A |
|-------------------------------+----------------------+----------------------+
|   1  HL-325L             N/A  | 0000:1a:00.0     N/A |                   3  |
| N/A   61C   N/A   790W / 900W |  102385Mib / 131072MiB |    94%           N/A |
|-------------------------------+----------------------+----------------------+
| Compute Processes:                                               AIP Memory |
|  AIP       PID   Type   Process name                             Usage      |
|=============================================================================|
|   0        N/A   N/A    N/A                                      N/A        |
+=============================================================================+
"""


class CardWorld(FileWorld):
    """Two cards: files, programs by their arguments, and links."""

    def __init__(self, answers: Mapping[str, str | OSError] | None = None) -> None:
        super().__init__(_files())
        self.answers = dict({"-Q": _QUERY, "-q": _LOG} if answers is None else answers)
        self.links = {
            "/sys/class/infiniband/hbl_0/device": f"../../../{_A}",
            "/sys/class/infiniband/hbl_1/device": f"../../../{_B}",
            "/proc/77/fd/3": "/dev/accel/accel0",
        }
        self.asked: list[list[str]] = []
        self.per_read = 0.0  # seconds that each counter takes

    def which(self, program: str) -> str | None:
        return "/usr/bin/hl-smi" if self.answers else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        self.asked.append(argv)
        out = self.answers.get(argv[1], "")
        if isinstance(out, OSError):
            raise out
        unknown = argv[1] == "-Q" and "ecc.mode.current" in argv[2]
        return (1, "", "Error: unknown query ecc.mode.current") if unknown else (0, out, "")

    def read(self, path: str, keep: bool = False) -> str:
        if "hw_counters" in path:
            self.at += self.per_read
        return super().read(path, keep)

    def readlink(self, path: str) -> str:
        try:
            return self.links[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None


def _files() -> dict[str, str | OSError]:
    files: dict[str, str | OSError] = {"/proc/77/fd/3": ""}
    for number, address in enumerate((_A, _B)):
        device = f"/sys/bus/pci/devices/{address}"
        files[f"{device}/uevent"] = "DRIVER=habanalabs\nPCI_CLASS=120000\nPCI_ID=1DA3:1020\n"
        files[f"{device}/numa_node"] = f"{number}\n"
        for end, speed in (("current", "8.0" if number else "16.0"), ("max", "16.0")):
            files[f"{device}/{end}_link_speed"] = f"{speed} GT/s PCIe\n"
            files[f"{device}/{end}_link_width"] = "16\n"
        accel = f"/sys/class/accel/accel{number}/device"
        files |= {f"{accel}/pci_addr": f"{address}\n", f"{accel}/status": "Operational\n",
                  f"{accel}/clk_cur_freq_mhz": "1650\n", f"{accel}/max_power": "550000\n"}  # fmt: skip
        files |= _nic_files(number)
    return files


def _nic_files(number: int) -> dict[str, str | OSError]:
    root = f"/sys/class/infiniband/hbl_{number}"
    files: dict[str, str | OSError] = {f"{root}/ext_ports_mask": "0x2\n"}
    for port in (1, 2):
        up = (number, port) != (1, 2)
        files |= {
            f"{root}/ports/{port}/state": "4: ACTIVE\n" if up else "1: DOWN\n",
            f"{root}/ports/{port}/phys_state": "5: LinkUp\n" if up else "3: Disabled\n",
            f"{root}/ports/{port}/rate": "200 Gb/sec (4X HDR)\n",
            f"{root}/ports/{port}/hw_counters/rx_Octets": "1000\n",
            f"{root}/ports/{port}/hw_counters/tx_Octets": "5000\n",
            f"{root}/ports/{port}/hw_counters/uncorrectable_errors": "4\n",
        }
    return files


def sampled(world: CardWorld) -> Any:
    return gaudi.Sampler(world, Board()).sample()


def test_what_a_node_with_gaudi_cards_shows() -> None:
    world = CardWorld()
    reading, ports = sampled(world), gaudi_ports.Sampler(world, Board())
    ports.sample()
    for port, (received, sent) in {1: (10, 20), 2: (30, 0)}.items():
        world.files[f"/sys/class/infiniband/hbl_0/ports/{port}/hw_counters/rx_Octets"] = str(1000 + received * 10**9)
        world.files[f"/sys/class/infiniband/hbl_0/ports/{port}/hw_counters/tx_Octets"] = str(5000 + sent * 10**9)
    world.at += 5
    links = ports.sample()
    same_as_golden(_GOLDEN / "habana-gaudi2.txt", shown(reading.cells) + "\n" + shown(links.cells))


def test_every_metric_of_every_card_has_a_value_or_a_reason() -> None:
    reading = sampled(CardWorld())
    for row in reading.cells["accelerator"].values():
        assert set(row) == set(gaudi.Sampler.metrics["accelerator"])


def test_power_is_that_of_all_rails() -> None:
    rows = sampled(CardWorld()).cells["accelerator"]
    assert rows[_KEY_A]["power"] == 412 + 31
    assert rows[_KEY_B]["power"] == 62  # the log doesn't tell of it


def test_an_older_tool_is_asked_for_fewer_columns_and_only_once_for_more() -> None:
    world = CardWorld()
    sampler = gaudi.Sampler(world, Board())
    sampler.sample()
    sampler.sample()
    assert ["ecc" in " ".join(argv) for argv in world.asked if argv[1] == "-Q"] == [True, False, False]


def test_without_the_tool_identity_and_the_drivers_values_stay_and_the_reason_is_told() -> None:
    row = sampled(CardWorld(answers={})).cells["accelerator"][_KEY_A]
    assert (row["bus_id"], row["name"], row["clock_sm"], row["power_limit"]) == (_A, "hpu0", 1650, 550)
    assert row["util"].code == UNSUPPORTED_CODE
    assert "hl-smi is not installed" in row["util"].note


@pytest.mark.parametrize(
    ("trouble", "note"),
    [(TimeoutError("no answer within 20 s"), "no answer within 20 s"), ("hl-smi: no devices found\n", "no header")],
)
def test_a_tool_that_fails_is_named_with_its_words(trouble: str | OSError, note: str) -> None:
    row = sampled(CardWorld({"-Q": trouble, "-q": trouble})).cells["accelerator"][_KEY_A]
    assert row["temp"].code in (FAILED_CODE, TIMED_OUT_CODE)
    assert note in row["temp"].note
    assert row["clock_sm"] == 1650


def test_a_tool_that_hangs_is_asked_once_and_is_trouble() -> None:
    world = CardWorld({"-Q": TimeoutError("hl-smi gave no answer within 20 s")})
    assert sampled(world).trouble == "hl-smi gave no answer within 20 s"
    assert [argv[1] for argv in world.asked] == ["-Q"]
    assert sampled(CardWorld({})).trouble == ""  # it isn't installed


def test_a_card_in_reset_keeps_its_row_and_says_so() -> None:
    one = "\n".join(_QUERY.splitlines()[:2])
    world = CardWorld({"-Q": one, "-q": _LOG})
    world.files["/sys/class/accel/accel1/device/status"] = "In reset\n"
    row = sampled(world).cells["accelerator"][_KEY_B]
    assert row["util"] == Missing(FAILED_CODE, "the driver says: In reset")
    assert row["bus_id"] == _B


def test_who_holds_a_card_is_seen_by_its_open_file() -> None:
    reading = sampled(CardWorld())
    assert reading.holders == {_KEY_A: [(77, -1, "compute")], _KEY_B: []}
    assert reading.cells["accelerator"][_KEY_A]["processes"] == 1


def test_files_of_others_that_may_not_be_seen_are_not_no_process() -> None:
    world = CardWorld()
    world.listdir = _forbidden(world)  # type: ignore[method-assign]
    row = sampled(world).cells["accelerator"][_KEY_A]
    assert row["processes"].code == NOT_PERMITTED_CODE


def _forbidden(world: CardWorld) -> Any:
    listed = world.listdir

    def listdir(path: str) -> list[str]:
        if path.endswith("/fd"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return listed(path)

    return listdir


def test_absent_says_what_was_looked_for() -> None:
    for kind in (gaudi.Sampler, gaudi_ports.Sampler):
        with pytest.raises(Absent, match="1da3"):
            kind(FileWorld({}), Board())


# -- ports


def ports_of(world: CardWorld) -> Any:
    return gaudi_ports.Sampler(world, Board())


def test_ports_take_turns_where_the_firmware_is_slow() -> None:
    world = CardWorld()
    world.per_read = 2.0
    sampler = ports_of(world)
    known = [len([row for row in sampler.sample().cells["link"].values() if _read(row)]) for _ in range(4)]
    assert known == [1, 2, 3, 4]


def _read(row: dict[str, Any]) -> bool:
    return not isinstance(row["fec_errors"], Missing)


def test_leaps_that_no_wire_can_make_are_not_traffic() -> None:
    octets = gaudi_nics.Octets()
    assert octets.rate(0, 0.0, _G) is NOT_YET
    assert octets.rate(5 * 10**9, 1.0, _G) == 5 * 10**9
    assert octets.rate(10**10 + 13 * 2**32, 2.0, _G) == 5 * 10**9  # shown on, and measured from where it was right
    assert octets.rate(13 * 10**9, 3.0, _G) == 4 * 10**9


def test_a_counter_that_begins_anew_is_believed_after_a_while() -> None:
    octets = gaudi_nics.Octets()
    octets.rate(10**12, 0.0, _G)
    rates = [octets.rate(1000 * at, float(at), _G) for at in range(1, 6)]
    assert [isinstance(rate, Missing) and rate.code == NOT_YET_CODE for rate in rates] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert rates[-1] == 1000


def without_ports_driver(answers: dict[str, str | OSError]) -> CardWorld:
    world = CardWorld(answers)
    for path in [path for path in world.files if "infiniband" in path]:
        del world.files[path]
    return world


def test_without_the_ports_driver_the_tool_tells_which_are_up_card_by_card() -> None:
    sampler = ports_of(without_ports_driver({"-n": "port  0:\tUP\nport 10:\tDOWN\n"}))
    first, second = sampler.sample().cells, sampler.sample().cells
    assert (len(first["link"]), len(second["link"])) == (2, 4)
    totals = second["accelerator"][_KEY_A]
    assert (totals["links_up"], totals["links_max"]) == (1, 2)
    assert "habanalabs_ib" in totals["link_rx"].note
    assert set(next(iter(second["link"].values()))) == set(gaudi_ports.Sampler.metrics["link"])


def test_an_answer_about_links_that_names_none_is_a_failure() -> None:
    with pytest.raises(OSError, match="hl-smi -n link: no port in 'garbage"):
        ports_of(without_ports_driver({"-n": "garbage\n"})).sample()


def test_without_driver_and_tool_both_are_named() -> None:
    world = without_ports_driver({"-n": FileNotFoundError()})
    with pytest.raises(Absent, match="habanalabs_ib is not loaded"):
        ports_of(world).sample()


# -- texts


def test_the_log_is_a_tree_by_its_margin() -> None:
    (card,) = hl_smi.parse_log(_LOG)
    assert (card["temp"], card["temp_mem"], card["throttle"]) == (59, 66, 0x8 | 0x40)
    assert (card["power"], card["power_other_rails"], card["power_limit"]) == (436, 31, 600)
    assert (card["rows_corrected"], card["rows_pending"]) == (2, 1)
    assert card["firmware"] == "hl-gaudi2-1.20.0-fw-58.2.1-sec-6"


@pytest.mark.parametrize(
    ("word", "size"), [("768", 768 << 20), ("131072 MiB", 1 << 37), ("103079215104", 103079215104)]
)
def test_memory_in_bytes_is_told_from_memory_in_mebibytes(word: str, size: int) -> None:
    assert hl_smi.cells({"memory.total": word}) == {"mem_total": size}


@pytest.mark.parametrize("word", ["N/A", "[Not Supported]", "", "nan", "inf", "1e999", "lots"])
def test_words_that_are_no_numbers_are_missing(word: str) -> None:
    assert isinstance(hl_smi.number(word), Missing)


def test_a_row_that_was_cut_off_says_so_and_keeps_what_came_before() -> None:
    first, second = hl_smi.parse_csv(_QUERY[: _QUERY.index("768 MiB, 62") + 2])
    assert first["util"] == 96 and (second["bus_id"], second["mem_total"]) == ("0000:1a:00.0", 98304 << 20)
    cut = [second[metric] for metric in ("mem_used", "power", "temp", "util")]
    assert cut == [Missing(FAILED_CODE, "its row was cut off")] * 4
    world = CardWorld({"-Q": _QUERY[: _QUERY.index("62 W")]})
    assert sampled(world).cells["accelerator"][_KEY_B]["power"].note == "its row was cut off"


def test_links_of_one_card() -> None:
    assert hl_smi.parse_links("port  0:\tUP\nport 10:        DOWN\nnonsense: 1\n") == {0: 1, 10: 0}


def read(text: str) -> captures.Capture:
    return captures.read("saved.txt", text.encode())


def test_the_table_is_read_even_where_wide_numbers_push_its_bars() -> None:
    capture = read(_TABLE)
    assert capture.tool == "hl-smi hl-1.12.1-fw-46.0.5.0"
    same_as_golden(_GOLDEN / "habana-table.txt", shown(capture.cells))
    assert [row.version for row in capture.stack] == ["1.12.1-cb7a7bc"]


def test_saved_queries_and_logs_have_the_words_of_a_live_node() -> None:
    query, log = read(_QUERY).cells["accelerator"], read(_LOG).cells["accelerator"]
    key = "01P0-HL2080A0-15-TF8A81-09-07-06"
    assert query[key]["temp"] == 58
    assert log[key]["name"] == query[key]["name"] == "hpu0"
    assert read("port  0:\tUP\nport 10:\tDOWN\n").cells["link"]["gaudi::10"]["up"] == 0


def test_a_header_alone_is_refused() -> None:
    with pytest.raises(Refused, match="no card below"):
        read(_QUERY.splitlines()[0])


def test_every_sample_of_hl_smi_is_read() -> None:
    for file in sorted(samples("hl-smi").iterdir()):
        cards = captures.read(str(file), file.read_bytes()).cells["accelerator"]
        assert len(cards) == 8
        for row in cards.values():
            assert 80 < row["power"] < 120
            assert row["mem_total"] == 32 << 30
