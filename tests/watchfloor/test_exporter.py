"""`watchfloor export`: what a scraper is given, and what it is told while there is nothing to give."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import loopback
from tests.support.frames import START, settled
from tests.support.parts import ROOT, program
from tests.support.patience import PATIENCE_SECONDS
from watchfloor.cli import run
from watchfloor.exits import Exit
from watchfloor.exporter import Newest, serve


class Served:
    """A server on a free port, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = START
        self.newest = Newest(lambda: self.now)
        self.server = serve(self.newest, "127.0.0.1", 0)
        loopback.run(self.server)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_address[1], timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


def test_the_newest_frame_is_served(served: Served) -> None:
    frame = settled()
    served.newest.take(frame)
    status, headers, body = served.get("/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    nodes = [line for line in body.decode().splitlines() if line.startswith("watchfloor_node_up{")]
    assert len(nodes) == len(frame.specs)


def test_a_scraper_that_takes_gzip_is_given_the_same(served: Served) -> None:
    served.newest.take(settled())
    _, headers, body = served.get("/metrics", Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == served.get("/metrics")[2]


def test_before_the_first_frame_nothing_is_made_up(served: Served) -> None:
    assert served.get("/metrics")[0] == 503
    assert served.get("/healthz")[::2] == (503, b"no frame yet\n")


def test_health_is_that_of_the_frames(served: Served) -> None:
    frame = settled()
    served.newest.take(frame)
    served.now = frame.at + 1
    assert served.get("/healthz")[::2] == (200, b"ok\n")
    served.now = frame.at + 90
    assert served.get("/healthz")[::2] == (503, b"the newest frame is 90 s old\n")


def test_there_is_no_other_path_and_no_other_method(served: Served) -> None:
    assert served.get("/")[0] == 404
    connection = http.client.HTTPConnection("127.0.0.1", served.server.server_address[1], timeout=PATIENCE_SECONDS)
    connection.request("POST", "/metrics", body=b"x")
    assert connection.getresponse().status == 501
    connection.close()


def test_promtool_finds_nothing_to_say(served: Served) -> None:
    served.newest.take(settled())
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "metrics"],
        input=served.get("/metrics")[2],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.parametrize("listen", ["9409", "127.0.0.1:", "127.0.0.1:99999", ":9409"])
def test_an_address_that_is_none(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--prometheus", "--listen", listen]) == Exit.USAGE
    assert "is no address" in capsys.readouterr().err


def test_a_port_that_is_taken_is_a_usage_error(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    port = served.server.server_address[1]
    assert run(["export", "--prometheus", "--listen", f"127.0.0.1:{port}"]) == Exit.USAGE
    assert "can't listen on" in capsys.readouterr().err


def test_this_machine_until_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "watchfloor", "export", "--prometheus", "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        port = int(address.removesuffix("/metrics").rpartition(":")[2])
        assert _first_scrape(port).startswith("# HELP watchfloor_build_info")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == Exit.INTERRUPTED


def _first_scrape(port: int) -> str:
    """The first text that the exporter has: until then each answer is 503, and the next request waits its turn."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    for _ in range(20_000):
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        body = response.read()
        if response.status == 200:
            connection.close()
            return body.decode()
    raise AssertionError("the exporter had no frame in 20,000 requests")


def test_a_client_that_goes_away_is_nothing_to_tell(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", served.server.server_address[1])) as client:
        client.sendall(b"GET /heal")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it resets the connection
    assert served.get("/healthz")[0] == 503
    served.close()  # once all threads are done
    assert capfd.readouterr().err == ""


def test_so_many_connections_and_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.server, "_free", threading.BoundedSemaphore(1))
    address = "127.0.0.1", served.server.server_address[1]
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as held:
        held.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held.recv(12) == b"HTTP/1.1 503"
        with socket.create_connection(address, timeout=PATIENCE_SECONDS) as another:
            assert another.recv(1) == b""
