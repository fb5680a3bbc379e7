"""The jobs page as rows and lines: a job a row, and below the table what is known of the one under the cursor. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from tui.present.choice import Mask, Sort
from tui.present.fields import Field, columns_for
from tui.present.format import Text, exact, meter, shortened, value
from tui.present.line import Line, flow, within
from tui.present.order import arrange, keys_of
from tui.present.rows import Column
from tui.present.style import UNICODE, Glyphs, Token
from watchfloor.distinct import distinct
from watchfloor.frame import Cell, Frame, View
from watchfloor.jobs.model import Attempt, Job, JobState, SourceState
from watchfloor.jobs.provenance import Provenance
from watchfloor.jobs.spread import lagging, spreads
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import Missing, Scope, Subject
from watchfloor.snapshot.jobdetail import called, step_words
from watchfloor.snapshot.jobs import held_unseen, source_words
from watchfloor.snapshot.words import duration_in_prose, in_prose

JOB_FIELDS: Sequence[Field] = (
    Field("state", "", 1, 0, "left", "S"),
    Field("name", "JOB", 12, 0, "left", "N", most=36),
    Field("title", "NAME", 18, 3, "left"),
    Field("user", "USER", 9, 0, "left", "W"),
    Field("account", "ACCOUNT", 9, 12, "left"),
    Field("queue", "QUEUE", 9, 7, "left", "Q"),
    Field("phase", "PHASE", 9, 0, "left", "H"),
    Field("nodes", "#N", 4, 2),
    Field("accelerators", "ACCELS", 6, 0, letter="A"),
    Field("attempt", "TRY", 3, 9),
    Field("util", "UTIL%", 5, 0, letter="U"),
    Field("util_min", "MIN%", 5, 4),
    Field("spread", "SPREAD", 6, 11),
    Field("tensor", "TENSOR%", 7, 10),
    Field("mem", "MEM%", 5, 6, letter="E"),
    Field("power", "POWER", 6, 5, letter="P"),
    Field("idle", "IDLE", 4, 8, letter="I"),
    Field("elapsed", "ELAPSED", 7, 1, letter="T"),
    Field("time_left", "LEFT", 6, 13),
    Field("waited", "WAITED", 6, 15),
    Field("energy", "ENERGY", 7, 16),
    Field("gpu_time", "GPUTIME", 7, 14),
    Field("cost", "COST", 7, 17, letter="C"),
    Field("note", "WHERE, OR WHY NOT", 26, 0, "left", flexible=True),
)
_METRICS = CATALOGUE[Scope.JOB]
_RANKS = {
    JobState.RUNNING: 0, JobState.STARTING: 1, JobState.ENDING: 2, JobState.SUSPENDED: 3, JobState.PENDING: 4,
    JobState.HELD: 5, JobState.UNKNOWN: 6,
}  # fmt: skip
_BAD = (JobState.FAILED, JobState.NODE_FAILED, JobState.OUT_OF_MEMORY)
_TOKENS = {
    JobState.RUNNING: Token.OK,
    JobState.STARTING: Token.OK,
    JobState.PENDING: Token.DIM,
    JobState.HELD: Token.WARNING,
    JobState.SUSPENDED: Token.WARNING,
    JobState.TIMED_OUT: Token.WARNING,
    JobState.PREEMPTED: Token.WARNING,
    **dict.fromkeys(_BAD, Token.CRITICAL),
}
_SHARE_BESIDE_NAMES, _SHARE_ALONE = 8, 5  # the part of a screen's width that ids may take
_SELDOM = frozenset({"cost", "link_rx"})  # said only where there is something to say
_COMMIT_SHOWN = 12  # digits
_ENDED_SECONDS = 3600.0  # how long the summary speaks of jobs that ended badly


def job_columns(view: View, width: int) -> list[Column]:
    """Columns as `width` cells have space for; what is told of no job gets none.

    Ids of pods are long, and leave room for the name beside them; where there is none anyway, they say more themselves.
    """
    told = [field for field in JOB_FIELDS if not field.rank or _is_told(view, field.name)]
    longest = _longest(view, "name")
    beside = columns_for(told, width, {"name": min(longest, width // _SHARE_BESIDE_NAMES)})
    named = any(column.name == "title" for column in beside)
    return beside if named else columns_for(told, width, {"name": min(longest, width // _SHARE_ALONE)})


def _is_told(view: View, name: str) -> bool:
    return bool(_longest(view, name) if _METRICS[name].kind is Kind.TEXT else np.any(~np.isnan(view.known(name))))


def _longest(view: View, name: str) -> int:
    codes = view.last(name)
    return max((len(view.texts[int(code)]) for code in distinct(codes[~np.isnan(codes)]).tolist()), default=0)


class JobTable:
    """Implements TableModel. Identities are Subjects of the scope job."""

    def __init__(
        self,
        frame: Frame,
        columns: Sequence[Column],
        sort: Sort,
        mask: Mask | None = None,
        over: bool = False,
        glyphs: Glyphs = UNICODE,
    ) -> None:
        self.columns = columns
        self.sort = (sort.column, sort.descending)
        self._frame, self._glyphs = frame, glyphs
        jobs = frame.jobs
        wanted = np.array([over or not job.state.is_over for job in jobs.rows], np.bool_)
        rows = np.flatnonzero(wanted if mask is None else wanted & mask)
        rows = rows[np.argsort(np.array([_rank(jobs.rows[row]) for row in rows.tolist()], np.int64), kind="stable")]
        self._order = arrange(rows, self._keys(sort.column), sort.descending)
        self._places = {int(row): place for place, row in enumerate(self._order)}

    def _keys(self, name: str) -> np.ndarray | None:
        if name == "state":
            return self._frame.jobs.view.states.astype(np.float64)
        if name == "phase":  # what runs, what waits, what is over
            return np.array([_rank(job) for job in self._frame.jobs.rows], np.float64)
        return keys_of(self._frame.jobs.view, name) if name in _METRICS else None

    @property
    def count(self) -> int:
        return len(self._order)

    def identity(self, index: int) -> Subject:
        return Subject(Scope.JOB, "", self._frame.jobs.rows[int(self._order[index])].id)

    def index_of(self, identity: Hashable) -> int | None:
        row = self._frame.row(identity) if isinstance(identity, Subject) and identity.scope is Scope.JOB else None
        return None if row is None else self._places.get(row)

    def marked(self, index: int) -> bool:
        return False

    def cells(self, index: int) -> Sequence[Text]:
        row = int(self._order[index])
        return [self._cell(row, column) for column in self.columns]

    def _cell(self, row: int, column: Column) -> Text:
        job, view = self._frame.jobs.rows[row], self._frame.jobs.view
        if column.name == "note":
            return _note(job, view.text(row, "where"))
        if column.name == "phase":
            return job.state.value, _TOKENS.get(job.state, Token.TEXT)
        if column.name == "state":
            state = Cell(float(view.states[row]))
            held = job.state.holds_nodes
            return value(state, _METRICS["state"], column.width, self._glyphs) if held else ("", Token.DIM)
        if column.name == "name":
            return shortened(job.number, column.width, self._glyphs.ellipsis), Token.TEXT
        cell = view.cell(row, column.name)
        if cell.missing is not Missing.NO and job.state.is_over:
            return "-", Token.DIM  # nothing is to be read of what is over
        return value(cell, _METRICS[column.name], column.width, self._glyphs)


def _rank(job: Job) -> int:
    return _RANKS.get(job.state, 7)


def _note(job: Job, where: str) -> Text:
    """Where it runs; why it doesn't."""
    if job.state.holds_nodes:
        return where, Token.TEXT
    why = job.reason or job.told_state.lower()
    return (f"{why} · {where}" if where and why else why or where), _TOKENS.get(job.state, Token.DIM)


