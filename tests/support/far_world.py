"""A world in this process for a probe in another one, of whatever Python: each call goes over the loopback and back.

CLIENT is that other process's program, as old as the probe's own code: it reads the archive, puts a World in the
place of the node that asks here, and runs the probe as any node does. A thread of the probe has a connection of its
own, so that one that waits holds up no other.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from collectors import payload

_ANSWERS = (
    "read", "read_bytes", "first_page", "listdir", "readlink", "exists", "owner", "statvfs", "hostname", "uname",
    "user_of", "user", "cpus", "which", "run", "psutil",
)  # fmt: skip
_OBJECTS = ("kmsg", "follow", "start")  # what they give is asked further
CLIENT = f"""
import json, os, socket, threading
PORT, ANSWERS, OBJECTS = int(os.environ["FAR_PORT"]), {_ANSWERS!r}, {_OBJECTS!r}
BOOTSTRAP = {payload.BOOTSTRAP!r}
HEAD, _, TAIL = BOOTSTRAP.partition("from probe.main import main")
own = threading.local()
def ask(number, name, given):
    if not hasattr(own, "lines"):
        connection = socket.create_connection(("127.0.0.1", PORT))
        own.lines = connection.makefile("rw")
    own.lines.write(json.dumps([number, name, given]) + chr(10))
    own.lines.flush()
    told = json.loads(own.lines.readline())
    if "error" in told:
        kind, number, text = told["error"]
        known = {{"EOFError": EOFError, "ImportError": ImportError}}
        raise known.get(kind, OSError)(*([number, text] if number else [text]))
    if "object" in told:
        return Far(told["object"])
    return told["bytes"].encode("latin-1") if "bytes" in told else told.get("value")
class Far:
    def __init__(self, number):
        self._number = number
    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *given: ask(self._number, name, given)
def far(name):
    def call(self, *given, **named):
        told = ask(0, name, given)
        if name in ("statvfs", "uname"):
            return (os.statvfs_result if name == "statvfs" else os.uname_result)(told)
        return [tuple(entry) if isinstance(entry, list) else entry for entry in told] if name == "lines" else told
    return call
exec(HEAD)
from probe.world import World
class FarWorld(World):
    def connect(self, port, timeout_seconds, host="127.0.0.1"):
        place = "127.0.0.1", ask(0, "connect", [port, timeout_seconds, host])
        return socket.create_connection(place, timeout_seconds)
    def nvml(self):
        raise ImportError("no driver of NVIDIA")
for name in ANSWERS + OBJECTS:
    setattr(FarWorld, name, far(name))
WORLD = FarWorld()
exec("from probe.main import main" + TAIL)
"""


@contextmanager
def served(world: Any) -> Iterator[int]:
    """The port at which this world is asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(world)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=server.answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # ends the accept that waits
        listener.close()


class _Server:
    def __init__(self, world: Any) -> None:
        self._objects: list[Any] = [world]

    def answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw") as lines, suppress(ConnectionError):  # the probe has ended
            for line in lines:
                number, name, given = json.loads(line)
                lines.write(json.dumps(self._told(number, name, given)) + "\n")
                lines.flush()

    def _told(self, number: int, name: str, given: list[Any]) -> dict[str, Any]:
        try:
            found = getattr(self._objects[number], name)(*given)
        except (OSError, EOFError, ImportError) as error:
            number = getattr(error, "errno", None) or 0
            return {"error": [type(error).__name__, number, getattr(error, "strerror", None) or str(error)]}
        if number == 0 and name in _OBJECTS:
            self._objects.append(found)
            return {"object": len(self._objects) - 1}
        if isinstance(found, socket.socket):
            return {"value": _relayed(found)}
        return {"bytes": found.decode("latin-1")} if isinstance(found, bytes) else {"value": found}


def _relayed(near: socket.socket) -> int:
    """A port of the loopback that leads to a socket."""
    listener = socket.create_server(("127.0.0.1", 0))

    def join() -> None:
        with listener:
            far, _ = listener.accept()
        for start, end in ((near, far), (far, near)):
            threading.Thread(target=_pass_on, args=(start, end), daemon=True).start()

    threading.Thread(target=join, daemon=True).start()
    return listener.getsockname()[1]


def _pass_on(start: socket.socket, end: socket.socket) -> None:
    try:
        while chunk := start.recv(1 << 16):
            end.sendall(chunk)
        end.shutdown(socket.SHUT_WR)
    except OSError:  # one of the two has gone
        end.close()
