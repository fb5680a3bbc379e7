"""What commands that act record by default: their frames, in the folder of sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watchfloor.frame import Frame
from watchfloor.records.ledgerentry import Who

Seen = Callable[[Frame], None]


@contextmanager
def recording_for(mode: str, who: Who, wanted: bool, fleet_file: Path | None) -> Iterator[Seen | None]:
    """What is to be told of every frame, None where nothing is recorded; what stopped it is told at the end."""
    if not wanted:
        yield None
        return
    from watchfloor.commands import output  # noqa: PLC0415
    from watchfloor.recording import recorded  # noqa: PLC0415 - what isn't recorded needs none of it

    with recorded(mode, who, fleet_file=fleet_file) as recorder:
        yield recorder.frame
    if recorder.trouble:
        output.remark(recorder.trouble)
