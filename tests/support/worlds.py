"""A World made of a dictionary of files, for samplers that parse /proc and /sys."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from collectors.probe.world import World


class FileWorld(World):
    """Files by path; a value that is an OSError is raised. Time stands still until it is moved."""

    def __init__(self, files: Mapping[str, str | OSError], hostname: str = "node1") -> None:
        super().__init__()
        self.files = dict(files)
        self.links: dict[str, str] = {}
        self.at = 100.0
        self._hostname = hostname

    def read(self, path: str, keep: bool = False) -> str:
        found = self.files.get(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if isinstance(found, OSError):
            raise found
        return found

    def read_bytes(self, path: str, keep: bool = False) -> bytes:
        """Of a file that isn't text, each character is a byte."""
        return self.read(path).encode("latin-1")

    def first_page(self, path: str) -> str:
        return self.read(path)[:4096]

    def read_start(self, path: str, most: int) -> bytes:
        return self.read(path).encode()[:most]

    def read_plain(self, path: str, most: int, uid: int) -> str:
        return self.read(path)[:most]

    def readlink(self, path: str) -> str:
        if path not in self.links:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.links[path]

    def listdir(self, path: str) -> list[str]:
        prefix = path.rstrip("/") + "/"
        names = {file[len(prefix) :].partition("/")[0] for file in self.files if file.startswith(prefix)}
        if not names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return list(names)

    def listening_sockets(self) -> list[tuple[int, bytes]]:
        raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))

    def exists(self, path: str) -> bool:
        return any(file == path or file.startswith(path + "/") for file in self.files)

    def owner(self, path: str) -> int:
        return 1000

    def user_of(self, uid: int) -> str:
        return {0: "root", 1000: "alice"}.get(uid, str(uid))

    def hostname(self) -> str:
        return self._hostname

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return 1_700_000_000.0 + self.at

    def page_size(self) -> int:
        return 4096
