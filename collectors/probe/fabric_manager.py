"""What NVIDIA's fabric manager writes of NVSwitches and links, as events: its log is followed over its rotation."""

from .cells import Absent, Reading

_LOG = "/var/log/fabricmanager.log"


class Sampler:
    period, deadline = 5.0, 30.0
    metrics = {}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        from .kernel_lines import Repeats  # noqa: PLC0415 - compiled on this thread, after the first report

        self._world = world
        self._log = None
        self._repeats = Repeats()

    def sample(self) -> Reading:
        if self._log is None:
            self._log = self._opened()
        log = self._log
        try:
            lines = log.lines()
        except OSError:
            log.close()
            self._log = None
            raise
        now = self._world.now()
        events = [event for identity, line in lines for event in self._events(identity, line, now)]
        if not lines:  # else there may be more of the same time to come
            events += self._repeats.overdue(now)
        return Reading({}, events=events)

    def _opened(self):
        try:
            return self._world.follow(_LOG)
        except OSError as error:
            raise Absent("%s: %s" % (_LOG, error.strerror)) from error

    def _events(self, identity: str, line: str, now: float) -> "list[dict]":
        from .fabric_lines import parse  # noqa: PLC0415 - only where there is a fabric manager

        event = parse(line, now)
        if event is None:
            return []
        event["id"] = "fabricmanager:" + identity
        return self._repeats.take(event)
