"""One link in full: who it joins, its errors as rates, when its counters went back; and what a fabric comes to."""

from __future__ import annotations

from collections.abc import Sequence

from tui.present.format import age, number, quantity
from tui.present.line import Line, Piece, flow, within
from tui.present.links import beside_best, both_ways, odd_token, oddity_note, owner_name, standing
from tui.present.style import STATE_TOKENS, UNICODE, Glyphs, Token
from watchfloor.counters import Reset
from watchfloor.fabric import CONGESTION, ERRORS, Oddity, Survey
from watchfloor.folds import Folds
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE, Unit
from watchfloor.model import Missing, Scope, State

_METRICS = CATALOGUE[Scope.LINK]
_HOUR, _MINUTE = 3600.0, 60.0


def detail_lines(survey: Survey, row: int | None, width: int, most: int) -> Sequence[Line]:
    """A link in at most so many lines: who it joins, what was found, its errors; none where there is no link."""
    if row is None:
        return []
    who, story = (flow(part, width, "  ") for part in (_who(survey, row), _story(survey, row)))
    errors = flow(_errors(survey.frame, row), width, "  ")
    told = within([*who, *story], most - 1, width)  # a line is left for the errors
    return within([*told, *errors], most, width)


def _who(survey: Survey, row: int) -> Sequence[Line]:
    frame, links = survey.frame, survey.frame.links
    node = frame.specs[int(links.node[row])].name
    name, owner = links.text(row, "name") or links.keys[row], owner_name(frame, row)
    peer, switch = links.text(row, "peer"), links.text(row, "switch")
    parts: list[Line] = [
        [(f"{name} of {node}", Token.STRONG)],
        [(links.text(row, "medium") or links.text(row, "kind"), Token.TEXT)],
        [standing(survey, row)],
    ]
    if owner and owner not in name:
        parts.append([("of ", Token.DIM), (owner, Token.TEXT)])
    parts.append([("to ", Token.DIM), (peer, Token.TEXT)] if peer else [("other end not told", Token.DIM)])
    if switch and switch not in peer:
        parts.append([("on ", Token.DIM), (switch, Token.TEXT)])
    if both := both_ways(frame, row):
        parts.append([(both, Token.TEXT)])
    if best := beside_best(frame, row):
        parts.append([(best, Token.WARNING if survey.slow[row] else Token.DIM)])
    return parts


def _errors(frame: Frame, row: int) -> Sequence[Line]:
    """Every counter that grew within the hour as a rate, or the names of those that stand still."""
    told = [name for name in (*ERRORS, *CONGESTION) if frame.links.cell(row, name).missing is Missing.NO]
    if not told:
        return [[("no error counter of this link can be read", Token.DIM)]]
    moved, still = list[Line](), list[str]()
    for name in told:
        rate = error_rate(frame, row, name)
        title = _METRICS[name].title.lower()
        if rate:
            value = frame.links.cell(row, name).value
            total = f" ({number(value, Unit.COUNT)} in all)" if isinstance(value, float) else ""
            moved.append([(f"{title} {rate}", Token.WARNING), (total, Token.DIM)])
        else:
            still.append(title)
    quiet: list[Line] = [[(f"no errors within the hour: {', '.join(still)}", Token.DIM)]] if still else []
    return [*moved, *quiet]


def error_rate(frame: Frame, row: int, name: str) -> str:
    """`12/min` where it grew within the last minute, `3/h` where within the hour; "" where it stands."""
    for seconds, unit in ((_MINUTE, "min"), (_HOUR, "h")):
        grown = frame.counters.rate(Scope.LINK, name, row, seconds, frame.at) * seconds
        if grown >= 1:
            return f"{number(grown, Unit.COUNT)}/{unit}"
    return ""


def _story(survey: Survey, row: int) -> Sequence[Line]:
    """What is odd about it, what was found, and the newest reset of its counters."""
    frame = survey.frame
    subject = frame.subject(Scope.LINK, row)
    found: list[Line] = [
        [(finding.text, STATE_TOKENS[finding.state])] for finding in frame.findings if finding.subject == subject
    ]
    if not found and (words := oddity_note(survey, row)):
        found.append([(words, odd_token(Oddity(int(survey.oddity[row]))))])
    resets = frame.counters.resets(scope=Scope.LINK, row=row)
    if resets:
        found.append([(reset_words(resets[0], frame.at), Token.DIM)])
    return found


def reset_words(reset: Reset, at: float) -> str:
    names = ", ".join(_METRICS[name].title.lower() for name in reset.names[:3])
    more = f" and {len(reset.names) - 3} more" if len(reset.names) > 3 else ""
    return f"counters went back {age(max(0.0, at - reset.at))} ago: {reset.cause.value} ({names}{more})"


def summary_lines(folds: Folds, shown: Sequence[int], width: int, most: int, glyphs: Glyphs = UNICODE) -> list[Line]:
    """Kind after kind, on as many lines as are needed: how many links are up, what flows (where one line has room for
    it), and what is odd. `shown` are groups of the folds.
    """
    rated = flow([_of_kind(folds, group, glyphs, True) for group in shown], width)
    if len(rated) <= 1:
        return rated
    return _counting(folds, shown, width, most, glyphs)


def _counting(folds: Folds, shown: Sequence[int], width: int, most: int, glyphs: Glyphs) -> list[Line]:
    """As many kinds as there is room for, and how many more there are."""
    kinds = [_of_kind(folds, group, glyphs, False) for group in shown]
    for left_out in range(len(shown)):
        named = len(shown) - left_out
        lines = flow([*kinds[:named], *_more(folds, shown[named:])], width, "  ")
        if len(lines) <= most:
            return lines
    return within(flow(kinds, width, "  "), most, width)


def _more(folds: Folds, left_out: Sequence[int]) -> list[Line]:
    if not left_out:
        return []
    odd = sum(folds.states[group] > State.OK for group in left_out)
    words = f"{len(left_out)} more kind{'s' if len(left_out) > 1 else ''}"
    return [[(words, Token.DIM), *([(f", {odd} not well", Token.WARNING)] if odd else [])]]


def _of_kind(folds: Folds, group: int, glyphs: Glyphs, rated: bool) -> Line:
    used = int(folds.links[group] - folds.unused[group])
    state = State(int(folds.states[group]))
    line: list[Piece] = []
    if state > State.UNKNOWN:
        line.append((f"{glyphs.states[state]} ", STATE_TOKENS[state]))
    line += [(f"{folds.groups.kind_name(group)} ", Token.DIM), (f"{_up(folds, group)}/{used}", Token.STRONG)]
    rates = [float(rate[group]) for rate in (folds.rx, folds.tx)]
    if rated and rates[0] == rates[0]:
        line.append((f" {quantity(sum(rate for rate in rates if rate == rate), Unit.BYTES_PER_SECOND)}", Token.TEXT))
    unknown = used - int(folds.up[group] + folds.down[group])
    counts = [(folds.down[group], "down"), (folds.slow[group], "slow"), (folds.uneven[group], "uneven")]
    line += [(f" {count} {word}", Token.WARNING) for count, word in counts if count]
    if unknown and folds.up[group]:
        line.append((f" {unknown} unknown", Token.DIM))
    return line


def _up(folds: Folds, group: int) -> str:
    known = folds.up[group] or folds.down[group] or not folds.links[group]
    return f"{folds.up[group]}" if known else "?"
