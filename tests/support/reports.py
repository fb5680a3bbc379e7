"""Small histories for reports, written by hand: times in hours after the beginning of the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from tests.support import runstory
from watchfloor.records import ledgerwords as words
from watchfloor.reporting.figures import Figure, Report, Section, Table
from watchfloor.reporting.fromledger import from_ledger
from watchfloor.reporting.kept import Attempt, Energy, Episode, Kept, Node, Prices, Watching, Window
from watchfloor.reporting.whole import report

HOUR = 3600.0
SINCE = 1_800_000_000.0 - 1_800_000_000.0 % 86_400.0  # midnight (UTC)
TEN_HOURS = Window(SINCE, SINCE + 10 * HOUR)


def at(hours: float) -> float:
    return SINCE + hours * HOUR


def episode(start: float, end: float | None, node: str = "n1", code: str = "gpu-lost", **told: Any) -> Episode:
    """A critical one, unless it is said otherwise."""
    return Episode(node, code, at(start), None if end is None else at(end), **{"critical": True, **told})


def attempt(start: float, last: float, ended_as: str = "", **told: Any) -> Attempt:
    """Of job slurm:1, four accelerators on n1."""
    usual = {"job": "slurm:1", "number": "1", "user": "mira", "account": "lab", "nodes": ("n1",), "accelerators": 4}
    return Attempt(**{**usual, "start": at(start), "last": at(last), "ended_as": ended_as, **told})


def watched(
    *hours: tuple[float, float], source: str = "recording", nodes: frozenset[str] | None = None
) -> list[Watching]:
    return [Watching((at(start), at(end)), source, nodes) for start, end in hours]


def history(episodes: Sequence[Episode] = (), watching: Sequence[Watching] | None = None, **told: Any) -> Kept:
    """Of one node with eight accelerators, watched all ten hours."""
    usual = Kept(TEN_HOURS, [Node("n1", "lab", "r1", "train", 8)], watched((0, 10)) if watching is None else watching)
    return replace(usual, episodes=list(episodes), **told)


def value(section: Section, key: str) -> float | str:
    """A figure of a section, else why it isn't known."""
    figure = next(one.figure for one in section.figures if one.key == key)
    return plain(figure)


def plain(cell: str | Figure) -> float | str:
    if isinstance(cell, str):
        return cell
    return cell.missing if cell.value is None else cell.value


def table(section: Section, key: str) -> Table:
    return next(one for one in section.tables if one.key == key)


def rows(section: Section, key: str) -> list[tuple[float | str, ...]]:
    return [tuple(map(plain, row)) for row in table(section, key).rows]


HOSTILE = '<img src=x onerror="alert(1)">|`*_[x](y)\x1b[2J\u202e'


def week(place: Path) -> Report:
    """Ten hours of thirteen nodes with something of everything, and names that want to be markup. `place`: a ledger."""
    story = runstory.written(place, TEN_HOURS.until)
    policy = words.PolicyChange(digest="b" * 64, before="a" * 64, files=["default.cedar", "own.cedar"])
    story.tell(5 * HOUR, runstory.ANNA, policy)
    story.tell(4 * HOUR, runstory.ANNA, words.Stop(reason=f"storm {HOSTILE}"))
    story.tell(3.9 * HOUR, runstory.ANNA, words.Resume(reason="over"))
    story.tell(2 * HOUR, runstory.CRON, words.Refused(why="missed", what="weekly-look", text="nobody watched at 05:00"))
    story.write()
    story.ledger.close()
    found = from_ledger(place, TEN_HOURS)
    nodes = [Node(f"dgx-{n:02}", "lab", f"r{1 + n // 5}", "train", 8, "H100") for n in range(1, 9)]
    nodes += [Node(f"l40-{n:02}", "lab", "r3", "serve", 4, "L40S") for n in range(1, 5)]
    told = history(
        _faults(),
        watched((0, 4), (6, 10)),
        nodes=[*nodes, Node(HOSTILE)],
        attempts=_jobs(),
        energy={node.name: Energy(4e6 * number, 7 * 28_800.0, 0.0, 600.0) for number, node in enumerate(nodes, 1)},
        prices=Prices({node.name: 2.5 for node in nodes if node.model == "H100"}, None, 0.3),
        entries=found.entries,
        runs=found.runs,
        sealed=found.sealed,
        remarks=["the recording torn.session is left out: it was torn off before it began"],
    )
    return report(told, TEN_HOURS.until, UTC, {"watchfloor": "0.1.0", "by": "anna", "on": "console"})


def _faults() -> list[Episode]:
    board = {"scope": "accelerator", "part": "GPU-dgx-02-3", "xid": "XID 79"}
    fell = "gpu3 of dgx-02 had XID 79: the board has fallen off the bus"
    return [
        episode(1, 2.5, "dgx-02", "xid-fatal", text=fell, **board),
        episode(1.2, 3, "dgx-02", "gpu-lost", text="gpu3 of dgx-02 is lost", scope="accelerator", part="GPU-dgx-02-3"),
        episode(7, 7.5, "dgx-02", "xid-fatal", text=fell, **board),
        episode(8, None, "l40-02", "node-unreachable", text="l40-02 can't be read (unreachable)"),
        episode(2, 9, "dgx-05", "gpu-hot", critical=False, text=f"gpu0 of dgx-05 has 91 °C {HOSTILE}"),
        episode(3, 3.5, HOSTILE, "link-down", scope="link", part="mlx5_0:1", text="mlx5_0 is down"),
    ]


def _jobs() -> list[Attempt]:
    cause = "xid-fatal on dgx-02/gpu3"
    return [
        attempt(0, 2, "node failed", nodes=("dgx-01", "dgx-02"), accelerators=16, cause=cause, saved=at(1.5)),
        attempt(2.2, 10, nodes=("dgx-01", "dgx-03"), accelerators=16, number="2"),
        attempt(1, 4, "failed", job="slurm:7", user=HOSTILE, account="", nodes=("l40-01",), accelerators=4),
        attempt(1, 4, "done", job="slurm:8", nodes=("l40-01",), accelerators=None),
    ]
