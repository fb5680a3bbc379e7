"""The node itself, as far as the hands ask it: who it is, where it keeps what it knows, and what carries a command out.

A simulated node stands in its place, so that nothing that is meant for one reaches the machine it is simulated on.
"""

import getpass
import os

from .carry import carry


class Node:
    def __init__(self):
        self.environ = os.environ

    def boot(self):
        """ "" where it can't be read."""
        try:
            with open("/proc/sys/kernel/random/boot_id") as file:
                return file.read().strip()
        except OSError:
            return ""

    def host(self):
        return os.uname().nodename

    def user(self):
        try:
            return getpass.getuser()
        except (KeyError, OSError, ImportError):
            return str(os.getuid())

    def carry(self, argv, stdin, timeout_seconds, environment):
        """As collectors.hands.carry."""
        return carry(argv, stdin, timeout_seconds, environment)
