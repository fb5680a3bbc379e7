"""Joins what records to where it is kept: the folder of sessions, the ledger that vouches for them, any feed of frames.

Must not do: anything of its own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from watchfloor import __version__
from watchfloor.checks import CONSOLE
from watchfloor.configured import configuration
from watchfloor.frame import Frame
from watchfloor.keeper import account
from watchfloor.model import Finding, State, Subject
from watchfloor.places import ledger_file, sessions_folder
from watchfloor.ports import Feed
from watchfloor.record import Record
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, Party, Who
from watchfloor.records.ledgerwords import Recording
from watchfloor.redact import redact_words
from watchfloor.session.folder import KEEP_VARIABLE, keep_of, new_name
from watchfloor.session.ledgermarks import LedgerMarks
from watchfloor.session.recorder import Recorder, Sealed

STOPPED = "recording-stopped"


@contextmanager
def recorded(
    mode: str, who: Who | None = None, folder: Path | None = None, fleet_file: Path | None = None
) -> Iterator[Recorder]:
    """A recorder for as long as the block runs; its files are sealed in the ledger. `mode`: terminal, watch, run.
    `fleet_file`: the one that its nodes are of.

    Raises ConfigError where what is to be kept can't be understood.
    """
    by = who or Who(Party.PERSON, account())
    marks = LedgerMarks(ledger_file())
    recorder = Recorder(
        folder or sessions_folder(),
        lambda at: new_name(at, mode, os.getpid()),
        {**facts_of(mode, by), **configuration(fleet_file)},
        keep_of(os.environ.get(KEEP_VARIABLE, "")),
        partial(_vouch, by),
        marks.news,
        marks.still_open,
    )
    try:
        yield recorder
    finally:
        recorder.close()


def facts_of(mode: str, who: Who) -> Mapping[str, str]:
    """What somebody wants to know of a recording years later."""
    return {
        "watchfloor": __version__,
        "python": sys.version.split()[0],
        "mode": mode,
        "who": who.name,
        "on behalf of": who.on_behalf_of,
        "host": os.uname().nodename,
        "command line": redact_words(sys.argv),
        "time zone": time.tzname[time.daylight and time.localtime().tm_isdst > 0],
    }


def _vouch(who: Who, sealed: Sealed) -> None:
    """Raises StoreError where the ledger can't be written."""
    body = Recording(file=sealed.path.name, size=sealed.size_bytes, sha256=sealed.sha256, removed=sealed.removed)
    with Ledger(ledger_file()) as ledger:
        ledger.append(Note(who, body))


class RecordedFeed:
    """ports.Feed: another feed, of which every frame is recorded."""

    def __init__(self, feed: Feed, recorder: Recorder) -> None:
        self._feed, self._recorder = feed, recorder
        self._stopped = 0.0  # console time of the first frame that was not recorded; 0: there is none

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        self._feed.start(lambda frame: on_frame(self._noted(frame)))

    def _noted(self, frame: Frame) -> Frame:
        self._recorder.frame(frame)
        if not self._recorder.trouble:
            return frame
        self._stopped = self._stopped or frame.at
        return with_trouble(frame, self._recorder.trouble, self._stopped)

    def reconnect(self, node: int) -> None:
        self._feed.reconnect(node)

    def acknowledge(self, subject: Subject, code: str, note: str | None) -> None:
        self._feed.acknowledge(subject, code, note)

    def clear(self, subject: Subject, code: str) -> None:
        self._feed.clear(subject, code)

    def trouble(self) -> str:
        return self._feed.trouble()

    def stop(self) -> None:
        self._feed.stop()


def with_trouble(frame: Frame, trouble: str, since: float) -> Frame:
    """A frame in which it stands that recording has stopped, and when that was, in console time."""
    record = Record(Finding(CONSOLE, STOPPED, State.WARNING, trouble), since, frame.at)
    records = replace(frame.records, by_key={**frame.records.by_key, record.key: record})
    return replace(frame, findings=(*frame.findings, record.finding), records=records)
