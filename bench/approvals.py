"""From a plan on record to the person who decides: its card on the approvals page, its badge on every other one.

    python -m bench.approvals [--times 20]

The whole application in a terminal of its own, over a live fleet, follows a ledger into which this process writes plans
that wait, at any moment of a second. A figure is the time from the entry being on disk to the run's name, or the badge,
in what the terminal was sent.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.pty_console import Console
from tests.support.frames import SyntheticFleet
from tests.support.runstory import ANNA, Story, decided, drain, over, planned, proposed
from tests.support.terminal import SyntheticFeed
from tui.app import run
from tui.base import AppOptions
from watchfloor.change import Origin
from watchfloor.ledgerfollower import LedgerFollower

LIMIT_SECONDS = 1.0  # one frame
_PATIENCE_SECONDS = 30.0


def waits(story: Story, name: str) -> Callable[[], None]:
    """A plan that waits, and how to end it."""
    story.now = time.time()
    plan = planned("drain-node", ANNA, Origin(f"fan {name}"), [drain("dgx-02", f"fan {name}")], story.now)
    story.run(name, plan, proposed(plan, 0.0), decided(0.0, "needs-approval", ["it takes a node out"], 1))
    story.write()

    def end() -> None:
        story.now = time.time()
        story.run(name, plan, over(0.0, "refused", "moved: it is drained"))
        story.write()

    return end


def measured(place: Path, key: bytes, shown: Callable[[str], bytes], times: int, chance: random.Random) -> list[float]:
    """Seconds until it was shown, of each plan, on the page that this key opens."""
    story = Story(place, time.time())
    console = Console([sys.executable, "-m", "bench.approvals", "--show", str(place)])
    found: list[float] = []
    try:
        console.until(b"LIVE", _PATIENCE_SECONDS)
        console.press(key)
        for number in range(times):
            console.watch(1.0 + chance.random())
            name = f"r{key.hex()}{number:06x}"
            end = waits(story, name)
            since = time.perf_counter()
            found.append(console.until(shown(name), _PATIENCE_SECONDS) - (since - console.started))
            end()
            console.watch(0.6)
    finally:
        console.close()
        story.ledger.close()
    return found


def row(what: str, seconds: list[float]) -> str:
    milliseconds = [1000 * one for one in sorted(seconds)]
    worst = milliseconds[-1] / 1000 / LIMIT_SECONDS
    return (
        f"{what:<34} {len(seconds):>4}  median {statistics.median(milliseconds):6.0f} ms"
        f"  max {milliseconds[-1]:6.0f} ms  ({worst:.2f} of the limit)"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--show", metavar="LEDGER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.show:
        return run(SyntheticFeed(SyntheticFleet()), AppOptions(ledger=LedgerFollower(Path(options.show))))
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        card = measured(Path(folder) / "card.db", b"8", str.encode, options.times, chance)
        badge = measured(Path(folder) / "badge.db", b"1", lambda name: b"approvals", options.times, chance)
    print(row("a plan on the approvals page", card))
    print(row("the badge, on another page", badge))
    return 0 if max(*card, *badge) < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
