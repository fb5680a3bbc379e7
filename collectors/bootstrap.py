"""How a program of ours gets to run on a node from memory: a constant command line, and an archive that follows it.

Nothing is installed or left behind. Must not do: run any of it.
"""

from __future__ import annotations

import hashlib
import json

# Runs on the node under whatever python3 is there, so even its syntax is old. No quote ', no ! and no backslash: it
# travels within single quotes through the login shell of the node, which may be csh.
_BOOTSTRAP = """
import os, sys, json, zlib
def fault(text):
    os.write(1, (json.dumps({"t": "fault", "text": text}) + chr(10)).encode())
    os._exit(1)
def take(size):
    parts = []
    while size:
        part = os.read(0, size)
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
if sys.version_info < (3, 6):
    fault("python3 of this node is %d.%d; PACKAGE needs 3.6 or newer" % sys.version_info[:2])
try:
    from _sha2 import sha256
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256
header = b""
while not header.endswith(b"%c" % 10):
    header += take(1)
size, digest = header.split()
archive = take(int(size))
if not sha256(archive).hexdigest() == digest.decode():
    fault("the archive of PACKAGE was damaged on its way")
sources = json.loads(zlib.decompress(archive).decode())
import importlib.machinery
class Archive:
    def find_spec(self, name, path=None, target=None):
        if name in sources:
            return importlib.machinery.ModuleSpec(name, self, is_package=name == "NAME")
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        name = module.__name__
        exec(compile(sources[name], name, "exec", 0, True, 2), module.__dict__)
sys.dont_write_bytecode = True
sys.meta_path.insert(0, Archive())
"""


def bootstrap(package: str, start: str) -> str:
    """A program that reads the archive of `package` and then does `start`, where `sources` and `digest` are known."""
    return _BOOTSTRAP.replace("PACKAGE", f"the {package}").replace("NAME", package) + start


def command(program: str) -> str:
    """The command line. -I: nothing of the user's environment; -B: no .pyc; -S: no site-packages."""
    return f"exec python3 -IBSu -c 'exec({json.dumps(program)})'"


def headed(archive: bytes) -> bytes:
    """The archive behind the line that says its length and digest."""
    return f"{len(archive)} {hashlib.sha256(archive).hexdigest()}\n".encode() + archive
