"""A tool or service that fails: its sampler counts as failed, so that there is a finding, and keeps what it knows."""

from __future__ import annotations

import socket
import threading

from collectors.probe import tpu
from collectors.probe.cells import FAILED_CODE, NOT_YET, TIMED_OUT, UNSUPPORTED, Board, Missing, Reading, trouble
from collectors.probe.runner import Runner
from collectors.probe.world import World
from tests.support.tpu_host import TpuHost

_CELLS = {"accelerator": {"a": {"uuid": "a", "temp": Missing(FAILED_CODE, "hl-smi: no answer")}}}


class Troubled:
    period, deadline = 1.0, 5.0
    metrics = {"accelerator": ("uuid", "temp")}  # noqa: RUF012
    owns, lasting = ("accelerator",), ("uuid",)
    awaited, follows_holders = False, False

    def __init__(self, world: World, board: Board) -> None:
        pass

    def sample(self) -> Reading:
        return Reading(_CELLS, trouble="hl-smi: no answer to --password plantedSecret " * 1000)


def test_a_sampler_in_trouble_has_failed_and_keeps_what_it_tells() -> None:
    runner = Runner("gaudi", Troubled, World(), Board(), lambda _: None)
    runner.begin(0.0, 1.0)
    runner.run("1")
    assert runner.collect() and runner.state == "failed"
    assert runner.text.startswith("hl-smi: no answer to --password *** hl-smi") and len(runner.text) <= 1000
    assert "plantedSecret" not in runner.text
    assert runner.reading is not None and runner.reading.cells is _CELLS


def test_what_is_trouble_and_what_is_none() -> None:
    assert trouble(Missing(FAILED_CODE, "status 3")) == "status 3"
    assert [trouble(told) for told in ({}, UNSUPPORTED, NOT_YET, TIMED_OUT)] == ["", "", "", ""]


def test_what_listens_in_place_of_the_runtime_of_a_tpu_is_trouble_and_nobody_is_none() -> None:
    host = TpuHost(["0000:00:04.0"], 0x006F)
    sampler = tpu.Sampler(host, Board())
    assert sampler.sample().trouble == ""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host.port = server.getsockname()[1]
        host.at += 5  # when it looks for runtimes anew
        answering = threading.Thread(target=_answer, args=(server,))
        answering.start()
        assert "speaks no HTTP/2" in sampler.sample().trouble
        answering.join()


def _answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
