"""What a sampler gives: values or the reason why there is none, by scope, subject and metric.

A sampler is a class `Sampler` in a module of this folder:

    period      seconds between samples, where reports come every second
    deadline    seconds after which a silent one counts as hung
    metrics     {scope: names} that it fills; the names are those of the console's catalogue
    owns        scopes whose subjects it names ("" of "node" belongs to nobody): others only add to them
    lasting     metrics that stay true while it is silent (identity)
    awaited     the report of a tick waits a moment for it: only for what answers in milliseconds
    follows_holders   it samples anew at once when the processes on the accelerators change
    __init__(world, board)    runs on its own thread; `board.holders` is what other samplers know of processes
    sample() -> Reading       raises Absent where there is nothing here to sample, Paused where it must not for now
"""

# watchfloor.model.Missing, in numbers: the probe can't import it
NOT_YET_CODE, UNSUPPORTED_CODE, NOT_PERMITTED_CODE, TIMED_OUT_CODE, FAILED_CODE, LOST_CODE = 1, 2, 3, 4, 5, 6

LONGEST_WORDS = 1000  # characters of an error: the console refuses a line with far longer texts


class Missing:
    """Why a cell has no value; `note` is the driver's or kernel's word for it."""

    __slots__ = ("code", "note")

    def __init__(self, code: int, note: str = "") -> None:
        self.code = code
        self.note = note[:LONGEST_WORDS]

    def __eq__(self, other) -> bool:
        return isinstance(other, Missing) and (self.code, self.note) == (other.code, other.note)

    def __hash__(self) -> int:
        return hash((self.code, self.note))

    def __repr__(self) -> str:
        return "Missing(%d, %r)" % (self.code, self.note)


NOT_YET = Missing(NOT_YET_CODE)
UNSUPPORTED = Missing(UNSUPPORTED_CODE)
TIMED_OUT = Missing(TIMED_OUT_CODE)


class Absent(Exception):
    """There is nothing here for this sampler; the text says what was looked for."""


class Paused(Exception):
    """It has let go of what it reads, as it was asked to; the text says by whom and until when."""


class Reading:
    """One answer.

    cells     {scope: {key: row}}; a row is {metric: value or Missing}, or a tuple of such parts without a common metric
    details   {name: rows} of those that may have changed; several samplers may add rows to one detail
    holders   {accelerator key: [(pid, bytes or -1, kind)] or Missing}
    events    what has happened since the last answer, each a dict (watchfloor.report.Event); told once
    trouble   why it tells less than it could, as that the vendor's tool hangs: the sampler then counts as failed

    What was handed out is never changed afterwards: the very same dictionary again means that nothing in it has
    changed, and it isn't looked into. On a node with a hundred links, this is most of what a report costs.
    """

    __slots__ = ("cells", "details", "events", "holders", "trouble")

    def __init__(
        self,
        cells: dict,
        details: "dict | None" = None,
        holders: "dict | None" = None,
        events: "list[dict] | tuple" = (),
        trouble: str = "",
    ) -> None:
        self.cells = cells
        self.details = details or {}
        self.holders = holders
        self.events = events
        self.trouble = trouble

    def without_values(self, reason: Missing, lasting: "tuple[str, ...]") -> "Reading":
        """The same subjects, with a reason in place of every value but those that last."""
        return Reading(
            {
                scope: {
                    key: {name: value if name in lasting else reason for name, value in joined(row).items()}
                    for key, row in rows.items()
                }
                for scope, rows in self.cells.items()
            },
            self.details,
            self.holders,
        )


def parts(row) -> tuple:
    """The dictionaries of a row."""
    return row if isinstance(row, tuple) else (row,)


def joined(row) -> dict:
    """A row as one dictionary."""
    cells = {}
    for part in parts(row):
        cells.update(part)
    return cells


class Board:
    """What samplers know of one another. `holders`: sampler name -> as in Reading. Written by the main thread."""

    def __init__(self) -> None:
        self.holders = {}


RATE_BITS = 9
_WHOLE_FROM = 100.0  # watts


def told_rate(rate: float) -> float:
    """With nine binary digits, which is within two thousandths: when a counter is read is known no better, and digits
    that are noise would be sent, and recorded, every second."""
    noise = int(rate).bit_length() - RATE_BITS
    if noise < 0:
        return rate
    worth = 1 << noise
    return int(rate / worth + 0.5) * worth


def told_power(watts: float) -> float:
    """Whole watts from a hundred on: boards measure their power to some percent."""
    return round(watts, 1) if watts < _WHOLE_FROM else int(watts + 0.5)


class Rates:
    """Counters as changes a second. A counter that goes backwards was reset: its rate is not yet known again."""

    def __init__(self) -> None:
        self._last = {}

    def rate(self, name: object, counter: float, at: float, scale: float = 1.0) -> "float | Missing":
        """`scale` per unit of the counter; `at` in seconds of the monotonic clock."""
        before = self._last.get(name)
        self._last[name] = (counter, at)
        if before is None or counter < before[0] or at <= before[1]:
            return NOT_YET
        return told_rate((counter - before[0]) * scale / (at - before[1]))


def trouble(told) -> str:
    """For `Reading.trouble`: the words where a tool or service failed; "" where it told something, or isn't there."""
    failed = isinstance(told, Missing) and told.code in (TIMED_OUT_CODE, FAILED_CODE)
    return told.note if failed else ""


def rounded(value, digits: int = 0):
    """A number with few digits, so that a line stays short and noise is no change; a Missing as it is."""
    if isinstance(value, Missing):
        return value
    return round(value, digits) if digits else int(value + 0.5)


def from_oserror(error: OSError) -> Missing:
    """Why the kernel didn't let a file be read."""
    if error.errno in (1, 13):  # EPERM, EACCES
        return Missing(NOT_PERMITTED_CODE, error.strerror or "")
    if error.errno in (2, 19, 22, 95):  # ENOENT, ENODEV, EINVAL (counters that a driver lists but lacks), EOPNOTSUPP
        return UNSUPPORTED
    return Missing(FAILED_CODE, error.strerror or str(error))
