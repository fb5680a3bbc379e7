"""`python -m collectors.simulator.zygote`: has everything imported, and forks a probe on a simulated node per request.

Standard input is a socket of the demo's server: first a packet of settings, then a node's index with the socket that is
to be the standard input and output of its probe. When the server is gone, so are the zygote and its children.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
import time
from typing import Any

from collectors import payload
from collectors.simulator.faults import scenarios
from collectors.simulator.floor import plan_floor
from collectors.simulator.machine import Machine
from collectors.simulator.tools import found
from collectors.simulator.world import SimulatedWorld

_PR_SET_PDEATHSIG = 1
_STDERR = 2
_SETTINGS_SIZE = 4096


class Zygote:
    """Knows the demo; makes worlds of it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._floor = plan_floor(settings["nodes"], settings["seed"])
        self._incidents = scenarios()[settings["scenario"]].place(self._floor)
        self._began_at: float = settings["began_at"]
        found()  # imported here, once for all children

    def serve(self, control: socket.socket) -> None:
        """Fork for every request, until the server is gone."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: the kernel buries them
        gc.freeze()  # what is here stays shared with the children
        while True:
            node, descriptors, _, _ = socket.recv_fds(control, 64, 1)
            if not node:
                return
            if os.fork() == 0:
                self._child(int(node), descriptors[0])
            os.close(descriptors[0])

    def _child(self, node: int, descriptor: int) -> None:
        """Become the probe of a node. Never returns."""
        try:
            _die_with_parent()
            os.dup2(descriptor, 0)
            os.dup2(descriptor, 1)
            os.closerange(_STDERR + 1, descriptor + 1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            machine = Machine(self._floor, self._floor.nodes[node], self._incidents)
            world = SimulatedWorld(machine, lambda: time.time() - self._began_at, self._began_at)
            exec(payload.BOOTSTRAP, {"WORLD": world})
        finally:
            os._exit(1)


def _die_with_parent() -> None:
    """Linux ends this process when the zygote ends; elsewhere the end of standard input does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    Zygote(json.loads(control.recv(_SETTINGS_SIZE))).serve(control)


if __name__ == "__main__":
    main()
