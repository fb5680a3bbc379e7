"""XIDs whose registers or places tell more: 74 on Hopper, 144 to 150 on Blackwell, 13 and 31 that come again."""

from __future__ import annotations

import pytest

from tests.support.boards import Boards
from watchfloor import checks
from watchfloor.checks import _nvlink
from watchfloor.model import Finding, Scope, State
from watchfloor.report import Event, Report
from watchfloor.xidlist import WORDS, Weight

COLUMNS = ["name", "model", "util", "xid", "job"]


class Node(Boards):
    """Two nodes of four boards of one model, and what their kernels tell."""

    def __init__(self, model: str = "NVIDIA H100 80GB HBM3") -> None:
        keys = [f"g{at}" for at in range(4)]
        super().__init__(2, {Scope.ACCELERATOR: (keys, COLUMNS)})
        row = {"model": model, "util": 90, "xid": 0, "job": "slurm:7"}
        for node in range(2):
            self.say({key: {**row, "name": f"gpu{key[1:]}"} for key in keys}, node)

    def xid(
        self, code: int, board: int = 0, node: int = 0, ago: float = 0.0, severity: str = "warning", **facts: str
    ) -> None:
        text = f"text of {code} {sorted(facts.items())}"
        said = Event(self.now - ago, "kernel", "xid", text, f"g{board}", code, severity, facts=facts)
        self.fleet.report(node, Report(1, 1, self.now, events=[said]), self.now)

    def nvlink(self, first: int, *more: int, link: str = "7", ago: float = 0.0) -> None:
        """XID 74 with these registers."""
        registers = [first, *more, *[0] * (6 - len(more))]
        self.xid(74, ago=ago, link=link, registers=", ".join(map(hex, registers)))

    def blackwell(self, code: int, unit: str, intr_info: int, status: int, severity: str = "warning") -> None:
        self.xid(code, severity=severity, unit=unit, link="01", registers=f"0x{intr_info:08x} 0x{status:08x} 0x0 0x0")

    def found(self) -> list[Finding]:
        return [one for one in checks.run(self.frame()) if one.code.startswith("xid")]

    def only(self) -> Finding:
        (finding,) = self.found()
        return finding


# -- 74


@pytest.mark.parametrize(
    ("registers", "state", "words"),
    [
        ((1 << 16,), State.CRITICAL, "register 1 of link 7 says a fault of the hardware: check the link's connections"),
        ((1 << 4,), State.CRITICAL, "reset the GPU; register 1 of link 7 says an ECC or parity error of the hardware"),
        ((0, 0, 1 << 13), State.CRITICAL, "register 3 of link 7 says an error that production must not see: contact"),
        ((0, 0, 0, 1 << 18), State.CRITICAL, "register 4 of link 7 says an error that follows from another and needs"),
        ((0, 0, 0, 0, 1 << 20), State.WARNING, "nvidia: go on; many corrected ECC errors, and none uncorrected"),
        ((1 << 21,), State.CRITICAL, "says a marginal signal: check the link's connections"),
        ((0, 0, 0, 0, 0, 0, 1), State.CRITICAL, "nvidia: drain it, reset the GPU, check its links"),
    ],
)
def test_registers_of_a_link_say_what_is_to_be_done(registers: tuple[int, ...], state: State, words: str) -> None:
    node = Node()
    node.nvlink(*registers)
    assert node.only().state is state
    assert words in node.only().text


def test_bits_without_weight_are_not_told() -> None:
    node = Node()
    node.nvlink(1 << 0 | 1 << 30)
    assert node.found() == []


def test_parity_errors_count_from_the_third_on_one_link() -> None:
    node = Node()
    node.nvlink(1 << 5, ago=900)
    node.nvlink(1 << 5, ago=600, link="8")
    node.nvlink(1 << 5, ago=300)
    assert "contact support" not in node.only().text
    node.nvlink(1 << 5)
    assert "register 1 of link 7 says an ECC or parity error of the hardware, 3 times" in node.only().text
    assert "contact support" in node.only().text


def test_what_follows_from_another_is_folded_into_it_and_else_stands_alone() -> None:
    node = Node()
    node.nvlink(1 << 20)
    assert "an error that follows from another: contact support" in node.only().text
    node.xid(79, board=2)
    assert str(node.only().subject) == "n0/g2"
    assert "XID 74 on 1 board" in dict(node.only().evidence)["followed by"]


def test_registers_of_other_generations_are_not_read() -> None:
    node = Node("NVIDIA A100-SXM4-80GB")
    node.nvlink(1)
    assert "nvidia: drain it, reset the GPU, check its links" in node.only().text


