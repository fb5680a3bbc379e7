"""A metrics server as a source: dcgm-exporter's fields, names of nodes, and every way in which the server can fail."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from collectors.probe import exposition
from collectors.sources import _dcgm
from collectors.sources._round import ask
from collectors.sources._told import NodeTold
from collectors.sources.prometheus import Finder, without_port
from tests.support.loopback import QuietHandler, keeping, run
from tests.support.parts import program
from tests.support.prometheus import all_heard, read_back, running_prometheus
from watchfloor.errors import ConnectError
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE
from watchfloor.model import MetricsSource, Missing, NodeSpec, Phase, Problem, Scope
from watchfloor.wiring import costs, diagnose

DCGM = Path(__file__).parent / "fixtures" / "services" / "dcgm.prom"


class Api:
    """A server that speaks the API over one page of series; `answer` overrides by path."""

    def __init__(self, page: str = "", age: float = 0.0) -> None:
        self.samples = exposition.parse(page).samples
        self.age = age
        self.status, self.body = 200, b""
        self.refused: dict[str, str] = {}  # series name -> error of its query
        self.seen: list[Mapping[str, str]] = []  # headers
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        run(self.http)

    @property
    def port(self) -> int:
        return self.http.server_address[1]

    def respond(self, path: str, asked: Mapping[str, list[str]]) -> tuple[int, bytes]:
        if self.body or self.status != 200:
            return self.status, self.body
        if path.endswith("/label/__name__/values"):
            return 200, json.dumps({"status": "success", "data": sorted({s.name for s in self.samples})}).encode()
        query = asked["query"][0]
        name = query.removeprefix("timestamp(").partition("{")[0]
        if name in self.refused:
            return 422, json.dumps({"status": "error", "error": self.refused[name]}).encode()
        now = time.time()
        stamp = str(now - self.age) if query.startswith("timestamp(") else None
        result = [
            {"metric": {"__name__": s.name, **s.labels}, "value": [now, stamp or str(s.value)]}
            for s in self.samples
            if s.name == name
        ]
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                api.seen.append(dict(self.headers.items()))
                parts = urlsplit(self.path)
                status, body = api.respond(parts.path, parse_qs(parts.query))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


@pytest.fixture
def api() -> Iterator[Callable[..., Api]]:
    yield from keeping(Api)


def spec(port: int, name: str = "gpu-07", **options: Any) -> NodeSpec:
    return NodeSpec(name, name, source=MetricsSource(f"http://127.0.0.1:{port}", period_seconds=1.0, **options))


async def read(*specs: NodeSpec) -> Frame:
    return await read_back(list(specs), all_heard)


def row(frame: Frame, key: str) -> dict[str, Any]:
    at = next(at for at in range(frame.accelerators.count) if frame.accelerators.keys[at] == key)
    cells = {name: frame.accelerators.cell(at, name) for name in CATALOGUE[Scope.ACCELERATOR]}
    return {name: cell.value for name, cell in cells.items() if cell.missing is Missing.NO}


# -- dcgm-exporter


async def test_a_node_of_dcgm_exporter_through_a_real_prometheus(tmp_path: Path) -> None:
    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(DCGM.read_bytes())

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    exporter = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    run(exporter)
    try:
        with running_prometheus(tmp_path, {"dcgm": exporter.server_address[1]}) as server:
            await asyncio.to_thread(server.wait_for, "DCGM_FI_DEV_GPU_TEMP", 2)
            frame = await read(spec(server.port, selector='job="dcgm"'))
    finally:
        exporter.shutdown()
        exporter.server_close()
    assert frame.statuses[0].phase is Phase.LIVE and frame.statuses[0].via == "prometheus"
    first = row(frame, "GPU-aaaa")
    assert {name: first[name] for name in ("name", "vendor", "model", "driver", "bus_id", "index", "job")} == {
        "name": "gpu0", "vendor": "NVIDIA", "model": "NVIDIA H100 80GB HBM3", "driver": "550.54.15",
        "bus_id": "0000:07:00.0", "index": 0, "job": "pod:ml/train-0,pod:ml/train-1",
    }  # fmt: skip
    assert (first["util"], first["tensor_active"], first["energy"], first["temp"]) == (97, 41, 1234.5, 64)
    assert (first["mem_used"], first["mem_total"]) == (40960 * 2**20, 81559 * 2**20)
    assert "temp_mem" not in first  # a blank
    part = row(frame, "GPU-bbbb/gi5")
    assert (part["partition_of"], part["profile"], part["name"]) == ("GPU-bbbb", "1g.10gb", "gpu1/gi5")
    assert frame.detail[0].samplers["prometheus"].state == "ok"


@pytest.mark.parametrize("kind", [0, 1, 2, 15])
@pytest.mark.parametrize("blank", [0x7FFFFFF0, 0x7FFFFFFFFFFFFFF0, 140737488355328])
def test_a_blank_of_dcgm_is_no_value(blank: int, kind: int, api: Callable[..., Api]) -> None:
    labels = 'gpu="0",UUID="GPU-a",Hostname="gpu-07"'
    server = api(f"DCGM_FI_DEV_GPU_TEMP{{{labels}}} {blank + kind}\nDCGM_FI_DEV_GPU_UTIL{{{labels}}} 7\n")
    source = spec(server.port).source
    assert source is not None
    row_of = ask(source).told["gpu-07"].row(Scope.ACCELERATOR, "GPU-a")
    assert row_of["util"] == 7.0 and "temp" not in row_of


@pytest.mark.parametrize("written", ["9.22337203685e+18", "9223372036854776000", "1.40737488355328e+14"])
def test_a_blank_of_dcgm_may_have_lost_digits(written: str) -> None:
    assert _dcgm._is_blank(float(written))


def test_every_line_of_the_table_is_of_the_catalogue() -> None:
    assert {line.metric for line in _dcgm.table()} <= set(CATALOGUE[Scope.ACCELERATOR])
    assert all(name.startswith("DCGM_FI_") for name in _dcgm.fields())


# -- what fails is told


async def status_of(node: NodeSpec) -> Any:
    return (await read(node)).statuses[0]


async def test_a_server_that_is_overloaded(api: Callable[..., Api]) -> None:
    server = api()
    server.status, server.body = 503, b'{"status":"error","error":"query queue is full"}'
    status = await status_of(spec(server.port))
    assert (status.phase, status.problem) == (Phase.BACKOFF, Problem.UNREACHABLE)
    assert "503 Service Unavailable: query queue is full" in status.text and status.retry_at > 0


async def test_a_server_that_wants_to_know_who_asks(api: Callable[..., Api], tmp_path: Path) -> None:
    server = api()
    server.status, server.body = 401, b"who are you"
    (tmp_path / "token").write_text("s3cret\n")
    status = await status_of(spec(server.port, token_file=str(tmp_path / "token")))
    assert status.problem is Problem.AUTHENTICATION and "401" in status.text and "s3cret" not in repr(status)
    assert server.seen[0]["Authorization"] == "Bearer s3cret"


async def test_a_token_that_is_not_there(api: Callable[..., Api], tmp_path: Path) -> None:
    server = api()
    status = await status_of(spec(server.port, token_file=str(tmp_path / "none")))
    assert status.problem is Problem.AUTHENTICATION and "none can't be read" in status.text and server.seen == []


async def test_nothing_listens() -> None:
    assert (await status_of(spec(1))).problem is Problem.REFUSED


async def test_a_page_instead_of_the_api(api: Callable[..., Api]) -> None:
    server = api()
    server.body = b"<html>Grafana</html>"
    assert (await status_of(spec(server.port))).problem is Problem.GARBAGE


async def test_a_selector_that_the_server_does_not_understand(tmp_path: Path) -> None:
    with running_prometheus(tmp_path, {}) as server:
        status = await status_of(spec(server.port, selector="job=dcgm"))
    assert status.problem is Problem.GARBAGE and "parse error" in status.text and "selector" in status.advice


async def test_a_node_of_which_nothing_is_known(api: Callable[..., Api]) -> None:
    status = await status_of(spec(api(DCGM.read_text()).port, name="gpu-99"))
    assert status.problem is Problem.NO_SERIES and "none of them is gpu-99" in status.text and "gpu-07" in status.advice


async def test_samples_that_are_old(api: Callable[..., Api]) -> None:
    frame = await read(spec(api(DCGM.read_text(), age=200.0).port))
    assert frame.statuses[0].phase is Phase.STALE and "200 s old" in frame.statuses[0].text
    assert not frame.live[0] and 199 < float(frame.nodes.cell(0, "age").value or 0) < 210


async def test_samples_within_their_time_are_current(api: Callable[..., Api]) -> None:
    frame = await read(spec(api(DCGM.read_text(), age=60.0).port))
    assert frame.live[0] and 59 < float(frame.nodes.cell(0, "age").value or 0) < 70


async def test_one_query_that_fails_costs_its_metric(api: Callable[..., Api]) -> None:
    server = api(DCGM.read_text())
    server.refused["DCGM_FI_DEV_GPU_TEMP"] = "query processing would load too many samples"
    frame = await read(spec(server.port))
    sampler = frame.detail[0].samplers["prometheus"]
    assert frame.live[0] and sampler.state == "failed"
    assert sampler.text == "DCGM_FI_DEV_GPU_TEMP: query processing would load too many samples"
    found = row(frame, "GPU-aaaa")
    assert found["util"] == 97 and "temp" not in found


async def test_a_server_that_never_answers_is_given_up(api: Callable[..., Api]) -> None:
    server, hold = api(), threading.Event()
    server.respond = lambda path, asked: (hold.wait(20), (200, b"{}"))[1]  # type: ignore[method-assign]
    status = await status_of(spec(server.port, timeout_seconds=0.3))
    hold.set()
    assert status.problem is Problem.HUNG and "within 0.3 s" in status.text


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key, and a certificate that it signed itself."""
    key, signed = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", signed, "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, signed


