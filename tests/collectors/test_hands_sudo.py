"""What sudo says where it lets nothing begin is told as that, with what to do; and nothing else is taken for it."""

from __future__ import annotations

import os
import subprocess

import pytest

from collectors.acting import told
from collectors.acting.wire import Ended, Refused
from collectors.hands.carry import carry
from tests.support import parts
from watchfloor.change import Command, On, Place

_RESET = Command(Place(On.NODE, "n2"), ("nvidia-smi", "-i", "0", "-pl", "300"), sudo=True)


def _ended(err: str, code: int = 1, out: str = "") -> Ended:
    return Ended(1, code, out, err, 0.1)


def test_what_the_real_sudo_says_to_a_stranger() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody whom sudo doesn't know")
    nobody = [parts.program("setpriv", "util-linux"), "--reuid=65534", "--regid=65534", "--clear-groups"]
    words = [*nobody, parts.program("sudo", "sudo"), *_RESET.words[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    refused = told.sudo_refused(_RESET, _ended(done.stderr, done.returncode, done.stdout), "n2")
    assert refused is not None and "n2: sudo doesn't let nvidia-smi run: sudo: a password is required" in str(refused)
    assert "watchfloor doctor --sudoers" in refused.advice and not refused.transient


@pytest.mark.parametrize(
    "said",
    [
        "sudo: a password is required\n",
        "sudo: a terminal is required to read the password; either use the -S option to read from standard input\n",
        "sudo: no tty present and no askpass program specified\n",
        "sudo: sorry, you must have a tty to run sudo\n",
        "Sorry, user lab is not allowed to execute '/usr/bin/nvidia-smi -pl 300' as root on n2.\n",
        "lab is not in the sudoers file.  This incident will be reported.\n",
        "sudo: nvidia-smi: command not found\n",
    ],
)
def test_refusals_of_versions_of_sudo(said: str) -> None:
    assert told.sudo_refused(_RESET, _ended(said), "n2") is not None


@pytest.mark.parametrize(
    "ended",
    [
        _ended("Insufficient Permissions\n"),
        _ended("resetting\nsudo: a password is required\n"),  # a command that did something, and then asked sudo itself
        _ended("sudo: a password is required\n", out="resetting\n"),
        _ended("sudo: a password is required\n", code=2),
        _ended(""),
    ],
)
def test_what_a_command_says_is_no_refusal_of_sudo(ended: Ended) -> None:
    assert told.sudo_refused(_RESET, ended, "n2") is None


def test_without_sudo_on_the_node_it_says_so() -> None:
    result = carry(list(_RESET.words), "", 60.0, {"PATH": "/nowhere"})
    refused = told.refused(_RESET, Refused(1, result["refused"], result["transient"], result["exit"]), "n2")
    assert "n2: sudo can't be started: No such file or directory" in str(refused)
    assert refused.advice.startswith("install sudo on the node") and not refused.transient
