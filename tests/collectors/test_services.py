"""Inference servers: found on the node, asked over real HTTP, and their metrics of either generation understood."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from collectors.probe import service_pages
from collectors.probe.cells import LOST_CODE, UNSUPPORTED, Absent, Board, Missing, Reading
from collectors.probe.exposition import parse
from collectors.probe.listening import answers, asked, listed, listening, told
from collectors.probe.service_ports import own_address, server_of
from collectors.probe.services import Sampler
from collectors.probe.world import World
from tests.support.loopback import QuietHandler, keeping, run
from tests.support.worlds import FileWorld

FIXTURES = Path(__file__).parent / "fixtures" / "services"
_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.0.3.0/24 2 0 2
        |-- 10.0.3.17
           /32 host LOCAL
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
"""


def page(name: str) -> str:
    return (FIXTURES / name).read_text("utf-8")


class Server:
    """A real HTTP server on a free port; `page` is what its /metrics says, `asked` every path that was asked for."""

    def __init__(self, text: str, chunked: bool = False, status: int = 200) -> None:
        self.page, self.status, self.chunked = text, status, chunked
        self.asked: list[str] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self.http.server_address[1]
        run(self.http)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                server.asked.append(f"{self.command} {self.path}")
                body = server.page.encode()
                self.send_response(server.status)
                if server.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for part in (body[:7], body[7:]):
                        self.wfile.write(b"%x;ext=1\r\n%s\r\n" % (len(part), part))
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

        return Handler


@pytest.fixture
def serving() -> Iterator[Callable[..., Server]]:
    yield from keeping(Server)


class ServingNode(FileWorld):
    """A node whose ports lead to servers of the test: {(host, port): real port}."""

    def __init__(self) -> None:
        super().__init__({})
        self.ports: dict[tuple[str, int], int] = {}

    def listen(self, *ports: int, folder: str = "/proc/net/", address: str = "00000000") -> None:
        lines = [
            f"   {n}: {address}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
            f"{7000 + port} 1 0000000000000000 100 0 0 10 0\n"
            for n, port in enumerate(ports)
        ]
        self.files[f"{folder}tcp"] = _HEAD + "".join(lines)

    def process(self, pid: int, command: str, parent: int = 1) -> None:
        self.files[f"/proc/{pid}/cmdline"] = command.replace(" ", "\0") + "\0"
        self.files[f"/proc/{pid}/stat"] = f"{pid} (a) b) S {parent} 1 1 0\n"

    def connect(self, port: int, timeout_seconds: float, host: str = "127.0.0.1") -> Any:
        if (host, port) not in self.ports:
            raise ConnectionRefusedError(111, "Connection refused")
        return super().connect(self.ports[host, port], timeout_seconds)


def held_by(*pids: int) -> Board:
    board = Board()
    board.holders = {"nvidia": {"GPU-1": [(pid, 0, "compute") for pid in pids]}}
    return board


def only(reading: Reading) -> tuple[str, dict[str, Any]]:
    rows = reading.cells["service"]
    assert len(rows) == 1
    return next(iter(rows.items()))


# -- found


def test_vllm_is_found_by_the_command_of_an_ancestor(serving: Callable[..., Server]) -> None:
    server, node = serving(page("vllm-0.26.prom")), ServingNode()
    node.process(4711, "/opt/venv/bin/python /opt/venv/bin/vllm serve Qwen/Qwen3-32B --port 8123")
    node.process(4800, "VLLM::EngineCore", parent=4711)
    node.listen(22, 8123)
    node.ports["127.0.0.1", 8123] = server.port
    key, row = only(Sampler(node, held_by(4800)).sample())
    assert (key, row["up"], row["model"], row["running"]) == ("vllm:8123", 1, "Qwen/Qwen3-32B", 9)
    assert row["endpoint"] == "http://127.0.0.1:8123/metrics"
    assert server.asked == ["GET /metrics"]


