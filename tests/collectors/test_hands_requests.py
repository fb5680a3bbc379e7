"""Requests over HTTP: sent once, told what came of them, and never a secret in a text."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from collectors.acting.hands import FleetHands, Places
from collectors.acting.http import Endpoint
from tests.support.loopback import QuietHandler, keeping, run
from tests.support.patience import until
from watchfloor.change import On, Place, Request
from watchfloor.errors import HandsError
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.model import NodeSpec
from watchfloor.ports import Transport
from watchfloor.systemclock import SystemClock

SECRET = "s3cr3t-of-the-hook"


class Hook:
    """What is told to it, and what it answers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, str], Any]] = []
        self.status = 200
        self.answer = b'{"id": 7}'
        self.headers: dict[str, str] = {}
        self.breaks = False  # after it has heard the request
        self.held = threading.Event()
        self.held.set()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.http.handle_error = lambda request, client_address: None  # who speaks TLS to it, or goes away
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        run(self.http)

    def _handler(self) -> type[QuietHandler]:
        hook = self

        class Handler(QuietHandler):
            def _any(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                data = self.rfile.read(size)
                hook.told.append((self.command, self.path, dict(self.headers), json.loads(data) if data else None))
                hook.held.wait()
                if hook.breaks:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.send_response(hook.status)
                for name, value in {**hook.headers, "Content-Length": str(len(hook.answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(hook.answer)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any

        return Handler


@pytest.fixture
def serve() -> Iterator[Callable[..., Hook]]:
    yield from keeping(Hook)


@pytest.fixture
def hook(serve: Callable[..., Hook]) -> Hook:
    return serve()


def _no_node(spec: NodeSpec) -> Transport:
    raise AssertionError(f"nobody asks for {spec.name}")


@pytest.fixture
async def hands_of(tmp_path: Path) -> AsyncIterator[Callable[..., FleetHands]]:
    made: list[FleetHands] = []

    def make(**places: Any) -> FleetHands:
        made.append(FleetHands(Places(**places), _no_node, SystemClock(), tmp_path / "notes"))
        return made[-1]

    yield make
    for hands in made:
        await hands.close()


@pytest.fixture
def hands(hook: Hook, tmp_path: Path, hands_of: Callable[..., FleetHands]) -> FleetHands:
    (tmp_path / "address").write_text(f"{hook.url}/hooks/{SECRET}\n")
    (tmp_path / "token").write_text(f"Bearer {SECRET}\n")
    endpoint = Endpoint(url_file=str(tmp_path / "address"), header_files={"Authorization": str(tmp_path / "token")})
    return hands_of(endpoints={"tickets": endpoint})


def ticket(path: str = "", body: dict[str, Any] | None = None, method: str = "POST", timeout: float = 60.0) -> Request:
    told = {"title": "n2: xid 79"} if body is None else body
    return Request(Place(On.HERE, "tickets"), method, path, told, timeout_seconds=timeout)


async def test_a_request_is_sent_with_its_key_and_told(hook: Hook, hands: FleetHands) -> None:
    done = await hands.do(ticket("/new?queue=gpu"), "run-1.0")
    assert (done.exit_code, done.stdout, done.operation) == (0, '{"id": 7}', "run-1.0")
    ((method, path, headers, body),) = hook.told
    assert (method, path, body) == ("POST", f"/hooks/{SECRET}/new?queue=gpu", {"title": "n2: xid 79"})
    assert headers["Idempotency-Key"] == "run-1.0" and headers["Authorization"] == f"Bearer {SECRET}"
    assert headers["Content-Type"] == "application/json"


async def test_it_is_sent_once_and_remembered_until_it_is_acknowledged(
    hook: Hook, hands: FleetHands, hands_of: Callable[..., FleetHands]
) -> None:
    assert await hands.recall(ticket(), "op") is None
    done = await hands.do(ticket(), "op")
    later = hands_of(endpoints={"tickets": Endpoint(hook.url)})
    assert await later.recall(ticket(), "op") == await later.do(ticket(), "op") == done
    assert len(hook.told) == 1
    with pytest.raises(HandsError, match="another deed"):
        await later.do(ticket(body={"title": "another"}), "op")
    await hands.acknowledge(ticket(), "op")
    assert len(hook.told) == 1


async def test_what_was_begun_by_a_console_that_died_is_not_sent_again(
    hook: Hook, hands: FleetHands, hands_of: Callable[..., FleetHands]
) -> None:
    hook.held.clear()
    doing = asyncio.create_task(hands.do(ticket(), "op"))
    await until(lambda: hook.told)
    await hands.close()
    hook.held.set()
    assert (await asyncio.gather(doing, return_exceptions=True))[0] is not None
    later = hands_of(endpoints={"tickets": Endpoint(hook.url)})
    for told in (await later.do(ticket(), "op"), await later.recall(ticket(), "op")):
        assert told is not None and told.exit_code is None
    assert len(hook.told) == 1


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [(201, 0, False), (302, 302, False), (403, 403, False), (429, 429, True), (503, 503, True)],
)
async def test_statuses(hook: Hook, hands: FleetHands, status: int, code: int, transient: bool) -> None:
    hook.status, hook.headers = status, {"Location": f"{hook.url}/elsewhere"}
    done = await hands.do(ticket(), "op")
    assert (done.exit_code, done.transient) == (code, transient) and len(hook.told) == 1


async def test_an_answer_that_never_comes_leaves_it_unknown(hook: Hook, hands: FleetHands) -> None:
    hook.breaks = True
    done = await hands.do(ticket(), "op")
    assert done.exit_code is None and "whether it arrived is not known" in done.stderr
    hook.breaks = False
    hook.held.clear()
    done = await hands.do(ticket(timeout=0.5), "op2")
    hook.held.set()
    assert done.exit_code is None and "out of time" in done.stderr
    assert len(hook.told) == 2 and SECRET not in repr(done)


async def test_where_nothing_listens_nothing_was_sent(hands_of: Callable[..., FleetHands]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    hands = hands_of(endpoints={"tickets": Endpoint(f"http://127.0.0.1:{port}/{SECRET}")})
    with pytest.raises(HandsError, match="tickets can't be reached: Connection refused") as caught:
        await hands.do(ticket(), "op")
    assert caught.value.transient and SECRET not in str(caught.value)
    assert await hands.recall(ticket(), "op") is None


async def test_a_certificate_that_nobody_signed_is_no_way(hook: Hook, hands_of: Callable[..., FleetHands]) -> None:
    hands = hands_of(endpoints={"tickets": Endpoint(hook.url.replace("http:", "https:"))})
    with pytest.raises(HandsError, match="tickets can't be reached"):
        await hands.do(ticket(), "op")
    assert not [entry for entry in hook.told if entry[0] == "POST"]


@pytest.mark.parametrize("path", ["@elsewhere.example/", "new", "/a b", "/a\r\nX: y", "/ü"])
async def test_a_path_leads_nowhere_else(hook: Hook, hands: FleetHands, path: str) -> None:
    with pytest.raises(HandsError, match="is no path of a request"):
        await hands.do(ticket(path), "op")
    assert not hook.told


async def test_secrets_that_are_not_there_are_named_by_their_place(hands_of: Callable[..., FleetHands]) -> None:
    endpoints = {
        "file": Endpoint(url_file="/nowhere/address"),
        "variable": Endpoint(url_env="NO_SUCH_VARIABLE"),
        "garbage": Endpoint(url="ftp://somewhere"),
    }
    hands = hands_of(endpoints=endpoints)
    for name, words in (("file", "/nowhere/address can't be read"), ("variable", "the variable NO_SUCH_VARIABLE"),
                        ("garbage", "its address is not http"), ("other", "no endpoint is named 'other'")):  # fmt: skip
        with pytest.raises(HandsError, match=words):
            await hands.do(Request(Place(On.HERE, name), "POST", ""), "op")


async def test_a_folder_of_notes_that_is_anybodys_stops_everything(
    hook: Hook, hands: FleetHands, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes").chmod(0o777)
    with pytest.raises(HandsError, match="what is sent can't be noted"):
        await hands.do(ticket(), "op")
    assert not hook.told


async def test_a_look_leaves_no_trace(hook: Hook, hands: FleetHands, tmp_path: Path) -> None:
    done = await hands.look(ticket("/7", {}, "GET"))
    assert done.ok and hook.told[0][3] is None and "Idempotency-Key" not in hook.told[0][2]
    assert not (tmp_path / "notes").exists()


# -- Kubernetes


@pytest.fixture
def cluster(hook: Hook, tmp_path: Path, hands_of: Callable[..., FleetHands]) -> FleetHands:
    told = {
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{"name": "c", "cluster": {"server": hook.url}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(told))
    options = {"kubeconfig": str(tmp_path / "kubeconfig"), "context": "lab"}
    return hands_of(sources=[JobSourceSpec("alpha", "kubernetes", options=options, timeout_seconds=20.0)])


def cordon(timeout: float = 60.0) -> Request:
    place = Place(On.SCHEDULER, "alpha")
    kind = "application/merge-patch+json"
    return Request(place, "PATCH", "/api/v1/nodes/n2", {"spec": {"unschedulable": True}}, kind, timeout)


async def test_kubernetes_is_told_with_the_credentials_of_its_source(hook: Hook, cluster: FleetHands) -> None:
    assert (await cluster.do(cordon(), "op")).exit_code == 0
    ((method, path, headers, body),) = hook.told
    assert (method, path, body) == ("PATCH", "/api/v1/nodes/n2", {"spec": {"unschedulable": True}})
    assert headers["Content-Type"] == "application/merge-patch+json" and headers["Idempotency-Key"] == "op"
    assert headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(("status", "transient"), [(403, False), (404, False), (409, True), (429, True)])
async def test_what_kubernetes_refuses_is_told(hook: Hook, cluster: FleetHands, status: int, transient: bool) -> None:
    hook.status, hook.answer = status, b'{"kind": "Status", "message": "disrupts too much"}'
    done = await cluster.do(cordon(), "op")
    assert (done.exit_code, done.transient) == (status, transient) and "disrupts too much" in done.stdout
    assert len(hook.told) == 1


async def test_a_kubernetes_that_points_elsewhere_is_not_followed(hook: Hook, cluster: FleetHands) -> None:
    hook.status, hook.headers = 307, {"Location": f"{hook.url}/elsewhere"}
    assert (await cluster.do(cordon(), "op")).exit_code == 307 and len(hook.told) == 1


async def test_a_token_that_ran_out_is_renewed_once(hook: Hook, cluster: FleetHands) -> None:
    hook.status = 401
    done = await cluster.do(cordon(), "op")
    assert done.exit_code == 401 and len(hook.told) == 2


async def test_a_kubernetes_that_breaks_off_leaves_it_unknown(hook: Hook, cluster: FleetHands) -> None:
    hook.breaks = True
    done = await cluster.do(cordon(), "op")
    assert done.exit_code is None and len(hook.told) == 1
    hook.breaks = False
    hook.held.clear()
    done = await cluster.do(cordon(timeout=0.5), "op2")
    hook.held.set()
    assert done.exit_code is None and "no answer" in done.stderr and SECRET not in repr(done)


async def test_a_kubernetes_that_is_not_there_was_told_nothing(hook: Hook, cluster: FleetHands) -> None:
    hook.http.shutdown()
    hook.http.server_close()
    with pytest.raises(HandsError, match="nothing listens there") as caught:
        await cluster.do(cordon(), "op")
    assert caught.value.transient and await cluster.recall(cordon(), "op") is None
