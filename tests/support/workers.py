"""A run of tests by several workers, put together at its end: what tests tell, and pictures that no test makes.

A worker's standard output reaches nobody, and each knows only of the pictures that its own tests have drawn.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

_TOLD = "told"
_USED: set[str] = set()  # paths of pictures, as workers report them at their end
_UNUSED: set[str] = set()


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say something to whoever reads the summary, whichever process the test runs in."""
    return lambda text: record_property(_TOLD, text)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended; one that crashed has told nothing, and its run has failed."""
    told = getattr(node, "workeroutput", {})
    _USED.update(told.get("pictures_used", ()))
    _UNUSED.update(told.get("pictures_unused", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """After syrupy's own, which leaves pictures without a test alone where there are workers."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        report = session.config._syrupy.report  # pyright: ignore[reportAttributeAccessIssue]
        output.update(pictures_used=_paths(report.used), pictures_unused=_paths(report.unused))
        gc.collect()
        gc.freeze()  # pytest collects five times at its end; one that takes 5 s for it is interrupted and complains
    elif session.exitstatus == pytest.ExitCode.OK and left_over():
        _settle(session)


def _paths(collections: Iterable[Any]) -> list[str]:
    return [collection.location for collection in collections]


def left_over() -> list[str]:
    """Pictures that no test of any worker has drawn."""
    return sorted(_UNUSED - _USED)


def _settle(session: pytest.Session) -> None:
    """Renewing removes them; otherwise the run has failed."""
    if not session.config.option.update_snapshots:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return
    for path in left_over():
        Path(path).unlink()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    told = [text for report in _calls(terminalreporter) for name, text in report.user_properties if name == _TOLD]
    if told:
        terminalreporter.section("told by tests")
        terminalreporter.write_line("\n".join(map(str, told)))
    if left_over():
        done = "removed" if config.option.update_snapshots else "there, and `make golden` removes them"
        terminalreporter.section("pictures that no test makes")
        terminalreporter.write_line("\n".join([*left_over(), f"{len(left_over())} {done}"]))


def _calls(terminalreporter: pytest.TerminalReporter) -> Iterable[pytest.TestReport]:
    for reports in terminalreporter.stats.values():
        yield from (report for report in reports if isinstance(report, pytest.TestReport) and report.when == "call")
