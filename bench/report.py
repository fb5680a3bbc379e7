"""What a report of a large ledger costs, beside nothing but reading its entries in the same run.

    python -m bench.report [--entries 100000]

A week of 1,000 nodes: heartbeats, refusals and whole runs in the ledger, a fifth as many episodes in lineage.
Limits: 7 times what it takes to read the entries; no more than 10 s of CPU for 100,000 of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.runstory import ANNA, CRON, XID, Told, decided, done, drain, over, planned, proposed, seen
from watchfloor.lineage.graph import Changes, Entity, Key, Kind
from watchfloor.model import NodeSpec
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, node
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.records.ledgerwords import Approval, Heartbeat, Refused
from watchfloor.records.lineage import LineageStore
from watchfloor.reporting.document import document
from watchfloor.reporting.kept import Window
from watchfloor.reporting.reading import Places, kept
from watchfloor.reporting.whole import report
from watchfloor.sparing import uncollected

WEEK = Window(1_800_000_000.0, 1_800_604_800.0)
NODES, TURNS, TOGETHER = 1_000, 3, 2_000
LIMIT_RATIO, LIMIT_SECONDS = 7.0, 10.0


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    count = parser.parse_args(words).entries
    with tempfile.TemporaryDirectory() as folder:
        places = _made(Path(folder), count)
        pairs = [(_reported(places), _read(places.ledger)) for _ in range(TURNS)]
    took, read = (median(column) for column in zip(*pairs, strict=True))
    what = f"{count:,} entries, {count // 5:,} episodes, {NODES:,} nodes"
    print(f"a report of {what}: {took:.2f} s of CPU   limit {LIMIT_SECONDS:.0f} s")
    print(f"{took / read:.2f} of reading the entries ({read:.2f} s)   limit {LIMIT_RATIO}")


def _reported(places: Places) -> float:
    start = time.process_time()
    with uncollected():
        document(report(kept(places, WEEK), WEEK.until, UTC, {}))
    return time.process_time() - start


def _read(ledger: Path) -> float:
    start = time.process_time()
    with LedgerReader(ledger) as reader:
        for _ in reader.entries(Wanted(since=WEEK.since, until=WEEK.until)):
            pass
    return time.process_time() - start


# -- a week


def _made(folder: Path, count: int) -> Places:
    notes = list(_notes(count))
    times = (int((WEEK.since + WEEK.seconds * at / len(notes)) * 1e9) for at in range(len(notes)))
    with Ledger(folder / "ledger.db", "console", lambda: next(times)) as ledger:
        for first in range(0, len(notes), TOGETHER):
            ledger.append_all(notes[first : first + TOGETHER])
    store = LineageStore(str(folder / "lineage.db"))
    store.save(Changes(tuple(_episodes(count // 5))), WEEK.until)
    store.close()
    specs = [NodeSpec(_node(number), rack=f"r{number // 16}", accelerators=8) for number in range(NODES)]
    return Places(folder / "ledger.db", str(folder / "lineage.db"), folder / "sessions", specs)


def _node(number: int) -> str:
    return f"n{number % NODES:04}"


def _notes(count: int) -> Iterator[Note]:
    """Of ten entries two are heartbeats, one is a refusal, the others are of runs."""
    made = 0
    while made < count:
        for note in (*_run(made), *(_beat(made + at) for at in range(2)), _refusal(made)):
            yield note
            made += 1


def _run(number: int) -> Iterator[Note]:
    step, run = drain(_node(number), "XID 79"), f"r{number:08}"
    plan = planned("fatal-xid", CRON, XID, [step], WEEK.since + number)
    approval: Told = (0.0, ANNA, Approval(reason="seen it"))
    told = [
        proposed(plan, 0.0), decided(0.0, "needs-approval", ["it takes a node out"], 1), approval,
        *done(step, 0.0, run), seen(step, 0.0, "took-effect", "it is drain"), over(0.0, "succeeded"),
    ]  # fmt: skip
    yield from (Note(who, body, (node(_node(number)),), run, plan.digest) for _, who, body in told)


def _beat(number: int) -> Note:
    return Note(CRON, Heartbeat(session=f"watch-{number % 3}", every=60.0))


def _refusal(number: int) -> Note:
    return Note(CRON, Refused(why="cooldown", text="it was done an hour ago", what="fatal-xid"), (node(_node(number)),))


def _episodes(count: int) -> Iterator[Entity]:
    for number in range(count):
        start = WEEK.since + WEEK.seconds * number / count
        facts = {"code": f"code-{number % 40}", "node": _node(number * 7), "part": f"GPU-{number % 8}"}
        facts |= {"scope": "accelerator", "was critical": "yes", "text": "so it is"}
        yield Entity(Key(Kind.EPISODE, f"{number}@{start:.0f}"), start, start + 1800.0, facts=facts)


if __name__ == "__main__":
    main()
