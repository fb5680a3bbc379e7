"""libtpu on hosts with TPUs: the metrics service of the program that runs, its library, and the groups of VFIO.

The service counts chips by their place in the slice, four hosts of four chips; the library by tray and chip.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from collectors.probe.tpu_grpc import frame, message
from collectors.probe.tpu_hpack import encoded
from collectors.simulator import links as ici
from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.topology import peer
from collectors.simulator.tpu_messages import attribute, attributes, gauge, histogram, response

PROGRAM = "python3"  # with libtpu among its packages
PORT = 8431
_INODE = 51_234
_PREFACE, _HEAD = 24, 9  # bytes
_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_END_STREAM, _END_HEADERS = 0x1, 0x4
_HOSTS_A_SLICE = 4
_MICROSECONDS = 1e6
_GROWTH, _BUCKETS = 1.25, 80  # of the histogram of executions; the first bucket ends at 1 µs


def on(shape: Shape) -> bool:
    return shape.vendor == "google"


def links(machine: Machine) -> dict[str, str]:
    """The IOMMU group of each chip, by which /dev/vfio names it."""
    shape = machine.plan.shape
    return {
        f"/sys/bus/pci/devices/{shape.address(index)}/iommu_group": f"../../../kernel/iommu_groups/{index}"
        for index in range(shape.boards)
    }


def files(machine: Machine) -> Mapping[str, Callable[[], str]]:
    return {"/proc/net/tcp6": lambda: _sockets(machine)}


def _sockets(machine: Machine) -> str:
    head = "  sl  local_address remote_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode\n"
    anywhere = "0" * 32
    row = f"   0: {anywhere}:{PORT:04X} {anywhere}:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 {_INODE} 1\n"
    return head + row if listens(machine) else head


def listens(machine: Machine) -> bool:
    return any(board.job is not None for board in machine.boards)


# -- the service


def serve(present: Callable[[], Machine], connection: socket.socket) -> None:
    """HTTP/2, as much as one good client needs."""
    read = partial(_exactly, connection)
    if not read(_PREFACE):
        return
    connection.sendall(frame(_SETTINGS, 0, 0, b""))
    while head := read(_HEAD):
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        payload = read(int.from_bytes(head[:3], "big"))
        if kind in (_SETTINGS, _PING) and not flags & 1:
            connection.sendall(frame(kind, 1, 0, payload if kind == _PING else b""))
        elif kind == _DATA:
            taken = frame(_WINDOW_UPDATE, 0, 0, struct.pack("!I", len(payload)))
            connection.sendall(taken + _answer(present(), stream, payload[7 : 7 + payload[6]].decode()))


def _exactly(connection: socket.socket, size: int) -> bytes:
    """That many bytes; none where the other end has closed."""
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            return b""
        data += chunk
    return data


def _answer(machine: Machine, stream: int, metric: str) -> bytes:
    told = _METRICS.get(metric)
    opening = encoded([(":status", "200"), ("content-type", "application/grpc")])
    if told is None or not listens(machine):
        words = [("grpc-status", "5"), ("grpc-message", f"metric {metric} is not supported")]
        return frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, opening + encoded(words))
    body = message(response(metric, list(told(machine))))
    trailers = frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, encoded([("grpc-status", "0")]))
    return frame(_HEADERS, _END_HEADERS, stream, opening) + frame(_DATA, 0, stream, body) + trailers


def _held(machine: Machine) -> Iterator[tuple[int, int]]:
    """Index of each chip that a program holds, and its id within the slice."""
    first = machine.plan.index % _HOSTS_A_SLICE * len(machine.boards)
    return ((index, first + index) for index, board in enumerate(machine.boards) if board.job is not None)


def _gauges(value: Callable[[Machine, int], float]) -> Callable[[Machine], Iterator[bytes]]:
    return lambda machine: (
        gauge(attribute("device-id", chip), value(machine, index)) for index, chip in _held(machine)
    )


def _total(machine: Machine, index: int) -> int:
    board = machine.plan.shape.board
    return board.memory_bytes - board.reserved_bytes if board else 0


def _queued(machine: Machine) -> Iterator[bytes]:
    for index, chip in _held(machine):
        waiting = 2 if machine.boards[index].util > 0 else 0
        yield gauge(attributes({"device_ordinal": str(chip), "core_type": "TensorCore"}), waiting)


def _timings(machine: Machine) -> Iterator[bytes]:
    """Executions of the last period: most as long as a step of the job, one in fifty a quarter longer."""
    for index, chip in _held(machine):
        job, counts = machine.boards[index].job, [0] * _BUCKETS
        if job is not None and machine.boards[index].util > 0:
            usual = _bucket(job.kind.step_seconds * _MICROSECONDS / 4)
            counts[usual], counts[usual + 1] = 98, 2
        yield histogram(attributes({"device_ordinal": str(chip)}), counts, _GROWTH, 1.0)


def _bucket(microseconds: float) -> int:
    bucket, bound = 0, 1.0
    while bound < microseconds:
        bucket, bound = bucket + 1, bound * _GROWTH
    return min(bucket, _BUCKETS - 2)


_METRICS = {
    "tpu.runtime.tensorcore.dutycycle.percent": _gauges(lambda machine, index: float(machine.boards[index].util)),
    "tpu.runtime.hbm.memory.usage.bytes": _gauges(lambda machine, index: int(machine.boards[index].memory_used)),
    "tpu.runtime.hbm.memory.total.bytes": _gauges(_total),
    "tpu.runtime.hbm.utilization.percent": _gauges(lambda machine, index: float(machine.boards[index].mem_util)),
    "hlo.queue.size.gauge": _queued,
    "hlo.execution.timing.distribution.microseconds": _timings,
}


# -- the library


def answer(machine: Machine, argv: list[str]) -> str:
    """What the probe's script prints. Raises OSError for every other one."""
    if len(argv) != 3 or argv[1] != "-c" or "tpumonitoring" not in argv[2]:
        raise OSError("python3: no such script here")
    told = listens(machine)
    boards = machine.boards
    metrics = {
        "tensorcore_util": [f"{0.61 * board.util:.2f}" for board in boards] if told else [],
        "tpu_throttle_score": [f"{at}-{round(10 - 10 * board.thermal_cap)}" for at, board in enumerate(boards)]
        if told
        else [],
        "ici_link_health": list(_health(machine)) if told else [],
    }
    return json.dumps({"libtpu": machine.plan.shape.runtime, "metrics": metrics}) + "\n"


def _health(machine: Machine) -> Iterator[str]:
    board = machine.plan.shape.board
    for chip in range(len(machine.boards)):
        for port in range(board.links if board else 0):
            side = "int" if peer(machine.plan.shape, chip, port) is not None else "ext"
            yield f"tray1.chip{chip}.ici{port}.{side}: {0 if ici.is_up(machine, chip, port) else 10}"
