"""Models of a Triton server are loaded and unloaded, asked over a real socket by the program that runs on the node."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer

import pytest

from agents.action import CannotPrepare, Scene
from agents.actions._triton import state_of
from tests.support.acting import LocalHands, Machine, frame_of, prepared, scene_of, seen
from tests.support.loopback import QuietHandler, keeping, run
from watchfloor.change import Effect, Risk, Seen, Target
from watchfloor.model import Scope


class Triton:
    """A model repository, as far as its extension of the protocol goes."""

    def __init__(self) -> None:
        self.models = {"llm": "UNAVAILABLE", "ranker": "READY"}
        self.asked: list[str] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self.http.server_address[1]
        run(self.http)

    def _handler(self) -> type[QuietHandler]:
        triton = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                triton.asked.append(self.path)
                status, body = triton.answer(self.path)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        return Handler

    def answer(self, path: str) -> tuple[int, object]:
        if path.endswith("/index"):
            return 200, [{"name": name, "version": "1", "state": state} for name, state in self.models.items()]
        name, word = path.split("/")[-2:]
        if name not in self.models:
            return 400, {"error": f"failed to load '{name}', no version is available"}
        self.models[name] = "READY" if word == "load" else "UNAVAILABLE"
        return 200, {}


@pytest.fixture
def serve() -> Iterator[Callable[[], Triton]]:
    yield from keeping(Triton)


@pytest.fixture
def triton(serve: Callable[[], Triton]) -> Triton:
    return serve()


def scene(kind: str = "triton", endpoint: str = "http://127.0.0.1:8002/metrics") -> Scene:
    service = {"name": "triton:8002", "kind": kind, "endpoint": endpoint, "up": 1.0}
    return scene_of(frame_of([Machine("n1", services={"triton:8002": service})]))


SERVER = Target(Scope.SERVICE, "n1", "triton:8002")


async def test_a_model_is_loaded_once_and_unloaded(triton: Triton) -> None:
    hands = LocalHands()
    action, step = prepared(scene(), "load_model", SERVER, model="llm", port=triton.port)
    assert (step.risk, step.summary) == (Risk.REVERSIBLE, "load llm at n1/triton:8002")
    assert (await seen(action, step, hands)).effect is Effect.NONE
    (done,) = await action.apply(step, hands, "run.s1")
    assert done.ok, done
    assert (await seen(action, step, hands)).effect is Effect.TOOK
    (again,) = await action.apply(step, hands, "run.s1")
    assert again.ok and triton.asked.count("/v2/repository/models/llm/load") == 1
    (refused,) = await action.apply(step, hands, "run2.s1")
    assert "llm is served already" in refused.stderr

    action, step = prepared(scene(), "unload_model", SERVER, model="llm", port=triton.port)
    assert (await seen(action, step, hands)).effect is Effect.NONE
    (done,) = await action.apply(step, hands, "run3.s1")
    assert done.ok and (await seen(action, step, hands)).effect is Effect.TOOK
    (refused,) = await action.apply(step, hands, "run4.s1")
    assert "llm is UNAVAILABLE, and not served" in refused.stderr


async def test_what_a_server_refuses_is_told(triton: Triton) -> None:
    action, step = prepared(scene(), "load_model", SERVER, model="nonsense", port=triton.port)
    (done,) = await action.apply(step, LocalHands(), "run.s1")
    assert not done.ok and "HTTP 400" in done.stderr and "no version is available" in done.stderr
    assert (await seen(action, step, LocalHands())).effect is Effect.NONE


async def test_a_server_that_is_gone_leaves_it_open(triton: Triton) -> None:
    action, step = prepared(scene(), "load_model", SERVER, model="llm", port=1)
    assert (await seen(action, step, LocalHands())).effect is Effect.UNKNOWN
    (refused,) = await action.apply(step, LocalHands(), "run.s1")
    assert "nothing was done" in refused.stderr


def test_only_triton_has_a_repository() -> None:
    with pytest.raises(CannotPrepare, match="is no Triton server"):
        prepared(scene("vllm"), "load_model", SERVER, model="llm")
    with pytest.raises(CannotPrepare, match="is no Triton server"):
        prepared(scene(), "load_model", Target(Scope.SERVICE, "n1", "other"), model="llm")
    for model in ("../x", "a b", "x?y"):
        with pytest.raises(CannotPrepare, match="is no name of a model"):
            prepared(scene(), "load_model", SERVER, model=model)


def test_the_index_is_read() -> None:
    told = json.dumps(
        [{"name": "m", "version": "1", "state": "UNAVAILABLE"}, {"name": "m", "state": "READY"}, {"name": "x"}]
    )
    assert (state_of(told, "m"), state_of(told, "x"), state_of(told, "y")) == ("READY", "UNAVAILABLE", "")
    for wrong in ("", "{}", "[1]", '"x"'):
        assert isinstance(state_of(wrong, "m"), Seen) or state_of(wrong, "m") == ""
