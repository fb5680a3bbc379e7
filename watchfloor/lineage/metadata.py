"""What a job's own words say of where it comes from: variables of its processes, labels, and the scheduler's comment.

`dataset=…`, `checkpoint=…`, `image=…` and `commit=…` in a comment are such words; so are the variables by which
experiment trackers know their runs. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from watchfloor.lineage.graph import Key, Kind

Words = Mapping[str, str]

_MOST_FOUND = 20  # of one kind of word in one comment
_IN_COMMENT = re.compile(r"(?<![\w.-])(dataset|checkpoint|image|commit)\s*[=:]\s*([^\s,;]+)", re.IGNORECASE)

# names under which a value is known, in lower case -> what it names, and what stands before its id
_NAMES: Mapping[str, tuple[Kind, str]] = {
    **{tracker: (Kind.TRACKED_RUN, f"{tracker}:") for tracker in ("mlflow", "wandb", "torchelastic", "ray")},
    "mlflow_run_id": (Kind.TRACKED_RUN, "mlflow:"),
    "wandb_run_id": (Kind.TRACKED_RUN, "wandb:"),
    "dataset": (Kind.DATASET, ""),
    "checkpoint": (Kind.CHECKPOINT, ""),
    "image": (Kind.IMAGE, ""),
    "commit": (Kind.COMMIT, ""),
    "git_commit": (Kind.COMMIT, ""),
}


def from_comment(comment: str) -> Iterator[tuple[str, str]]:
    """(name, value) of the words that a scheduler's comment says."""
    for number, found in enumerate(_IN_COMMENT.finditer(comment)):
        if number < _MOST_FOUND:
            yield found[1].lower(), found[2]


def named(name: str, value: str, beside: Words) -> Key | None:
    """What a word names ("image", "image 2" …), None where it is a mere fact.

    A run's variable is one where `beside` names the run in full.
    """
    known = name.lower().rstrip(" 0123456789")
    if known.removesuffix("_run_id") != known and known.removesuffix("_run_id") in beside:
        return None
    kind, before = _NAMES.get(known, (None, ""))
    return Key.of(kind, before + value) if kind is not None and value else None
