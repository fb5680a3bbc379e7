"""Saved logs and outputs about links: kernel, fabric manager, InfiniBand and RDMA tools, LLDP, lspci, files of /sys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors import captures
from collectors.captures import Capture, Refused
from collectors.probe.cells import Absent
from collectors.probe.fabric_manager import Sampler
from collectors.probe.logs import LogFile
from tests.support.golden import same_as_golden
from tests.support.parts import samples
from tests.support.shown import shown
from tests.support.worlds import FileWorld

_HERE = Path(__file__).parent
_FIXTURES = _HERE / "fixtures"


def read(name: str, text: str = "") -> Capture:
    return captures.read(name, text.encode() or (_FIXTURES / name).read_bytes())


@pytest.mark.parametrize("name", ["ibnetdiscover.txt", "ibnetdiscover-p.txt", "iblinkinfo.txt"])
def test_the_neighbours_of_every_adapter_of_a_fabric(name: str) -> None:
    """infiniband-diags 44 on a simulated fabric of three switches."""
    capture = read(name)
    assert capture.tool == name.partition("-")[0].removesuffix(".txt")
    same_as_golden(_HERE / "golden" / f"links-{name}", shown(capture.cells))


def test_a_fabric_without_adapters_is_refused() -> None:
    with pytest.raises(Refused, match="no adapter"):
        read("x", "#\n# Topology file: generated on Mon Nov 23 00:03:28 2026\n#\n")


def test_the_fabric_managers_log() -> None:
    capture = read("fabricmanager.log")
    assert [(row.name, row.version) for row in capture.stack] == [("fabric manager", "550.90.07")]
    told = [(event.kind, event.code, event.severity, event.device, event.facts.get("link")) for event in capture.events]
    assert told == [
        ("sxid", 12028, "warning", "0000:86:00.0", "61"),
        ("sxid", 20034, "critical", "0000:86:00.0", "30"),
        ("fabric", -1, "warning", "", None),
    ]


class Node(FileWorld):
    def __init__(self, log: Path) -> None:
        super().__init__({})
        self._log = log

    def follow(self, path: str) -> LogFile:
        assert path == "/var/log/fabricmanager.log"
        return LogFile(str(self._log))


def test_the_fabric_managers_log_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "fabricmanager.log"
    text = (_FIXTURES / "fabricmanager.log").read_text()
    log.write_text(text)
    sampler = Sampler(Node(log), None)
    first = sampler.sample().events
    assert [event["kind"] for event in first] == ["sxid", "sxid", "fabric"]
    assert all(event["id"].startswith("fabricmanager:") for event in first)
    assert sampler.sample().events == []
    log.rename(tmp_path / "fabricmanager.log.1")
    log.write_text(text.replace("12028", "12029"))
    assert sampler.sample().events == []  # whoever writes the old one may not have been told yet
    assert [event.get("code") for event in sampler.sample().events] == [12029, 20034, None]


def test_most_nodes_have_no_fabric_manager(tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"fabricmanager\.log: No such file"):
        Sampler(Node(tmp_path / "none"), None).sample()


def test_a_kernel_log_in_plain_lines() -> None:
    text = (_FIXTURES / "kernel-lines.txt").read_text()
    capture = read("kernel-lines.txt", text)
    assert len(capture.events) > 70 and capture.notes
    assert {"xid", "sxid", "ecc", "reset", "hang", "link-down"} <= {event.kind for event in capture.events}


@pytest.mark.parametrize(
    "line",
    [
        "4,901,100500000,-;NVRM: Xid (PCI:0000:05:00): 13, Graphics Exception\n DEVICE=+pci:0000:05:00.0",
        "[  100.500000] NVRM: Xid (PCI:0000:05:00): 13, Graphics Exception",
        "kern  :warn  : 2025-01-21T04:41:44,285060+00:00 NVRM: Xid (PCI:0000:05:00): 13, Graphics Exception",
    ],
)
def test_a_kernel_log_is_known_by_its_marks(line: str) -> None:
    (event,) = read("saved", line + "\n").events
    assert (event.code, event.device) == (13, "0000:05:00.0") and event.at > 0


def test_a_quiet_kernel_log_is_refused_as_one() -> None:
    with pytest.raises(Refused, match="a kernel log of 1 lines"):
        read("dmesg.txt", "[  100.500000] systemd[1]: Started Session 12 of User alice.\n")


def test_what_rdma_prints() -> None:
    up = "link mlx5_0/1 state ACTIVE physical_state LINK_UP netdev e1\n"
    text = up + "link mlx5_1/1 state DOWN physical_state SLEEP \n"
    assert read("rdma.txt", text).cells["link"] == {
        "ib:mlx5_0/1": {"name": "mlx5_0/1", "up": 1, "phys": "LINK_UP", "kind": "roce"},
        "ib:mlx5_1/1": {"name": "mlx5_1/1", "up": 0, "phys": "SLEEP"},
    }
    rows = [{"ifname": "mlx5_0", "port": 1, "out_of_sequence": 7, "rx_write_requests": 5}]
    assert read("rdma.json", json.dumps(rows)).cells["link"]["ib:mlx5_0/1"]["rdma.out_of_sequence"] == 7


def test_what_lspci_prints() -> None:
    text = """05:00.0 Ethernet controller [0200]: Mellanox Technologies MT2910 Family [ConnectX-7] [15b3:1021]