def summary_lines(frame: Frame, width: int) -> Sequence[Line]:
    """What runs, what waits, what ended badly; then the sources, the troubled ones first."""
    rows = frame.jobs.rows
    running = sum(job.state.holds_nodes for job in rows)
    waiting = [job for job in rows if job.state in (JobState.PENDING, JobState.HELD)]
    wanted = sum(job.accelerators_wanted or 0 for job in waiting)
    failed = sum(job.state in _BAD and frame.at - (job.ended or 0.0) < _ENDED_SECONDS for job in rows)
    counts: list[Line] = [
        [(f"{running}", Token.STRONG), (" running on ", Token.DIM), *_held(frame)],
        [(f"{len(waiting)}", Token.STRONG), (" waiting", Token.DIM)],
    ]
    if wanted:
        counts[-1] = [*counts[-1], (" for ", Token.DIM), (f"{wanted}", Token.STRONG)]
    if failed:
        counts.append([(f"{failed} ended badly within the hour", Token.CRITICAL)])
    return [*flow(counts, width), *flow(_sources(frame), width)]


def _held(frame: Frame) -> Line:
    """The accelerators on which jobs are seen, and those that are theirs by their schedulers' word alone."""
    busy, total = int(np.count_nonzero(frame.jobs.owners >= 0)), frame.accelerators.count
    held, where = held_unseen(frame)
    if held and not busy:
        return [(f"{held}", Token.STRONG), (f" accelerators, {where}", Token.DIM)]
    here: Line = [(f"{busy}", Token.STRONG), (f" of {total} accelerators", Token.DIM)]
    return [*here, (" and ", Token.DIM), (f"{held}", Token.STRONG), (f", {where}", Token.DIM)] if held else here


