"""Prometheus' text exposition format 0.0.4 and OpenMetrics 1.0: text in, samples out. Pure, in linear time.

What is not wanted is passed over by its name alone, so that a page of histograms costs little. Broken lines are
counted, never guessed at. Metric names in quotes within the braces (Prometheus 3) count as broken.
"""

import re

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"([^"\\]*(?:\\.[^"\\]*)*)"\s*(,?)')
_ESCAPE = re.compile(r"\\(.)")
_NUMBER = re.compile(r"[+-]?((\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[iI]nf(inity)?|[nN]a[nN])$")
_LETTERS = {"n": "\n", "\\": "\\", '"': '"'}
LONGEST_LINE = 64 * 1024  # characters
_LONGEST_NUMBER = 400  # characters: the longest that a 64-bit number is ever written with, and some more


class Sample:
    """One line. `at` is its own time in seconds since the epoch, None where it has none."""

    __slots__ = ("at", "labels", "name", "value")

    def __init__(self, name: str, labels: dict, value: float, at: "float | None" = None) -> None:
        self.name = name
        self.labels = labels
        self.value = value
        self.at = at


class Exposition:
    """A page. `kinds`: family -> counter, gauge, histogram, summary …; `broken`: lines that are none."""

    __slots__ = ("broken", "complete", "kinds", "samples")

    def __init__(self) -> None:
        self.samples = []
        self.kinds = {}
        self.broken = 0
        self.complete = False  # it ends with OpenMetrics' `# EOF`


def parse(text: str, wanted=None, most: float = float("inf")) -> Exposition:
    """`wanted(name)` says whether a sample of that name is of use; None: all are. What is beyond `most` is broken."""
    page = Exposition()
    page.complete = text.rstrip().endswith("# EOF")
    scale = 1.0 if page.complete else 0.001  # OpenMetrics tells times in seconds, the older format in milliseconds
    for line in _lines(text):
        if line.startswith("#"):
            if len(page.kinds) < most:
                _note_kind(page.kinds, line)
        elif line:
            match = _NAME.match(line)
            if match is None or len(line) > LONGEST_LINE or len(page.samples) >= most:
                page.broken += 1
            elif wanted is None or wanted(match.group()):
                _take(page, line, match, scale)
    return page


def _lines(text: str):
    """Each line without the blanks around it; one at a time, as a page may be nothing but ends of lines."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text[at:end].strip()
        at = end + 1


def _note_kind(kinds: dict, line: str) -> None:
    words = line.split(None, 3)
    if len(words) == 4 and words[:2] == ["#", "TYPE"]:
        kinds[words[2]] = words[3]


def _take(page: Exposition, line: str, match, scale: float) -> None:
    try:
        labels, end = _labels(line, match.end())
        value, at = _value(line[end:], scale)
    except ValueError:
        page.broken += 1
        return
    page.samples.append(Sample(match.group(), labels, value, at))


def _labels(line: str, at: int) -> "tuple[dict, int]":
    """The labels that begin at a place of the line, and where they end. Raises ValueError."""
    start = at + len(line[at:]) - len(line[at:].lstrip())
    if line[start : start + 1] != "{":
        return {}, at
    labels, at, more = {}, start + 1, True
    while more:
        match = _LABEL.match(line, at)
        if match is None:
            break
        name, text, comma = match.groups()
        labels[name] = _ESCAPE.sub(_unescaped, text) if "\\" in text else text
        at, more = match.end(), bool(comma)
    close = line[at:].lstrip()
    if not close.startswith("}"):
        raise ValueError("labels without an end")
    return labels, len(line) - len(close) + 1


def _unescaped(match) -> str:
    return _LETTERS.get(match.group(1)) or match.group()


def _value(text: str, scale: float) -> "tuple[float, float | None]":
    """The value and the time of what stands behind the labels; an exemplar is left out. Raises ValueError."""
    words = text.partition(" # ")[0].split()
    if not 1 <= len(words) <= 2 or not all(map(_is_number, words)):
        raise ValueError("no value")
    return float(words[0]), float(words[1]) * scale if len(words) == 2 else None


def _is_number(word: str) -> bool:
    return len(word) <= _LONGEST_NUMBER and _NUMBER.match(word) is not None
