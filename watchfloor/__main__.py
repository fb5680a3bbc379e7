"""The launcher, for `watchfloor` and `python -m watchfloor`: puts the rooms on the path, then runs the command line.

Must not do: anything else. Nothing heavy is imported before the command is known.
"""

from __future__ import annotations

import sys
from pathlib import Path


def put_rooms_first(package: Path, path: list[str]) -> None:
    """Make `collectors`, `agents`, `playbooks` and `tui` importable ahead of strangers with the same names.

    In a wheel they lie in `watchfloor/_app/`; in a checkout, editable or bare, beside `watchfloor/`.
    """
    packed = package / "_app"
    rooms = str(packed if packed.is_dir() else package.parent)
    path[:] = [rooms, *(entry for entry in path if entry != rooms)]


def main() -> int:
    """Run the command line and return its exit code (watchfloor.exits)."""
    put_rooms_first(Path(__file__).resolve().parent, sys.path)
    from watchfloor.cli import leave_when_told, run  # noqa: PLC0415 - the path must be right first
    from watchfloor.commands.output import settle_streams  # noqa: PLC0415

    settle_streams()
    leave_when_told()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
