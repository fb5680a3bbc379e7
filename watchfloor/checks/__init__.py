"""Checks: pure rules, Frame -> findings. A check is a module here with `check(frame) -> Iterable[Finding]`; one that
weighs what others found has `follow(frame, findings)` besides.

A new file is found by itself; a name that begins with _ is no check. Rows are found with numpy before any Finding is
made, so that a healthy fleet costs next to nothing.

Must not do: I/O, drawing, acting.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType

from watchfloor.frame import Frame
from watchfloor.model import Finding, Scope, State, Subject

Check = Callable[[Frame], Iterable[Finding]]
Follower = Callable[[Frame, Sequence[Finding]], Iterable[Finding]]

CONSOLE = Subject(Scope.NODE, "(console)")  # what a finding is about when it is about watchfloor itself


@cache
def _modules() -> Mapping[str, ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return {name: import_module(f"{__name__}.{name}") for name in names}


@cache
def all_checks() -> Mapping[str, Check]:
    """Name -> check, of every module in this folder."""
    return {name: module.check for name, module in _modules().items()}


@cache
def all_followers() -> Mapping[str, Follower]:
    """The same of those that weigh what others found."""
    return {name: module.follow for name, module in _modules().items() if hasattr(module, "follow")}


def run(frame: Frame) -> tuple[Finding, ...]:
    """What every check finds, the worst first. A check that breaks is a finding itself, and the others go on."""
    found = [finding for name, check in all_checks().items() for finding in _guarded(name, check, frame)]
    for name, follow in all_followers().items():
        found += _guarded(name, lambda frame, follow=follow, told=tuple(found): follow(frame, told), frame)
    return tuple(sorted(found, key=lambda finding: -finding.state))


def _guarded(name: str, check: Check, frame: Frame) -> list[Finding]:
    try:
        return list(check(frame))
    except Exception as error:  # whatever it is, the screen must live, and say so
        text = f"the check {name!r} broke and found nothing: {type(error).__name__}: {error}"
        return [Finding(CONSOLE, "check-failed", State.WARNING, text)]
