"""The ledger: everything that was asked for, decided, done, refused, and what came of it. Append-only, hash-chained.

One thread writes. Whoever appends hands over and waits; what comes while a commit is on its way shares the next one.
An entry that was acknowledged is on disk; what can't be written is told to whoever waits for it, who must not act then.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from watchfloor.errors import StoreError
from watchfloor.records.ledgercheckpoint import NAMESPACE, State, origin_of
from watchfloor.records.ledgerentry import Note, Who, told
from watchfloor.records.ledgerreader import LedgerReader
from watchfloor.records.ledgerstore import LedgerFile, Receipt
from watchfloor.records.ledgerwords import Checkpoint

_MOST_TOGETHER = 2_000  # entries of one commit: others want to append, too

Clock = Callable[[], int]  # nanoseconds since the epoch
_Waiting = tuple[Sequence[bytes], "Future[list[Receipt]]"]


class Signer(Protocol):
    def sign(self, namespace: str, data: bytes) -> str:
        """OpenSSH's signature, in armour. Raises WatchfloorError."""
        ...


class Ledger:
    """Appends to one file. Thread-safe; several of them, in several processes, may have the same file open."""

    def __init__(self, path: Path, host: str = "", clock: Clock = time.time_ns) -> None:
        """The file is made with the first entry. `host`: where this runs; "" is this machine's name."""
        self.path = path
        self._host = host or os.uname().nodename
        self._clock = clock
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="ledger", daemon=True)
        self._writer.start()

    def append(self, note: Note) -> Receipt:
        """Wait until the entry is on disk. Raises StoreError where it isn't kept."""
        return self.post([note]).result()[0]

    def append_all(self, notes: Sequence[Note]) -> list[Receipt]:
        """All of them, with no other between them, or none. Raises StoreError where they aren't kept."""
        return self.post(notes).result()

    def post(self, notes: Sequence[Note]) -> Future[list[Receipt]]:
        """As `append_all`, for who has other things to do meanwhile: `asyncio.wrap_future` makes it awaitable."""
        entries = [told(note, self._clock(), self._host) for note in notes]
        future: Future[list[Receipt]] = Future()
        future.set_running_or_notify_cancel()  # what was handed over is written, whether somebody still waits or not
        with self._closing:
            if self._closed:
                future.set_exception(StoreError(f"the ledger {self.path} is closed", "nothing is kept any more"))
            else:
                self._waiting.put((entries, future))
        return future

    def checkpoint(self, who: Who, signer: Signer | None) -> Checkpoint:
        """Sign what is on record now, and put that on record. Raises WatchfloorError; StoreError where it is empty."""
        with LedgerReader(self.path) as reader:
            head, first = reader.head(), reader.entry(0)
        if first is None:
            raise StoreError(f"the ledger {self.path} is empty", "there is nothing to sign yet")
        state = State(origin_of(first.digest), head.size, head.tree.root.hex())
        signature = signer.sign(NAMESPACE, state.text()) if signer is not None else ""
        body = Checkpoint(origin=state.origin, size=state.size, root=state.root, signature=signature)
        self.append(Note(who, body))
        return body

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._writer.join()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the writer's thread

    def _write(self) -> None:
        file = LedgerFile(self.path)
        try:
            while (first := self._waiting.get()) is not None:
                together, more = self._together(first)
                _commit(file, together)
                if not more:
                    return
        finally:
            file.close()

    def _together(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """What waits by now; whether more may come after it."""
        together, entries = [first], len(first[0])
        while entries < _MOST_TOGETHER:
            try:
                waiting = self._waiting.get_nowait()
            except Empty:
                break
            if waiting is None:
                return together, False
            together.append(waiting)
            entries += len(waiting[0])
        return together, True


def _commit(file: LedgerFile, together: Sequence[_Waiting]) -> None:
    """Every waiting one learns how it went, whatever happens."""
    try:
        receipts = iter(file.append([entry for entries, _ in together for entry in entries]))
    except BaseException as error:  # told to each of those who wait
        for _, future in together:
            future.set_exception(error)
        return
    for entries, future in together:
        future.set_result([next(receipts) for _ in entries])
