"""The simulator's ground for every vendor: PCI, device files, programs, streams, sockets, who is linked with whom."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from collectors.probe import pci, pcie
from collectors.simulator import links
from collectors.simulator.floor import NodePlan, plan_floor
from collectors.simulator.hardware import SHAPES, Shape
from collectors.simulator.machine import Machine
from collectors.simulator.process_files import device_nodes
from collectors.simulator.streams import Stream, connected
from collectors.simulator.tools import Tool, found, tools
from collectors.simulator.topology import other_end, peer
from collectors.simulator.world import SimulatedWorld

_FLOOR = plan_floor(32, seed=1)
_IDS = {"nvidia": 0x10DE, "amd": 0x1002, "google": 0x1AE0, "aws": 0x1D0F, "habana": 0x1DA3, "intel": 0x8086}
_WITH_BOARDS = [shape for shape in SHAPES.values() if shape.board]


def node_of(shape: str) -> NodePlan:
    return next(plan for plan in _FLOOR.nodes if plan.shape.name == shape)


def world_of(shape: str, t: float = 100.0) -> SimulatedWorld:
    return SimulatedWorld(Machine(_FLOOR, node_of(shape), []), lambda: t, 1_700_000_000.0)


def test_a_demo_of_32_nodes_has_every_vendor() -> None:
    assert {plan.shape.vendor for plan in _FLOOR.nodes} == {*_IDS, ""}


@pytest.mark.parametrize("shape", _WITH_BOARDS, ids=lambda shape: shape.name)
def test_its_boards_are_on_the_pci_bus(shape: Shape) -> None:
    world = world_of(shape.name)
    boards = [device for device in world.pci() if device.vendor == _IDS[shape.vendor] and device.kind != 0x0604]
    assert [device.address for device in boards] == [shape.address(index) for index in range(shape.boards)]
    cells = pcie.link_cells(world, boards[-1].address)
    assert (cells["width"], cells["gen_max"]) == (16, shape.board.pcie_gen if shape.board else 0)
    assert world.exists(pci.ROOT + cells["peer"])


@pytest.mark.parametrize("shape", _WITH_BOARDS, ids=lambda shape: shape.name)
def test_links_within_a_node_have_two_ends(shape: Shape) -> None:
    assert shape.board is not None
    ends = [(board, peer(shape, board, link)) for board in range(shape.boards) for link in range(shape.board.links)]
    inner = [(board, other) for board, other in ends if other is not None]
    assert sorted(inner) == sorted((other, board) for board, other in inner)
    for end in [(board, link) for board in range(shape.boards) for link in range(shape.board.links)]:
        far = other_end(shape, *end)
        assert far is None or other_end(shape, *far) == end
    assert all(board != other for board, other in inner)


@pytest.mark.parametrize(("shape", "inner"), [("mi300x", 7), ("gaudi3", 21), ("trn2", 4), ("tpu", 2), ("h100", 0)])
def test_how_many_links_of_a_board_stay_within_its_node(shape: str, inner: int) -> None:
    board = SHAPES[shape].board
    assert board is not None
    assert sum(peer(SHAPES[shape], 0, link) is not None for link in range(board.links)) == inner


def test_neighbours_in_the_torus_of_trainium_are_those_of_neuron_ls() -> None:
    assert sorted(peer(SHAPES["trn2"], 0, link) or 0 for link in range(4)) == [1, 3, 4, 12]


def test_a_job_holds_its_board_through_the_device_file() -> None:
    world = world_of("tpu")
    job = world._machine.at(100).boards[2].job
    assert job is not None
    pid = job.pid(world._machine.plan.index, 2)
    opened = [world.readlink(f"/proc/{pid}/fd/{name}") for name in world.listdir(f"/proc/{pid}/fd")]
    assert device_nodes("google", 2)[0] in opened


@pytest.mark.parametrize("path", ["/proc/1/fd/99", "/proc/999999/fd/0", "/sys/bus/pci/devices/0000:ff:00.0"])
def test_links_that_are_not_there_are_not_found(path: str) -> None:
    with pytest.raises(FileNotFoundError):
        world_of("tpu").readlink(path)


def test_a_program_that_a_node_has_not_is_not_found() -> None:
    world = world_of("login")
    assert world.which("amd-smi") is None
    with pytest.raises(FileNotFoundError):
        world.run(["amd-smi", "version"], 1.0)
    with pytest.raises(FileNotFoundError):
        world.start(["neuron-monitor"])
    with pytest.raises(ConnectionRefusedError):
        world.connect(9, 1.0)


def test_every_tool_is_on_some_shape_and_does_something() -> None:
    for tool in found():
        plan = next(plan for plan in _FLOOR.nodes if tool.on(plan.shape))
        assert tool.program or tool.port or tool.files(Machine(_FLOOR, plan, []))
    assert tools(SHAPES["login"]) == [tool for tool in found() if tool.on(SHAPES["login"])]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def test_a_stream_gives_its_lines_at_their_times() -> None:
    clock, texts = Time(), iter(["one\n\ntwo\n", "three\n"])
    stream = Stream(lambda: next(texts), 5.0, clock, clock.sleep)
    assert stream.line(2.0) == ""
    assert [stream.line(9.0) for _ in range(3)] == ["one", "two", "three"]
    assert clock.at == 10.0
    stream.close()
    with pytest.raises(EOFError):
        stream.line(1.0)


def _echo(present: Callable[[], Machine], connection: socket.socket) -> None:
    name = present().plan.name.encode()
    while said := connection.recv(100):
        connection.sendall(name + b" " + said)


def test_a_service_speaks_until_its_other_end_closes() -> None:
    machine = Machine(_FLOOR, node_of("tpu"), []).at(100)
    tool = Tool(lambda shape: True, "", None, None, 1.0, 8431, lambda m, host: _echo, lambda m: {}, lambda m: {})
    with connected([tool], lambda: machine, 8431, 5.0, "127.0.0.1") as near:
        near.sendall(b"hello")
        assert near.recv(100) == b"tpu-01 hello"
    silent = Tool(lambda shape: True, "", None, None, 1.0, 8431, lambda m, host: None, tool.files, tool.links)
    with pytest.raises(ConnectionRefusedError):
        connected([silent], lambda: machine, 8431, 5.0, "127.0.0.1")


def test_a_link_that_is_down_carries_nothing_and_its_neighbours_do() -> None:
    machine = Machine(_FLOOR, node_of("mi300x"), []).at(100)
    machine.faults.links_down.add((2, 3))
    assert not links.is_up(machine, 2, 3)
    assert links.rate(machine, 2, 3) == 0 < links.rate(machine, 2, 4)
    assert links.transferred(machine, 2, 4) * 7 == pytest.approx(machine.now(machine.boards[2].link_bytes))
    assert links.errors(machine, 2, 3) == 0
