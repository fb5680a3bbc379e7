"""Events on their way to the console: in order, each told once, a bounded number a report.

Must not do: know who told them, or what they mean.
"""

from .cells import LONGEST_WORDS

MOST_A_REPORT = 200
_MOST_WAITING = 5000


class Outbox:
    def __init__(self) -> None:
        self._waiting = []
        self._left_out = 0

    def put(self, events: "list[dict]") -> None:
        """Each as watchfloor.report.Event. Where more wait than the console can take for long, new ones are counted."""
        for event in events:
            if len(self._waiting) >= _MOST_WAITING:
                self._left_out += 1
            elif len(event["text"]) > LONGEST_WORDS:
                self._waiting.append(dict(event, text=event["text"][:LONGEST_WORDS]))
            else:
                self._waiting.append(event)

    def take(self, at: float) -> "list[dict]":
        """Those of the next report. `at` is the wall clock: of the event that tells of others left out."""
        if not self._waiting:
            return self._waiting
        taken, self._waiting = self._waiting[:MOST_A_REPORT], self._waiting[MOST_A_REPORT:]
        if self._left_out and not self._waiting:
            text = "%d events were left out: they came faster than they can be told" % self._left_out
            self._waiting.append({"at": round(at, 3), "source": "probe", "kind": "left-out", "text": text})
            self._left_out = 0
        return taken
