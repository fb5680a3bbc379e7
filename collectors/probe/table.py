"""The cells of one scope as flat positions: what is current, and what the console was told last.

Position = subject * len(metrics) + metric. Must not do: know samplers, clocks or JSON.
"""

from .cells import FAILED_CODE, UNSUPPORTED, Missing
from .notes import Notes
from .redact import redact

# what the console takes (watchfloor.report): what is beyond would cost the node its whole report
_LARGEST, _LONGEST = 1e20, 4096
_NUMBERS = (int, float)


class Table:
    """`keys` and `metrics` give positions their meaning; both are fixed for the life of a table."""

    def __init__(self, keys: "list[str]", metrics: "list[str]") -> None:
        self.keys = keys
        self.metrics = metrics
        self._width = len(metrics)
        self._row = {key: index * self._width for index, key in enumerate(keys)}
        self._column = {name: index for index, name in enumerate(metrics)}
        self._values = [UNSUPPORTED] * (len(keys) * self._width)  # type: list
        self._changed = set()  # positions
        self._notes = Notes(keys, metrics)

    def put(self, key: str, row: "dict | tuple", last: "dict | tuple" = ()) -> None:
        """Store the cells of one subject; subjects that the table doesn't have are left out.

        `last` is what the same sampler put before: parts that are the very same are not looked into.
        """
        base = self._row.get(key)
        if base is None:
            return
        if not isinstance(row, tuple):
            self._store(base, row)
        elif isinstance(last, tuple) and len(last) == len(row):
            for part, before in zip(row, last):
                if part is not before:
                    self._store(base, part)
        else:
            for part in row:
                self._store(base, part)

    def _store(self, base: int, cells: dict) -> None:
        values, column = self._values, self._column
        for name, value in cells.items():
            at = base + column[name]
            old = values[at]
            if old is not value and old != value:  # most are the very same: a reason compares in Python, at a cost
                values[at] = value
                self._changed.add(at)

    def take(self, full: bool) -> "tuple[dict, dict]":
        """Cells for a report (watchfloor.report.Cells, no empty lists), and notes; then all is told.

        A full one leaves out what is unsupported: of a hundred links of several kinds, that is most.
        """
        if not full and not self._changed:
            return {}, {}
        values, positions = self._values, sorted(self._changed)
        if full:
            positions = [at for at, value in enumerate(values) if value is not UNSUPPORTED]
            self._notes.forget()
        self._changed = set()
        numbers = [at for at in positions if type(values[at]) in _NUMBERS and -_LARGEST <= values[at] <= _LARGEST]
        reasons, texts, pairs = ([], []), ([], []), set()
        for at in _others(positions, numbers):
            value = _tellable(values[at])
            if isinstance(value, Missing):
                told, shown = reasons, value.code
                if self._notes.concern(at % self._width, value):
                    pairs.add((at % self._width, value.code))
            else:
                told, shown = texts, value
            told[0].append(at)
            told[1].append(shown)
        notes = self._notes.renewed(pairs, self._shown) if pairs else {}
        cells = _named((numbers, [values[at] for at in numbers]), reasons, texts)
        return cells, {key: redact(_text(words)) for key, words in notes.items()}

    def _shown(self, column: int):
        """What is told of each subject."""
        return map(_tellable, self._values[column :: self._width])


def _others(positions: "list[int]", numbers: "list[int]") -> "list[int]":
    if len(numbers) == len(positions):
        return []
    known = set(numbers)
    return [at for at in positions if at not in known]


def _tellable(value) -> "float | str | Missing":
    """A number or text that a console takes, or why there is none. Tools and runtimes give anything."""
    if isinstance(value, Missing) or (type(value) in _NUMBERS and -_LARGEST <= value <= _LARGEST):
        return value
    if isinstance(value, str):
        return _text(value)
    return Missing(FAILED_CODE, "no value: %.80r" % (value,))


def _text(words: str) -> str:
    """Without halves of surrogate pairs: JSON may hold them, UTF-8 may not."""
    return words.encode("utf-8", "replace").decode()[:_LONGEST]


def _named(numbers: tuple, reasons: tuple, texts: tuple) -> dict:
    cells = {}
    for (positions, values), names in ((numbers, ("p", "v")), (reasons, ("mp", "mc")), (texts, ("xp", "x"))):
        if positions:
            cells[names[0]], cells[names[1]] = positions, values
    return cells
