"""Who a node is, in a few lines: names, versions, clocks, samplers, and why it can't be read where it can't."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tui.present.format import exact
from tui.present.line import Line, Piece, broken, flow, paragraphs, within
from tui.present.notes import status_note
from tui.present.style import STATE_TOKENS, Glyphs, Token
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Finding, Missing, Scope, State
from watchfloor.report import PAUSED, SamplerStatus
from watchfloor.snapshot import letting_go

_FOUND_LINES = 2  # of a finding that is told whole


def identity_lines(frame: Frame, node: int, width: int, glyphs: Glyphs) -> Sequence[Line]:
    """Facts first, then clocks and samplers, then what is the matter, if anything is."""
    who = [_name(frame, node, glyphs), *_software(frame, node), *_boards(frame, node)]
    # what the samplers of a node said that is not heard any more would look as if they still did
    samplers = _samplers(frame.detail[node].samplers, glyphs) if frame.live[node] else ()
    how = [*_clocks(frame, node), *samplers]
    return [*flow(who, width), *flow(how, width), *_troubles(frame, node, width, glyphs, 3, _FOUND_LINES)]


def brief_lines(frame: Frame, node: int, width: int, glyphs: Glyphs, most: int) -> Sequence[Line]:
    """The same in at most so many lines: name, what is the matter, and of the facts what there is room for. Samplers
    that work are left out, and those that don't are among the findings, but for a driver that was let go of.
    """
    who, *facts = flow([_name(frame, node, glyphs), *_software(frame, node)[1:2], *_boards(frame, node)], width)
    troubles = [*_let_go(frame, node, width, glyphs), *_troubles(frame, node, width, glyphs, 2, 1)][: max(1, most - 1)]
    facts += flow(_clocks(frame, node)[1:], width)
    return [who, *facts[: max(0, most - 1 - len(troubles))], *troubles][:most]


def _name(frame: Frame, node: int, glyphs: Glyphs) -> Line:
    spec, state = frame.specs[node], State(int(frame.nodes.states[node]))
    line: list[Piece] = [(f"{glyphs.states[state]} ", STATE_TOKENS[state]), (spec.name, Token.STRONG)]
    place = [word for word in (spec.site, spec.rack, spec.group) if word]
    return [*line, (f"  {' / '.join(place)}", Token.DIM)] if place else line


def _fact(label: str, words: str) -> Line:
    return [(f"{label} ", Token.DIM), (words, Token.TEXT)] if words else ()


def _software(frame: Frame, node: int) -> Sequence[Line]:
    nodes = frame.nodes
    hello = frame.detail[node].hello
    facts = hello.facts if hello else {}
    return [
        _fact("os", nodes.text(node, "os") or facts.get("os", "")),
        _fact("kernel", nodes.text(node, "kernel") or facts.get("kernel", "")),
        _fact("cpu", nodes.text(node, "cpu_model") or facts.get("cpu_model", "")),
    ]


def _boards(frame: Frame, node: int) -> Sequence[Line]:
    """`8 × NVIDIA H100 80GB HBM3   driver 570.124.06   runtime CUDA 12.8`: each model's count, every version once."""
    rows = [int(row) for row in frame.rows_of(Scope.ACCELERATOR, node)]
    models = Counter(frame.accelerators.text(row, "model") for row in rows)
    found = [_fact(f"{count} ×", model) for model, count in models.items()]
    for label, name in (("driver", "driver"), ("runtime", "runtime")):
        versions = sorted({frame.accelerators.text(row, name) for row in rows} - {""})
        found.append(_fact(label, ", ".join(versions)))
    return found


def _clocks(frame: Frame, node: int) -> Sequence[Line]:
    nodes = frame.nodes
    found = [_fact("boot", nodes.text(node, "boot_id")[:13])]
    for label, name in (("up", "uptime"), ("clock skew", "skew"), ("round trip", "round_trip"), ("sample age", "age")):
        cell = nodes.cell(node, name)
        if cell.value is not None or cell.missing is not Missing.NOT_YET:
            words, token = exact(cell, CATALOGUE[Scope.NODE][name])
            found.append([(f"{label} ", Token.DIM), (words, token)])
    via = frame.statuses[node].via
    return [*found, _fact("read by", via if via != "probe" else "")]


