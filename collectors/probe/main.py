"""Where the probe starts: it finds its samplers, says hello, and lets the engine run until the console is gone."""

import _thread
import importlib
import json
import os
import select
import sys

from .engine import Engine
from .leaving import leave
from .world import World

PROTOCOL_VERSION = 1  # watchfloor.report.PROTOCOL_VERSION


def main(world: "World | None", modules: "list[str]", digest: str) -> None:
    """Speak on descriptor 1, listen on descriptor 0, until that one closes. Never returns.

    `modules` are the full names of those that hold a sampler: the others are compiled when they are first needed.
    `digest` identifies the archive that they came in.
    """
    world = world or World()
    try:
        kinds = samplers(modules)
        _say(json.dumps(hello(world, sorted(kinds), digest)))
        engine = Engine(world, kinds, _say)
        _thread.start_new_thread(_listen, (engine,))
        engine.run()
    except BaseException as error:  # the last word: whoever reads the wire sees why it ended
        _say(json.dumps({"t": "fault", "text": "%s: %s" % (type(error).__name__, error)}))
        leave(1)


def samplers(modules: "list[str]") -> dict:
    """Sampler name -> class, of every module of this package that has one."""
    package = __name__.rpartition(".")[0] + "."
    found = {}
    for name in modules:
        if name.startswith(package) and name != __name__:
            kind = getattr(importlib.import_module(name), "Sampler", None)
            if kind is not None:
                found[name[len(package) :]] = kind
    return found


def hello(world: World, names: "list[str]", digest: str) -> dict:
    """The first line: who speaks (watchfloor.report.Hello)."""
    system = world.uname()
    facts = {"kernel": system.release, "architecture": system.machine, "user": world.user(), "os": system.sysname}
    return {
        "t": "hello",
        "version": PROTOCOL_VERSION,
        "node": world.hostname(),
        "boot_id": _boot_id(world),
        "at": world.now(),
        "probe": digest,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "pid": os.getpid(),
        "samplers": names,
        "facts": facts,
    }


def _boot_id(world: World) -> str:
    try:
        return world.read("/proc/sys/kernel/random/boot_id").strip()
    except OSError:
        return ""


def _say(text: str) -> None:
    data = text.encode() + b"\n"
    while data:
        try:
            data = data[os.write(1, data) :]
        except BlockingIOError:  # whoever shares the descriptor made it so; wait as if nobody had
            select.select([], [1], [])
        except OSError:  # nobody listens any more
            leave(0)


def _listen(engine: Engine) -> None:
    """The console's lines; when its end closes, the process ends at once, hung drivers and all."""
    rest = b""
    while True:
        try:
            chunk = os.read(0, 65536)
        except OSError:
            chunk = b""
        if not chunk:
            leave(0)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            _hear(engine, line)


def _hear(engine: Engine, line: bytes) -> None:
    try:
        engine.hear(json.loads(line.decode()))
    except ValueError:
        _say(json.dumps({"t": "fault", "text": "not a line of the console: %r" % line[:80]}))
        leave(1)
