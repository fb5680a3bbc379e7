"""`watchfloor read`: what saved outputs of the vendors' tools say, in the shared vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from watchfloor import wiring
from watchfloor.commands import output
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit, of_fleet
from watchfloor.ports import Reading
from watchfloor.snapshot.capture import as_record, as_text, summary_line

LARGEST_FILE_BYTES = 64 * 2**20


def read(
    *paths: Annotated[str, Parameter(help="Files, or folders to be searched for files.")],
    brief: Annotated[bool, Parameter(help="One line a file: what it is, or why it can't be read.")] = False,
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
) -> int:
    """Read saved outputs (nvidia-smi -q -x, amd-smi, hl-smi, neuron-ls, kernel logs …); say of each what is in it."""
    if not paths:
        raise ConfigError("nothing to read", "watchfloor read FILE, or a folder of files", file="read")
    readings = list(_readings([Path(path) for path in paths]))
    if json:
        output.write_json({"files": [as_record(reading) for reading in readings]})
    else:
        _show(readings, brief)
    refused = sum(bool(reading.refusal) for reading in readings)
    return of_fleet(len(readings) - refused, refused) if readings else Exit.NOTHING_READ


def _show(readings: Sequence[Reading], brief: bool) -> None:
    for reading in readings:
        output.write(summary_line(reading))
        if not brief and not reading.refusal:
            output.write(as_text(reading))
    reasons = Counter(reading.refusal for reading in readings if reading.refusal)
    read_count = len(readings) - reasons.total()
    output.write(f"{read_count} of {len(readings)} files read" + (", refused:" if reasons else ""))
    for reason, count in reasons.most_common():
        output.write(f"  {count:>5}  {reason}")


def _readings(paths: Sequence[Path]) -> Iterator[Reading]:
    for path in paths:
        if not path.exists():
            raise ConfigError("there is no such file", "a file or a folder that exists", file=str(path))
        found = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        yield from map(_reading, found)  # what is named may be a pipe: `watchfloor read <(nvidia-smi -q -x)`


def _reading(file: Path) -> Reading:
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        return Reading(str(file), refusal=f"it can't be opened: {error.strerror}")
    if len(data) > LARGEST_FILE_BYTES:
        return Reading(str(file), refusal=f"it is larger than {LARGEST_FILE_BYTES // 2**20} MiB")
    return wiring.read_capture(str(file), data)
