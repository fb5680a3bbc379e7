"""One sampler: when it is due, what it said last, and whether it still answers.

Must not do: know other samplers, threads or the wire.
"""

from .cells import FAILED_CODE, LONGEST_WORDS, NOT_YET_CODE, TIMED_OUT, Absent, Missing, Paused, Reading
from .redact import redact

ABSENT_PERIOD_SECONDS = 30.0  # until it is looked whether there is something to sample by now; then twice as long,
ABSENT_LONGEST_SECONDS = 240.0  # and so on, up to this
PROMPT_SECONDS = 0.004  # a report waits for samplers that take less: waking another thread costs more than they do


class Runner:
    """Between a sampler and the engine, which calls all but `run` on its own thread."""

    def __init__(self, name: str, kind, world, board, finished) -> None:
        self.name = name
        self.kind = kind
        self.state = "ok"
        self.text = "no answer yet"
        self.answered_at = 0.0  # wall clock; 0: never
        self.cost = 0.0  # seconds
        self.cpu = 0.0  # seconds
        self.reading = None  # the newest one, as it is shown
        self.busy = False  # begun, and its answer not collected yet
        self.due = world.monotonic()
        self.events = []  # what it has told of, until a report takes it
        self._world = world
        self._board = board
        self._finished = finished
        self._sampler = None
        self._answer = None  # (state, text, reading), put by the thread, taken by `collect`
        self._thread_id = ""
        self._started = 0.0
        self._takes = None  # seconds: the most of late
        self._absence = ABSENT_PERIOD_SECONDS

    # -- the engine's thread

    def begin(self, now: float, period: float) -> None:
        """It is about to be run; what it doesn't answer from now on counts against its deadline."""
        self.busy = True
        self._started = now
        self.due = now + self.period(period)

    def period(self, tick: float) -> float:
        """Seconds between its samples where reports come every `tick` seconds: quicker reports, quicker samples."""
        return max(tick, self.kind.period * min(1.0, tick))

    @property
    def is_new(self) -> bool:
        """It has never answered."""
        return self._takes is None

    @property
    def is_prompt(self) -> bool:
        """A report can wait for it."""
        return self.kind.awaited or (self._takes is not None and self._takes < PROMPT_SECONDS)

    def collect(self) -> bool:
        """Take its answer, if it has come."""
        if self._answer is None:
            return False
        (self.state, self.text, reading), self._answer = self._answer, None
        self.busy = False
        self._takes = self.cost if self._takes is None else max(self.cost, self._takes / 2)
        if self.state == "absent":
            self.due = max(self.due, self._started + self._absence)
            self._absence = min(2 * self._absence, ABSENT_LONGEST_SECONDS)
        else:
            self._absence = ABSENT_PERIOD_SECONDS
        if reading is not None or self.state == "absent":
            self.reading = reading
        elif self.reading is not None:
            code = NOT_YET_CODE if self.state == "paused" else FAILED_CODE
            self.reading = self.reading.without_values(Missing(code, self.text), self.kind.lasting)
        if reading is not None:
            self.events.extend(reading.events)
        return True

    def judge(self, now: float) -> bool:
        """Whether it is hung; as soon as it is, its values are taken back."""
        silent = now - self._started
        if not self.busy or silent < self.kind.deadline:
            return False
        if self.state != "hung" and self.reading is not None:
            self.reading = self.reading.without_values(TIMED_OUT, self.kind.lasting)
        self.state = "hung"
        self.text = "no answer for %d s%s" % (silent, self._kernel_state())
        return True

    def _kernel_state(self) -> str:
        try:
            stat = self._world.read("/proc/self/task/%s/stat" % self._thread_id)
        except OSError:
            return ""
        return ", state " + stat.rpartition(")")[2].split()[0]

    # -- whichever thread of the crew has it

    def run(self, thread_id: str) -> None:
        """One sample, begun by `begin`; it may have waited for its turn."""
        self._thread_id = thread_id
        began, cpu = self._world.monotonic(), self._world.thread_cpu()
        self._started = began
        answer = self._sample()
        self.cost = self._world.monotonic() - began
        self.cpu = self._world.thread_cpu() - cpu
        self.answered_at = self._world.now()
        self._answer = answer
        self._finished(self)

    def _sample(self) -> "tuple[str, str, Reading | None]":
        try:
            if self._sampler is None:
                self._sampler = self.kind(self._world, self._board)
            reading = self._sampler.sample()
            if reading.trouble:
                return "failed", redact(reading.trouble)[:LONGEST_WORDS], reading
            return "ok", "", reading
        except Absent as absent:
            return "absent", redact(str(absent)), None
        except Paused as paused:
            return "paused", redact(str(paused)), None
        except Exception as error:  # whatever it is, it concerns this sampler alone, and it is told
            return "failed", redact("%s: %s" % (type(error).__name__, error))[:LONGEST_WORDS], None
