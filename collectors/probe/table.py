"""The cells of one scope as flat positions: what is current, and what the console was told last.

Position = subject * len(metrics) + metric. Must not do: know samplers, clocks or JSON.
"""

from .cells import Missing


class Table:
    """`keys` and `metrics` give positions their meaning; both are fixed for the life of a table."""

    def __init__(self, keys: "list[str]", metrics: "list[str]") -> None:
        self.keys = keys
        self.metrics = metrics
        self._width = len(metrics)
        self._row = {key: index * self._width for index, key in enumerate(keys)}
        self._column = {name: index for index, name in enumerate(metrics)}
        self.values = [None] * (len(keys) * self._width)
        self._changed = {}  # position -> None: an ordered set
        self._rows = {}  # key -> the cells put last

    def put(self, key: str, cells: dict) -> None:
        """Store the cells of one subject; subjects that the table doesn't have are left out.

        The very dictionary that was put last is not looked into: a sampler with nothing new hands it out again.
        """
        base = self._row.get(key)
        if base is None or self._rows.get(key) is cells:
            return
        self._rows[key] = cells
        values, column = self.values, self._column
        for name, value in cells.items():
            at = base + column[name]
            old = values[at]
            if old is not value and old != value:  # most are the very same: a reason compares in Python, at a cost
                values[at] = value
                self._changed[at] = None

    def take(self, full: bool) -> "tuple[dict, dict]":
        """Cells for a report (watchfloor.report.Cells, empty lists left out) and notes by metric; then all is told."""
        positions = range(len(self.values)) if full else sorted(self._changed)
        self._changed = {}
        lists = {"p": [], "v": [], "mp": [], "mc": [], "xp": [], "x": []}
        notes = {}
        for at in positions:
            self._sort_in(at, self.values[at], lists, notes)
        return {name: items for name, items in lists.items() if items}, notes

    def _sort_in(self, at: int, value, lists: dict, notes: dict) -> None:
        if isinstance(value, str):
            lists["xp"].append(at)
            lists["x"].append(value)
        elif isinstance(value, Missing):
            lists["mp"].append(at)
            lists["mc"].append(value.code)
            if value.note:
                notes[self.metrics[at % self._width]] = value.note
        else:
            lists["p"].append(at)
            lists["v"].append(value)
