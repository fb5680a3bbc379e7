"""PCIe links from sysfs: what both ends can, speeds after their line code, errors as either end counts them."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

import pytest

from collectors.probe import pcie
from collectors.probe.cells import UNSUPPORTED, Missing
from tests.support.worlds import FileWorld

ROOT = "/sys/bus/pci/devices/"
GPU, PORT = "0000:18:00.0", "0000:17:01.0"
AER_NEW = (
    "RxErr 2\nBadTLP 3\nBadDLLP 0\nRollover 1\nTimeout 4\nNonFatalErr 9\nCorrIntErr 0\nHeaderOF 0\nTOTAL_ERR_COR 19\n"
)
AER_OLD = "Receiver Error 1\nBad TLP 0\nBad DLLP 2\nRELAY_NUM Rollover 0\nReplay Timer Timeout 5\nTOTAL_ERR_COR 8\n"


class Bus(FileWorld):
    """Files, and the folder in which a device stands."""

    def __init__(self, files: Mapping[str, str | OSError], parents: Mapping[str, str]) -> None:
        super().__init__(files)
        self._parents = parents

    def readlink(self, path: str) -> str:
        address = path.removeprefix(ROOT)
        if address not in self._parents:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return f"../../../devices/pci0000:15/{self._parents[address]}/{address}"


def device(address: str, **attributes: str) -> dict[str, str]:
    kept = {
        "current_link_speed": "32.0 GT/s PCIe",
        "max_link_speed": "32.0 GT/s PCIe",
        "current_link_width": "16",
        "max_link_width": "16",
        **attributes,
    }
    return {f"{ROOT}{address}/{name}": text + "\n" for name, text in kept.items()}


def cells(files: Mapping[str, str | OSError], parents: Mapping[str, str] | None = None) -> dict:
    found = pcie.link_cells(Bus(files, {GPU: PORT} if parents is None else parents), GPU)
    assert set(found) == set(pcie.METRICS)
    return found


def test_a_link_at_its_best() -> None:
    link = cells({**device(GPU), **device(PORT)})
    assert (link["kind"], link["medium"], link["peer"], link["up"]) == ("pcie", "PCIe 5.0", PORT, 1)
    assert link["pci_path"] == f"pci0000:15/{PORT}"
    assert (link["gen"], link["gen_max"], link["width"], link["width_max"]) == (5, 5, 16, 16)
    assert link["speed"] == link["speed_max"] == int(32e9 * 16 * 128 / 130 / 8)


def test_the_best_is_what_both_ends_can() -> None:
    slot = device(PORT, max_link_speed="16.0 GT/s PCIe", max_link_width="8")
    link = cells({**device(GPU, current_link_speed="16.0 GT/s PCIe", current_link_width="8"), **slot})
    assert (link["gen_max"], link["width_max"], link["medium"]) == (4, 8, "PCIe 4.0")
    assert link["speed"] == link["speed_max"]


def test_an_idle_device_steps_down_and_the_link_stays_up() -> None:
    link = cells({**device(GPU, current_link_speed="2.5 GT/s PCIe"), **device(PORT)})
    assert (link["up"], link["gen"], link["gen_max"], link["speed"]) == (1, 1, 5, int(2.5e9 * 16 * 0.8 / 8))


def test_below_the_root_complex_the_device_speaks_for_itself() -> None:
    link = cells(device(GPU), {GPU: "pci0000:15"})
    assert (link["peer"], link["gen_max"]) == (UNSUPPORTED, 5)


@pytest.mark.parametrize(("rate", "width"), [("Unknown", "0"), ("Unknown speed", "63"), ("32.0 GT/s PCIe", "255")])
def test_what_reads_as_unknown_has_no_value(rate: str, width: str) -> None:
    link = cells(device(GPU, current_link_speed=rate, current_link_width=width), {})
    assert isinstance(link["speed"], Missing) and isinstance(link["width"], Missing)
    assert isinstance(link["up"], Missing), "what can't be told is not down"
    assert link["gen_max"] == 5


def test_a_virtual_device_has_no_link() -> None:
    link = cells({f"{ROOT}{GPU}/vendor": "0x10de\n"}, {})
    assert all(link[name] is UNSUPPORTED for name in pcie.METRICS if name != "kind")


def test_errors_are_those_of_both_ends_in_words_of_all_kernels() -> None:
    gpu = device(GPU, aer_dev_correctable=AER_NEW)
    assert pcie.parse_errors(AER_OLD) == {"rx_errors": 3, "replay_errors": 5}
    link = cells({**gpu, **device(PORT)})
    assert (link["rx_errors"], link["replay_errors"]) == (5, 5)
    link = cells({**gpu, **device(PORT, aer_dev_correctable=AER_OLD)})
    assert (link["rx_errors"], link["replay_errors"]) == (8, 10)
    assert cells(device(GPU))["rx_errors"] is UNSUPPORTED


@pytest.mark.parametrize(
    ("rate", "bytes_per_second"), [("8 GT/s", 15_753_846_153), ("64.0 GT/s PCIe", 128_000_000_000)]
)
def test_speeds_of_sixteen_lanes(rate: str, bytes_per_second: int) -> None:
    assert pcie.speed(pcie.parse_rate(rate), 16) == bytes_per_second


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("00000000:86:00.0", "0000:86:00.0"),
        ("86:00.0", "0000:86:00.0"),
        ("PCI:0009:01:00", "0009:01:00.0"),
        ("0000:3B:00.0", "0000:3b:00.0"),
        ("10000:01:00.1", "10000:01:00.1"),
    ],
)
def test_addresses_as_sysfs_writes_them(told: str, address: str) -> None:
    assert pcie.normal(told) == address
