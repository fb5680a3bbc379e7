"""Ports and interfaces as links: counters that stop, ports that nobody uses, bonds, bytes of all RDMA drivers."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any

import pytest

from collectors.probe import ethernet, ib_text, infiniband
from collectors.probe.cells import FAILED_CODE, NOT_YET_CODE, UNSUPPORTED, Board, Missing, joined
from tests.support.worlds import FileWorld

IB = "/sys/class/infiniband/mlx5_0/"
PCI = "/sys/bus/pci/devices/0000:1a:00.0/"


class Node(FileWorld):
    """Files, and symbolic links."""

    def __init__(self, files: Mapping[str, str | OSError], links: Mapping[str, str]) -> None:
        super().__init__(files)
        self._links = links

    def readlink(self, path: str) -> str:
        if path not in self._links:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self._links[path]


def port(**files: str | OSError) -> dict[str, str | OSError]:
    kept = {"state": "4: ACTIVE", "phys_state": "5: LinkUp", "rate": "400 Gb/sec (4X NDR)", "link_layer": "InfiniBand"}
    counters = {"counters/port_rcv_data": "1000", "counters/port_xmit_data": "2000"}
    return {f"{IB}ports/1/{name}": text for name, text in {**kept, **counters, **files}.items()}


def links(world: FileWorld, sampler: Any = None) -> dict[str, dict[str, Any]]:
    reading = (sampler or infiniband.Sampler(world, Board())).sample()
    return {key: joined(row) for key, row in reading.cells["link"].items()}


def test_an_infiniband_port_in_full() -> None:
    files = port(
        **{
            "counters/symbol_error": "7",
            "counters/link_downed": "1",
            "counters/local_link_integrity_errors": "3",
            "counters/port_xmit_wait": "2489603687",
            "hw_counters/rnr_nak_retry_err": "5",
            "hw_counters/out_of_sequence": "6",
        }
    )
    link = links(FileWorld(files))["ib:mlx5_0/1"]
    assert set(link) <= set(infiniband.Sampler.metrics["link"])
    assert (link["speed"], link["width"], link["medium"], link["up"], link["phys"]) == (5e10, 4, "NDR", 1, "LinkUp")
    assert (link["ib.symbol_error"], link["ib.link_downed"], link["ib.local_integrity"]) == (7, 1, 3)
    assert (link["ib.xmit_wait"], link["rdma.rnr_nak_retry"], link["rdma.out_of_sequence"]) == (2489603687, 5, 6)
    assert link["roce.cnp"] is UNSUPPORTED and link["carrier_changes"] is UNSUPPORTED


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("symbol_error", 65535),
        ("link_downed", 255),
        ("excessive_buffer_overrun_errors", 15),
        ("port_xmit_wait", 2**32 - 1),
        ("port_rcv_data", 2**64 - 1),
    ],
)
def test_a_counter_at_its_end_tells_nothing_any_more(name: str, limit: int) -> None:
    stopped = ib_text.counter(name, str(limit))
    assert isinstance(stopped, Missing) and stopped.code == FAILED_CODE and str(limit) in stopped.note
    assert ib_text.counter(name, str(limit - 1)) == limit - 1
    assert ib_text.counter("rnr_nak_retry_err", str(limit)) == limit


@pytest.mark.parametrize(
    ("text", "speed", "width", "medium"),
    [
        ("400 Gb/sec (4X NDR)", 5e10, 4, "NDR"),
        ("10 Gb/sec (4X)", 1.25e9, 4, UNSUPPORTED),
        ("25 Gb/sec (1X EDR)", 3.125e9, 1, "EDR"),
        ("2.5 Gb/sec (1X SDR)", 312_500_000, 1, "SDR"),
        ("", Missing(UNSUPPORTED.code, ""), UNSUPPORTED, UNSUPPORTED),
    ],
)
def test_rates(text: str, speed: Any, width: Any, medium: Any) -> None:
    assert ib_text.rate(text) == {"speed": speed, "width": width, "medium": medium}


def test_why_a_port_is_down() -> None:
    for phys in ("2: Polling", "3: Disabled", "1: Sleep"):
        link = links(FileWorld(port(state="1: DOWN", phys_state=phys)))["ib:mlx5_0/1"]
        assert (link["up"], link["phys"]) == (0, phys.partition(": ")[2])


def test_a_roce_port_is_also_an_interface() -> None:
    files = {**port(link_layer="Ethernet"), f"{IB}device/net/ens1f0np0/carrier_changes": "7\n"}
    link = links(FileWorld(files))["ib:mlx5_0/1"]
    assert (link["kind"], link["medium"], link["width"], link["carrier_changes"]) == ("roce", "400GbE", UNSUPPORTED, 7)


@pytest.mark.parametrize("names", [("rx_bytes", "tx_bytes"), ("rx_rdma_ucast_bytes", "tx_rdma_ucast_bytes")])
def test_drivers_without_the_counters_of_the_standard_count_bytes(names: tuple[str, str]) -> None:
    """EFA, bnxt_re and ionic."""
    received, sent = (f"{IB}ports/1/hw_counters/{name}" for name in names)
    files = {path: text for path, text in port(link_layer="Unspecified").items() if "/counters/" not in path}
    world = FileWorld({**files, received: "1000", sent: "5000"})
    sampler = infiniband.Sampler(world, Board())
    assert links(world, sampler)["ib:mlx5_0/1"]["kind"] == "roce"
    world.files.update({received: "3000", sent: "6000"})
    world.at += 2
    link = links(world, sampler)["ib:mlx5_0/1"]
    assert (link["rx"], link["tx"]) == (1000, 500)


def test_a_counter_that_leaps_by_what_no_port_carries_gives_no_rate() -> None:
    world = FileWorld(port())
    sampler, received = infiniband.Sampler(world, Board()), f"{IB}ports/1/counters/port_rcv_data"
    rates = []
    for count in (1000, 12_000_001_000, 2**62, 1000, 12_000_001_000):
        world.files[received] = str(count)
        rates.append(links(world, sampler)["ib:mlx5_0/1"]["rx"])
        world.at += 1
    _, sound, leap, reset, after = rates
    assert sound == after == pytest.approx(48e9, rel=2e-3)  # words of four bytes, of a port of 50 GB/s
    assert (leap.code, reset.code) == (FAILED_CODE, NOT_YET_CODE) and "more than the port can carry" in leap.note


def test_the_slot_of_an_adapter_is_a_link_too() -> None:
    speeds = dict.fromkeys(("current_link_speed", "max_link_speed"), "32.0 GT/s PCIe")
    widths = {"current_link_width": "8", "max_link_width": "16"}
    files = {**port(), **{PCI + name: text for name, text in {**speeds, **widths}.items()}}
    world = Node(files, {IB + "device": "../../../0000:1a:00.0"})
    found = links(world)
    assert list(found) == ["ib:mlx5_0/1", "pcie:mlx5_0"]
    slot = found["pcie:mlx5_0"]
    assert (slot["name"], slot["kind"], slot["width"], slot["width_max"]) == ("mlx5_0 slot", "pcie", 8, 16)


def test_what_has_not_changed_is_the_very_same() -> None:
    world = FileWorld(port())
    sampler = infiniband.Sampler(world, Board())
    first = sampler.sample().cells["link"]["ib:mlx5_0/1"]
    world.at += 1
    second = sampler.sample().cells["link"]["ib:mlx5_0/1"]
    assert first[0] is second[0] and first[1] != second[1]


def test_a_port_that_goes_down_tells_all_of_it_at_once() -> None:
    """What is read every ten seconds else would still say LinkUp, and that it never went down."""
    world = FileWorld(port(**{"counters/link_downed": "0"}))
    sampler = infiniband.Sampler(world, Board())
    links(world, sampler)
    world.files.update(port(state="1: DOWN", phys_state="2: Polling", **{"counters/link_downed": "1"}))
    world.at += 1
    link = links(world, sampler)["ib:mlx5_0/1"]
    assert (link["up"], link["phys"], link["ib.link_downed"]) == (0, "Polling", 1)


NET_DEV = "Inter-|\n face |\n eth0: 1000 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"


def interface(**files: str) -> dict[str, str]:
    kept = {
        "type": "1",
        "operstate": "up",
        "speed": "100000",
        "device/vendor": "0x15b3",
        "carrier_changes": "3",
        **files,
    }
    return {"/proc/net/dev": NET_DEV, **{f"/sys/class/net/eth0/{name}": text + "\n" for name, text in kept.items()}}


def eth0(files: dict[str, str]) -> dict[str, Any]:
    world = FileWorld(files)
    return links(world, ethernet.Sampler(world, Board()))["eth:eth0"]


def test_an_interface_in_full() -> None:
    link = eth0(interface())
    assert set(link) <= set(ethernet.Sampler.metrics["link"])
    assert (link["medium"], link["carrier_changes"], link["phys"], link["up"]) == ("100GbE", 3, "up", 1)


@pytest.mark.parametrize(
    ("flags", "operstate", "phys"),
    [("0x1002", "down", "disabled"), ("0x1003", "down", "no carrier"), ("0x1003", "lowerlayerdown", "lowerlayerdown")],
)
def test_why_an_interface_is_down(flags: str, operstate: str, phys: str) -> None:
    link = eth0(interface(flags=flags, operstate=operstate, speed="-1"))
    assert (link["up"], link["phys"], link["medium"]) == (0, phys, UNSUPPORTED)


@pytest.mark.parametrize(
    ("active", "phys"), [("", "up, in bond0"), ("eth0", "up, in bond0"), ("eth1", "up, standby in bond0")]
)
def test_members_of_a_bond(active: str, phys: str) -> None:
    bond = {"bonding_masters": "bond0", "bond0/bonding/slaves": "eth0 eth1", "bond0/bonding/active_slave": active}
    files = {**interface(), **{f"/sys/class/net/{name}": text + "\n" for name, text in bond.items()}}
    assert eth0(files)["phys"] == phys
