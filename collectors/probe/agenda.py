"""Which runner is due when: those that have no sample under way, the soonest first.

Only those that are due are looked at: on a node that does nothing between two ticks, each object that is touched costs.
Must not do: ask a clock.
"""

from bisect import insort


class Agenda:
    def __init__(self, runners: list) -> None:
        self._numbers = {runner.name: number for number, runner in enumerate(runners)}
        self._waiting = []  # (due, number, runner), sorted
        self.put(runners)

    def put(self, runners: list) -> None:
        """They have no sample under way any more."""
        for runner in runners:
            insort(self._waiting, (runner.due, self._numbers[runner.name], runner))

    def take(self, by: float) -> list:
        """Those that are due by then; they are not in the agenda until they are put there again."""
        count = 0
        while count < len(self._waiting) and self._waiting[count][0] <= by:
            count += 1
        taken, self._waiting[:count] = [runner for _, _, runner in self._waiting[:count]], ()
        return taken

    def hurry(self, runner) -> None:
        """It is due at once; one that has a sample under way, as soon as it has answered."""
        runner.due = 0.0
        waiting = len(self._waiting)
        self._waiting = [entry for entry in self._waiting if entry[2] is not runner]
        if len(self._waiting) < waiting:
            self.put([runner])