# -- 144 to 150


@pytest.mark.parametrize(
    ("code", "unit", "intr_info", "status", "state", "words"),
    [
        # as seen on a GB200: bits 25 to 20 are 100001
        (149, "NETIR_LINK_EVT", 0x021425C6, 0, State.CRITICAL, "reset the GPU, then look at the device at the other"),
        (149, "NETIR_LINK_DOWN", 0x00400011, 0, State.CRITICAL, "reset the GPU, then check the signal of the link"),
        (149, "NETIR_LINK_DOWN", 0x02600011, 0, None, ""),
        (149, "NETIR_BER_EVENT", 0x00000013, 2, None, ""),
        (145, "RLW_REMAP", 0x00000004, 0x1, State.WARNING, "do what XID 154 asks for; without one, restart"),
        (145, "RLW_REMAP", 0x00000004, 0x40, State.CRITICAL, "reset the GPU, then contact support"),
        (145, "RLW_REMAP", 0x00000004, 0x140, State.CRITICAL, "reset the GPU, then contact support"),
        (145, "RLW_RXPIPE", 0x00000006, 0x1, None, ""),
        (145, "RLW_RXPIPE", 0x00000086, 0x1, State.CRITICAL, "reset the GPU"),
        (145, "RLW_RXPIPE", 0x000000C2, 0x1, None, ""),
        (145, "RLW_RXPIPE", 0x000004C2, 0x1, State.CRITICAL, "reset the GPU"),
        (149, "NETIR_MFDE_EVENT", 0x00000014, 3, None, ""),
        (146, "TLW_RX_PIPE1", 0x0000000B, 4, State.CRITICAL, "reset the GPU, then contact support"),
        (144, "SOMETHING_NEW", 0x00000001, 4, State.WARNING, "where the driver calls the error fatal"),
    ],
)
def test_nvlink5_errors_are_decoded(
    code: int, unit: str, intr_info: int, status: int, state: State | None, words: str
) -> None:
    node = Node("NVIDIA GB200")
    node.blackwell(code, unit, intr_info, status)
    assert [one.state for one in node.found()] == ([state] if state else [])
    assert all(words in one.text for one in node.found())


def test_the_worst_of_several_decides() -> None:
    node = Node("NVIDIA GB200")
    node.blackwell(145, "RLW_REMAP", 0x4, 0x40)
    node.blackwell(145, "RLW_REMAP", 0x4, 0x100)
    assert node.only().state is State.CRITICAL


def test_the_tables_name_actions_that_are_known() -> None:
    rules = _nvlink._nvlink5()
    assert len(rules) == 83
    assert {rule.action for rule in rules} | {rule.then for rule in rules} <= set(WORDS)
    assert {bits.when for bits in _nvlink._xid74()} == {"never", "always", "solo", "again", "repeated"}
    assert WORDS["XID_154_EVAL"][0] is Weight.ATTENTION


# -- 13 and 31


def test_an_engine_fault_of_the_same_unit_speaks_of_the_board_and_elsewhere_of_the_program() -> None:
    node = Node()
    node.xid(13, gpc="2", tpc="3", sm="0", ago=1200)
    assert node.only().text.endswith("restart the application")
    node.xid(13, gpc="4", tpc="1", sm="0", ago=600)
    assert "elsewhere on the chip each time: check the application" in node.only().text
    node.xid(13, gpc="2", tpc="3", sm="1")
    assert "2 times within a day in GPC 2, TPC 3: run the vendor's diagnostics" in node.only().text


def test_one_burst_of_engine_faults_is_once() -> None:
    node = Node()
    for sm in range(4):
        node.xid(13, gpc="2", tpc="3", sm=str(sm), ago=4 - sm)
    assert "diagnostics" not in node.only().text


def test_memory_faults_on_several_boards_of_a_job_speak_of_the_program() -> None:
    node = Node()
    node.xid(31, board=1)
    node.xid(31, board=2, node=1)
    texts = [one.text for one in node.found()]
    assert len(texts) == 2
    assert all("; on 2 boards: check the application" in text for text in texts)


# -- what takes another back


def test_power_smoothing_that_is_back_takes_back_its_loss() -> None:
    node = Node("NVIDIA GB200")
    node.xid(163, ago=60)
    assert [one.code for one in node.found()] == ["xid-application"]
    node.xid(162)
    assert node.found() == []
    node.now += 10
    node.xid(163)
    assert "XID 163" in node.only().text
