"""What `scontrol show` prints: records of Key=value pairs, on one line each or on several. Pure.

Nothing is quoted, and users write names and comments: a key counts where it comes first, and texts that users write
end where Slurm's next key begins. JSON has no such doubts, and is asked for where it is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from collectors.sources._slurm.refused import Refused

_PAIR = re.compile(r"(?:^|\s)([A-Z][\w:/]*)=")
_OPENING = 60


def records(text: str, key: str) -> Iterator[str]:
    """Each record, which begins with `key`, as one line. Raises Refused where there is none and nothing says so."""
    begin = f"{key}="
    lines: list[str] = []
    found = False
    for line in text.splitlines():
        if line.startswith(begin):
            if lines:
                yield " ".join(lines)
            lines, found = [line.strip()], True
        elif lines and line.strip():
            lines.append(line.strip())
    if lines:
        yield " ".join(lines)
    if not found and not text.lstrip().startswith("No "):
        opening = text.strip()[:_OPENING]
        raise Refused(f"there is no {begin} in it; it begins with {opening!r}" if opening else "the answer is empty")


def fields(record: str) -> dict[str, str]:
    """Key -> value, up to the next key."""
    found: dict[str, str] = {}
    marks = list(_PAIR.finditer(record))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        value = record[mark.end() : after.start() if after else len(record)].strip()
        found.setdefault(mark[1], value)
    return found