def dripping(listener: socket.socket, start: bytes, over: threading.Event) -> None:
    """Answer the first client with a start, and then a byte at a time, so that no single wait is long."""
    with suppress(OSError):
        client = listener.accept()[0]
        with client:
            client.recv(65_536)
            client.sendall(start)
            while not over.wait(0.05):
                client.sendall(b" ")


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_server_that_drips_its_answer_is_given_up(start: bytes) -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=dripping, args=(listener, start, over), daemon=True).start()
        source = MetricsSource(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_seconds=0.3)
        with pytest.raises(ConnectError, match=r"no answer within 0\.3 s"):
            ask(source)
    over.set()


def test_a_value_that_is_no_number_costs_its_metric(api: Callable[..., Api]) -> None:
    server = api('watchfloor_node_up{node="a"} 1\nwatchfloor_node_cpu_ratio{node="a"} 0.5\n')
    server.samples[1].value = "wrong"
    asked = ask(MetricsSource(f"http://127.0.0.1:{server.port}"))
    assert asked.failed == {"watchfloor_node_cpu_ratio": "a value that is no number"}
    assert asked.told["a"].up


def test_words_of_a_server_move_no_cursor(api: Callable[..., Api]) -> None:
    server = api()
    server.status, server.body = 503, json.dumps({"error": "\x1b[2Jgone"}).encode()
    with pytest.raises(ConnectError) as raised:
        ask(MetricsSource(f"http://127.0.0.1:{server.port}"))
    assert raised.value.message.endswith("503 Service Unavailable: [2Jgone")