def test_a_server_in_a_container_is_reached_at_its_own_address(serving: Callable[..., Server]) -> None:
    server, node = serving(page("vllm-0.6.prom"), chunked=True), ServingNode()
    node.process(900, "python3 -m vllm.entrypoints.openai.api_server --model m")
    node.listen(22)
    node.listen(8000, folder="/proc/900/net/")
    node.files["/proc/900/net/fib_trie"] = _TRIE
    node.ports["10.0.3.17", 8000] = server.port
    key, row = only(Sampler(node, held_by(900)).sample())
    assert (key, row["kv_cache"]) == ("vllm:10.0.3.17:8000", 41.27)


def test_what_listens_on_a_usual_port_and_is_something_else_is_asked_once(serving: Callable[..., Server]) -> None:
    server, node = serving("hello", status=404), ServingNode()
    node.listen(8000)
    node.ports["127.0.0.1", 8000] = server.port
    sampler = Sampler(node, Board())
    for _ in range(3):
        with pytest.raises(Absent):
            sampler.sample()
    assert server.asked == ["GET /metrics"]


def test_a_node_that_serves_nothing_is_absent() -> None:
    node = ServingNode()
    node.listen(22, 9100)
    with pytest.raises(Absent, match="8000"):
        Sampler(node, Board())


def test_triton_and_a_second_server_side_by_side(serving: Callable[..., Server]) -> None:
    triton, vllm, node = serving(page("triton.prom")), serving(page("vllm-0.6.prom")), ServingNode()
    node.process(50, "tritonserver --model-repository=/models --metrics-port=9002")
    node.process(51, "vllm serve m")
    node.listen(8000, 8001, 9002)
    node.ports = {("127.0.0.1", 9002): triton.port, ("127.0.0.1", 8000): vllm.port}
    rows = Sampler(node, held_by(50, 51)).sample().cells["service"]
    assert {key: row["up"] for key, row in rows.items()} == {"triton:9002": 1, "vllm:8000": 1}


def test_a_server_that_is_gone_stays_for_a_while_and_says_so(serving: Callable[..., Server]) -> None:
    server, node = serving(page("vllm-0.6.prom")), ServingNode()
    node.listen(8000)
    node.ports["127.0.0.1", 8000] = server.port
    sampler = Sampler(node, Board())
    sampler.sample()
    node.listen(22)
    node.at += 10
    _, row = only(sampler.sample())
    assert row["model"] == "mistralai/Mixtral-8x7B"
    assert row["up"] == row["running"] == Missing(LOST_CODE, "nothing listens there any more")
    node.at += 700
    with pytest.raises(Absent):
        sampler.sample()


def test_a_server_without_metrics_is_up_and_tells_nothing(serving: Callable[..., Server]) -> None:
    server, node = serving("not found", status=404), ServingNode()
    node.process(9, "python -m sglang.launch_server --model-path m --port 30000")
    node.listen(30000)
    node.ports["127.0.0.1", 30000] = server.port
    key, row = only(Sampler(node, held_by(9)).sample())
    assert (key, row["up"]) == ("sglang:30000", 1) and "are its metrics on?" in row["running"].note


def test_what_refuses_is_down_with_the_reason() -> None:
    node = ServingNode()
    node.process(9, "vllm serve m")
    node.listen(8000)
    _, row = only(Sampler(node, held_by(9)).sample())
    assert row["up"] == 0 and row["token_rate"].note == "Connection refused"


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("vllm serve m", ("vllm", 8000)),
        ("/usr/bin/python3 -m vllm.entrypoints.openai.api_server --port=8080", ("vllm", 8080)),
        ("VLLM::EngineCore_DP0", ("vllm", 8000)),
        ("/opt/tritonserver/bin/tritonserver --model-store /m", ("triton", 8002)),
        ("python3 -m sglang.launch_server --port 31000", ("sglang", 31000)),
        ("text-generation-router --port 80", ("tgi", 80)),
        ("vllm serve m --port zero", None),
        ("vllm bench serve", None),
        ("python train.py --vllm", None),
        ("", None),
    ],
)
def test_commands_of_servers(command: str, server: tuple[str, int] | None) -> None:
    assert server_of(command.split(" ")) == server


