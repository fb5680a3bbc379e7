"""What answers of a node mean: how a deed ended, or that it was surely not begun, and what to do then. Pure."""

from __future__ import annotations

import re

from collectors.acting.wire import Ended, Refused
from collectors.backoff import PATIENT
from watchfloor.change import Command, Done
from watchfloor.errors import ConnectError, HandsError, StreamError
from watchfloor.model import Problem

_SUDO_SAYS = re.compile(
    r"sudo: (?P<why>a password is required|a terminal is required .*|sorry, you must have a tty .*|no tty present .*|"
    r"unable to .*|effective uid is not 0.*|.*: command not found)|"
    r"(?:Sorry, user )?\S+ is not (?:allowed to|in the sudoers).*",
)
_SUDO_ADVICE = "`watchfloor doctor --sudoers` prints the rules that let it in"
_PYTHON_ADVICE = (
    "what is done on a node is carried out by a small program under python3 there: install 3.6 or newer "
    "(`ssh HOST python3 -V` shows which one answers)"
)


def done(ended: Ended, operation: str) -> Done:
    err = "\n".join(part for part in (ended.err.rstrip("\n"), ended.note) if part) if ended.note else ended.err
    return Done(ended.exit, ended.out, err, ended.seconds, operation)


def not_known(why: str, operation: str) -> Done:
    return Done(None, stderr=why, operation=operation)


def sudo_refused(command: Command, ended: Ended, node: str) -> HandsError | None:
    """Where sudo let nothing begin. Only if nothing else was said: a command may speak of its own sudo, too."""
    if not command.sudo or ended.exit != 1 or ended.out:
        return None
    lines = [line for line in ended.err.splitlines() if line.strip()]
    if not lines or not all(_SUDO_SAYS.fullmatch(line.strip()) for line in lines):
        return None
    return HandsError(f"{node}: sudo doesn't let {command.argv[0]} run: {lines[-1].strip()}", _SUDO_ADVICE)


def refused(command: Command, answer: Refused, node: str) -> HandsError:
    advice = ""
    if answer.status == 127 and command.sudo and answer.text.startswith("sudo "):
        advice = f"install sudo on the node, or log in as a user who may do it without; {_SUDO_ADVICE}"
    elif answer.status in (126, 127):
        advice = f"see `ssh HOST command -v {command.words[0]}`: it must be there, for the user who logs in"
    return HandsError(f"{node}: {answer.text}", advice, transient=answer.transient)


def unreachable(node: str, error: ConnectError | StreamError) -> HandsError:
    if error.problem is Problem.NO_PYTHON:
        return HandsError(f"{node}: python3 can't be run there: {error.message}", _PYTHON_ADVICE)
    return HandsError(f"{node}: {error.message}", error.advice, transient=error.problem not in LASTING)


LASTING = PATIENT | {Problem.NAME, Problem.PROBE}
