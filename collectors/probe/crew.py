"""The threads that run samplers: one is enough, and another for each that is stuck in a sampler.

A thread that wakes up costs more than most samplers do, so those that answer at once share one.
Must not do: know what a sampler is beyond `run(thread_id)`.
"""

import _thread


class Crew:
    """`run` may be called again with what is left of a queue: another thread takes it over from one that is stuck."""

    def __init__(self, world) -> None:
        self._world = world
        self._idle = []

    def run(self, queue: list) -> None:
        """Run all of `queue`, one after the other, taking each from it as its turn comes."""
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(self._world, self._idle)
        worker.take(queue)


class _Worker:
    def __init__(self, world, idle: list) -> None:
        self._world = world
        self._idle = idle
        self._queue = []
        self._go = _thread.allocate_lock()
        self._go.acquire()
        _thread.start_new_thread(self._run, ())

    def take(self, queue: list) -> None:
        self._queue = queue
        self._go.release()

    def _run(self) -> None:
        thread_id = _thread_id(self._world)
        while True:
            self._go.acquire()
            queue, self._queue = self._queue, []
            runner = _next(queue)
            while runner is not None:
                runner.run(thread_id)
                runner = _next(queue)
            self._idle.append(self)


def _next(queue: list):
    try:
        return queue.pop(0)
    except IndexError:  # all done, or another thread has taken the last one
        return None


def _thread_id(world) -> str:
    """The kernel's number of this thread, "?" where the kernel doesn't tell."""
    try:
        return world.readlink("/proc/thread-self").rpartition("/")[2]
    except OSError:
        return "?"