def test_sockets_that_listen() -> None:
    four = _HEAD + (
        "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 11 1\n"
        "   1: 0100007F:1F41 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0  0 12 1\n"
    )
    six = _HEAD + (
        "   0: 00000000000000000000000000000000:1F42 00000000000000000000000000000000:0000 0A 0:0 00:0 0  0  0 13 1\n"
        "   1: 00000000000000000000000001000000:1F43 00000000000000000000000000000000:0000 0A 0:0 00:0 0  0  0 14 1\n"
        "   2: 0000000000000000FFFF00000503000A:1F44 00000000000000000000000000000000:0000 0A 0:0 00:0 0  0  0 15 1\n"
    )
    assert listed(four) == {8000: ("127.0.0.1", "11")}
    assert listed(six) == {8002: ("127.0.0.1", "13"), 8004: ("10.0.3.5", "15")}
    assert own_address(_TRIE) == "10.0.3.17" and own_address("") == ""


def test_the_kernel_and_its_tables_say_the_same_of_what_listens_here() -> None:
    with socket.socket() as four, socket.socket(socket.AF_INET6) as six, socket.socket() as idle:
        four.bind(("127.0.0.1", 0))
        six.bind(("::ffff:127.0.0.1", 0))
        idle.bind(("127.0.0.1", 0))
        four.listen()
        six.listen()
        tables = {**listed(Path("/proc/net/tcp6").read_text()), **listed(Path("/proc/net/tcp").read_text())}
        said = told(asked())
        ports = [one.getsockname()[1] for one in (four, six)]
        assert [said[port] for port in ports] == [tables[port] for port in ports]
        assert all(said[port][0] == "127.0.0.1" for port in ports)
        assert {os.fstat(one.fileno()).st_ino for one in (four, six)} == {int(said[port][1]) for port in ports}
        assert idle.getsockname()[1] not in said
        assert listening(World())[ports[0]] == said[ports[0]]