def _samplers(samplers: Mapping[str, SamplerStatus], glyphs: Glyphs) -> Sequence[Line]:
    """How many work and how many have nothing to read here, and those that fail or have let go of their driver, by what
    they say; the panel `e` tells of each."""
    states = Counter(status.state for status in samplers.values())
    silent = defaultdict[tuple[State, str], list[str]](list)
    for name, status in samplers.items():
        if status.state not in ("ok", "absent"):
            state = State.WARNING if status.state == PAUSED else State.CRITICAL
            silent[state, status.text or status.state].append(name)
    found: list[Line] = [
        [(f"{', '.join(names)} ", Token.DIM), (f"{glyphs.states[state]} {text}", STATE_TOKENS[state])]
        for (state, text), names in silent.items()
    ]
    absent = f", {states['absent']} not here" if states["absent"] else ""
    return [_fact("samplers", f"{states['ok']} ok{absent}"), *found] if samplers else found


def _let_go(frame: Frame, node: int, width: int, glyphs: Glyphs) -> Sequence[Line]:
    """`▲ driver let go of for a reset that anna asked for, until 12:03:04 UTC`; no line where it isn't."""
    said = letting_go.words(frame, node)
    if not said:
        return ()
    words = paragraphs(f"driver {said}", width - 4)
    return _signed([[(text, Token.WARNING)] for text in words], State.WARNING, glyphs)


def _troubles(frame: Frame, node: int, width: int, glyphs: Glyphs, most: int, each: int) -> Sequence[Line]:
    """Why it isn't current and what to do about it; then at most so many findings of it, its accelerators and links,
    each on at most `each` lines.
    """
    status, lines = frame.statuses[node], list[Line]()
    silence = status_note(status, bool(frame.live[node]), float(frame.nodes.last("age")[node]), frame.at)
    if silence is not None:
        advice = f"  what to do: {status.advice}" if status.advice else ""
        state = max(State.WARNING, State(int(frame.nodes.states[node])))
        words = paragraphs(f"{silence[0]}{advice}", width - 4)
        lines += _signed([[(text, STATE_TOKENS[state])] for text in words], state, glyphs)
    own = _own_findings(frame, node, silence is not None)
    for finding in own[:most]:
        where = _where(frame, finding.subject.scope, finding.subject.key, node)
        said = finding.text if where in finding.text else f"{where}: {finding.text}"
        told = within(broken([(said, STATE_TOKENS[finding.state])], width - 4), each, width - 4)
        lines += _signed(told, finding.state, glyphs)
    if len(own) > most:
        lines.append([(f"   and {len(own) - most} more", Token.DIM)])
    return lines


def _signed(lines: Sequence[Line], state: State, glyphs: Glyphs) -> list[Line]:
    """The state's glyph before the first line; the others stand below its words."""
    signs = (f" {glyphs.states[state]} ", *[" " * 3] * (len(lines) - 1))
    return [[(sign, STATE_TOKENS[state]), *line] for sign, line in zip(signs, lines, strict=True)]


def _own_findings(frame: Frame, node: int, is_silent: bool) -> Sequence[Finding]:
    """Those of the node, its accelerators and links, the worst first; without the one that only tells of a silence
    which has been told.
    """
    name = frame.specs[node].name
    own = [
        finding
        for finding in frame.findings
        if finding.subject.node == name and not (is_silent and finding.code.startswith("node-"))
    ]
    return sorted(own, key=lambda finding: -finding.state)


def _where(frame: Frame, scope: Scope, key: str, node: int) -> str:
    view = frame.view(scope)
    rows = [int(row) for row in frame.rows_of(scope, node)] if key else []
    row = next((row for row in rows if view.keys[row] == key), None)
    return view.text(row, "name") or key if row is not None else frame.specs[node].name
