"""From what a report was reckoned: who watched when, which sources were there, and what is odd about them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watchfloor.records.ledgerentry import Entry
from watchfloor.reporting.figures import Cell, Figure, Named, Section, Table, Unit, columns, known, missing
from watchfloor.reporting.kept import PAUSE_SECONDS, Kept
from watchfloor.reporting.spans import Spans, common, total, united, without

_SOURCES = columns("source SOURCE, told TOLD, lacks LACKS")
_GAPS = columns("since SINCE, until UNTIL, seconds LASTED")
_MOST_GAPS = 20
_BACK_SECONDS = 1.0


def section(kept: Kept) -> Section:
    watched = common(united((one.span for one in kept.watching), PAUSE_SECONDS), kept.window.span)
    gaps = without(kept.window.span, watched)
    figures = (
        Named("nodes", "nodes", _count(len(kept.nodes), kept.lack("fleet")), "of the fleet file and of recordings"),
        Named("watched", "watched", known(total(watched), Unit.SECONDS), f"of {kept.window.seconds / 3600:,.1f} h"),
    )
    tables = (_sources(kept), _gaps(gaps))
    return Section("basis", "Basis", figures, tables, (*kept.remarks, *_clock(kept.entries)))


def _count(number: int, lack: str) -> Figure:
    return known(number) if number else missing(lack or "no node is known", Unit.COUNT)


def _sources(kept: Kept) -> Table:
    recorded = [one.span for one in kept.watching if one.source == "recording"]
    beats = [one.span for one in kept.watching if one.source == "heartbeats"]
    told = {
        "ledger": f"{len(kept.entries):,} entries, {len(kept.runs):,} runs",
        "lineage": f"{len(kept.episodes):,} episodes of findings, {len(kept.attempts):,} attempts of jobs",
        "recordings": f"{len(recorded)}, {_hours(united(recorded))}",
        "heartbeats": f"of `watchfloor watch`, {_hours(united(beats))} beyond recordings",
    }
    rows: list[Sequence[Cell]] = [
        (source, "" if source in kept.lacks else text, kept.lacks.get(source, "")) for source, text in told.items()
    ]
    return Table("sources", "sources", _SOURCES, rows)


def _hours(spans: Spans) -> str:
    return f"{total(spans) / 3600:,.1f} h"


def _gaps(gaps: Spans) -> Table:
    gaps = tuple(gap for gap in gaps if total((gap,)) > PAUSE_SECONDS)
    longest = sorted(sorted(gaps, key=lambda gap: gap[0] - gap[1])[:_MOST_GAPS])
    rows = [
        (known(start, Unit.TIME), known(end, Unit.TIME), known(end - start, Unit.SECONDS)) for start, end in longest
    ]
    return Table("gaps", "nobody watched", _GAPS, rows, f"pauses of more than {PAUSE_SECONDS:.0f} s; the longest")


def _clock(entries: Sequence[Entry]) -> Iterator[str]:
    """Times of one host that go back while numbers go on."""
    newest: dict[str, Entry] = {}
    back: list[float] = []
    for entry in entries:
        before = newest.get(entry.host, entry)
        if entry.time < before.time:  # as texts, which sort as the times do
            back.append(before.seconds - entry.seconds)
        newest[entry.host] = entry
    if back := [seconds for seconds in back if seconds > _BACK_SECONDS]:
        times = f"{len(back)} times" if len(back) > 1 else "once"
        yield f"a clock was set back {times}, by {max(back):,.0f} s at most: durations across that are wrong"
