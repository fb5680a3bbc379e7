"""The kernel log as events: XIDs, resets, links that go down, machine checks, hangs and the like.

At its start it tells what the log still holds; each event has an identity, so that nothing counts twice.
Must not do: know patterns (kernel_rules.py) or sources (kernel_sources.py).
"""

from .cells import Reading


class Sampler:
    period, deadline = 1.0, 10.0
    metrics = {}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        from .kernel_lines import Parser, Repeats  # noqa: PLC0415 - compiled on this thread, after the first report

        self._world = world
        self._source = None
        self._parser = Parser()
        self._repeats = Repeats()
        self._overwritten = 0
        self._told_overwritten_at = 0.0

    def sample(self) -> Reading:
        if self._source is None:
            from .kernel_sources import opened  # noqa: PLC0415 - as above

            self._source = opened(self._world)
        source = self._source
        try:
            lines = source.read()
        except (OSError, EOFError):
            source.close()
            self._source = None
            raise
        events = [event for line in lines for event in self._events(*line)]
        self._parser.forget()
        now = self._world.now()
        if len(lines) < source.MOST:  # else there is more of the same time to come
            events += self._repeats.overdue(now)
        self._overwritten += source.overwritten
        source.overwritten = 0
        return Reading({}, events=[*events, *self._lost_lines(now)])

    def _events(self, identity: str, at: float, message: str, device: str) -> "list[dict]":
        event = self._parser.parse(message, device)
        if event is None:
            return []
        event["at"], event["id"] = round(at, 3), identity
        return self._repeats.take(event)

    def _lost_lines(self, now: float) -> "list[dict]":
        """That lines came faster than they could be read, at most once a minute."""
        if not self._overwritten or now - self._told_overwritten_at < self._repeats.SECONDS:
            return []
        text = "%d lines of the kernel log were overwritten before they could be read" % self._overwritten
        self._overwritten, self._told_overwritten_at = 0, now
        return [{"at": round(now, 3), "source": "kernel", "kind": "left-out", "severity": "info", "text": text}]
