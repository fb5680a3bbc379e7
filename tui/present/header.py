"""The two lines at the top of every page: who we watch, how much of it answers, what it does, what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tui.present.format import age, meter
from tui.present.line import Line, Piece, fitting, joined, spread, width_of
from tui.present.style import Glyphs, Token
from watchfloor.frame import Frame
from watchfloor.model import Missing, State
from watchfloor.partitions import is_partition

BUSY_PERCENT = 1.0  # an accelerator below this utilisation is idle
SILENT_SECONDS = 5.0  # without a new frame for this long, the feed itself is in doubt


@dataclass(frozen=True, slots=True)
class Summary:
    """The fleet in a dozen numbers. Power in watts, None where no board tells it or no budget is set."""

    nodes: int
    nodes_up: int
    accelerators: int  # devices; parts of them are counted apart
    partitions: int
    busy: int
    idle: int
    faulted: int
    unknown: int
    power_watts: float | None
    budget_watts: float | None
    warnings: int
    criticals: int
    oldest_seconds: float | None  # age of the oldest sample among the nodes that are live
    stale_seconds: float | None  # the same among those that are not, and whose last values are shown


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What the ledger says: how many plans wait for a person, and whether nothing may be done at all."""

    waiting: int = 0
    stopped: bool = False


_NOTHING = OnRecord()


def summarise(frame: Frame) -> Summary:
    boards = frame.accelerators
    util = boards.known("util")
    devices = ~is_partition(boards)
    faulted = devices & ((boards.states == State.CRITICAL) | (boards.reasons("util") == Missing.LOST))
    busy = (util >= BUSY_PERCENT) & devices & ~faulted
    idle = (util < BUSY_PERCENT) & devices & ~faulted
    count = int(devices.sum())
    ages = frame.nodes.known("age")
    seen = {key for key, record in frame.records.by_key.items() if record.ack}
    states = [finding.state for finding in frame.findings if (finding.subject, finding.code) not in seen]
    return Summary(
        nodes=frame.nodes.count,
        nodes_up=int(frame.live.sum()),
        accelerators=count,
        partitions=boards.count - count,
        busy=int(busy.sum()),
        idle=int(idle.sum()),
        faulted=int(faulted.sum()),
        unknown=count - int(busy.sum()) - int(idle.sum()) - int(faulted.sum()),
        power_watts=_total(boards.known("power")),
        budget_watts=_total(frame.nodes.known("power_budget")),
        warnings=states.count(State.WARNING),
        criticals=states.count(State.CRITICAL),
        oldest_seconds=_most(ages[frame.live]),
        stale_seconds=_most(ages[~frame.live]),
    )


def _most(values: np.ndarray) -> float | None:
    known = values[values == values]
    return float(known.max()) if known.size else None


def _total(values: np.ndarray) -> float | None:
    known = values[values == values]
    return float(known.sum()) if known.size else None


def badge(frame: Frame | None, read_only: bool, now: float, acting: bool = False) -> Piece:
    """What kind of picture this is: live, read-only, of a console that acts, a recording, or none at all."""
    if frame is None:
        return "STARTING", Token.UNKNOWN
    if frame.replay:
        return "REPLAY", Token.ACCENT
    if now - frame.at > SILENT_SECONDS:
        return f"NO FRAME FOR {age(now - frame.at)}", Token.CRITICAL
    if acting:
        return "ACTING", Token.WARNING
    return ("READ-ONLY", Token.ACCENT) if read_only else ("LIVE", Token.OK)


def recorded(sign: Piece, trouble: str) -> Piece:
    """The badge of a console that records, or did until something was in the way."""
    return (f"{sign[0]} REC STOPPED", Token.CRITICAL) if trouble else (f"{sign[0]} REC", sign[1])


def first_line(context: str, summary: Summary | None, sign: Piece, width: int, since_frame: float) -> Line:
    """Name and context on the left, badge and age of the oldest samples on the right."""
    left: list[Piece] = [(" watchfloor ", Token.TITLE), (f" {context}", Token.STRONG)]
    right: list[Piece] = [sign, (" ", Token.TEXT)]
    if summary is not None and width >= 50:
        room = width - width_of(left) - width_of(right) - 1
        right = [*_ages(summary, max(0.0, since_frame), room), *right]
    return spread(left, right, width)


def _ages(summary: Summary, since_frame: float, room: int) -> Line:
    """How old what is shown is. Nodes that fell silent are told apart where there is room, and never left out."""
    live, stale = summary.oldest_seconds, summary.stale_seconds
    known = [seconds for seconds in (live, stale) if seconds is not None]
    if not known:
        return []
    short = _told("oldest sample ", max(known) + since_frame, Token.TEXT if stale is None else Token.STALE)
    if live is None or stale is None:
        return short
    both = _told("oldest live sample ", live + since_frame) + _told("stale up to ", stale + since_frame, Token.STALE)
    return both if width_of(both) <= room else short


def _told(label: str, seconds: float, token: Token = Token.TEXT) -> list[Piece]:
    return [(label, Token.DIM), (age(seconds), token), ("  ", Token.TEXT)]


