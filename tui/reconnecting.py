"""Whether the selected node waits for its next try, which a key cuts short; others have nothing to wait for. Pure."""

from __future__ import annotations

from watchfloor.frame import Frame
from watchfloor.model import Phase, Subject


def waiting_node(frame: Frame | None, selected: Subject | None) -> tuple[int | None, str]:
    """Its index, None where nothing is to be done, and what is said of it."""
    node = frame.node_index.get(selected.node) if frame is not None and selected is not None else None
    if frame is None or selected is None or node is None:
        return None, "no node is selected"
    phase = frame.statuses[node].phase
    if phase is not Phase.BACKOFF:
        return None, f"{selected.node} is {phase}: there is no wait to cut short"
    return node, f"{selected.node}: trying to connect now"