def _sources(frame: Frame) -> Sequence[Line]:
    sources = sorted(frame.jobs.sources, key=lambda source: source.state is SourceState.OK)
    if not sources:
        return [[("no scheduler is asked: jobs are those that processes tell of", Token.DIM)]]
    tokens = {SourceState.FAILED: Token.CRITICAL}
    return [[(source_words(source, frame.at), tokens.get(source.state, Token.DIM))] for source in sources]


def detail_lines(frame: Frame, identity: Hashable, width: int, most: int, glyphs: Glyphs = UNICODE) -> Sequence[Line]:
    """One job on at most so many lines: what it is, what it was started from, its attempts and steps, what it does, how
    far apart its accelerators are or who lags, and its nodes one by one.
    """
    row = frame.row(identity) if isinstance(identity, Subject) and identity.scope is Scope.JOB else None
    if row is None:
        return []
    job = frame.jobs.rows[row]
    told = (
        _what(job),
        _origin(job, frame.jobs.provenance.get(job.id)),
        _tries(job),
        _figures(frame, row),
        _spread(frame, row),
        _nodes(frame, row, glyphs),
    )
    return _dealt([flow(parts, width) for parts in told], most, width)


def _dealt(sections: Sequence[Sequence[Line]], most: int, width: int) -> list[Line]:
    """A line each, then to the first ones as many as they need, as long as there are any."""
    spare, found = max(0, most - len(sections)), list[Line]()
    for section in sections:
        taken = min(len(section), 1 + spare)
        spare -= taken - 1
        found += within(section, taken, width)
    return found[:most]


def _what(job: Job) -> Sequence[Line]:
    words = [job.command or job.owner, job.comment]
    told = " · ".join(word for word in words if word) or "its command is not told"
    return [[(f"{job.number} ", Token.STRONG), (f"{job.name}  ", Token.TEXT), (told, Token.DIM)]]


def _origin(job: Job, told: Provenance | None) -> Sequence[Line]:
    """Image, commit, directory, runs and labels, by its processes; by its scheduler where these don't tell."""
    told = told or Provenance()
    labels = {**told.labels, **{name: value for name, value in job.labels.items() if value}}
    parts = [
        ("image", _several(told.images) or job.image),
        ("commit", _several([commit[:_COMMIT_SHOWN] for commit in told.commits])),
        ("in", _several(told.directories) or job.working_directory),
        *told.runs.items(),
        *labels.items(),
    ]
    found = [_fact(name, words) for name, words in parts if words]
    return found or [[("what it was started from is not told", Token.DIM)]]


