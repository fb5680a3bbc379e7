"""`python -m collectors.simulator.zygote`: has everything imported, and forks the programs of simulated nodes.

Standard input is a socket of the demo's server: first a packet of settings, then a node's index and what is to run
there, the probe or the hands, with the socket that is to be its standard input and output. When the server is gone, so
are the zygote and its children. None of them can start a program of this machine: Python itself refuses.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from collectors.simulator import no_programs, node_programs
from collectors.simulator.faults import scenarios
from collectors.simulator.floor import plan_floor
from collectors.simulator.hands_node import HandsNode
from collectors.simulator.machine import Machine
from collectors.simulator.record import FILE, Record
from collectors.simulator.tools import found
from collectors.simulator.world import world_of

_PR_SET_PDEATHSIG = 1
_STDERR = 2
_SETTINGS_SIZE = 4096


class Zygote:
    """Knows the demo; makes worlds of it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._floor = plan_floor(settings["nodes"], settings["seed"])
        self._incidents = scenarios()[settings["scenario"]].place(self._floor)
        self._began_at: float = settings["began_at"]
        self._folder = Path(settings["folder"])
        self._record = Record(self._folder / FILE)
        found()  # imported here, once for all children

    def serve(self, control: socket.socket) -> None:
        """Fork for every request, until the server is gone."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: the kernel buries them
        gc.freeze()  # what is here stays shared with the children
        while True:
            asked, descriptors, _, _ = socket.recv_fds(control, 64, 1)
            if not asked:
                return
            if os.fork() == 0:
                node, program = asked.decode().split()
                self._child(int(node), program, descriptors[0])
            os.close(descriptors[0])

    def _child(self, node: int, program: str, descriptor: int) -> None:
        """Become a program on a node. Never returns."""
        try:
            _die_with_parent()
            os.dup2(descriptor, 0)
            os.dup2(descriptor, 1)
            os.closerange(_STDERR + 1, descriptor + 1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            plan = self._floor.nodes[node]
            world = world_of(Machine(self._floor, plan, self._incidents, self._record), self._began_at)
            kept = self._folder / f"kept-{plan.name}"
            exec(node_programs.BOOTSTRAPS[program], {"WORLD": world, "NODE": HandsNode(world, kept)})
        finally:
            os._exit(1)


def _die_with_parent() -> None:
    """Linux ends this process when the zygote ends; elsewhere the end of standard input does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    no_programs.refuse()
    control = socket.socket(fileno=os.dup(0))
    Zygote(json.loads(control.recv(_SETTINGS_SIZE))).serve(control)


if __name__ == "__main__":
    main()