async def test_a_certificate_is_verified(api: Callable[..., Api], tmp_path: Path) -> None:
    key, signed = certificate(tmp_path)
    server = api(DCGM.read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    url = f"https://127.0.0.1:{server.port}"
    strange = NodeSpec("gpu-07", source=MetricsSource(url, period_seconds=1.0))
    assert "certificate is not trusted" in (await status_of(strange)).text
    known = NodeSpec("gpu-07", source=MetricsSource(url, period_seconds=1.0, ca_file=str(signed)))
    assert (await status_of(known)).phase is Phase.LIVE


# -- names


@pytest.mark.parametrize(
    ("values", "name", "match", "found"),
    [
        (["gpu-07"], "gpu-07", "", "gpu-07"),
        (["gpu-07:9400"], "gpu-07", "", "gpu-07:9400"),
        (["gpu-07.lab.example:9400"], "gpu-07", "", "gpu-07.lab.example:9400"),
        (["gpu-07.a:9400", "gpu-07.b:9400"], "gpu-07", "", None),
        (["gpu-07", "gpu-07:9400"], "gpu-07", "", "gpu-07"),
        (["10.0.0.7:9400"], "gpu-07", "", None),
        (["gpu-07.lab:9400"], "gpu-07", "{name}.lab:9400", "gpu-07.lab:9400"),
        (["gpu-07:9400"], "gpu-07", "{name}.lab:9400", None),
        (["[fd00::7]:9400"], "fd00::7", "", "[fd00::7]:9400"),
    ],
)
def test_how_nodes_are_called(values: list[str], name: str, match: str, found: str | None) -> None:
    told = {value: NodeTold() for value in values}
    assert Finder(told).find(NodeSpec(name, name), match) is (told[found] if found else None)


@pytest.mark.parametrize(
    ("value", "host"), [("a:1", "a"), ("a", "a"), ("fd00::7", "fd00::7"), ("[fd00::7]:1", "fd00::7")]
)
def test_ports_go(value: str, host: str) -> None:
    assert without_port(value) == host


# -- doctor


async def test_the_doctor_asks_the_server_once(api: Callable[..., Api]) -> None:
    server = api(DCGM.read_text(), age=20.0)
    both = [spec(server.port), spec(server.port, name="gpu-99")]
    found = {node.name: [(check.name, str(check.state)) for check in checks] for node, checks in await diagnose(both)}
    assert found == {
        "gpu-07": [("server", "ok"), ("series", "ok"), ("age", "ok")],
        "gpu-99": [("server", "ok"), ("series", "failed"), ("age", "skipped")],
    }
    [(_, (refused, *rest))] = await diagnose([spec(1)])
    assert (str(refused.state), [str(check.state) for check in rest]) == ("failed", ["skipped", "skipped"])
    assert (await costs(both))[0][1:] == ([], "a metrics server tells of it: nothing of ours runs there")
