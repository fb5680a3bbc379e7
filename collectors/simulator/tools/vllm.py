"""vLLM in the pods of inference jobs: sockets in a network of their own, and /metrics as of 0.26.

Everything it counts follows from the time alone: requests come in waves, as the boards' load does.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterator, Mapping

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.work import WARM_UP_SECONDS, Job

PORT = 8000
_SSH = 22
_MODEL = "mistralai/Mixtral-8x22B-Instruct-v0.1"
_REQUESTS_A_SECOND = 3.2  # of one board under full load
_AT_ONCE = 28  # requests of one board under full load
_PROMPT_TOKENS, _TOKENS = 870, 215  # of a request
_FIRST_TOKEN, _PER_TOKEN, _QUEUED = 0.19, 0.021, 0.012  # seconds
_MEAN, _SWING = 0.55, 0.3  # of the load, as in work.Job
_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
_REQUEST_BYTES = 4096


def on(shape: Shape) -> bool:
    return shape.boards > 0


def files(machine: Machine) -> Mapping[str, Callable[[], str]]:
    return {"/proc/net/tcp": lambda: _sockets(_SSH, 0)}


def passing(machine: Machine) -> Mapping[str, str]:
    """The sockets and addresses of each pod's network, as its processes see them."""
    found = {}
    for index, job in _served(machine):
        folder = f"/proc/{job.pid(machine.plan.index, index)}/net"
        found[f"{folder}/tcp"] = _sockets(PORT, job.id)
        found[f"{folder}/fib_trie"] = _addresses(_address(machine, job))
    return found


def at(machine: Machine, host: str) -> Callable[[Callable[[], Machine], socket.socket], None] | None:
    """What answers at an address of the node: the server of one pod."""
    for _, job in _served(machine):
        if _address(machine, job) == host:
            return lambda present, connection: _serve(present(), job, connection)
    return None


def _served(machine: Machine) -> Iterator[tuple[int, Job]]:
    """Boards with a job that serves, once its weights are loaded."""
    for index, board in enumerate(machine.boards):
        job = board.job
        if job is not None and job.kind.name == "inference" and machine.time - job.started >= WARM_UP_SECONDS:
            yield index, job


def _address(machine: Machine, job: Job) -> str:
    return f"10.42.{machine.plan.index % 250}.{10 + job.slot.boards[0]}"


def _sockets(port: int, inode: int) -> str:
    row = f"   0: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1"
    return f"{_HEAD}\n{row} 0000000000000000 100 0 0 10 0\n"


def _addresses(address: str) -> str:
    own = f"  |-- {address}\n     /32 host LOCAL\n"
    return f"Main:\n  +-- 0.0.0.0/0 3 0 5\n{own}  |-- 127.0.0.1\n     /32 host LOCAL\n"


def _serve(machine: Machine, job: Job, connection: socket.socket) -> None:
    """One request, one answer."""
    asked = b""
    while b"\r\n\r\n" not in asked and len(asked) < _REQUEST_BYTES:
        chunk = connection.recv(_REQUEST_BYTES)
        if not chunk:
            return
        asked += chunk
    found = asked.startswith(b"GET /metrics ")
    body = page(job, machine.time).encode() if found else b'{"detail":"Not Found"}'
    status = "200 OK" if found else "404 Not Found"
    connection.sendall(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)


def page(job: Job, t: float) -> str:
    """What the server of a job says of itself at a time."""
    boards, load = len(job.slot.boards), _load(job, t)
    ended = _REQUESTS_A_SECOND * boards * _work(job, t)
    running = load * _AT_ONCE * boards
    whole = _FIRST_TOKEN + _TOKENS * _PER_TOKEN
    families = [
        _family("num_requests_running", "gauge", {"": round(running)}),
        _family("num_requests_waiting", "gauge", {"": max(0, round((load - 0.75) * 40))}),
        _family("kv_cache_usage_perc", "gauge", {"": round(0.05 + 0.9 * load, 4)}),
        _family("num_preemptions_total", "counter", {"": int(ended / 900)}),
        _family("prompt_tokens_total", "counter", {"": int(ended * _PROMPT_TOKENS)}),
        _family("generation_tokens_total", "counter", {"": int(ended * _TOKENS)}),
        _family("request_success_total", "counter", {
            ',finished_reason="stop"': int(ended * 0.94),
            ',finished_reason="length"': int(ended * 0.05),
            ',finished_reason="abort"': int(ended * 0.01),
            ',finished_reason="error"': 0,
        }),
        *_histogram("time_to_first_token_seconds", _FIRST_TOKEN, int(ended)),
        *_histogram("inter_token_latency_seconds", _PER_TOKEN, int(ended * (_TOKENS - 1))),
        *_histogram("e2e_request_latency_seconds", whole, int(ended)),
        *_histogram("request_queue_time_seconds", _QUEUED, int(ended)),
    ]  # fmt: skip
    return "".join(families)


def _load(job: Job, t: float) -> float:
    return _MEAN + _SWING * math.sin(_phase(job, t))


def _work(job: Job, t: float) -> float:
    """The load, added up since the job began: seconds under full load."""
    began = job.started + WARM_UP_SECONDS
    turn = job.kind.step_seconds / (2 * math.pi)
    return _MEAN * (t - began) - _SWING * turn * (math.cos(_phase(job, t)) - math.cos(_phase(job, began)))


def _phase(job: Job, t: float) -> float:
    return 2 * math.pi * t / job.kind.step_seconds + job.id + job.slot.boards[0]


def _family(name: str, kind: str, values: Mapping[str, float]) -> str:
    labels = f'engine="0",model_name="{_MODEL}"'
    lines = "".join(f"vllm:{name}{{{labels}{more}}} {value}\n" for more, value in values.items())
    return f"# TYPE vllm:{name.removesuffix('_total')} {kind}\n{lines}"


def _histogram(name: str, mean: float, count: int) -> Iterator[str]:
    """Only what is added up: nobody reads the buckets here."""
    labels = f'engine="0",model_name="{_MODEL}"'
    yield f"# TYPE vllm:{name} histogram\n"
    yield f"vllm:{name}_sum{{{labels}}} {mean * count:.3f}\nvllm:{name}_count{{{labels}}} {count}\n"
