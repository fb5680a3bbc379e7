"""Who is at the other end: what lldpctl and smpquery print, asked a port at a time."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from collectors.probe import neighbour_text
from collectors.probe.cells import FAILED_CODE, NOT_PERMITTED_CODE, NOT_YET_CODE, UNSUPPORTED, Absent, Missing
from collectors.probe.neighbours import Sampler
from tests.support.worlds import FileWorld

# infiniband-diags 44 on a simulated fabric
NODEDESC = "Node Description:.........................leaf-a1\n"
NODEINFO = """# Node info: DR path slid 65535; dlid 65535; 0,1
BaseVers:........................1
NodeType:........................Switch
NumPorts:........................8
Guid:............................0x0000000000200000
LocalPort:.......................3
"""
PORTINFO = """# Port info: DR path slid 65535; dlid 65535; 0 port 1
LinkWidthEnabled:................4X
LinkWidthSupported:..............1X or 4X or 2X
LinkSpeedSupported:..............2.5 Gbps or 5.0 Gbps or 10.0 Gbps
LinkSpeedExtSupported:...........14.0625 Gbps or 25.78125 Gbps or 53.125 Gbps
LinkSpeedExtSupported2:..........106.25 Gbps
"""
OLD_PORTINFO = """LinkWidthSupported:..............1X or 4X
LinkSpeedSupported:..............2.5 Gbps or 5.0 Gbps or 10.0 Gbps
LinkSpeedExtSupported:...........0
"""
LLDP0 = {
    "lldp": [
        {
            "interface": [
                {
                    "name": "ens1",
                    "chassis": [{"id": [{"type": "mac", "value": "44:38"}], "name": [{"value": "tor-1"}]}],
                    "port": [{"id": [{"type": "ifname", "value": "Ethernet1/1"}], "descr": [{"value": "to gpu-1"}]}],
                },
                {
                    "name": "ens2",
                    "chassis": [{"id": [{"type": "mac", "value": "44:39"}]}],
                    "port": [{"id": [{"type": "mac", "value": "44:40"}], "descr": [{"value": "swp7"}]}],
                },
            ]
        }
    ]
}

Answer = Callable[[list[str]], tuple[int, str, str]]


class Node(FileWorld):
    """Two InfiniBand ports, of which one is down, and the programs that the test installs."""

    def __init__(self, **programs: Answer) -> None:
        files = {}
        for device, state in (("mlx5_0", "4: ACTIVE"), ("mlx5_1", "1: DOWN"), ("mlx5_2", "4: ACTIVE")):
            root = f"/sys/class/infiniband/{device}/ports/1"
            files.update({f"{root}/state": state, f"{root}/link_layer": "InfiniBand"})
        super().__init__(files)
        self.programs, self.asked = programs, []

    def which(self, program: str) -> str | None:
        return f"/usr/sbin/{program}" if program in self.programs else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        self.asked.append(argv[1:])
        return self.programs[argv[0].rpartition("/")[2]](argv)


def smpquery(argv: list[str]) -> tuple[int, str, str]:
    _, _, device, _, port, _, question, *path = argv
    assert device in ("mlx5_0", "mlx5_2") and port == "1"
    answers = {
        ("nodedesc", "0,1"): NODEDESC,
        ("nodeinfo", "0,1"): NODEINFO,
        ("portinfo", "0", "1"): PORTINFO,
        ("portinfo", "0,1", "3"): PORTINFO,
    }
    return 0, answers[(question, *path)], ""


def test_ports_that_are_up_are_asked_one_a_sample() -> None:
    node = Node(smpquery=smpquery)
    sampler = Sampler(node, None)
    first = sampler.sample().cells["link"]
    assert set(first) == {"ib:mlx5_0/1", "ib:mlx5_2/1"}
    assert {reason.code for reason in first["ib:mlx5_2/1"].values()} == {NOT_YET_CODE}
    assert first["ib:mlx5_0/1"] == {
        "peer": "leaf-a1 port 3", "switch": "leaf-a1", "speed_max": 50_000_000_000, "width_max": 4,
    }  # fmt: skip
    second = sampler.sample().cells["link"]
    assert second["ib:mlx5_2/1"] == first["ib:mlx5_0/1"]
    asked = len(node.asked)
    assert sampler.sample().cells["link"] is second and len(node.asked) == asked


@pytest.mark.parametrize(
    ("words", "code"),
    [("ibwarn: can't open UMAD port: Permission denied", NOT_PERMITTED_CODE), ("operation timed out", FAILED_CODE)],
)
def test_why_there_is_no_neighbour(words: str, code: int) -> None:
    cells = Sampler(Node(smpquery=lambda argv: (1, "", f"x\n{words}\n")), None).sample().cells["link"]["ib:mlx5_0/1"]
    assert set(cells.values()) == {Missing(code, f"smpquery: {words}")}


def test_lldp_names_switches_of_interfaces() -> None:
    node = Node(lldpctl=lambda argv: (0, json.dumps(LLDP0), ""))
    assert Sampler(node, None).sample().cells["link"] == {
        "eth:ens1": {"peer": "tor-1 Ethernet1/1", "switch": "tor-1"},
        "eth:ens2": {"peer": "44:39 swp7", "switch": "44:39"},
    }


def test_a_daemon_that_does_not_run_is_no_failure() -> None:
    node = Node(lldpctl=lambda argv: (1, "", "unable to connect to socket /run/lldpd.socket"))
    with pytest.raises(Absent, match="unable to connect"):
        Sampler(node, None).sample()
    with pytest.raises(Absent, match="neither lldpctl nor smpquery"):
        Sampler(Node(), None).sample()


def test_lldp_of_one_interface_in_short_json() -> None:
    told = {
        "chassis": {"tor-1": {"id": {"type": "mac", "value": "4"}}},
        "port": {"id": {"type": "ifname", "value": "p1"}},
    }
    for interface in ({"ens1": told}, [{"ens1": told}]):
        answer = json.dumps({"lldp": {"interface": interface}})
        assert neighbour_text.lldp(answer) == {"ens1": {"peer": "tor-1 p1", "switch": "tor-1"}}
    assert neighbour_text.lldp('{"lldp": {}}') == {}


@pytest.mark.parametrize(
    ("description", "name"),
    [("MF0;leaf-a1:MQM9700/U1", "leaf-a1"), ("Quantum Mellanox Technologies", "Quantum Mellanox Technologies")],
)
def test_names_of_switches(description: str, name: str) -> None:
    assert neighbour_text.node_name(description) == name


def test_the_best_is_what_both_ends_can() -> None:
    ends = [neighbour_text.supported(text) for text in (PORTINFO, OLD_PORTINFO)]
    assert neighbour_text.best(ends) == {"width_max": 4, "speed_max": 5_000_000_000}
    assert neighbour_text.best([(0, 0), ends[0]]) == {"width_max": UNSUPPORTED, "speed_max": UNSUPPORTED}
