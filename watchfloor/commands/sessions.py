"""`watchfloor sessions`: the recordings that there are, whether they are what was recorded, and what their screens
showed.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from watchfloor.commands import output
from watchfloor.errors import ConfigError
from watchfloor.exits import Audit, Exit
from watchfloor.lineage.times import Times
from watchfloor.places import ledger_file, sessions_folder
from watchfloor.session.cast import asciicast
from watchfloor.session.folder import files
from watchfloor.session.reader import Session
from watchfloor.session.told import Wholeness, told, vouched
from watchfloor.snapshot.sessions import document, said, sessions_text

app = App(name="sessions", help="Recordings: which there are, whether they are unaltered, what their screens showed.")

Json = Annotated[bool, Parameter(help="As JSON.")]
Name = Annotated[str, Parameter(help="A file; a name in the folder of sessions, or how it begins; last.")]
_CODES = {
    Wholeness.SEALED: Audit.INTACT,
    Wholeness.ALTERED: Audit.ALTERED,
    Wholeness.UNREADABLE: Audit.UNREADABLE,
    Wholeness.TORN: Audit.TRUNCATED,
    Wholeness.WRITTEN: Audit.TRUNCATED,
}


@app.command(name="list")
@app.default
def listed(*, json: Json = False) -> int:
    """The recordings, the oldest first."""
    found = [told(path, with_digest=False) for path in files(sessions_folder())]
    if json:
        output.write_json(document(found))
    else:
        times = Times(time.time(), datetime.now().astimezone().tzinfo or Times(0.0).zone)
        output.write(sessions_text(found, times))
    return Exit.OK


@app.command
def verify(name: Name = "last", /, *, json: Json = False) -> int:
    """Whether a recording is byte for byte what was sealed, and whether the ledger says so (exit code 1: altered)."""
    one = told(found(name), with_digest=True)
    by_ledger = vouched(one, ledger_file())
    replaced = one.wholeness is Wholeness.SEALED and by_ledger == "another"
    code = Audit.ALTERED if replaced else _CODES[one.wholeness]
    if json:
        output.write_json({**document([one]), "ledger": by_ledger, "result": code.name.lower()})
    else:
        output.write(f"{one.path.name}: {said(one, by_ledger)}")
    return code


@app.command
def cast(
    name: Name = "last",
    /,
    *,
    to: Annotated[Path | None, Parameter(name=("--output", "-o"), help="A new file; without, it is printed.")] = None,
) -> int:
    """What the terminal showed, as asciinema plays it (asciicast, version 2)."""
    with closing(Session(found(name))) as session:
        marks = [(mark.at, "m", f"{mark.kind}: {mark.text}") for mark in session.marks()]
        lines = list(asciicast(session.terminal(), session.path.name, marks))
        for trouble in session.troubles:
            output.remark(trouble)
    if not lines:
        raise ConfigError(f"{name} showed nothing", "only sessions of the terminal have a screen", file="cast")
    text = "\n".join(lines) + "\n"
    if to is None:
        sys.stdout.write(text)
        return Exit.OK
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"can't write it: {error.strerror}", "another path", file=str(to)) from error
    return Exit.OK


def found(name: str) -> Path:
    """A path as it is; a name of the folder, its beginning, or "last". Raises ConfigError where that isn't one file."""
    if Path(name).is_file():
        return Path(name)
    known = files(sessions_folder())
    fitting = known[-1:] if name == "last" else [path for path in known if path.name.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    what = f"{len(fitting)} sessions begin with {name!r}" if fitting else f"there is no session {name!r}"
    raise ConfigError(what, "`watchfloor sessions` lists them", file="sessions")