@pytest.mark.parametrize(
    ("files", "asked_for"),
    [
        ({"/sys/module/tcp_diag/refcnt": "1"}, True),
        ({"/lib/modules/6.1.0/modules.builtin": "kernel/net/ipv4/tcp_diag.ko\n"}, True),
        ({"/lib/modules/6.1.0/modules.builtin": "kernel/net/ipv4/tunnel4.ko\n"}, False),
        ({"/proc/config.gz": gzip.compress(b"CONFIG_INET_TCP_DIAG=y\n").decode("latin-1")}, True),
        ({"/proc/config.gz": gzip.compress(b"CONFIG_INET_TCP_DIAG=m\n").decode("latin-1")}, False),
        ({"/proc/config.gz": "torn"}, False),
        ({}, False),
    ],
)
def test_no_module_is_loaded_into_the_kernel_to_ask_it(
    files: dict[str, str], asked_for: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = FileWorld(files)
    monkeypatch.setattr(world, "uname", lambda: SimpleNamespace(release="6.1.0"))
    assert answers(world) is asked_for


def test_where_the_kernel_does_not_answer_its_tables_are_read() -> None:
    world = FileWorld({"/proc/net/tcp": _HEAD + "   0: 0100007F:1F40 00000000:0000 0A 0:0 00:0 0  0  0 11 1\n"})
    assert listening(world) == {8000: ("127.0.0.1", "11")}


# -- understood


def read(text: str, later: str, seconds: float = 20.0) -> dict[str, Any]:
    """The row of a page, `seconds` after another one."""
    window, first, second = service_pages.Window(), parse(text), parse(later)
    kind = service_pages.kind_of(first)
    service_pages.row(first, kind, window, 100.0)
    return service_pages.row(second, kind, window, 100.0 + seconds)


def test_the_older_generation_of_vllm() -> None:
    before = page("vllm-0.6.prom")
    later = (
        before.replace("generation_tokens_total{model_name=\"mistralai/Mixtral-8x7B\"} 12000.0",
                       "generation_tokens_total{model_name=\"mistralai/Mixtral-8x7B\"} 14000.0")
        .replace("first_token_seconds_sum{model_name=\"mistralai/Mixtral-8x7B\"} 20.0",
                 "first_token_seconds_sum{model_name=\"mistralai/Mixtral-8x7B\"} 22.5")
        .replace("first_token_seconds_count{model_name=\"mistralai/Mixtral-8x7B\"} 100.0",
                 "first_token_seconds_count{model_name=\"mistralai/Mixtral-8x7B\"} 110.0")
    )  # fmt: skip
    row = read(before, later)
    assert (row["running"], row["waiting"], row["kv_cache"]) == (7, 2, 41.27)
    assert (row["token_rate"], row["prompt_rate"], row["first_token"]) == (100.0, 0.0, 0.25)
    assert (row["requests"], row["preemptions"], row["failures"]) == (98, 3, UNSUPPORTED)
    assert row["per_token"].note == "nothing of the kind in the last half minute"
    assert row["queue_time"] is UNSUPPORTED


def test_engines_of_the_newer_generation_add_up_but_for_ratios() -> None:
    text = page("vllm-0.26.prom")
    row = read(text, text.replace("} 5980.0", "} 5982.0").replace("} 299000.0", "} 299100.0"))
    assert (row["running"], row["waiting"], row["kv_cache"]) == (9, 3, 87.5)
    assert (row["requests"], row["failures"], row["preemptions"]) == (1740, 5, 3)
    assert row["per_token"] == 0.02


def test_triton_in_microseconds_and_without_its_quantiles() -> None:
    text = page("triton.prom")
    later = (
        text.replace('success{model="resnet50",version="1"} 1000', 'success{model="resnet50",version="1"} 1100')
        .replace("} 20000000", "} 25000000")
        .replace('queue_duration_us{model="bert",version="2"} 15', 'queue_duration_us{model="bert",version="2"} 17')
        .replace("} 37", "} 41").replace("} 10771", "} 11171")
    )  # fmt: skip
    row = read(text, later)
    assert (row["waiting"], row["requests"], row["failures"], row["running"]) == (7, 1600, 7, UNSUPPORTED)
    assert (row["request_rate"], row["latency"], row["queue_time"], row["first_token"]) == (5.0, 0.05, 0.002, 0.1)
    assert service_pages.models(parse(text), "triton") == "bert,resnet50"


def test_a_restarted_server_begins_anew() -> None:
    text = page("vllm-0.6.prom")
    row = read(text, text.replace("} 12000.0", "} 5.0"))
    assert "takes two" in row["token_rate"].note and "takes two" in row["latency"].note


def test_the_window_is_half_a_minute() -> None:
    window = service_pages.Window()
    bases = [window.since(at, {"a": at}) for at in (0.0, 10.0, 20.0, 30.0, 40.0, 50.0)]
    assert [base and base[0] for base in bases] == [None, 0.0, 0.0, 0.0, 10.0, 20.0]


def test_a_page_without_samples_is_known_by_its_families() -> None:
    assert service_pages.kind_of(parse("# TYPE vllm:num_requests_running gauge\n")) == "vllm"
    assert service_pages.kind_of(parse("# TYPE node_load1 gauge\nnode_load1 1\n")) == ""


def test_every_metric_of_the_table_is_of_the_catalogue() -> None:
    assert set(service_pages.METRICS) <= set(Sampler.metrics["service"])
    told = SimpleNamespace(samples=[], kinds={"tgi_queue_size": "gauge"})
    assert set(service_pages.row(told, "tgi", service_pages.Window(), 1.0)) == set(service_pages.METRICS)
