"""Files of /sys that somebody saved, as a node to the samplers of the probe."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from collectors.probe.cells import FAILED_CODE, Missing, joined
from collectors.probe.world import World

_IN_CLASS = re.compile(r"/(?:[^/]+/)*infiniband/(?P<rest>[^/]+/.+)$")
_DEVICE_OF = re.compile(r"/devices/(?:[^/]+/)*(?P<address>[0-9a-f:]{7,}\.[0-7])/infiniband/(?P<name>[^/]+)/")
_PCI = re.compile(r"/sys/(?:class/pci_bus/[^/]+/device|bus/pci/devices|devices/(?:[^/]+/)*)/?"
                  r"(?P<address>[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/(?P<file>[^/]+)$")  # fmt: skip


class Tree(World):
    """Files by path, whichever of the kernel's paths to them was saved; the clock stands still."""

    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__()
        self._files = {_path(path): text for path, text in files.items()}
        found = (_DEVICE_OF.search(path) for path in files)
        self._links = {
            f"/sys/class/infiniband/{match['name']}/device": f"../../../{match['address']}" for match in found if match
        }

    def read(self, path: str, keep: bool = False) -> str:
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def listdir(self, path: str) -> list[str]:
        folder = path.rstrip("/") + "/"
        return sorted({file[len(folder) :].partition("/")[0] for file in self._files if file.startswith(folder)})

    def exists(self, path: str) -> bool:
        return path in self._files or bool(self.listdir(path))

    def readlink(self, path: str) -> str:
        try:
            return self._links[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def monotonic(self) -> float:
        return 0.0


def _path(path: str) -> str:
    """The path at which samplers look for a file."""
    match = _IN_CLASS.search(path)
    if match:
        return "/sys/class/infiniband/" + match["rest"]
    match = _PCI.search(path)
    return f"/sys/bus/pci/devices/{match['address']}/{match['file']}" if match else path


def known(rows: Mapping[str, Any], without: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """Rows of a reading with those cells that have a value; of a few files, most have none."""
    found = {
        key: {
            name: value
            for name, value in joined(row).items()
            if name not in without and value != "" and not _says_nothing(value)
        }
        for key, row in rows.items()
    }
    return {key: row for key, row in found.items() if row}


def _says_nothing(value: Any) -> bool:
    """A reason that is the saved files' alone; that a counter has stopped is news."""
    return isinstance(value, Missing) and value.code != FAILED_CODE