def second_line(summary: Summary | None, glyphs: Glyphs, width: int, told: OnRecord = _NOTHING) -> Line:
    """The figures, in the longest form that fits; what waits for a person at the right."""
    right = _on_record(told)
    if summary is None:
        return spread([(" waiting for the first report", Token.DIM)], right, width)
    room = width - 1 - (width_of(right) + 3 if right else 0)
    forms = (
        lambda: _figures(summary, glyphs, "accelerators", " · ", 10),
        lambda: _figures(summary, glyphs, "accelerators", " · ", 0),
        lambda: _figures(summary, glyphs, "accel", "  ", 0),
        lambda: _compact(summary, glyphs, _power(summary, glyphs, 0)[1:]),
        lambda: _compact(summary, glyphs, _power(replace(summary, budget_watts=None), glyphs, 0)[1:]),
        lambda: _compact(summary, glyphs, []),
        lambda: _fewest(summary, glyphs),
    )
    return spread(fitting(forms, room), right, width)


def _on_record(told: OnRecord) -> Line:
    parts: list[Line] = []
    if told.stopped:
        parts.append([("acts are stopped", Token.CRITICAL)])
    if told.waiting:
        parts.append([("approvals ", Token.DIM), (f"{told.waiting}", Token.WARNING)])
    return [*joined(parts, "   "), (" ", Token.TEXT)] if parts else []


def _figures(summary: Summary, glyphs: Glyphs, noun: str, between: str, gauge: int) -> Line:
    counts = [
        (summary.busy, "busy", Token.STRONG),
        (summary.idle, "idle", Token.TEXT),
        (summary.faulted, "faulted", Token.CRITICAL),
        (summary.unknown, "unknown", Token.UNKNOWN),
    ]
    boards: list[Piece] = [(f"{noun} ", Token.DIM), (f"{summary.accelerators}", Token.STRONG), ("  ", Token.DIM)]
    shown = [(number, word, token) for number, word, token in counts if number or word in ("busy", "idle")]
    for at, (number, word, token) in enumerate(shown):
        boards += [(between, Token.DIM)] if at else []
        boards += [(str(number), token), (f" {word}", token if token is Token.CRITICAL else Token.DIM)]
    if summary.partitions:
        boards += [(between, Token.DIM), (f"{summary.partitions}", Token.STRONG), (" partitions", Token.DIM)]
    parts = [_nodes(summary), boards if summary.accelerators else [], _power(summary, glyphs, gauge)]
    return [(" ", Token.TEXT), *joined([*parts, _findings(summary, glyphs, "findings ")], "   ")]


def _compact(summary: Summary, glyphs: Glyphs, power: Line) -> Line:
    boards: list[Line] = [[(f"{summary.busy}", Token.STRONG), (f"/{summary.accelerators} busy", Token.DIM)]]
    if summary.faulted:
        boards.append([(f"{summary.faulted} faulted", Token.CRITICAL)])
    if summary.unknown:
        boards.append([(f"{summary.unknown} unknown", Token.UNKNOWN)])
    parts = [_nodes(summary), joined(boards) if summary.accelerators else [], power]
    return [(" ", Token.TEXT), *joined([*parts, _findings(summary, glyphs, "")], "   ")]


def _fewest(summary: Summary, glyphs: Glyphs) -> Line:
    return [(" ", Token.TEXT), *joined([_nodes(summary), _findings(summary, glyphs, "")], "   ")]


def _nodes(summary: Summary) -> list[Piece]:
    all_up = summary.nodes_up == summary.nodes
    return [
        ("nodes ", Token.DIM),
        (f"{summary.nodes_up}", Token.STRONG if all_up else Token.WARNING),
        (f"/{summary.nodes}", Token.DIM),
    ]


def _power(summary: Summary, glyphs: Glyphs, gauge: int) -> list[Piece]:
    if summary.power_watts is None:
        return []
    used, budget = summary.power_watts / 1000, (summary.budget_watts or 0.0) / 1000
    found: list[Piece] = [("power ", Token.DIM)]
    if budget and gauge:
        bar = meter(used / budget, gauge, glyphs)
        found += [(bar.rstrip(), Token.ACCENT), ("·" * (gauge - len(bar.rstrip())), Token.RULE), (" ", Token.TEXT)]
    token = Token.CRITICAL if budget and used > budget else Token.STRONG
    return [*found, (f"{used:.1f}", token), (f" / {budget:.1f} kW" if budget else " kW", Token.DIM)]


def _findings(summary: Summary, glyphs: Glyphs, label: str) -> list[Piece]:
    found: list[Piece] = [(label, Token.DIM)] if label else []
    if not summary.criticals and not summary.warnings:
        return [*found, ("none", Token.OK)] if label else found
    if summary.criticals:
        found += [(f"{glyphs.states[State.CRITICAL]} {summary.criticals}", Token.CRITICAL), (" ", Token.TEXT)]
    if summary.warnings:
        found.append((f"{glyphs.states[State.WARNING]} {summary.warnings}", Token.WARNING))
    return found