0000:06:00.0 3D controller [0302]: NVIDIA Corporation GA102GL [A10] [10de:2236] (rev a1)
c1:00.0 Processing accelerators [1200]: Advanced Micro Devices [AMD/ATI] Aqua Vanjaram [Instinct MI300X] [1002:74a1]
00:02.0 VGA compatible controller [0300]: Intel Corporation UHD Graphics 630 [8086:3e92]
"""
    capture = read("lspci.txt", text)
    boards = capture.cells["accelerator"]
    assert {key: board["vendor"] for key, board in boards.items()} == {"0000:06:00.0": "nvidia", "0000:c1:00.0": "amd"}
    assert capture.notes == ("adapter: Mellanox Technologies MT2910 Family [ConnectX-7]",)
    with pytest.raises(Refused, match="1 devices, none"):
        read("lspci.txt", text.splitlines()[0])


def test_what_lldpctl_prints() -> None:
    told = {
        "chassis": {"tor-1": {"id": {"type": "mac", "value": "4"}}},
        "port": {"id": {"type": "ifname", "value": "p1"}},
    }
    capture = read("lldp.json", json.dumps({"lldp": {"interface": {"ens1": told}}}))
    assert capture.cells["link"] == {"eth:ens1": {"name": "ens1", "peer": "tor-1 p1", "switch": "tor-1"}}


@pytest.mark.parametrize(
    "text", ['{"lldp": [1]}', '{"lldp": {"interface": {"e1": 7}}}', '{"lldp": {"interface": [[]]}}']
)
def test_lldp_in_no_known_shape_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="no neighbour"):
        read("lldp.json", text)


_PORT = "/sys/bus/pci/devices/0000:ba:00.0/infiniband/mlx5_8/ports/1/"


def test_files_of_sys_as_one_object() -> None:
    files = {
        _PORT + "state": "4: ACTIVE\n",
        _PORT + "rate": "200 Gb/sec (4X HDR)\n",
        _PORT + "link_layer": "InfiniBand\n",
        "/sys/bus/pci/devices/0000:ba:00.0/infiniband/mlx5_8/fw_ver": "20.31.2354\n",
        "/sys/class/pci_bus/0000:ba/device/0000:ba:00.0/current_link_speed": "16 GT/s\n",
        "/sys/class/pci_bus/0000:ba/device/0000:ba:00.0/current_link_width": "16\n",
    }
    capture = read("sys.json", json.dumps(files))
    port, slot = capture.cells["link"]["ib:mlx5_8/1"], capture.cells["link"]["pcie:mlx5_8"]
    assert (port["up"], port["speed"], port["medium"]) == (1, 25_000_000_000, "HDR")
    assert (slot["gen"], slot["width"]) == (4, 16)
    assert [(row.subject, row.version) for row in capture.stack] == [("mlx5_8", "20.31.2354")]
    with pytest.raises(Refused, match="no ports in"):
        read("sys.json", '{"/sys/x": "1"}')


@pytest.mark.parametrize(
    ("file", "text", "cells"),
    [
        ("ports/1/state", "4: ACTIVE", {"up": 1}),
        ("ports/1/counters/symbol_error", "7", {"ib.symbol_error": 7}),
        ("ports/1/hw_counters/out_of_sequence", "0", {"rdma.out_of_sequence": 0}),
        ("ports/1/link_layer", "Ethernet", {"name": "mlx5_0/1", "kind": "roce"}),
    ],
)
def test_one_file_of_a_port(file: str, text: str, cells: dict[str, object]) -> None:
    assert read(f"node/infiniband/mlx5_0/{file}", text + "\n").cells["link"] == {"ib:mlx5_0/1": cells}


def test_a_counter_that_has_stopped_says_so_in_a_saved_file() -> None:
    link = read("infiniband/mlx5_0/ports/1/counters/link_downed", "255\n").cells["link"]["ib:mlx5_0/1"]
    assert "stopped at 255" in link["ib.link_downed"].note


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("ports/1/counters/port_rcv_data", "a rate takes two"),
        ("ports/1/counters/VL15_dropped", "no column"),
        ("board_id", "no column"),
    ],
)
def test_what_has_no_place_in_the_vocabulary(file: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read(f"node/infiniband/mlx5_0/{file}", "12\n")


def test_every_line_of_the_sample_logs_that_tells_something_is_an_event() -> None:
    counts = {}
    for file in sorted(samples("kernel-log").iterdir()):
        try:
            counts[file.name] = len(captures.read(str(file), file.read_bytes()).events)
        except Refused:
            counts[file.name] = 0
    assert counts == {
        "dmesg-iso-nccl-segfault.log": 2,
        "dmesg-xid-119.log": 6,
        "gpud-xid-lines.txt": 26,
        "kmsg-nvswitch.log": 0,
    }
