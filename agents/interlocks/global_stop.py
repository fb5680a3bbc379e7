"""The global stop: no act begins until a person resumes (`watchfloor stop`, `watchfloor resume`)."""

from __future__ import annotations

from agents.interlocks import Case


def holds_back(case: Case) -> str:
    return f"everything is stopped: {case.stopped}" if case.stopped else ""
