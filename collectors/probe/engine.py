"""When to sample and when to speak: the clockwork between the samplers, the console and the wire.

The main thread owns everything here; sampler threads and the reader of the console's lines only leave word and wake
it. Must not do: know what is sampled.
"""

import _thread
import json

from .agenda import Agenda
from .assembly import Assembly
from .cells import Board
from .crew import Crew
from .runner import Runner

FIRST_WAIT_SECONDS = 0.15  # the first report waits this long for the drivers
ALONE_SECONDS = 0.02  # samplers share a thread while none holds it up for this long
TICK_WAIT_SECONDS = 0.05  # a later one this long for what was started with it

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Engine:
    """`write(text)` puts one line out and may block; `kinds` maps sampler names to their classes."""

    def __init__(self, world, kinds: dict, write) -> None:
        self._world = world
        self._write = write
        self._wake = _thread.allocate_lock()
        self._wake.acquire()
        self._heard = []  # the console's lines, left by the reader
        self._board = Board()
        self._crew = Crew(world)
        self._runners = [Runner(name, kind, world, self._board, self._answered) for name, kind in kinds.items()]
        self._busy = []  # begun, and not collected yet
        self._pending = set()  # those of this tick that a report waits for; their threads take them out
        self._fresh = []  # collected since the last report
        self._row = []  # new ones that nobody waits for: begun, one after the other
        self._agenda = Agenda(self._runners)
        self._followers = [runner for runner in self._runners if runner.kind.follows_holders]
        self._assembly = Assembly(self._runners)
        self._period = 1.0
        self._full_every = 60
        self._full_wanted = True
        self._next_tick = 0.0
        self._ticks = 0

    # -- other threads

    def hear(self, message: dict) -> None:
        """A line from the console."""
        self._heard.append(message)
        self._rouse()

    def _answered(self, runner: Runner) -> None:
        """A sampler has answered: of interest at once where a report waits for it, or before the first tick."""
        awaited = runner in self._pending
        self._pending.discard(runner)
        if self._ticks == 0 or (awaited and not self._pending):
            self._rouse()

    def _rouse(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:  # it is awake already
            pass

    # -- the main thread

    def run(self) -> None:
        """Speak until the process ends."""
        self._next_tick = self._world.monotonic() + self._period
        self._sample(FIRST_WAIT_SECONDS)
        while True:
            self._wait_until(self._next_tick)
            if self._world.monotonic() >= self._next_tick:
                self._tick()
            elif self._ticks == 0:
                self._report_early()

    def _tick(self) -> None:
        self._ticks += 1
        now = self._world.monotonic()
        behind = int((now - self._next_tick) / self._period)  # ticks lost while the console didn't read
        self._next_tick += (behind + 1) * self._period
        if self._full_every and self._ticks % self._full_every == 0:
            self._full_wanted = True
        self._sample(TICK_WAIT_SECONDS)

    def _sample(self, patience: float) -> None:
        """Start what is due, report what has answered within `patience` seconds, then start what nobody waits for."""
        self._collect()  # what came too late for the last report
        due = self._due()
        prompt = [runner for runner in due if runner.is_prompt]  # asked once: what an answer takes may change it
        late = [runner for runner in due if not runner.is_prompt]
        queue = self._begun(prompt)
        self._pending = set(queue)
        while queue:  # and again while one of them takes its time: the others don't wait for it
            self._crew.run(queue)
            self._wait_for_answers(ALONE_SECONDS)
        self._wait_for_answers(patience)
        self._collect()
        self._report()
        hurried = self._agenda.take(0.0)
        self._start_late(late + hurried)

    def _start_late(self, due: list) -> None:
        """New ones share a thread until one holds up the others for a tick; the others have each their own."""
        begun = self._begun(due)
        self._row += [runner for runner in begun if runner.is_new]
        if self._row:
            self._crew.run(self._row)
        for runner in begun:
            if not runner.is_new:
                self._crew.run([runner])

    def _due(self) -> list:
        return self._agenda.take(self._world.monotonic() + self._period / 2)

    def _begun(self, runners: list) -> list:
        now = self._world.monotonic()
        for runner in runners:
            runner.begin(now, self._period)
        self._busy += runners
        return runners

    def _collect(self) -> None:
        answered = [runner for runner in self._busy if runner.collect()]
        if answered:
            self._agenda.put(answered)
            self._fresh += answered
            self._busy = [runner for runner in self._busy if runner.busy]

    def _wait_for_answers(self, seconds: float) -> None:
        until = self._world.monotonic() + seconds
        while self._pending and self._world.monotonic() < until:
            self._wait_until(until)

    def _wait_until(self, when: float) -> None:
        """Sleep until then, or until roused; then answer the console."""
        self._wake.acquire(True, max(0.0, when - self._world.monotonic()))
        while self._heard:
            self._obey(self._heard.pop(0))

    def _obey(self, message: dict) -> None:
        kind = message.get("t")
        if kind == "ping":
            self._write(_encode({"t": "pong", "id": message["id"], "at": self._world.now()}))
        elif kind == "full":
            self._full_wanted = True
        elif kind == "settings":
            self._period = max(0.1, float(message["period"]))
            self._full_every = int(message["full_every"])
            self._next_tick = self._world.monotonic() + max(0.0, float(message["delay"]))

    def _report_early(self) -> None:
        """Before the first tick: what took longer than the first report could wait for."""
        self._collect()
        if self._fresh:
            self._report()

    def _report(self) -> None:
        now = self._world.monotonic()
        fresh = self._fresh + [runner for runner in self._busy if runner.judge(now)]
        self._fresh = []
        self._pass_on_holders(fresh)
        schema = self._assembly.renew(fresh)
        if schema is not None:
            self._write(_encode(schema))
        full = schema is not None or self._full_wanted
        self._full_wanted = False
        self._write(_encode(self._assembly.report(self._world.now(), full, self._period)))

    def _pass_on_holders(self, fresh: list) -> None:
        for runner in fresh:
            holders = runner.reading.holders if runner.reading is not None else None
            if holders is None or holders == self._board.holders.get(runner.name):
                continue
            self._board.holders = dict(self._board.holders, **{runner.name: holders})
            for follower in self._followers:
                self._agenda.hurry(follower)
