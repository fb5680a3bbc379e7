"""A `neuron-monitor` that runs for as long as the probe does, and what its newest record says."""

from . import neuron_monitor
from .cells import FAILED_CODE, NOT_YET, TIMED_OUT_CODE, UNSUPPORTED_CODE, Missing

_PROGRAM = "neuron-monitor"
_PATIENCE_SECONDS = 1.0
_SILENT_SECONDS = 30.0  # a record comes every 5 seconds
_AGAIN_SECONDS = 15.0  # until it is started anew
_ABSENT = Missing(UNSUPPORTED_CODE, "neuron-monitor is not installed here")


class Monitor:
    """`renew` now and then; then `record` is the newest one, or the reason why there is none."""

    def __init__(self, world) -> None:
        self.record: "dict | Missing" = NOT_YET
        self.running = []  # neuron_monitor.Program, as of that record
        self._world = world
        self._lines = None
        self._start_at = 0.0
        self._heard_at = 0.0
        self._failures = {}  # pid -> executions that have failed since the probe watches

    def renew(self) -> None:
        """Take what it has said since; waits a moment for it."""
        lines = self._lines or self._started()
        if lines is None:
            return
        try:
            line = lines.line(_PATIENCE_SECONDS)
            while line:
                self.take(line)
                line = lines.line(0.0)
        except (EOFError, OSError) as ended:
            self._end(lines, Missing(FAILED_CODE, "%s ended: %s" % (_PROGRAM, ended)))
            return
        silent = self._world.monotonic() - self._heard_at
        if silent > _SILENT_SECONDS:  # it hangs: the next one may not
            self._end(lines, Missing(TIMED_OUT_CODE, "%s was silent for %d s" % (_PROGRAM, silent)))

    def _end(self, lines, reason: Missing) -> None:
        lines.close()
        self._lines = None
        self.record, self.running = reason, []

    def _started(self):
        """Its lines, where it is there and time for it."""
        now = self._world.monotonic()
        if now < self._start_at:
            return None
        self._start_at = now + _AGAIN_SECONDS
        if self._world.which(_PROGRAM) is None:
            self.record = _ABSENT
            return None
        try:
            self._lines = self._world.start([_PROGRAM])
        except OSError as error:
            self.record = Missing(FAILED_CODE, "%s can't be started: %s" % (_PROGRAM, error))
        self._heard_at = now
        return self._lines

    def take(self, line: str) -> None:
        """One line of its output."""
        try:
            record = neuron_monitor.parse(line)
        except ValueError:
            return  # it writes notices among its records
        self._heard_at = self._world.monotonic()
        try:
            self.record, self.running = record, neuron_monitor.programs(record)
        except (AttributeError, TypeError, ValueError) as error:  # of other types than any version has shown
            self.record, self.running = Missing(FAILED_CODE, "%s's record can't be read: %s" % (_PROGRAM, error)), []
        self._failures = {
            program.pid: self._failures.get(program.pid, 0) + program.failures for program in self.running
        }

    def failures(self, device) -> "int | Missing":
        """Executions that failed, of the programs that use a device now, since the probe watches them."""
        if isinstance(self.record, Missing):
            return self.record
        if self.running and not device.cores:
            return neuron_monitor.UNNUMBERED
        return sum(self._failures[program.pid] for program in self.running if program.uses(device))

    def holders(self, device) -> "list | Missing":
        """(pid, bytes or -1, kind) of the programs on a device, as in cells.Reading."""
        if self.running and not device.cores:
            return neuron_monitor.UNNUMBERED
        using = [program for program in self.running if program.uses(device)]
        sizes = [program.memory_on(device, alone=False) for program in using]
        return [(program.pid, -1 if isinstance(size, Missing) else size, "compute")
                for program, size in zip(using, sizes)]  # fmt: skip