def _fact(name: str, words: str, token: Token = Token.TEXT) -> Line:
    return [(f"{name} ", Token.DIM), (words, token)]


def _several(values: Sequence[str]) -> str:
    """The first, and how many more there are."""
    return f"{values[0]}{f' and {len(values) - 1} more' if len(values) > 1 else ''}" if values else ""


def _tries(job: Job) -> Sequence[Line]:
    """Its attempts, the newest last; what it waits for where it has none."""
    if not job.attempts:
        depends = f"depends on {job.dependency}" if job.dependency else f"attempt {job.attempt}"
        return [[(depends, Token.DIM)]]
    attempts = [
        _fact(f"attempt {attempt.number}", _attempt_words(attempt), _TOKENS.get(attempt.state, Token.DIM))
        for attempt in job.attempts[-3:]
    ]
    steps = [[(f"step {step_words(job, step)}", Token.DIM)] for step in job.steps if step.number.isdecimal()]
    return [*attempts, *steps]


def _attempt_words(attempt: Attempt) -> str:
    lasted = ""
    if attempt.started and attempt.ended:
        lasted = f" after {duration_in_prose(attempt.ended - attempt.started)}"
    return f"{attempt.ended_as}{lasted}{f': {attempt.reason}' if attempt.reason else ''}"


def _figures(frame: Frame, row: int) -> Sequence[Line]:
    """Of a job without accelerators here, what is known all the same."""
    found: list[Line] = []
    for name, label in (
        ("util_mean", "mean util"), ("energy", "energy"), ("watched", "watched for"), ("cost", "cost"),
        ("idle", "idle"), ("stragglers", "stragglers"), ("silent", "silent"), ("link_rx", "links in"),
    ):  # fmt: skip
        cell = frame.jobs.view.cell(row, name)
        if cell.missing is Missing.NO or (name not in _SELDOM and cell.missing is not Missing.UNSUPPORTED):
            found.append(_fact(label, *exact(cell, _METRICS[name])))
    return found or [[("no figures of its own", Token.DIM)]]


def _spread(frame: Frame, row: int) -> Sequence[Line]:
    """Its stragglers, each with its reason; where there is none, how far apart its accelerators are."""
    slow = lagging(frame).get(row)
    if slow:
        return [[(finding.text, Token.WARNING)] for finding in slow]
    found: list[Line] = []
    for one in spreads(frame, row):
        metric = CATALOGUE[Scope.ACCELERATOR][one.metric]
        low, high = (in_prose(metric, value) for value in (one.lowest, one.highest))
        words = f"{low} to {high}, lowest {called(frame, one.lowest_on)}" if low != high else low
        found.append(_fact(metric.title, words))
    return found or [[("no two of its accelerators tell anything that could be compared", Token.DIM)]]


def _nodes(frame: Frame, row: int, glyphs: Glyphs) -> Sequence[Line]:
    """Each of its nodes with the mean utilisation of the accelerators that are its own there."""
    boards = frame.jobs.accelerators_of(row)
    if not boards.size:
        return [[("nothing of it is seen on the fleet's accelerators", Token.DIM)]]
    util, node = frame.accelerators.known("util")[boards], frame.accelerators.node[boards]
    heard = ~np.isnan(frame.accelerators.known("mem_used")[boards])  # MIG instances tell their memory alone
    found: list[Line] = []
    for index in distinct(node).tolist():
        mine = util[node == index]
        known = mine[~np.isnan(mine)]
        silence = "no utilisation told" if heard[node == index].any() else "silent"
        words = f"{known.mean():.0f}% {meter(float(known.mean()) / 100, 6, glyphs)}" if known.size else silence
        part = _fact(f"{frame.specs[index].name}×{mine.size}", words, Token.TEXT if known.size else Token.STALE)
        seen = frame.jobs.scheduler.get(index)
        found.append(part if seen is None or seen.takes_work else [*part, (f" {seen.state}", Token.WARNING)])
    return found
