"""The NVLinks of one GPU over time: what hasn't changed stays the very same, and nothing that has is missed."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from collectors.probe.cells import UNSUPPORTED, joined
from collectors.probe.nvidia_links import NvLinks
from collectors.probe.nvml import Device

_NOT_SUPPORTED = 3
_SWITCH = 2


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value


class Driver:
    """Two links to a switch, with what the test says of them; no counters of bytes."""

    NVMLError = NVMLError

    def __init__(self) -> None:
        self.up = [1, 1]
        self.peers = ["00000000:C1:00.0", "00000000:C2:00.0"]
        self.errors = [[0, 0, 0], [0, 0, 0]]

    def nvmlDeviceGetFieldValues(self, handle: object, fields: object) -> Sequence[Any]:
        raise NVMLError(_NOT_SUPPORTED)

    def nvmlDeviceGetArchitecture(self, handle: object) -> int:
        return 9

    def nvmlDeviceGetNvLinkState(self, handle: object, link: int) -> int:
        if link >= len(self.up):
            raise NVMLError(_NOT_SUPPORTED)
        return self.up[link]

    def nvmlDeviceGetNvLinkRemotePciInfo(self, handle: object, link: int) -> SimpleNamespace:
        if not self.up[link]:
            raise NVMLError(_NOT_SUPPORTED)
        return SimpleNamespace(bus=1, device=1, busId=self.peers[link])

    def nvmlDeviceGetNvLinkRemoteDeviceType(self, handle: object, link: int) -> int:
        return _SWITCH

    def nvmlDeviceGetNvLinkErrorCounter(self, handle: object, link: int, counter: int) -> int:
        return self.errors[link][counter]


def links_of(driver: Driver) -> NvLinks:
    return NvLinks(driver, Device("handle", "GPU-0", "gpu0", 0))


def looked(links: NvLinks, at: float) -> list[dict[str, Any]]:
    """At both links, so often that everything was due."""
    for second in range(6):
        links.look(at + second)
    return [joined(row) for row in links.cells.values()]


def test_links_of_which_nothing_has_changed_are_the_very_same() -> None:
    links = links_of(Driver())
    looked(links, 0.0)
    told = links.cells
    looked(links, 10.0)
    assert links.cells is told


def test_a_link_that_comes_up_later_is_told_with_its_other_end() -> None:
    driver = Driver()
    driver.up[1] = 0
    links = links_of(driver)
    first, second = looked(links, 0.0)
    assert (first["up"], first["peer"], second["up"], second["peer"]) == (1, "NVSwitch 0000:c1:00.0", 0, UNSUPPORTED)
    assert links.totals(1.0)["links_up"] == 1
    driver.up[1] = 1
    assert (looked(links, 10.0)[1]["up"], looked(links, 20.0)[1]["peer"]) == (1, "NVSwitch 0000:c2:00.0")
    assert links.totals(21.0)["links_up"] == 2


def test_errors_are_told_of_the_link_that_has_them() -> None:
    driver = Driver()
    links = links_of(driver)
    looked(links, 0.0)
    driver.errors[1][2] = 7
    assert [row["crc_errors"] for row in looked(links, 10.0)] == [0, 7]


def test_links_of_a_gpu_that_is_back_are_told_again() -> None:
    links = links_of(Driver())
    before = looked(links, 0.0)
    links.lose()
    assert all(joined(row)["up"] != 1 for row in links.cells.values())
    assert looked(links, 20.0) == before
    assert links.totals(26.0)["links_up"] == 2
